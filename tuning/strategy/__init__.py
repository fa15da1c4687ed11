"""The strategy: pure decisions on the trials so far. Imports neither Keras nor MLflow nor Optuna."""

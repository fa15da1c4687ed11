"""The training engine: the compiled epoch and one trial's training. Knows neither Optuna nor MLflow."""

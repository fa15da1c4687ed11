-- Optuna and MLflow keep the state of their tables in a table of the same name: each needs a database of its own.
CREATE DATABASE mlflow;

"""The study in MLflow, and no other files import MLflow:

| what happens | where |
|---|---|
| what MLflow is told of the Optuna study, and when | `mirror.py`, `mirror_runs.py` |
| one parent run, a child for each trial and model, each written once | `tracker.py`, `events.py`, `entities.py` |
| models as files and as entities; the registry | `files.py`, `models.py` |
| tables and charts that MLflow's pages show at once | `views.py` |
| where MLflow keeps it; what it has already; whose run is it? | `store.py`, `reading.py`, `lookup.py` |
"""

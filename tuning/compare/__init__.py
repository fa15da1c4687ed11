"""Engines side by side: `python -m tuning.compare`. One study of one engine is one path through these files:

| what happens | where |
|---|---|
| the command line; every study of the comparison; table and picture | `__main__.py`, `plan.py`, `comparison.py` |
| an engine, and what it may spend | `engines.py`, `budget.py` |
| one study, opened, run, tested once and written down | `opening.py`, `study.py`, `scores.py`, `record.py` |
| a sampler of Optuna searches, then its best are confirmed | `sampler.py` |
| KerasTuner searches, in a process of its own | `tuner_loop.py`, `messages.py`, `tuner_process.py`, `training.py` |
| what all studies say together | `numbers.py`, `table.py`, `view.py` |
"""

"""The best model as files that are used without this project: `python -m tuning.export`.

| what happens | where |
|---|---|
| the command line; what its options may be together; what it does then | `__main__.py`, `options.py`, `run.py` |
| which trial; may the folder be written? | `choice.py`, `target.py` |
| trained once more on all data; the test set, opened for it and counted | `final_fit.py`, `reading.py` |
| a model's files in any format | `study.py`, `writing.py`, `formats.py` |
| each read back in a process that has nothing but its runtime | `read_back.py`, `runtimes.py`, `round_trip.py` |
| what stands beside the files | `model_card.py`, `snippets.py`, `table.py` |
| the registry of MLflow | `register.py` |
| an exported model, loaded again | `exported_model.py` |
"""

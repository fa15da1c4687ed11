"""Data sets for a study: from a name or a file to checked, split, sealed and digested arrays.

from tuning.data import load_dataset

data = load_dataset("mnist5k", seed=7, environ=os.environ)
"""

from tuning.data.dataset import Dataset, TrainingData, load_dataset
from tuning.data.examples import Examples
from tuning.data.scaling import InputScaling, TargetScaling
from tuning.data.sealed import SealedTest, TestSetOpened

__all__ = [
    "Dataset",
    "Examples",
    "InputScaling",
    "SealedTest",
    "TargetScaling",
    "TestSetOpened",
    "TrainingData",
    "load_dataset",
]

"""Types of arguments that the type hints of the package use."""

import os
from typing import Any, Callable, List, Sequence, Union

import numpy as np

Numbers = Any  # an array of numbers, or what numpy converts to one: a list, a data frame
Ids = Any  # ids of rows: whole numbers, or names where docstrings say so
Groups = Any  # group of each row, an integer or a string; or None
Path = Union[str, bytes, "os.PathLike[str]"]
Progress = Union[None, bool, Callable[[int, int], object]]  # a function f(done, total); True: a tqdm bar
Classes = Sequence[Union[int, str]]  # labels or names of classes
Array = np.ndarray
Names = List[Union[str, None]]

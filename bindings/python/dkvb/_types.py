"""Types of arguments that the type hints of the package use."""

import os
from typing import Any, Callable, List, Sequence, Union

import numpy as np

Numbers = Any  # Type of numeric arguments: an array, or what numpy converts to an array.
Ids = Any  # Type of row ids: whole numbers, or names where docstrings say so.
Groups = Any  # Type of row groups: an integer or a string for each row, or None.
Path = Union[str, bytes, "os.PathLike[str]"]
Progress = Union[None, bool, Callable[[int, int], object]]  # Type of `progress`: f(done, total), or True.
Classes = Sequence[Union[int, str]]  # Type of lists of classes, by label or name.
Array = np.ndarray
Names = List[Union[str, None]]

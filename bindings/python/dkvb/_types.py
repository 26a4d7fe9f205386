"""Types of arguments, as the package's type hints name them."""

import os
from typing import Any, Callable, List, Sequence, Union

import numpy as np

Numbers = Any  # an array of numbers, or an object that numpy converts to one: a list, a frame
Ids = Any  # whole numbers of rows; names where docstrings say so
Groups = Any  # an integer or a string for each row, or None
Path = Union[str, bytes, "os.PathLike[str]"]
Progress = Union[None, bool, Callable[[int, int], object]]  # f(done, total); True: a bar of tqdm
Classes = Sequence[Union[int, str]]  # labels or names
Array = np.ndarray
Names = List[Union[str, None]]

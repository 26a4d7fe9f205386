"""Ownership of C objects by Python objects."""

import tempfile
import weakref
from pathlib import Path
from typing import Any, Optional

from . import ranks


class _Owner:
    """Holds one C object, and frees it when neither the handle nor a running call needs it any more."""

    def __init__(self, pointer, free, kept):
        self._as_parameter_ = pointer
        self._kept = kept  # Python objects that the handle keeps alive, as its C object uses their memory.
        # At exit of Python the C object is not freed: the system takes back all memory, and later exit handlers may
        # still use the object.
        weakref.finalize(self, free, pointer).atexit = False


class Handle:
    """Base of all handles: a context manager that owns a C object until close()."""

    _free: Any = None
    _owner: Optional[_Owner] = None
    _shared = False  # True for classes whose objects are distributed over the ranks in whose block they were made.
    _group: Any = None

    @classmethod
    def _adopt(cls, pointer):
        """Makes a handle for an object that a function of the library returned."""
        self = cls.__new__(cls)
        self._own(pointer)
        return self

    def _own(self, pointer, kept=None):
        self._owner = _Owner(pointer, self._free, kept)
        if self._shared:
            self._group = ranks.current()

    @property
    def _c(self):
        """Returns the owner of the C object, to pass to a C function: while the function runs, the owner keeps the C
        object alive."""
        if self._owner is None:
            raise ValueError(f"{type(self).__name__} is closed")
        if self._group is not None and self._group.closed:
            raise ValueError(f"{type(self).__name__} is shared by ranks whose block has ended")
        return self._owner

    def close(self) -> None:
        """Frees the C library's object at once. A second close() does nothing; other uses then raise ValueError."""
        self._owner = None

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.close()

    def __reduce__(self):
        raise TypeError(f"{type(self).__name__} cannot be pickled: it has no file of its own")


class SavedHandle(Handle):
    """A Python handle that is pickled as the bytes of the file into which its C object is saved. An unpickled model is
    in memory, even if the pickled one was a memory-mapped file."""

    def __reduce__(self):
        with tempfile.TemporaryDirectory() as folder:  # a temporary folder that only this user can read
            path = Path(folder, "pickled")
            self.save(path)
            return _restore, (type(self), path.read_bytes())


def _restore(kind, content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pickled")
        path.write_bytes(content)
        return kind.load(path)

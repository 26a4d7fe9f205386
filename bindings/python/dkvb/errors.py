"""Exceptions: one for each status, with the library's sentence as the message."""

import errno
import os

from typing import Optional

from . import _ffi


class Error(Exception):
    """A call to the library failed. `status` is the code of status.h."""

    status: Optional[int] = None


class OutOfMemory(Error, MemoryError):
    status = _ffi.DKVB_ENOMEM


class InvalidArgument(Error, ValueError):
    status = _ffi.DKVB_EINVAL


class FileError(Error, OSError):
    """An error of the system. `errno` is the system's; None if the system had no objection (a folder in place of a
    file, say)."""

    status = _ffi.DKVB_EIO

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.errno = _errno(message)

    def __str__(self):
        return self.args[0]


class MissingFile(FileError, FileNotFoundError):
    """There is no such file or folder."""


class ForbiddenFile(FileError, PermissionError):
    """The system does not let this user read or write it."""


class FormatError(Error, ValueError):
    status = _ffi.DKVB_EFORMAT


class ChecksumError(Error, ValueError):
    status = _ffi.DKVB_ECHECKSUM


class MismatchError(Error, ValueError):
    status = _ffi.DKVB_EMISMATCH


class Cancelled(Error):
    status = _ffi.DKVB_ECANCELLED


class StateError(Error, RuntimeError):
    status = _ffi.DKVB_ESTATE


class NotFound(Error, LookupError):
    status = _ffi.DKVB_ENOTFOUND


class Refused(Error):
    """A plan would exceed its limits, or would do nothing."""

    status = _ffi.DKVB_EREFUSED


def _errno(message):
    """Finds the errno whose text ends a message, as in "PATH: cannot open: TEXT OF THE SYSTEM"."""
    words = message.rpartition(": ")[2]
    return next((number for number in errno.errorcode if os.strerror(number) == words), None)


_BY_ERRNO = {errno.ENOENT: MissingFile, errno.EACCES: ForbiddenFile, errno.EPERM: ForbiddenFile}
_BY_STATUS = {cls.status: cls for cls in Error.__subclasses__()}


def from_status(status, message):
    """Returns the exception for a status; a plain `Error` for a status that a later library added."""
    cls = _BY_STATUS.get(status, Error)
    if cls is FileError:
        cls = _BY_ERRNO.get(_errno(message), FileError)
    error = cls(message)
    error.status = status
    return error

"""Exceptions: one class for each status code, with the library's error message."""

import errno
import os

from typing import Optional

from . import _ffi


class Error(Exception):
    """Exception for a failed call of the library. The attribute `status` is the C library's status code (status.h)."""

    status: Optional[int] = None


class OutOfMemory(Error, MemoryError):
    status = _ffi.DKVB_ENOMEM


class InvalidArgument(Error, ValueError):
    status = _ffi.DKVB_EINVAL


class FileError(Error, OSError):
    """Exception for a file that could not be read or written. `errno` is the error number of the operating system; None
    if the operating system reported no error (for example for a folder in place of a file)."""

    status = _ffi.DKVB_EIO

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.errno = _errno(message)

    def __str__(self):
        return self.args[0]


class MissingFile(FileError, FileNotFoundError):
    """Exception for a file or folder that does not exist."""


class ForbiddenFile(FileError, PermissionError):
    """Exception for a file that the operating system does not let this user read or write."""


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
    """Exception for a forget operation whose plan was refused, as the plan would exceed its limits or do nothing."""

    status = _ffi.DKVB_EREFUSED


def _errno(message):
    """Finds the errno whose text ends an error message, as in "PATH: cannot open: TEXT OF THE SYSTEM"."""
    words = message.rpartition(": ")[2]
    return next((number for number in errno.errorcode if os.strerror(number) == words), None)


_BY_ERRNO = {errno.ENOENT: MissingFile, errno.EACCES: ForbiddenFile, errno.EPERM: ForbiddenFile}
_BY_STATUS = {cls.status: cls for cls in Error.__subclasses__()}


def from_status(status, message):
    """Returns the exception for a status code; a plain `Error` for a code that a later version of the library added."""
    cls = _BY_STATUS.get(status, Error)
    if cls is FileError:
        cls = _BY_ERRNO.get(_errno(message), FileError)
    error = cls(message)
    error.status = status
    return error

"""Exceptions: one for each status, with the library's sentence as the message."""

from . import _ffi


class Error(Exception):
    """A call to the library failed. `status` is the code of status.h."""

    status = None


class OutOfMemory(Error, MemoryError):
    status = _ffi.DKVB_ENOMEM


class InvalidArgument(Error, ValueError):
    status = _ffi.DKVB_EINVAL


class FileError(Error, OSError):
    status = _ffi.DKVB_EIO


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


_BY_STATUS = {cls.status: cls for cls in Error.__subclasses__()}


def from_status(status, message):
    """The exception for a status; a plain `Error` for one that a later library added."""
    error = _BY_STATUS.get(status, Error)(message)
    error.status = status
    return error

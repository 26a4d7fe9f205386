"""Finds and loads the shared library libdkvb, and gives every function its prototype."""

import ctypes
import os
from pathlib import Path

from . import _ffi, errors

_SONAME = f"libdkvb.so.{_ffi.ABI_MAJOR}"


def _candidates():
    """Lists where to look for libdkvb, in order. If the environment variable DKVB_LIBRARY is set, libdkvb is loaded
    from the path in DKVB_LIBRARY and from nowhere else."""
    chosen = os.environ.get("DKVB_LIBRARY")
    if chosen:
        return [chosen]
    package = Path(__file__).resolve().parent
    # When installed, the package lies in <libdir>/python3/dist-packages/dkvb, and the library beside it is tried first.
    beside = [directory / _SONAME for directory in (package, package.parent.parent.parent)]
    return [str(path) for path in beside if path.exists()] + [_SONAME]


def _open():
    tried = []
    for name in _candidates():
        try:
            return ctypes.CDLL(name), name
        except OSError as error:
            tried.append(str(error))
    raise ImportError(f"dkvb: cannot load {_SONAME}; tried: {'; '.join(tried)}. "
                      "Install libdkvb, or set DKVB_LIBRARY to the path of the library")


def _raise_on_failure(result, _function, _arguments):
    """Raises the exception for an error status that a C function returned. ctypes calls _raise_on_failure() on the
    calling thread right after the C function, so the thread's error message is still there."""
    if result.value != _ffi.DKVB_OK:
        raise errors.from_status(result.value, lib.dkvb_last_error().decode("utf-8", "replace"))


def _declare(library, name):
    for function_name, (result, arguments) in _ffi.PROTOTYPES.items():
        try:
            function = getattr(library, function_name)
        except AttributeError:
            raise ImportError(f"dkvb: {name} has no {function_name}: it is older than these bindings") from None
        function.restype = result
        function.argtypes = arguments
        if result is _ffi.Status:
            function.errcheck = _raise_on_failure


def _check_version(library, name):
    library.dkvb_version_string.restype = ctypes.c_char_p
    major = int(library.dkvb_version_string().split(b".")[0])
    if major != _ffi.ABI_MAJOR:
        raise ImportError(f"dkvb: {name} has major version {major}, these bindings want {_ffi.ABI_MAJOR}")


def _load():
    library, name = _open()
    if not hasattr(library, "dkvb_version_string"):
        raise ImportError(f"dkvb: {name} is not libdkvb")
    _check_version(library, name)
    _declare(library, name)
    return library, name


lib, name = _load()

"""Finds and loads libdkvb-mpi at its first use, so that other programs need no MPI."""

import ctypes
import functools
import os
from pathlib import Path

from . import _ffi, errors
from ._library import name as dkvb_name

_SONAME = f"libdkvb-mpi.so.{_ffi.ABI_MAJOR}"


def _candidates():
    """Lists where to look, in order. If $DKVB_MPI_LIBRARY is set, no other place is tried."""
    chosen = os.environ.get("DKVB_MPI_LIBRARY")
    if chosen:
        return [chosen]
    beside = Path(dkvb_name).resolve().parent / _SONAME if "/" in dkvb_name else None
    return ([str(beside)] if beside and beside.exists() else []) + [_SONAME]


def _raise_on_failure(result, _function, _arguments):
    if result.value != _ffi.DKVB_OK:
        raise errors.from_status(result.value, library().dkvb_mpi_error().decode("utf-8", "replace"))


@functools.lru_cache(maxsize=None)
def library():
    """Returns the library with its prototypes. An ImportError says what is missing."""
    tried = []
    for name in _candidates():
        try:
            loaded = ctypes.CDLL(name)
            break
        except OSError as error:
            tried.append(str(error))
    else:
        raise ImportError(f"dkvb.mpi: cannot load {_SONAME}; tried: {'; '.join(tried)}. A wheel does not carry it, since "
                          "it belongs to one MPI; it is built with libdkvb where MPI is (Debian: libopenmpi-dev): "
                          "install it beside libdkvb, or set DKVB_MPI_LIBRARY to its path. dkvb.mpi.ranks() needs "
                          "mpi4py only")
    for function_name, (result, arguments) in _ffi.MPI_PROTOTYPES.items():
        function = getattr(loaded, function_name, None)
        if function is None:
            raise ImportError(f"dkvb.mpi: {name} has no {function_name}: it is not the libdkvb-mpi of these bindings")
        function.restype = result
        function.argtypes = arguments
        if result is _ffi.Status:
            function.errcheck = _raise_on_failure
    return loaded

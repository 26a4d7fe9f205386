"""Finds and loads a library that lies beside libdkvb and that few programs need, when it is first used."""

import ctypes
import os
from pathlib import Path

from . import _ffi, errors
from ._library import name as dkvb_name


def _candidates(variable, soname):
    """Lists the paths at which to look for a shared library, in order. If an environment variable with the name
    `variable` is set, the path in the environment variable is the only path of the list."""
    chosen = os.environ.get(variable)
    if chosen:
        return [chosen]
    beside = Path(dkvb_name).resolve().parent / soname if "/" in dkvb_name else None
    return ([str(beside)] if beside and beside.exists() else []) + [soname]


def load(module, variable, prototypes, last_error, missing):
    """Loads the library libdkvb-<module>, declares its functions for ctypes, and returns the library. Raises
    ImportError, whose message ends with the text `missing`, if the library cannot be loaded.

    Each library keeps its own last error message, which last_error(library) returns.
    """
    soname, tried = f"libdkvb-{module}.so.{_ffi.ABI_MAJOR}", []
    for name in _candidates(variable, soname):
        try:
            loaded = ctypes.CDLL(name)
            break
        except OSError as error:
            tried.append(str(error))
    else:
        raise ImportError(f"dkvb.{module}: cannot load {soname}; tried: {'; '.join(tried)}. {missing}")

    def raise_on_failure(result, _function, _arguments):
        # ctypes calls raise_on_failure() on the calling thread right after the C function, so the error message is
        # still there.
        if result.value != _ffi.DKVB_OK:
            raise errors.from_status(result.value, last_error(loaded).decode("utf-8", "replace"))

    for function_name, (result, arguments) in prototypes.items():
        function = getattr(loaded, function_name, None)
        if function is None:
            raise ImportError(f"dkvb.{module}: {name} has no {function_name}: it is not the libdkvb-{module} of these "
                              "bindings")
        function.restype = result
        function.argtypes = arguments
        if result is _ffi.Status:
            function.errcheck = raise_on_failure
    return loaded

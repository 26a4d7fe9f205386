"""The library that is loaded, and how it runs."""

from ctypes import byref

from . import _ffi, _struct
from ._library import lib


def version() -> str:
    """Returns the version of the loaded library, such as "1.0.0"."""
    return lib.dkvb_version_string().decode("ascii")


def kernels() -> str:
    """Returns the name of the kernels in use: "scalar", "avx2", "avx512" or "neon"."""
    return lib.dkvb_runtime_kernels().decode("ascii")


def threads(wanted: int = 0) -> int:
    """Returns how many threads a call with `threads=wanted` uses at most."""
    opts = _struct.options(_ffi.RunOptions, threads=wanted)
    return lib.dkvb_runtime_threads(byref(opts))

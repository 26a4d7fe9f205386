"""Version of the loaded library, its compute kernels, and its number of threads."""

from ctypes import byref

from . import _ffi, _struct
from ._library import lib


def version() -> str:
    """Returns the version of the loaded library, such as "1.0.0"."""
    return lib.dkvb_version_string().decode("ascii")


def kernels() -> str:
    """Returns the name of the compute kernels in use: "scalar", "avx2", "avx512" or "neon"."""
    return lib.dkvb_runtime_kernels().decode("ascii")


def threads(wanted: int = 0) -> int:
    """Returns the largest number of threads that a call with `threads=wanted` uses."""
    opts = _struct.options(_ffi.RunOptions, threads=wanted)
    return lib.dkvb_runtime_threads(byref(opts))

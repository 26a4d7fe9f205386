"""libdkvb-reference, loaded when it is first used, so that other programs need no BLAS."""

import functools

from . import _companion, _ffi


@functools.lru_cache(maxsize=None)
def library():
    """Loads the library libdkvb-reference, declares its functions for ctypes, and returns the library. Raises
    ImportError, which says how to get libdkvb-reference, if libdkvb-reference is missing."""
    return _companion.load("reference", "DKVB_REFERENCE_LIBRARY", _ffi.REFERENCE_PROTOTYPES,
                           lambda loaded: loaded.dkvb_reference_error(),
                           "A wheel does not carry it, since OpenBLAS is large; it is built with libdkvb where OpenBLAS "
                           "is (Debian: libopenblas-dev): install it beside libdkvb, or set DKVB_REFERENCE_LIBRARY to "
                           "its path")

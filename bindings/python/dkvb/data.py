"""Files of numbers: `.npy` and IDX files, read as numpy arrays without a copy."""

import ctypes
from typing import Any

import numpy as np

from . import _arrays, _ffi, _struct
from ._library import lib
from ._types import Array, Numbers, Path

_DTYPES = {
    _ffi.DKVB_DTYPE_U8: np.dtype(np.uint8),
    _ffi.DKVB_DTYPE_I8: np.dtype(np.int8),
    _ffi.DKVB_DTYPE_U16: np.dtype(np.uint16),
    _ffi.DKVB_DTYPE_I16: np.dtype(np.int16),
    _ffi.DKVB_DTYPE_U32: np.dtype(np.uint32),
    _ffi.DKVB_DTYPE_I32: np.dtype(np.int32),
    _ffi.DKVB_DTYPE_U64: np.dtype(np.uint64),
    _ffi.DKVB_DTYPE_I64: np.dtype(np.int64),
    _ffi.DKVB_DTYPE_F16: np.dtype(np.float16),
    _ffi.DKVB_DTYPE_F32: np.dtype(np.float32),
    _ffi.DKVB_DTYPE_F64: np.dtype(np.float64),
}
_CODES = {dtype: code for code, dtype in _DTYPES.items()}


def _read(function, path, *how):
    raw = _struct.sized(_ffi.Array)
    function(ctypes.byref(raw), _arrays.path(path), *how, None)
    dtype, shape = _DTYPES[raw.dtype], tuple(raw.shape[:raw.ndim])
    if not raw.data:
        return np.empty(shape, dtype)
    return _arrays.adopted(raw.data, shape, dtype, lib.dkvb_array_free, raw)


def read_array(path: Path) -> Array:
    """Reads any array of a `.npy` or IDX file (plain or gzip), in the type and shape of the file."""
    return _read(lib.dkvb_array_read, path, _ffi.DKVB_READ_COPY)


def read_features(path: Path) -> Array:
    """Reads features as `float32[rows][columns]`; further dimensions are flattened into columns."""
    return _read(lib.dkvb_features_read, path, _ffi.DKVB_READ_COPY)


def read_ids(path: Path) -> Array:
    """Reads ids of rows as `uint64[rows]`: a vector of integers, of which none is negative or occurs twice."""
    return _read(lib.dkvb_array_read, path, _ffi.DKVB_READ_IDS)


def read_labels(path: Path) -> Array:
    """Reads labels of rows as `int32[rows]`."""
    return _read(lib.dkvb_labels_read, path)


def write_npy(path: Path, array: Numbers) -> None:
    """Writes an array to a `.npy` file, atomically."""
    array = np.asarray(array)
    dtype = array.dtype.newbyteorder("=")
    if dtype not in _CODES:
        raise ValueError(f"array: {array.dtype} found, integers or floats of at most 64 bits wanted")
    array = np.require(array, dtype, ["C", "A"])
    shape = (ctypes.c_uint64 * array.ndim)(*array.shape)
    lib.dkvb_npy_write(_arrays.path(path), _CODES[dtype], 0, array.ndim, shape, array.ctypes.data)

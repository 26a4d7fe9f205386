"""Conversion of arguments for C: arrays of the right type are not copied; numbers and text are checked, since ctypes
cuts off bits silently."""

import operator
import os
import weakref
from ctypes import POINTER, c_char, c_char_p, c_double, c_float, c_int8, c_int32, c_uint8, c_uint16, c_uint32, c_uint64
from hashlib import sha256

import numpy as np

_POINTERS = {
    np.dtype(np.int8): POINTER(c_int8),
    np.dtype(np.uint8): POINTER(c_uint8),
    np.dtype(np.uint16): POINTER(c_uint16),
    np.dtype(np.int32): POINTER(c_int32),
    np.dtype(np.uint32): POINTER(c_uint32),
    np.dtype(np.uint64): POINTER(c_uint64),
    np.dtype(np.float32): POINTER(c_float),
    np.dtype(np.float64): POINTER(c_double),
}


def pointer(array):
    """Typed pointer to an array's elements, which keeps the array alive; None stays NULL."""
    return None if array is None else array.ctypes.data_as(_POINTERS[array.dtype])


def _shaped(array, shape, what):
    """Checks that an array has a shape such as ("rows", 784), in which a word stands for any number."""
    fits = array.ndim == len(shape) and all(isinstance(want, str) or have == want
                                            for have, want in zip(array.shape, shape))
    if not fits:
        raise ValueError(f"{what}: shape {_shape_text(array.shape)} found, {_shape_text(shape)} wanted")
    return array


def _shape_text(shape):
    """Writes an array shape as numpy does; a word in the shape, which stands for any number, is written as it is."""
    return f"({shape[0]},)" if len(shape) == 1 else f"({', '.join(map(str, shape))})"


def floats(array, shape, what):
    """Returns an array as float32, C-contiguous and aligned; an array that is so already is not copied."""
    array = _shaped(np.asarray(array), shape, what)
    if array.dtype == np.float32 and array.flags.carray:
        return array
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{what}: {array.dtype} found, numbers wanted")
    # numbers too large for float32 become infinite, which the library reports as an error
    with np.errstate(over="ignore"):
        return np.require(array, np.float32, ["C", "A"])


def _integers(array, shape, dtype, what):
    array = _shaped(np.asarray(array), shape, what)
    if array.dtype.kind not in "iu":
        raise ValueError(f"{what}: {array.dtype} found, integers wanted")
    limits = np.iinfo(dtype)
    if not np.can_cast(array.dtype, dtype) and array.size:
        low, high = int(array.min()), int(array.max())
        if low < limits.min or high > limits.max:
            raise ValueError(f"{what}: {low} to {high} found, {limits.min} to {limits.max} wanted")
    return np.require(array, dtype, ["C", "A"])


def codes(array, codebooks, what="codes"):
    """Returns codes as `uint16[rows][codebooks][k]`, and k, the number of keys per codebook."""
    array = _integers(array, ("rows", codebooks, "k"), np.uint16, what)
    return array, array.shape[2]


def codes_of_shape(array, shape, what="codes"):
    """Returns codes as `uint16[rows][codebooks][k]`, and checks that they have the given shape."""
    return _integers(array, shape, np.uint16, what)


def labels(array, rows, what="labels"):
    """Returns labels as `int32[rows]`; booleans become 0 and 1."""
    array = np.asarray(array)
    return _integers(array.astype(np.int32) if array.dtype == np.bool_ else array, (rows,), np.int32, what)


def ids(array, rows, what="ids"):
    """Returns the ids of rows as `uint64[rows]`."""
    return _integers(array, (rows,), np.uint64, what)


def names(given):
    """Returns the names of rows as `char *[rows]`; None if rows have numbers instead of names."""
    given = None if given is None else list(given)
    if not given or not all(isinstance(one, str) for one in given):
        return None
    return (c_char_p * len(given))(*[text(one, "names") for one in given])


def groups(given, rows):
    """Returns the groups of rows as `uint64[rows]`. The number of a group with a string name is the first 8 bytes,
    little-endian, of the string's SHA-256, which does not depend on the other groups."""
    array = np.asarray(given)
    if array.dtype.kind not in "UO":
        return _integers(array, (rows,), np.uint64, "groups")
    array = _shaped(array, (rows,), "groups")
    wrong = next((one for one in array.tolist() if not isinstance(one, str)), None)
    if wrong is not None:
        raise ValueError(f"groups: {type(wrong).__name__} found among strings, all integers or all strings are expected")
    numbers = {one: int.from_bytes(sha256(one.encode("utf-8")).digest()[:8], "little") for one in set(array.tolist())}
    return np.array([numbers[one] for one in array.tolist()], np.uint64)


def marks(array, count, what):
    """Returns the marks KEEP, FORGET and ASIDE (ignored when pairs are chosen) of rows as `uint8[count]`; in an array
    of booleans, True means FORGET."""
    array = np.asarray(array)
    return _integers(array.view(np.uint8) if array.dtype == np.bool_ else array, (count,), np.uint8, what)


def picture(array, what):
    """Returns a picture as `uint8[height][width][channels]`; an array of two dimensions has one channel."""
    array = np.asarray(array)
    return _integers(array[:, :, None] if array.ndim == 2 else array, ("height", "width", "channels"), np.uint8, what)


def adopted(address, shape, dtype, free, raw):
    """Wraps memory that the library filled in as an array; `free(raw)` releases the memory with the array's last view.
    """
    memory = (c_char * (int(np.prod(shape, dtype=np.uint64)) * dtype.itemsize)).from_address(address)
    weakref.finalize(memory, free, raw).atexit = False
    return np.frombuffer(memory, dtype).reshape(shape)


def hash_bytes(value, what):
    """Returns a hash of 32 bytes as `uint8[32]`; None stays None."""
    if value is None:
        return None
    value = bytes(memoryview(value))
    if len(value) != 32:
        raise ValueError(f"{what}: {len(value)} bytes found, 32 wanted")
    return np.frombuffer(value, np.uint8)


def integer(value, bits, what):
    """Returns an unsigned number that fits into `bits` bits, since ctypes alone would cut off higher bits silently."""
    value = operator.index(value)
    if not 0 <= value < 1 << bits:
        raise ValueError(f"{what}: {value} found, 0 to {(1 << bits) - 1} wanted")
    return value


def choice(value, names, what):
    """Returns the constant that a dict maps the given name to; raises ValueError for an unknown name."""
    if value not in names:
        raise ValueError(f"{what}: {value!r} found, one of {', '.join(names)} wanted")
    return names[value]


def chosen(number, names):
    """Returns the first name in the dict `names` whose constant is `number`, or "" if no name has it."""
    return next((name for name, value in names.items() if value == number), "")


def text(value, what):
    """Encodes text as UTF-8 for C; None stays NULL."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError(f"{what}: {type(value).__name__} found, str wanted")
    return _without_nul(value.encode("utf-8"), what)


def path(value):
    """Encodes a file name in the encoding of the file system."""
    return _without_nul(os.fsencode(value), "path")


def _without_nul(encoded, what):
    if b"\0" in encoded:
        raise ValueError(f"{what}: {encoded!r} has a NUL inside")
    return encoded

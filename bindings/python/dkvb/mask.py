"""Masks: sets of (codebook, key) pairs."""

import operator
from ctypes import POINTER, byref, c_uint64
from typing import Any, Tuple

import numpy as np

from . import _arrays, _ffi, _struct
from ._handle import SavedHandle
from ._library import lib
from ._types import Array, Path


class Mask(SavedHandle):
    """A mask: a set of (codebook, key) pairs, which can be used only with the codebooks that the mask was made for."""

    _free = lib.dkvb_mask_free
    __hash__ = None  # type: ignore[assignment]  # masks are mutable, so they have no hash, like sets

    def __init__(self, codebooks: Any, pairs: Any = ()) -> None:
        info = codebooks.info
        out = POINTER(_ffi.Mask)()
        lib.dkvb_mask_new(byref(out), codebooks._c)
        self._own(out)
        self._shape = (info.codebooks, info.keys)
        for codebook, key in pairs:
            self.add(codebook, key)

    @classmethod
    def _adopt_shaped(cls, pointer, shape):
        self = cls._adopt(pointer)
        self._shape = shape
        return self

    @classmethod
    def load(cls, path: Path, codebooks: Any = None) -> "Mask":
        """Reads a mask from a mask file. If codebooks are given, load() raises MismatchError for the mask of other
        codebooks."""
        out = POINTER(_ffi.Mask)()
        lib.dkvb_mask_load(byref(out), _arrays.path(path), None)
        self = cls._adopt(out)
        info = self._info()
        self._shape = (info.codebooks, info.keys)
        if codebooks is not None:
            self |= cls(codebooks)
        return self

    def save(self, path: Path) -> None:
        """Writes the mask to a file, atomically."""
        lib.dkvb_mask_save(self._c, _arrays.path(path))

    @property
    def shape(self) -> Tuple[int, int]:
        """The numbers of codebooks and of keys per codebook of the mask."""
        return self._shape

    def copy(self) -> "Mask":
        """Returns a copy of the mask."""
        out = POINTER(_ffi.Mask)()
        lib.dkvb_mask_copy(byref(out), self._c)
        return self._adopt_shaped(out, self._shape)

    def add(self, codebook: int, key: int) -> None:
        """Adds a pair to the mask, if it is not in the mask already."""
        self._set(codebook, key, 1)

    def discard(self, codebook: int, key: int) -> None:
        """Removes a pair from the mask, if it is in the mask."""
        self._set(codebook, key, 0)

    def remove(self, codebook: int, key: int) -> None:
        """Removes a pair from the mask; KeyError if the pair is not in the mask."""
        if (codebook, key) not in self:
            raise KeyError((codebook, key))
        self.discard(codebook, key)

    def clear(self) -> None:
        """Removes all pairs from the mask."""
        self._combine(_ffi.DKVB_MASK_DIFFERENCE, self)

    def to_array(self) -> Array:
        """Returns the mask as `bool[codebooks][keys]`, True for each pair in the mask."""
        out = np.empty(self._shape, np.uint8)
        lib.dkvb_mask_get_bytes(self._c, _arrays.pointer(out))
        return out.view(np.bool_)

    def __len__(self):
        return self._info().pairs

    def __contains__(self, pair):
        codebook, key = map(operator.index, pair)
        number, found = codebook * self._shape[1] + key, c_uint64()
        inside = 0 <= codebook < self._shape[0] and 0 <= key < self._shape[1]
        return inside and bool(lib.dkvb_mask_next(self._c, number, byref(found))) and found.value == number

    def __iter__(self):
        """Yields the pairs of the mask in ascending order. Iteration sees pairs that are added to or removed from the
        mask during the loop if they come after the current pair."""
        from_, pair = 0, c_uint64()
        while lib.dkvb_mask_next(self._c, from_, byref(pair)):
            yield divmod(pair.value, self._shape[1])
            from_ = pair.value + 1

    def __eq__(self, other):
        if not isinstance(other, Mask):
            return NotImplemented
        return bool(lib.dkvb_mask_equal(self._c, other._c))

    def __ior__(self, other):
        return self._combine(_ffi.DKVB_MASK_UNION, other)

    def __iand__(self, other):
        return self._combine(_ffi.DKVB_MASK_INTERSECTION, other)

    def __isub__(self, other):
        return self._combine(_ffi.DKVB_MASK_DIFFERENCE, other)

    def __or__(self, other):
        return self._combined(Mask.__ior__, other)

    def __and__(self, other):
        return self._combined(Mask.__iand__, other)

    def __sub__(self, other):
        return self._combined(Mask.__isub__, other)

    def __repr__(self):
        if self._owner is None:
            return "<dkvb.Mask, closed>"
        info = self._info()
        return f"<dkvb.Mask of {info.pairs} of {info.pairs_total} pairs>"

    def _info(self):
        info = _struct.sized(_ffi.MaskInfo)
        lib.dkvb_mask_get_info(self._c, byref(info))
        return info

    def _set(self, codebook, key, on):
        lib.dkvb_mask_set(self._c, _arrays.integer(codebook, 32, "codebook"), _arrays.integer(key, 32, "key"), on)

    def _combine(self, how, other):
        if not isinstance(other, Mask):
            return NotImplemented
        lib.dkvb_mask_combine(self._c, other._c, how)
        return self

    def _combined(self, in_place, other):
        return in_place(self.copy(), other) if isinstance(other, Mask) else NotImplemented

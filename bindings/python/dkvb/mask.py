"""Masks: sets of (codebook, key) pairs."""

import operator
from ctypes import POINTER, byref, c_uint64

import numpy as np

from . import _arrays, _ffi, _struct
from ._handle import Handle
from ._library import lib


class Mask(Handle):
    """Behaves like a set of (codebook, key) pairs, and belongs to the codebooks it was made for."""

    _free = lib.dkvb_mask_free
    __hash__ = None  # changeable, as a set is

    def __init__(self, codebooks, pairs=()):
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
    def load(cls, path, codebooks=None):
        """Read a mask file. If codebooks are given, a mask of others is a MismatchError."""
        out = POINTER(_ffi.Mask)()
        lib.dkvb_mask_load(byref(out), _arrays.path(path), None)
        info = _struct.sized(_ffi.MaskInfo)
        lib.dkvb_mask_get_info(out, byref(info))
        self = cls._adopt_shaped(out, (info.codebooks, info.keys))
        if codebooks is not None:
            self |= cls(codebooks)
        return self

    def save(self, path):
        """Write a mask file, atomically."""
        lib.dkvb_mask_save(self._c, _arrays.path(path))

    @property
    def shape(self):
        """(codebooks, keys)."""
        return self._shape

    def copy(self):
        out = POINTER(_ffi.Mask)()
        lib.dkvb_mask_copy(byref(out), self._c)
        return self._adopt_shaped(out, self._shape)

    def add(self, codebook, key):
        """Add a pair; already there is fine."""
        lib.dkvb_mask_add(self._c, *_pair(codebook, key))

    def discard(self, codebook, key):
        """Remove a pair; not there is fine."""
        lib.dkvb_mask_remove(self._c, *_pair(codebook, key))

    def remove(self, codebook, key):
        """Remove a pair; KeyError if it is not there."""
        if (codebook, key) not in self:
            raise KeyError((codebook, key))
        self.discard(codebook, key)

    def clear(self):
        lib.dkvb_mask_clear(self._c)

    def to_array(self):
        """`bool[codebooks][keys]`, True = in the mask."""
        out = np.empty(self._shape, np.uint8)
        lib.dkvb_mask_get_bytes(self._c, _arrays.pointer(out))
        return out.view(np.bool_)

    def __len__(self):
        return lib.dkvb_mask_count(self._c)

    def __contains__(self, pair):
        codebook, key = map(operator.index, pair)
        inside = 0 <= codebook < self._shape[0] and 0 <= key < self._shape[1]
        return inside and bool(lib.dkvb_mask_has(self._c, codebook, key))

    def __iter__(self):
        """Pairs in ascending order. Changes to the mask meanwhile are seen where the walk has not yet been."""
        from_, pair = 0, c_uint64()
        while lib.dkvb_mask_next(self._c, from_, byref(pair)):
            yield divmod(pair.value, self._shape[1])
            from_ = pair.value + 1

    def __eq__(self, other):
        if not isinstance(other, Mask):
            return NotImplemented
        return bool(lib.dkvb_mask_equal(self._c, other._c))

    def __ior__(self, other):
        return self._combine(lib.dkvb_mask_union, other)

    def __iand__(self, other):
        return self._combine(lib.dkvb_mask_intersection, other)

    def __isub__(self, other):
        return self._combine(lib.dkvb_mask_difference, other)

    def __or__(self, other):
        return self._combined(Mask.__ior__, other)

    def __and__(self, other):
        return self._combined(Mask.__iand__, other)

    def __sub__(self, other):
        return self._combined(Mask.__isub__, other)

    def __repr__(self):
        if self._owner is None:
            return "<dkvb.Mask, closed>"
        return f"<dkvb.Mask of {len(self)} of {lib.dkvb_mask_total(self._c)} pairs>"

    def _combine(self, function, other):
        if not isinstance(other, Mask):
            return NotImplemented
        function(self._c, other._c)
        return self

    def _combined(self, in_place, other):
        return in_place(self.copy(), other) if isinstance(other, Mask) else NotImplemented


def _pair(codebook, key):
    return _arrays.integer(codebook, 32, "codebook"), _arrays.integer(key, 32, "key")

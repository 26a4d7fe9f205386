"""Codebooks: random projections and frozen keys, and the search over them."""

from ctypes import POINTER, byref
from dataclasses import dataclass

import numpy as np

from . import _arrays, _ffi, _struct
from ._handle import Handle
from ._library import lib
from ._run import LongCall

_METHODS = {
    "ema": _ffi.DKVB_KEYINIT_EMA,
    "kmeans": _ffi.DKVB_KEYINIT_KMEANS,
    "sample": _ffi.DKVB_KEYINIT_SAMPLE,
}


@dataclass(frozen=True)
class CodebooksInfo:
    """Shapes and nature of codebooks; letters are those of docs/method.md."""

    codebooks: int  # C
    keys: int  # K, purged ones included
    key_dim: int  # d
    input_dim: int  # m
    normalize: bool
    frozen: bool
    purged_pairs: int
    birth: bytes


def _keyinit(method=None, **given):
    if method is not None:
        if method not in _METHODS:
            raise ValueError(f"method: {method!r} found, one of {', '.join(_METHODS)} wanted")
        method = _METHODS[method]
    return _struct.options(_ffi.KeyinitOptions, lib.dkvb_keyinit_options_init, method=method, **given)


class Codebooks(Handle):
    """Made by fit(), begin() or from_arrays(). Options left at None are the library's (codebooks.h)."""

    _free = lib.dkvb_codebooks_free

    def __init__(self):
        raise TypeError("Codebooks are made by Codebooks.fit, Codebooks.begin or Codebooks.from_arrays")

    @classmethod
    def fit(cls, x, *, method=None, codebooks=None, keys=None, key_dim=None, passes=None, batch=None, normalize=None,
            decay=None, restart=None, seed=None, threads=0, progress=None):
        """Place keys on rows `float32[n][dim]`, with method "ema", "kmeans" or "sample", and freeze them."""
        x = _arrays.floats(x, ("rows", "columns"), "features")
        opts = _keyinit(method, codebooks=codebooks, keys=keys, key_dim=key_dim, passes=passes, batch=batch,
                        normalize=normalize, decay=decay, restart=restart, seed=seed)
        out = POINTER(_ffi.Codebooks)()
        with LongCall(threads, progress) as run:
            lib.dkvb_codebooks_fit(byref(out), _arrays.pointer(x), *x.shape, byref(opts), byref(run))
        return cls._adopt(out)

    @classmethod
    def begin(cls, dim, *, codebooks=None, keys=None, key_dim=None, normalize=None, decay=None, restart=None,
              seed=None):
        """Codebooks for rows that come in batches: step() each, then freeze()."""
        opts = _keyinit("ema", codebooks=codebooks, keys=keys, key_dim=key_dim, normalize=normalize, decay=decay,
                        restart=restart, seed=seed)
        out = POINTER(_ffi.Codebooks)()
        lib.dkvb_codebooks_begin(byref(out), _arrays.integer(dim, 64, "dim"), byref(opts))
        return cls._adopt(out)

    @classmethod
    def from_arrays(cls, projection, keys, center=None, normalize=None):
        """Codebooks made elsewhere: `projection[C][m][d]`, `keys[C][K][d]`, `center[m]` or None; copied."""
        projection = _arrays.floats(projection, ("codebooks", "columns", "key_dim"), "projection")
        codebooks, dim, key_dim = projection.shape
        keys = _arrays.floats(keys, (codebooks, "keys", key_dim), "keys")
        if center is not None:
            center = _arrays.floats(center, (dim,), "center")
        opts = _keyinit(codebooks=codebooks, keys=keys.shape[1], key_dim=key_dim, normalize=normalize)
        out = POINTER(_ffi.Codebooks)()
        lib.dkvb_codebooks_from_arrays(byref(out), dim, _arrays.pointer(projection), _arrays.pointer(center),
                                       _arrays.pointer(keys), byref(opts))
        return cls._adopt(out)

    def step(self, x, *, threads=0, progress=None):
        """One step of moving averages over a batch of rows."""
        x = self._rows(x)
        with LongCall(threads, progress) as run:
            lib.dkvb_codebooks_step(self._c, _arrays.pointer(x), len(x), byref(run))

    def freeze(self):
        """End of growing: from here the keys never move."""
        lib.dkvb_codebooks_freeze(self._c)

    @property
    def info(self):
        """A CodebooksInfo."""
        raw = _struct.sized(_ffi.CodebooksInfo)
        lib.dkvb_codebooks_get_info(self._c, byref(raw))
        return _struct.answer(CodebooksInfo, raw)

    @property
    def projection(self):
        """A copy of the projections, `float32[C][m][d]`."""
        info = self.info
        out = np.empty((info.codebooks, info.input_dim, info.key_dim), np.float32)
        lib.dkvb_codebooks_get_projection(self._c, _arrays.pointer(out))
        return out

    @property
    def center(self):
        """A copy of the centre, `float32[m]`."""
        out = np.empty(self.info.input_dim, np.float32)
        lib.dkvb_codebooks_get_center(self._c, _arrays.pointer(out))
        return out

    @property
    def keys(self):
        """A copy of the keys, `float32[C][K][d]`; purged ones are zeros."""
        info = self.info
        out = np.empty((info.codebooks, info.keys, info.key_dim), np.float32)
        lib.dkvb_codebooks_get_keys(self._c, _arrays.pointer(out))
        return out

    def project(self, x, *, threads=0, progress=None):
        """Rows in the space of every codebook, `float32[n][C][d]`."""
        x = self._rows(x)
        info = self.info
        out = np.empty((len(x), info.codebooks, info.key_dim), np.float32)
        with LongCall(threads, progress) as run:
            lib.dkvb_codebooks_project(self._c, _arrays.pointer(x), len(x), _arrays.pointer(out), byref(run))
        return out

    def search(self, x, k=1, mask=None, *, distances=False, threads=0, progress=None):
        """Codes of rows, `uint16[n][C][k]`, nearest first; with `distances=True` also `float32[n][C][k]`."""
        return self._search(lib.dkvb_search, self._rows(x), k, mask, distances, threads, progress)

    def search_projected(self, q, k=1, mask=None, *, distances=False, threads=0, progress=None):
        """The same for rows that are projected already, `float32[n][C][d]`."""
        info = self.info
        q = _arrays.floats(q, ("rows", info.codebooks, info.key_dim), "projected rows")
        return self._search(lib.dkvb_search_projected, q, k, mask, distances, threads, progress)

    def __repr__(self):
        if self._owner is None:
            return "<dkvb.Codebooks, closed>"
        info = self.info
        growing = "" if info.frozen else ", still growing"
        return (f"<dkvb.Codebooks: {info.input_dim} columns, {info.codebooks} codebooks of {info.keys} keys, "
                f"{info.key_dim} wide{growing}>")

    def _search(self, function, rows, k, mask, distances, threads, progress):
        info = self.info
        k = _arrays.integer(k, 32, "k")
        if k > info.keys:  # checked here since k shapes the output
            raise ValueError(f"k: {k} found, 1 to {info.keys} wanted")
        shape = (len(rows), info.codebooks, k)
        codes = np.empty(shape, np.uint16)
        dist = np.empty(shape, np.float32) if distances else None
        with LongCall(threads, progress) as run:
            function(self._c, None if mask is None else mask._c, _arrays.pointer(rows), len(rows), k,
                     _arrays.pointer(codes), _arrays.pointer(dist), byref(run))
        return (codes, dist) if distances else codes

    def _rows(self, x):
        return _arrays.floats(x, ("rows", self.info.input_dim), "features")

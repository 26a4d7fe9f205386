"""Codebooks prepare and project rows, hold frozen keys, and search the nearest keys, all in whole numbers."""

from ctypes import POINTER, byref
from dataclasses import dataclass
from typing import Any, Optional, Tuple

import numpy as np

from . import _arrays, _ffi, _struct
from ._handle import Handle
from ._library import lib
from ._run import LongCall
from ._types import Array, Numbers, Progress

_METHODS = {
    "ema": _ffi.DKVB_KEYINIT_EMA,
    "sample": _ffi.DKVB_KEYINIT_SAMPLE,
    "means": _ffi.DKVB_KEYINIT_MEANS,
}


@dataclass(frozen=True)
class CodebooksInfo:
    """Shapes and properties of codebooks; letters such as C and K are the symbols of docs/method.md."""

    codebooks: int  # Number of codebooks (C).
    keys: int  # Number of keys in each codebook (K), purged keys included.
    key_dim: int  # Length of a key (d).
    input_dim: int  # Number of features in a row (m).
    normalize: bool  # True if rows are scaled to length 1.
    whitened: bool  # True if rows are half-whitened.
    rounds: int  # Number of Walsh-Hadamard transforms that project a row.
    round_size: int  # Number of outputs of one Walsh-Hadamard transform.
    frozen: bool
    purged_pairs: int
    birth: bytes
    # Least length (norm) of a row inside the scale of the keys: shorter rows are unlike the rows on which keys were
    # placed.
    least_length: float
    greatest_length: float


def _keyinit(method=None, **given):
    if method is not None:
        if method not in _METHODS:
            raise ValueError(f"method: {method!r} found, one of {', '.join(_METHODS)} wanted")
        method = _METHODS[method]
    return _struct.options(_ffi.KeyinitOptions, method=method, **given)


class Codebooks(Handle):
    """Codebooks with frozen keys, made by fit(), begin() or from_arrays(). Arguments that are None take the library's
    defaults (codebooks.h)."""

    _free = lib.dkvb_codebooks_free
    _shared = True

    def __init__(self) -> None:
        raise TypeError("Codebooks are made by Codebooks.fit, Codebooks.begin or Codebooks.from_arrays")

    @classmethod
    def fit(cls, x: Numbers, *, method: Optional[str] = None, codebooks: Optional[int] = None, keys: Numbers = None,
            key_dim: Optional[int] = None, passes: Optional[int] = None, batch: Optional[int] = None,
            rows_per_key: Optional[int] = None, normalize: Optional[bool] = None, whiten: Any = None,
            decay: Optional[float] = None, restart: Optional[float] = None, seed: Optional[int] = None,
            threads: int = 0, progress: Progress = None) -> "Codebooks":
        """Places keys on rows `float32[n][dim]`, with method "means", "ema" or "sample", and freezes the keys.

        If the numbers of codebooks and keys are not given, fit() chooses numbers that suit the rows. `whiten=True`
        divides the principal axes of the rows by the square root of their standard deviation; rows are scaled to length
        1 unless `normalize=False`.
        """
        x = _arrays.floats(x, ("rows", "columns"), "features")
        opts = _keyinit(method, codebooks=codebooks, keys=keys, key_dim=key_dim, passes=passes, batch=batch,
                        rows_per_key=rows_per_key, normalize=normalize, whiten=whiten, decay=decay, restart=restart,
                        seed=seed)
        out = POINTER(_ffi.Codebooks)()
        with LongCall(threads, progress) as run:
            lib.dkvb_codebooks_fit(byref(out), _arrays.pointer(x), *x.shape, byref(opts), byref(run))
        return cls._adopt(out)

    def __reduce__(self):
        from .model import Model  # a file of codebooks is a model file without values

        return _codebooks_of, (Model(self, classes=1),)

    @classmethod
    def begin(cls, dim: int, *, codebooks: Optional[int] = None, keys: Numbers = None, key_dim: Optional[int] = None,
              normalize: Optional[bool] = None, whiten: Any = None, decay: Optional[float] = None,
              restart: Optional[float] = None, seed: Optional[int] = None) -> "Codebooks":
        """Begins codebooks for rows that come in batches: step() takes each batch, then freeze() freezes the keys. The
        keys of codebooks made by begin() are moving averages of rows."""
        opts = _keyinit("ema", codebooks=codebooks, keys=keys, key_dim=key_dim, normalize=normalize, whiten=whiten,
                        decay=decay, restart=restart, seed=seed)
        out = POINTER(_ffi.Codebooks)()
        lib.dkvb_codebooks_begin(byref(out), _arrays.integer(dim, 64, "dim"), byref(opts))
        return cls._adopt(out)

    @classmethod
    def from_arrays(cls, keys: Numbers, dim: int, *, center: Numbers = None, whitening: Numbers = None,
                    scales: Numbers = None, normalize: Optional[bool] = None,
                    seed: Optional[int] = None) -> "Codebooks":
        """Makes codebooks from copies of given arrays, for rows of `dim` columns.

        `keys[C][K][d]` are in units of projected rows, and are rounded to steps: `scales[C]` are steps per unit, by
        default chosen to suit the keys. Rows are prepared by subtracting `center[dim]` and multiplying by the matrix
        `whitening[dim][dim]`. `seed` is the seed of the projection. To pass the whole numbers of the property
        Codebooks.keys to from_arrays(), divide them: `keys / scales[:, None, None]`.
        """
        dim = _arrays.integer(dim, 64, "dim")
        keys = _arrays.floats(keys, ("codebooks", "keys", "key_dim"), "keys")
        if center is not None:
            center = _arrays.floats(center, (dim,), "center")
        if whitening is not None:
            whitening = _arrays.floats(whitening, (dim, dim), "whitening")
        if scales is not None:
            scales = _arrays.floats(scales, (len(keys),), "scales")
        opts = _keyinit(codebooks=keys.shape[0], keys=keys.shape[1], key_dim=keys.shape[2], normalize=normalize,
                        seed=seed)
        arrays = _struct.sized(_ffi.CodebooksArrays)
        arrays.dim = dim
        for name, array in (("center", center), ("whitening", whitening), ("scales", scales), ("keys", keys)):
            setattr(arrays, name, _arrays.pointer(array))
        out = POINTER(_ffi.Codebooks)()
        lib.dkvb_codebooks_from_arrays(byref(out), byref(arrays), byref(opts))
        return cls._adopt(out)

    def step(self, x: Numbers, *, threads: int = 0, progress: Progress = None) -> None:
        """Moves the keys, which are not frozen yet, by one step of moving averages over a batch of rows."""
        x = self._rows(x)
        with LongCall(threads, progress) as run:
            lib.dkvb_codebooks_step(self._c, _arrays.pointer(x), len(x), byref(run))

    def freeze(self) -> None:
        """Freezes the keys of the codebooks: frozen keys never move."""
        lib.dkvb_codebooks_freeze(self._c)

    @property
    def info(self) -> CodebooksInfo:
        """Shapes and properties of the codebooks, as a CodebooksInfo."""
        raw = _struct.sized(_ffi.CodebooksInfo)
        lib.dkvb_codebooks_get_info(self._c, byref(raw))
        return _struct.answer(CodebooksInfo, raw)

    @property
    def projection(self) -> Tuple[Array, Array]:
        """The projection, computed from the seed: signs `int8[rounds][round_size]`, 1 or -1, and the order of outputs,
        `uint32[C][d]`.

        With the Walsh-Hadamard matrix H, a prepared row y padded with zeros, and `h[t] = H @ (signs[t] * y)`, the
        projected number i of the row in codebook c is `h.reshape(-1)[order[c][i]]` (docs/numerics.md).
        """
        info = self.info
        signs = np.empty((info.rounds, info.round_size), np.int8)
        order = np.empty((info.codebooks, info.key_dim), np.uint32)
        self._copy(signs=signs, order=order)
        return signs, order

    @property
    def center(self) -> Array:
        """A copy of the mean that is subtracted from each row, `float32[m]`."""
        out = np.empty(self.info.input_dim, np.float32)
        self._copy(center=out)
        return out

    @property
    def whitening(self) -> Optional[Array]:
        """A copy of the whitening matrix, `float32[m][m]`; None if rows are not whitened."""
        info = self.info
        if not info.whitened:
            return None
        out = np.empty((info.input_dim, info.input_dim), np.float32)
        self._copy(whitening=out)
        return out

    @property
    def scales(self) -> Array:
        """A copy of the scales of the codebooks, `float32[C]`: the number of integer steps per unit of a projected
        row."""
        out = np.empty(self.info.codebooks, np.float32)
        self._copy(scales=out)
        return out

    @property
    def keys(self) -> Array:
        """A copy of the keys, `int8[C][K][d]`, in steps of -63 to 63; purged keys are zeros."""
        info = self.info
        out = np.empty((info.codebooks, info.keys, info.key_dim), np.int8)
        self._copy(keys=out)
        return out

    def project(self, x: Numbers, *, saturated: bool = False, threads: int = 0, progress: Progress = None) -> Any:
        """Projects rows into every codebook, and returns `int8[n][C][d]`, in steps of the scales.

        With `saturated=True`, project() also returns `uint32[n]`: how many projected numbers of each row were clipped
        to the range of int8 steps.
        """
        x = self._rows(x)
        info = self.info
        out = np.empty((len(x), info.codebooks, info.key_dim), np.int8)
        cut = np.empty(len(x), np.uint32) if saturated else None
        with LongCall(threads, progress) as run:
            lib.dkvb_codebooks_project(self._c, _arrays.pointer(x), len(x), _arrays.pointer(out), _arrays.pointer(cut),
                                       byref(run))
        return (out, cut) if saturated else out

    def search(self, x: Numbers, k: int = 1, mask: Any = None, *, distances: bool = False, outside: Any = None,
               threads: int = 0, progress: Progress = None) -> Any:
        """Searches the codes of rows, and returns `uint16[n][C][k]`, nearest key first; with `distances=True` also
        `int32[n][C][k]`.

        `outside`, an Outside object, counts rows far outside the range of the rows on which the keys were placed.
        """
        x, info = self._rows(x), self.info
        k = _arrays.integer(k, 32, "k")
        # `k`, the number of keys to find, is checked in Python, as the output array is made with room for k keys
        if k > info.keys:
            raise ValueError(f"k: {k} found, 1 to {info.keys} wanted")
        shape = (len(x), info.codebooks, k)
        codes = np.empty(shape, np.uint16)
        dist = np.empty(shape, np.int32) if distances else None
        with LongCall(threads, progress, outside=outside) as run:
            lib.dkvb_search(self._c, None if mask is None else mask._c, _arrays.pointer(x), len(x), k,
                            _arrays.pointer(codes), _arrays.pointer(dist), byref(run))
        return (codes, dist) if distances else codes

    def __repr__(self):
        if self._owner is None:
            return "<dkvb.Codebooks, closed>"
        info = self.info
        growing = "" if info.frozen else ", still growing"
        return (f"<dkvb.Codebooks: {info.input_dim} columns, {info.codebooks} codebooks of {info.keys} keys, "
                f"{info.key_dim} wide{growing}>")

    def _copy(self, **arrays):
        to = _struct.sized(_ffi.CodebooksCopies)
        for name, array in arrays.items():
            setattr(to, name, _arrays.pointer(array))
        lib.dkvb_codebooks_get_arrays(self._c, byref(to))

    def _rows(self, x):
        return _arrays.floats(x, ("rows", self.info.input_dim), "features")


def _codebooks_of(model):
    return model.codebooks

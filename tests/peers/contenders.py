"""Implementations of finding the nearest key of every projected row in every codebook, by several libraries, all with
the same four steps.

    Contender(keys)      keys: float32[C][K][d]; what can be made ready once, is
    rows(q)              q: float32[n][C][d], in the layout that this contender likes best
    search(rows)         the only step that is timed
    codes(found)         [n][C]

Rows and keys are whole numbers of -63 to 63, as floats, so that all contenders search for the same nearest keys. As |q
- k|^2 = |q|^2 - 2 q.k + |k|^2, and |q|^2 does not change the order of keys, the matrix products search for the least
|k|^2 / 2 - q.k. Floats hold all of these sums exactly.
"""
from ctypes import CDLL, byref, c_size_t, sizeof

import numpy as np
import faiss
import torch

from dkvb import Codebooks, _arrays, _ffi


def by_codebook(q):
    return np.ascontiguousarray(q.transpose(1, 0, 2))


def half_squares(keys):
    return (np.einsum("ckd,ckd->ck", keys, keys, dtype=np.float64) / 2).astype(np.float32)


def with_column(array, column):
    """Appends one component to rows or keys, so that their product contains |k|^2 / 2 without another pass."""
    return np.concatenate([array, np.broadcast_to(column, array.shape[:2])[:, :, None]], axis=2).astype(np.float32)


class Dkvb:
    name, alone = "libdkvb", True
    inside = None  # shared library with internal functions of libdkvb, loaded by use_inside()

    def __init__(self, keys, threads):
        self.codebooks = Codebooks.from_arrays(keys, 1, scales=np.ones(len(keys)))
        self.run = _ffi.RunOptions(struct_size=sizeof(_ffi.RunOptions), threads=threads)

    def rows(self, q):
        return np.ascontiguousarray(q), np.empty(q.shape[:2], np.uint16)

    def search(self, rows):
        q, found = rows
        if self.inside.peer_search(self.codebooks._c, _arrays.pointer(q), c_size_t(len(q)), _arrays.pointer(found),
                                   byref(self.run)):
            raise RuntimeError("libdkvb's search of projected rows failed")
        return found

    def codes(self, found):
        return found


class Peer:
    """Base class of contenders that search codebook by codebook, with a vector of codes for each codebook."""
    alone = False

    def rows(self, q):
        return by_codebook(q)

    def codes(self, found):
        return np.stack([np.asarray(one).ravel() for one in found], axis=1)


class Numpy(Peer):
    name = "numpy sgemm + argmin"

    def __init__(self, keys, _threads):
        self.keys, self.half = keys, half_squares(keys)
        self.product = np.empty((0, keys.shape[1]), np.float32)

    def search(self, rows):
        if len(self.product) != rows.shape[1]:
            self.product = np.empty((rows.shape[1], self.keys.shape[1]), np.float32)
        return [self.nearest(*each) for each in zip(rows, self.keys, self.half)]

    def nearest(self, q, keys, half):
        product = np.matmul(q, keys.T, out=self.product)
        return np.subtract(half, product, out=product).argmin(1)


class NumpyColumn(Numpy):
    name = "numpy sgemm, norms as a column, + argmax"

    def __init__(self, keys, threads):
        super().__init__(keys, threads)
        self.keys = with_column(keys, -self.half)

    def rows(self, q):
        return with_column(by_codebook(q), np.float32(1))

    def nearest(self, q, keys, _half):
        return np.matmul(q, keys.T, out=self.product).argmax(1)


class TorchAddmm(Peer):
    name = "torch addmm + argmin"

    def __init__(self, keys, _threads):
        self.keys, self.half = torch.from_numpy(keys), torch.from_numpy(half_squares(keys))
        self.product = torch.empty(0)

    def rows(self, q):
        return torch.from_numpy(by_codebook(q))

    def search(self, rows):
        if len(self.product) != rows.shape[1]:
            self.product = torch.empty(rows.shape[1], self.keys.shape[1])
        return [self.nearest(*each) for each in zip(rows, self.keys, self.half)]

    def nearest(self, q, keys, half):
        return torch.addmm(half, q, keys.T, alpha=-1, out=self.product).argmin(1)


class TorchColumn(TorchAddmm):
    """Searches with max() and its index, which took half the time of argmax() where this was written."""
    name = "torch mm, norms as a column, + max"

    def __init__(self, keys, threads):
        super().__init__(keys, threads)
        self.keys = torch.from_numpy(with_column(keys, -self.half.numpy()))

    def rows(self, q):
        return torch.from_numpy(with_column(by_codebook(q), np.float32(1)))

    def nearest(self, q, keys, _half):
        return torch.mm(q, keys.T, out=self.product).max(1).indices


class TorchBaddbmm(TorchAddmm):
    name, alone = "torch baddbmm + argmin", True

    def search(self, rows):
        shape = len(self.keys), rows.shape[1], self.keys.shape[1]
        if self.product.shape != shape:
            self.product = torch.empty(shape)
        return torch.baddbmm(self.half[:, None], rows, self.keys.transpose(1, 2), alpha=-1, out=self.product).argmin(2)


class TorchCdist(TorchAddmm):
    name = "torch cdist + argmin"

    def nearest(self, q, keys, _half):
        return torch.cdist(q, keys).argmin(1)


class FaissFlat(Peer):
    name, alone = "FAISS IndexFlatL2", True

    def __init__(self, keys, _threads):
        self.indices = [faiss.IndexFlatL2(keys.shape[2]) for _ in keys]
        for index, own in zip(self.indices, keys):
            index.add(own)

    def search(self, rows):
        return [index.search(q, 1)[1] for index, q in zip(self.indices, rows)]


class FaissProductQuantizer(Peer):
    """Searches by FAISS's ProductQuantizer, for which K must be a power of 2."""
    name, alone = "FAISS ProductQuantizer", True

    def __init__(self, keys, _threads):
        codebooks, count, key_dim = keys.shape
        self.bits, self.codebooks = count.bit_length() - 1, codebooks
        self.quantizer = faiss.ProductQuantizer(codebooks * key_dim, codebooks, self.bits)
        faiss.copy_array_to_vector(keys.ravel(), self.quantizer.centroids)
        self.quantizer.sync_transposed_centroids()

    def rows(self, q):
        return np.ascontiguousarray(q).reshape(len(q), -1)

    def search(self, rows):
        return self.quantizer.compute_codes(rows)

    def codes(self, found):
        bits = np.unpackbits(found, axis=1, bitorder="little")[:, :self.codebooks * self.bits]
        return bits.reshape(len(found), self.codebooks, self.bits).astype(np.int64) @ (1 << np.arange(self.bits))


OURS = (Dkvb,)
PEERS = (TorchAddmm, TorchColumn, TorchBaddbmm, TorchCdist, FaissFlat, FaissProductQuantizer, Numpy, NumpyColumn)


def use_inside(path):
    Dkvb.inside = CDLL(path)


def set_threads(threads):
    torch.set_num_threads(threads)
    faiss.omp_set_num_threads(threads)


def all_of(keys, threads, alone=False):
    power_of_2 = keys.shape[1] & (keys.shape[1] - 1) == 0
    return [kind(keys, threads) for kind in OURS + PEERS
            if (kind.alone or not alone) and (power_of_2 or kind is not FaissProductQuantizer)]

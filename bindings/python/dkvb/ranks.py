"""Ranks: processes that divide the work and the values of one model among them (include/dkvb/ranks.h, docs/mpi.md).

    def exchange(send, send_sizes, receive, receive_sizes): ...   # numpy arrays of bytes
    def gather(send, receive, sizes): ...
    def broadcast(data): ...

    with dkvb.Ranks(rank, count, exchange, gather, broadcast):
        fitted = dkvb.fit(x, labels)                              # every rank makes the same calls
        fitted.model.save("m.dkvb")                               # rank 0 writes

For ranks on MPI, use `dkvb.mpi.Job`. Models and codebooks that are made in the `with` block are distributed over the
ranks: all ranks must make every later call on them.
"""

import contextvars
import ctypes
from typing import Any, Callable

import numpy as np

from . import _arrays, _ffi

_current: Any = contextvars.ContextVar("dkvb ranks", default=None)


def current():
    """Returns the group of ranks whose `with` block this thread is in; None outside of all such blocks."""
    return _current.get()


def pointer():
    """Returns the group of ranks of this thread as a C pointer, for the run options; None for a single process."""
    group = current()
    return None if group is None else group._pointer()


def _bytes(address, size):
    """Returns memory of the library as a numpy array of bytes."""
    if not size:
        return np.empty(0, np.uint8)
    return np.ctypeslib.as_array(ctypes.cast(address, ctypes.POINTER(ctypes.c_uint8)), (size,))


class Group:
    """Base class of groups of ranks: a `with` block, in which calls make distributed objects."""

    closed = False
    _failure: Any = None  # exception that a function of the group has raised
    _tokens: Any = None

    def _pointer(self):
        raise NotImplementedError

    def __enter__(self):
        if self.closed:
            raise ValueError("these ranks are closed")
        if self._tokens is None:
            self._tokens = []
        self._tokens.append(_current.set(self))
        return self

    def __exit__(self, _kind, error, _traceback):
        _current.reset(self._tokens.pop())
        if error is not None and self._failure is not None and error.__cause__ is None:
            # the C library's error message does not contain the Python exception of the caller's function
            error.__cause__ = self._failure


class Ranks(Group):
    """A group of ranks whose functions exchange(), gather() and broadcast() the caller writes, for example for Dask.
    The arguments are the members of the C struct dkvb_ranks. The caller's functions receive arrays that lie in memory
    of the library, and must not keep these arrays."""

    def __init__(self, rank: int, count: int, exchange: Callable, gather: Callable, broadcast: Callable) -> None:
        types = dict(_ffi.Ranks._fields_)

        def safe(function):
            def call(*arguments):
                try:
                    function(*arguments)
                    return 0
                except BaseException as error:
                    self._failure = error
                    return 1
            return call

        def sizes_of(sizes):
            return np.array(sizes[:count], np.int64)

        def exchange_bytes(_user, send, send_sizes, receive, receive_sizes):
            out, into = sizes_of(send_sizes), sizes_of(receive_sizes)
            exchange(_bytes(send, int(out.sum())), out, _bytes(receive, int(into.sum())), into)

        def gather_bytes(_user, send, receive, sizes):
            into = sizes_of(sizes)
            gather(_bytes(send, int(into[rank])), _bytes(receive, int(into.sum())), into)

        def broadcast_bytes(_user, data, size):
            broadcast(_bytes(data, size))

        self._raw = _ffi.Ranks(struct_size=ctypes.sizeof(_ffi.Ranks), rank=_arrays.integer(rank, 32, "rank"),
                               count=_arrays.integer(count, 32, "count"))
        self._raw.exchange = types["exchange"](safe(exchange_bytes))
        self._raw.gather = types["gather"](safe(gather_bytes))
        self._raw.broadcast = types["broadcast"](safe(broadcast_bytes))

    def _pointer(self):
        return ctypes.pointer(self._raw)

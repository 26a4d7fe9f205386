"""Ranks on MPI, for programs that use mpi4py (docs/mpi.md).

    from mpi4py import MPI
    import dkvb.mpi

    with dkvb.mpi.Job(MPI.COMM_WORLD):          # ranks watch each other; by libdkvb-mpi
        fitted = dkvb.fit(x, labels)            # every rank makes the same calls
        fitted.model.save("m.dkvb")             # rank 0 writes

    with dkvb.mpi.ranks(MPI.COMM_WORLD):        # ranks by mpi4py alone do not watch each other
        ...
"""

import ctypes
import sys
from dataclasses import dataclass
from typing import Any, Optional

from . import _ffi, _struct
from ._mpi_library import library
from .ranks import Group, Ranks


@dataclass(frozen=True)
class Traffic:
    """Traffic of one function of a group of ranks: number of calls, and bytes sent to and received from other ranks."""

    calls: int
    sent: int
    received: int


@dataclass(frozen=True)
class JobInfo:
    """Properties of an MPI job, and the traffic of this rank until now."""

    rank: int
    count: int
    watched: bool  # True if ranks watch each other's signs of life (heartbeats).
    silence: int  # Seconds without a sign of life after which a rank counts as lost.
    exchange: Traffic
    gather: Traffic
    broadcast: Traffic


class Job(Group):
    """The ranks of a communicator, which end together: an exception on one rank ends the block on all ranks, and so
    does a rank without a sign of life for `silence` seconds (0: never). All ranks enter and leave the `with` block of a
    Job. Objects that are distributed over the ranks cannot be used after the `with` block."""

    def __init__(self, comm: Any = None, silence: Optional[int] = None) -> None:
        if comm is None:
            from mpi4py import MPI
            comm = MPI.COMM_WORLD
        raw, options = ctypes.POINTER(_ffi.Mpi)(), _struct.options(_ffi.MpiOptions, silence=silence)
        library().dkvb_mpi_new(ctypes.byref(raw), comm.py2f(), ctypes.byref(options))
        self._job: Any = raw

    def _pointer(self):
        return library().dkvb_mpi_ranks(self._job)

    def info(self) -> JobInfo:
        """Returns the properties of the MPI job, without waiting for other ranks."""
        if self.closed:
            raise ValueError("the job is closed")
        raw = _struct.sized(_ffi.MpiInfo)
        library().dkvb_mpi_get_info(self._job, ctypes.byref(raw))
        traffic = [Traffic(t.calls, t.sent, t.received) for t in (raw.exchange, raw.gather, raw.broadcast)]
        return JobInfo(raw.rank, raw.count, raw.watched != 0, raw.silence, *traffic)

    def host(self, rank: int) -> str:
        """Returns the name of the host on which a rank runs."""
        if self.closed:
            raise ValueError("the job is closed")
        return library().dkvb_mpi_host(self._job, rank).decode("utf-8", "replace")

    def __exit__(self, kind, error, traceback):
        super().__exit__(kind, error, traceback)
        if self._tokens or self.closed:
            return  # an inner `with` block of the same job does not end the job
        text = "" if error is None else f"{kind.__name__}: {error}"
        sys.stdout.flush()
        # Waits until all ranks have ended; if this rank has failed while others still work, dkvb_mpi_end() ends the
        # job.
        code = library().dkvb_mpi_end(self._job, 0 if error is None else 1, text.encode("utf-8"))
        self.closed = True
        library().dkvb_mpi_free(self._job)
        if error is None and code:
            raise RuntimeError("another rank of the job has failed; its message is on standard error")


def ranks(comm: Any = None) -> Ranks:
    """Makes a group of ranks by mpi4py alone, without libdkvb-mpi. Ranks by mpi4py alone do not watch each other: a
    rank that fails leaves all others waiting, unless the program is run by `python3 -m mpi4py`."""
    from mpi4py import MPI
    comm = comm or MPI.COMM_WORLD

    def exchange(send, send_sizes, receive, receive_sizes):
        comm.Alltoallv([send, (send_sizes, None), MPI.BYTE], [receive, (receive_sizes, None), MPI.BYTE])

    def gather(send, receive, sizes):
        if send.size and receive.ctypes.data <= send.ctypes.data < receive.ctypes.data + receive.size:
            send = send.copy()  # MPI refuses to send from memory that overlaps with the receive buffer
        comm.Allgatherv([send, MPI.BYTE], [receive, (sizes, None), MPI.BYTE])

    def broadcast(data):
        comm.Bcast([data, MPI.BYTE], 0)

    return Ranks(comm.Get_rank(), comm.Get_size(), exchange, gather, broadcast)

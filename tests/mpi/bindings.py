"""The Python bindings over ranks: bindings.py FOLDER, run by mpirun. Tests that all ways of using ranks from Python
give models with the same bytes."""

import sys
from pathlib import Path

import numpy as np
from mpi4py import MPI

import dkvb
import dkvb.mpi

comm = MPI.COMM_WORLD
folder = Path(sys.argv[1])
x, y = np.load(folder / "x.npy"), np.load(folder / "y.npy")


def fit_and_forget(name):
    fitted = dkvb.fit(x, y, epochs=2, codebooks=40, keys=16)
    fitted.model.save(folder / name)
    model = dkvb.Model.load(folder / name)
    return fitted, model, model.predict(x)


alone, kept, answers = None, None, None
if comm.rank == 0:
    alone, kept, answers = fit_and_forget("alone.dkvb")
answers = comm.bcast(answers)

with dkvb.mpi.ranks(comm):
    fitted, model, mine = fit_and_forget("mpi4py.dkvb")
    assert np.array_equal(mine, answers), "mpi4py: other answers"

with dkvb.mpi.Job(comm, silence=20) as job:
    fitted, model, mine = fit_and_forget("job.dkvb")
    assert np.array_equal(mine, answers), "libdkvb-mpi: other answers"
    info = job.info()
    assert (info.rank, info.count, info.silence) == (comm.rank, comm.size, 20)
    assert info.exchange.calls > 0 and info.gather.received > 0 and job.host(0)

try:
    model.predict(x)
    raise AssertionError("a shared model was used after its block")
except ValueError as error:
    assert "block has ended" in str(error)

if comm.rank == 0:
    content = (folder / "alone.dkvb").read_bytes()
    for name in ("mpi4py.dkvb", "job.dkvb"):
        assert (folder / name).read_bytes() == content, f"{name}: other bytes than those of one process"
    print("same")

# If a function of the group raises, its exception is the cause of the library's error.
if comm.size > 1:
    def broken(*_arguments):
        raise ZeroDivisionError("broken")

    try:
        with dkvb.Ranks(comm.rank, comm.size, broken, broken, broken):
            dkvb.fit(x, y, epochs=1)
        raise AssertionError("broken ranks have trained")
    except dkvb.Error as error:
        assert isinstance(error.__cause__, ZeroDivisionError), repr(error.__cause__)

# If a rank raises an exception, the job ends, and its error line is printed once, with rank and host.
if sys.argv[2:] == ["fails"]:
    with dkvb.mpi.Job(comm):
        if comm.rank == 1:
            raise KeyError("nothing here")
        dkvb.fit(x, y)

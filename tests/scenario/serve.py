"""Eight clients ask for single rows while forgettings replace the model again and again: every answer is bit for bit that
of a model that the file held meanwhile, and p99 is printed.

    serve.py TOOL WORK_FOLDER [--clients 8] [--forgettings 100] [--big]

Each client has its own worker process, `dkvb predict --serve`; as many threads ask a dkvb.LiveModel. Each replacement
of the model file masks a fiftieth of all pairs, or undoes the last masking, so that each version of the file gives
other answers. Clients compare the logits of all classes, so that a mixture of two versions would be noticed. The option
`--big` takes 512 codebooks of 768 keys; the figures of docs/serving.md were measured with this option.
"""

import argparse
import io
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

import dkvb

parser = argparse.ArgumentParser()
parser.add_argument("tool")
parser.add_argument("folder", type=Path)
parser.add_argument("--clients", type=int, default=8)
parser.add_argument("--forgettings", type=int, default=100)
parser.add_argument("--big", action="store_true")
args = parser.parse_args()
args.tool = str(Path(args.tool).resolve())  # an absolute path, as commands run in the work folder

ROWS = 64  # number of different rows that clients ask for


def make_model(path):
    """Trains a model on rows in clusters, and returns the rows that clients ask for."""
    rng = np.random.default_rng(7)
    classes, dim, n = (100, 512, 20000) if args.big else (20, 32, 2000)
    centers = rng.normal(size=(classes, dim)).astype("float32")
    labels = rng.integers(0, classes, n).astype("int32")
    x = (centers[labels] + 1.5 * rng.normal(size=(n, dim))).astype("float32")
    np.save(args.folder / "x.npy", x)
    np.save(args.folder / "y.npy", labels)
    shape = [] if args.big else ["--codebooks", "32", "--keys", "64", "--key-dim", "8", "--top-k", "2"]
    subprocess.run([args.tool, "train", "--features", "x.npy", "--labels", "y.npy", "--epochs", "1", "--keep-counts",
                    *shape, "-o", path], cwd=args.folder, check=True, stdout=subprocess.DEVNULL)
    return x[:ROWS].copy()


class Versions:
    """The expected answers of every version of the model file, and the versions that the file may have had at a given
    time."""

    def __init__(self, first):
        self.known = [first]  # logits of each version, float32[ROWS][classes]
        self.begun = self.done = 0

    def right(self, row, answer, lowest, highest):
        return any(answer.tobytes() == self.known[v][row].tobytes() for v in range(lowest, highest + 1))


def take(pipe, size):
    data = b""
    while len(data) < size:
        more = pipe.read(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def worker_client(path, x, versions, stop, out):
    """A client that asks its worker process for rows until `stop` is set; appends to `out` the seconds for each row,
    wrong answers, and the worker's statistics."""
    worker = subprocess.Popen([args.tool, "predict", path, "--serve", "--scores"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
    sent = []
    for row in x:
        data = io.BytesIO()
        np.save(data, row)
        sent.append(data.getvalue())
    waited, wrong, row = [], [], 0
    while not stop.is_set():
        row = (row + 1) % ROWS
        lowest, begin = versions.done, time.perf_counter()
        try:
            worker.stdin.write(sent[row])
            data = take(worker.stdout, 10)
            data += take(worker.stdout, int.from_bytes(data[8:10], "little") + 4 * versions.known[0].shape[1])
        except (BrokenPipeError, EOFError):
            break  # the worker has ended; its exit code tells why
        waited.append(time.perf_counter() - begin)
        answer = np.load(io.BytesIO(data))
        if answer.dtype != np.float32 or not versions.right(row, answer, lowest, versions.begun):
            wrong.append((row, lowest, versions.begun, answer))
    _, messages = worker.communicate()
    if worker.returncode != 0:
        wrong.append((worker.returncode, messages))
    out.append((waited, wrong, messages.decode()))


def thread_client(live, x, versions, stop, out):
    waited, wrong, row = [], [], 0
    while not stop.is_set():
        row = (row + 1) % ROWS
        lowest, begin = versions.done, time.perf_counter()
        _, answer = live.predict(x[row:row + 1], logits=True, threads=1)
        waited.append(time.perf_counter() - begin)
        if not versions.right(row, answer[0], lowest, versions.begun):
            wrong.append((row, lowest, versions.begun, answer))
    out.append((waited, wrong, f"models taken up: {live.taken}"))


def play(path, x, how):
    """Runs clients of one kind while the model file is replaced. Returns the seconds that clients waited for rows, and
    the clients' messages."""
    model = dkvb.Model.load(path)
    before = model.predict(x, logits=True)[1]
    versions, stop, out = Versions(before), threading.Event(), []
    if how == "workers":
        clients = [threading.Thread(target=worker_client, args=(path, x, versions, stop, out))
                   for _ in range(args.clients)]
    else:
        live = dkvb.LiveModel(path)
        clients = [threading.Thread(target=thread_client, args=(live, x, versions, stop, out))
                   for _ in range(args.clients)]
    for client in clients:
        client.start()
    rng, entry = np.random.default_rng(3 if how == "workers" else 4), None
    for turn in range(args.forgettings):
        if entry is None or turn % 3:
            mask = dkvb.Mask(model.codebooks)
            info = model.info
            pairs = info.codebooks * info.keys
            for pair in rng.choice(pairs, pairs // 50, replace=False):
                mask.add(*divmod(int(pair), info.keys))
            entry = model.forget(mask)
        else:
            model.undo(entry)
            entry = None
        versions.known.append(model.predict(x, logits=True)[1])
        versions.begun = turn + 1
        model.save(path)
        versions.done = turn + 1
        time.sleep(0.03)
    stop.set()
    for client in clients:
        client.join()
    assert len(out) == args.clients, "a client ended with an exception"
    for waited, wrong, messages in out:
        assert not wrong, (len(wrong), wrong[0])
        assert len(waited) > args.forgettings, (how, len(waited))
    different = sum((a != b).any() for a, b in zip(versions.known, versions.known[1:]))
    assert different == args.forgettings, "a replacement changed no answer, so it was not tested"
    return np.concatenate([waited for waited, _, _ in out]), [messages for _, _, messages in out]


args.folder.mkdir(parents=True, exist_ok=True)
with tempfile.TemporaryDirectory(dir=args.folder) as folder:
    args.folder = Path(folder)
    path = str(args.folder / "m.dkvb")
    rows = make_model(path)
    for how in ("workers", "threads"):
        seconds, messages = play(path, rows, how)
        taken = [int(text.rsplit("models taken up: ", 1)[1].split()[0]) for text in messages]
        assert min(taken) > args.forgettings / 4, taken
        p50, p99 = np.percentile(seconds, (50, 99)) * 1e3
        print(f"{how}: {args.clients} clients, {len(seconds)} rows, {args.forgettings} replacements, every answer old or "
              f"new; at the client p50 {p50:.2f} ms, p99 {p99:.2f} ms, longest {seconds.max() * 1e3:.1f} ms; "
              f"taken up {min(taken)} to {max(taken)} times")
        if how == "workers":
            print("  one worker:", messages[0].strip())
sys.exit(0)

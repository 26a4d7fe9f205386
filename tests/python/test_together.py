"""Tests of one model used at the same time by many threads, forked and spawned processes, or joblib's workers: all
predictions equal those of one thread, and nothing fails or hangs.

    test_together.py [--seconds S]     S is 3 by default; the test prints how much faster two workers are than one
"""
import argparse
import multiprocessing
import pickle
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

try:
    import numpy as np
except ImportError:
    print("skipped: numpy is not installed")
    sys.exit(77)
import dkvb

ROWS = 512


def make():
    random = np.random.default_rng(0)
    y = np.arange(4000, dtype=np.int32) % 10
    x = (random.normal(size=(10, 64))[y] + random.normal(size=(4000, 64))).astype(np.float32)
    return dkvb.fit(x, y, seed=1)[0], x[:ROWS]


def ask(model, x, wanted, seconds):
    """Predicts the rows again and again until the time is over, with one library thread, and returns how often."""
    end, calls = time.monotonic() + seconds, 0
    while time.monotonic() < end or calls == 0:
        if not np.array_equal(model.predict(x, threads=1), wanted):
            raise AssertionError("the answers differ from those of one thread")
        calls += 1
    return calls


def in_process(path, x, wanted, seconds):
    with dkvb.Model.map(path) as model:
        return ask(model, x, wanted, seconds)


def inherited(_):
    """Runs in a forked child: predicts with the parent's model, by several threads at once and by all threads of the
    library."""
    model, x, wanted, seconds = inherited.what
    assert np.array_equal(model.predict(x), wanted)
    return ask(model, x, wanted, seconds)


def threads(model, x, wanted, count, seconds):
    with ThreadPoolExecutor(count) as pool:
        return sum(pool.map(lambda _: ask(model, x, wanted, seconds), range(count)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=3.0)
    seconds = parser.parse_args().seconds / 5
    model, x = make()
    wanted = model.predict(x, threads=1)
    assert np.array_equal(pickle.loads(pickle.dumps(model)).predict(x), wanted)

    one = threads(model, x, wanted, 1, seconds)
    two = threads(model, x, wanted, 2, seconds)
    eight = threads(model, x, wanted, 8, seconds)
    print(f"threads: {one / seconds:.0f} calls a second by one, {two / one:.2f} times as many by two, "
          f"{eight / one:.2f} by eight")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "m.dkvb")
        model.save(path)
        inherited.what = model, x, wanted, seconds
        for way in ("fork", "spawn"):
            with multiprocessing.get_context(way).Pool(2) as pool:
                calls = pool.starmap(in_process, [(path, x, wanted, seconds)] * 2)
                if way == "fork":
                    calls += pool.map(inherited, range(2))
            print(f"{way}: {sum(calls)} calls")
        try:
            import joblib
        except ImportError:
            print("joblib: not installed, not tried")
        else:
            calls = joblib.Parallel(n_jobs=2, backend="loky")(
                joblib.delayed(ask)(model, x, wanted, seconds) for _ in range(2))
            print(f"joblib, pickled models: {sum(calls)} calls")


if __name__ == "__main__":
    main()

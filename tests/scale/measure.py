"""Measures trainings of many sizes, for the model of time and memory in model.py. The rows of the trainings are made by
a fixed rule.

    measure.py DKVB [--ranks DKVB_MPI] [-o measured.csv] [--repeat 3] [--only fit|check]

Each line of the output table is a training: its sizes, the median seconds of its stages, the largest memory of a
process, and with ranks the bytes that rank 0 sent and received. No other work may run on the machine meanwhile.
"""

import argparse
import csv
import os
import re
import statistics
import subprocess
import sys
import tempfile

import numpy as np

# Each size is (rows, columns, classes, codebooks, keys, length of a key, top-k, ranks, threads). model.py is fitted to
# the list FIT, and tested on the second list, which has the largest training.
FIT = [
    (20000, 128, 10, 64, 512, 16, 8, 1, 1),
    (20000, 128, 10, 64, 512, 16, 8, 1, 2),
    (20000, 128, 100, 64, 512, 16, 8, 1, 2),
    (20000, 128, 100, 256, 512, 16, 4, 1, 2),
    (10000, 512, 1000, 64, 256, 16, 8, 1, 2),
    (40000, 64, 100, 128, 256, 8, 8, 1, 1),
    (20000, 256, 400, 128, 1024, 16, 4, 1, 2),
    (20000, 128, 100, 64, 1024, 32, 1, 1, 2),
    (20000, 128, 100, 256, 512, 16, 4, 2, 1),
    (10000, 512, 1000, 64, 256, 16, 8, 2, 1),
    (20000, 128, 10, 64, 512, 16, 8, 2, 1),
    (20000, 256, 400, 128, 1024, 16, 4, 2, 1),
    (60000, 128, 200, 128, 768, 16, 8, 1, 2),
    (30000, 256, 50, 128, 768, 16, 8, 1, 2),
    (15000, 128, 600, 128, 512, 16, 8, 1, 2),
    (30000, 256, 200, 256, 512, 16, 4, 2, 1),
    (200000, 256, 300, 128, 1024, 16, 8, 1, 2),
    (200000, 256, 300, 128, 1024, 16, 8, 2, 1),
]
CHECK = [
    (25000, 192, 80, 96, 640, 16, 8, 1, 2),
    (12000, 256, 700, 64, 384, 16, 4, 1, 2),
    (50000, 128, 150, 160, 896, 16, 6, 2, 1),
    (250000, 128, 250, 128, 768, 16, 8, 1, 2),
    (250000, 128, 250, 128, 768, 16, 8, 2, 1),
]
SIZES = "rows columns classes codebooks keys width top_k ranks threads".split()
STAGES = "keys search values".split()
EPOCHS, BATCH = 2, 256


def make_rows(folder, rows, columns, classes):
    """Makes a file of rows around one centre for each class, unless the file of this size exists."""
    x, y = os.path.join(folder, f"{rows}-{columns}-{classes}.npy"), os.path.join(folder, f"{rows}-{classes}-y.npy")
    if not os.path.exists(x):
        rng = np.random.default_rng(0)
        centres = rng.normal(0, 1, (classes, columns)).astype("f4")
        labels = np.arange(rows, dtype="i4") % classes
        np.save(y, labels)
        np.save(x, centres[labels] + rng.normal(0, 1.5, (rows, columns)).astype("f4"))
    return x, y


def train(options, folder, case):
    size = dict(zip(SIZES, case))
    x, y = make_rows(folder, size["rows"], size["columns"], size["classes"])
    command = [options.dkvb]
    if size["ranks"] > 1:
        command = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", str(size["ranks"]),
                   options.ranks]
    command += ["train", "--features", x, "--labels", y, "-o", os.path.join(folder, "m.dkvb"), "--whiten", "never",
                "--epochs", str(EPOCHS), "--batch", str(BATCH), "--threads", str(size["threads"]),
                "--codebooks", str(size["codebooks"]), "--keys", str(size["keys"]), "--key-dim", str(size["width"]),
                "--top-k", str(size["top_k"])]
    environment = dict(os.environ, OMP_WAIT_POLICY="passive", OMP_NUM_THREADS=str(size["threads"]))
    with tempfile.TemporaryFile("w+") as said:
        work = subprocess.Popen(command, env=environment, stdout=said, stderr=said)
        # with ranks, the memory is that of the largest process that mpirun waited for
        _, status, usage = os.wait4(work.pid, 0)
        said.seek(0)
        text = said.read()
    if status:
        sys.exit(f"{' '.join(command)}: {text}")
    seconds = dict(re.findall(r"^(keys|search|values) +([0-9.]+) s$", text, re.M))
    return {stage: float(seconds[stage]) for stage in STAGES}, usage.ru_maxrss * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dkvb")
    parser.add_argument("--ranks", metavar="DKVB_MPI")
    parser.add_argument("-o", "--output", default="measured.csv")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", choices=["fit", "check"])
    options = parser.parse_args()
    cases = [(use, case) for use, some in (("fit", FIT), ("check", CHECK)) for case in some
             if options.only in (None, use) and (options.ranks or case[SIZES.index("ranks")] == 1)]
    with tempfile.TemporaryDirectory() as folder, open(options.output, "w", newline="", encoding="ascii") as file:
        table = csv.writer(file)
        table.writerow(["use", *SIZES, *(stage + "_seconds" for stage in STAGES), "peak_bytes"])
        runs = {case: [] for _, case in cases}
        for _ in range(options.repeat):  # runs all sizes in turns, so that a slow moment does not affect one size only
            for _, case in cases:
                runs[case].append(train(options, folder, case))
                print(case, runs[case][-1], flush=True)
        for use, case in cases:
            seconds = [statistics.median(run[0][stage] for run in runs[case]) for stage in STAGES]
            table.writerow([use, *case, *(f"{s:.2f}" for s in seconds), max(run[1] for run in runs[case])])


if __name__ == "__main__":
    main()

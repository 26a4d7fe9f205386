"""Checks what the default settings reach on real data: accuracy, calibration, and sizes of files. Prints a table with a
limit for each figure.

    bars.py TOOL DATA_FOLDER SET [SEED ...] [--tune]

SET: cifar10, tiny100, clinc150, faces_orl, fashion (pixels), fashion_descriptor. `dkvb train` gets no options but the
files and the seed, and with --tune also --tune. The limits apply to the mean over the seeds. The exit status is 77 if
the data is missing.
"""
import json
import os
import subprocess
import sys
import tempfile

FASHION = "/usr/share/datasets/fashion-mnist"

# Limits: least accuracy with defaults, and with --tune; largest calibration error; most bytes of the model file, and of
# the codes file
SETS = {
    "cifar10": (0.795, 0.802, 0.02, 30e6, 128e6),
    "tiny100": (0.660, 0.666, 0.02, 90e6, None),
    "clinc150": (0.925, 0.932, None, None, None),
    "faces_orl": (0.98, 0.98, None, None, None),
    "fashion": (0.888, 0.888, None, None, None),
    "fashion_descriptor": (0.922, 0.922, None, None, None),
}


def run(*args):
    done = subprocess.run([str(a) for a in args], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"failed: {' '.join(map(str, args))}")
    return json.loads(done.stdout)


def files(tool, name, folder, work):
    if not name.startswith("fashion"):
        return [os.path.join(folder, name, f) for f in ("train_x.npy", "train_y.npy", "test_x.npy", "test_y.npy")]
    paths = [os.path.join(FASHION, f) for f in ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz",
                                                "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")]
    if name == "fashion_descriptor" and os.path.exists(paths[0]):
        for i in (0, 2):
            rows = os.path.join(work, f"rows{i}.npy")
            run(tool, "encode", "--encoder", "descriptor", "--input", paths[i], "-o", rows, "--json")
            paths[i] = rows
    return paths


def mean(numbers):
    return sum(numbers) / len(numbers)


def main():
    arguments = [a for a in sys.argv[1:] if a != "--tune"]
    tool, folder, name = arguments[:3]
    tune = ["--tune"] if "--tune" in sys.argv else []
    least, least_tuned, most_error, most_bytes, most_codes = SETS[name]
    measured = []
    with tempfile.TemporaryDirectory() as work:
        train_x, train_y, test_x, test_y = files(tool, name, folder, work)
        if not os.path.exists(train_x):
            print(f"skipped: {train_x} is not there")
            sys.exit(77)
        model, codes = os.path.join(work, "model"), os.path.join(work, "codes")
        for seed in arguments[3:] or ["0"]:
            rows = ("--features", train_x, "--labels", train_y, "--seed", seed, "--json")
            trained = run(tool, "train", *rows, "-o", model, *tune)
            answered = run(tool, "eval", model, "--features", test_x, "--labels", test_y, "--json")
            sizes = [os.path.getsize(model)]
            if most_codes and not tune:
                run(tool, "train", *rows, "-o", model, "--codes-out", codes)
                sizes.append(os.path.getsize(codes))
            measured.append((answered["accuracy"], answered["calibration_error"], *sizes))
            print(f"{name} seed {seed}: {trained['codebooks']} codebooks of {trained['keys']} keys, "
                  f"{trained['key_dim']} wide, top {trained['top_k']}{', whitened' if trained['whitened'] else ''}; "
                  f"accuracy {answered['accuracy']:.4f}, held out {trained['held_out_accuracy'] or 0:.4f}, "
                  f"calibration error {answered['calibration_error']:.4f}, train {trained['seconds']:.1f} s",
                  flush=True)
    columns = [mean(column) for column in zip(*measured)]
    bars = [("test accuracy", columns[0], ">=", least_tuned if tune else least)]
    if most_error and not tune:
        bars.append(("expected calibration error", columns[1], "<=", most_error))
    if most_bytes and not tune:
        bars.append(("model, MB", columns[2] / 1e6, "<=", most_bytes / 1e6))
    if most_codes and not tune:
        bars.append(("codes file, MB", columns[3] / 1e6, "<=", most_codes / 1e6))
    missed = 0
    for what, figure, sense, bar in bars:
        met = figure >= bar if sense == ">=" else figure <= bar
        missed += not met
        print(f"{'met   ' if met else 'MISSED'} {name} {what}: {figure:.4f} {sense} {bar}")
    sys.exit(1 if missed else 0)


main()

"""Checks the accuracy with the descriptor encoder on real pictures, and its gain over raw pixels.

    encoder_bars.py TOOL DATA_FOLDER [fashion|cifar10 ...] [--quick] [--seed N]

For Fashion-MNIST, models are trained on 60,000 pictures and tested on 10,000. For CIFAR-10, models are trained on the
first 5,000 of the 10,000 test pictures and tested on the last 5,000, as the training pictures do not come with the
data. Keys have length 32, and all other settings are defaults. With --quick, a fifth of Fashion-MNIST and an eighth of
the keys and codebooks are used, with lower limits. The exit status is 77 if the data is missing.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

FASHION = "/usr/share/datasets/fashion-mnist"
QUICK = ("--codebooks", 64, "--keys", 1024)

# Least accuracy with the descriptor, least gain over raw pixels; then both limits for --quick
BARS = {"fashion": (0.895, 0.0, 0.86, 0.04), "cifar10": (0.0, 0.10, 0.0, 0.08)}


def run(*args):
    done = subprocess.run([str(a) for a in args], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"failed: {' '.join(map(str, args))}")
    return done.stdout


def encode(tool, encoder, path, labels, to):
    """Encodes a set of pictures by the tool, and returns its rows and labels."""
    x, y = f"{to}.x.npy", f"{to}.y.npy"
    run(tool, "encode", "--encoder", encoder, "--input", path, "-o", x, "--labels-out", y,
        *(("--labels", labels) if labels else ()))
    return np.load(x), np.load(y)


def fashion(tool, encoder, work, quick):
    """Returns training rows and labels, and test rows and labels, of Fashion-MNIST."""
    def part(name):
        return encode(tool, encoder, f"{FASHION}/{name}-images-idx3-ubyte.gz", f"{FASHION}/{name}-labels-idx1-ubyte.gz",
                      f"{work}/{name}")
    (x, y), test = part("train"), part("t10k")
    return (x[:12000], y[:12000], *test) if quick else (x, y, *test)


def cifar10(tool, encoder, work, quick, folder):
    x, y = encode(tool, encoder, cifar_file(folder), None, f"{work}/cifar")
    return x[:5000], y[:5000], x[5000:], y[5000:]


def cifar_file(folder):
    return os.path.join(folder, "images", "cifar-10-batches-bin", "test_batch.bin")


def accuracy(tool, arrays, work, options):
    names = ("train_x", "train_y", "test_x", "test_y")
    paths = {name: f"{work}/{name}.npy" for name in names}
    for name, array in zip(names, arrays):
        np.save(paths[name], array)
    run(tool, "train", "--features", paths["train_x"], "--labels", paths["train_y"], "-o", f"{work}/model",
        "--key-dim", 32, *options)
    return json.loads(run(tool, "eval", f"{work}/model", "--features", paths["test_x"], "--labels", paths["test_y"],
                          "--json"))["accuracy"]


def measure(tool, name, folder, quick, seed):
    options = ("--seed", seed, *(QUICK if quick else ()))
    found = {}
    for encoder in ("pixels", "descriptor"):
        with tempfile.TemporaryDirectory() as work:
            arrays = (fashion(tool, encoder, work, quick) if name == "fashion" else
                      cifar10(tool, encoder, work, quick, folder))
            found[encoder] = accuracy(tool, arrays, work, options)
    return found["pixels"], found["descriptor"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tool")
    parser.add_argument("folder")
    parser.add_argument("sets", nargs="*")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", default="0")
    args = parser.parse_args()
    failed = measured = 0
    for name in args.sets or BARS:
        needed = f"{FASHION}/train-images-idx3-ubyte.gz" if name == "fashion" else cifar_file(args.folder)
        if not os.path.exists(needed):
            print(f"skipped: {needed} is not there")
            continue
        least, gain = BARS[name][2:] if args.quick else BARS[name][:2]
        pixels, descriptor = measure(args.tool, name, args.folder, args.quick, args.seed)
        good = descriptor >= least and descriptor - pixels >= gain
        print(f"{name}: pixels {pixels:.4f}, descriptor {descriptor:.4f}, wanted {least:.3f} and {gain:.2f} above pixels"
              f"{'' if good else ': FAILED'}", flush=True)
        measured += 1
        failed += not good
    sys.exit(1 if failed else 0 if measured else 77)


if __name__ == "__main__":
    main()

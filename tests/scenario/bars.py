"""The accuracy that real data must reach, before and after forgetting: one table, and a bar for each figure.

    bars.py TOOL DATA_FOLDER cifar10|tiny100|fashion [SEED ...]

Epochs and rate are the tool's defaults; they were chosen on a held-out part of the training rows (docs/method.md).
Bars are of the mean over the seeds. Exit 77 where the data is not there.
"""
import json
import os
import subprocess
import sys
import tempfile

FASHION = "/usr/share/datasets/fashion-mnist"

# forgettings: class, pairs, most forget accuracy, least change of retain accuracy
SETS = {
    "cifar10": {"key_dim": 32, "mean": 0.757, "each": 0.754,
                "forget": [(3, 100000, 0.005, 0.01), (8, 100000, 0.03, 0.0)]},
    "tiny100": {"key_dim": 32, "mean": 0.598, "each": 0.0, "forget": [(7, 20000, 0.02, -0.003)]},
    "fashion": {"key_dim": 16, "mean": 0.865, "each": 0.0, "forget": [(0, 200000, 0.005, -0.003)]},
}


def run(*args):
    done = subprocess.run([str(a) for a in args], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"failed: {' '.join(map(str, args))}")
    return json.loads(done.stdout)


def files(name, folder):
    if name == "fashion":
        return [os.path.join(FASHION, f) for f in ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz",
                                                   "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")]
    return [os.path.join(folder, name, f) for f in ("train_x.npy", "train_y.npy", "test_x.npy", "test_y.npy")]


def mean(numbers):
    return sum(numbers) / len(numbers)


def main():
    tool, folder, name = sys.argv[1:4]
    seeds = sys.argv[4:] or ["0"]
    spec = SETS[name]
    train_x, train_y, test_x, test_y = files(name, folder)
    if not os.path.exists(train_x):
        print(f"skipped: {train_x} is not there")
        sys.exit(77)
    accuracies = []
    before = {f[0]: [] for f in spec["forget"]}
    after = {f[0]: [] for f in spec["forget"]}
    with tempfile.TemporaryDirectory() as work:
        model, forgotten = os.path.join(work, "model"), os.path.join(work, "forgotten")
        for seed in seeds:
            trained = run(tool, "train", "--features", train_x, "--labels", train_y, "-o", model,
                          "--key-dim", spec["key_dim"], "--seed", seed, "--json")
            for label, pairs, _, _ in spec["forget"]:
                held = ("--features", test_x, "--labels", test_y, "--forget-class", label, "--json")
                first = run(tool, "eval", model, *held)
                request = run(tool, "forget", model, "-o", forgotten, "--method", "activations", "--pairs", pairs,
                              "--features", train_x, "--labels", train_y, "--class", label, "--json")
                then = run(tool, "eval", forgotten, *held)
                before[label].append(first)
                after[label].append(then)
                print(f"{name} seed {seed}: accuracy {first['accuracy']:.4f}, class {label}, "
                      f"{request['pairs_masked']} pairs: "
                      f"forget {first['forget_accuracy']:.4f} -> {then['forget_accuracy']:.4f}, "
                      f"retain {first['retain_accuracy']:.4f} -> {then['retain_accuracy']:.4f}; "
                      f"train {trained['seconds']:.1f} s (keys {trained['seconds_keys']:.1f}, "
                      f"search {trained['seconds_search']:.1f}, values {trained['seconds_values']:.1f}), "
                      f"forget {request['seconds']:.1f} s", flush=True)
            accuracies.append(first["accuracy"])
    bars = [("test accuracy, mean", mean(accuracies), ">=", spec["mean"]),
            ("test accuracy, least", min(accuracies), ">=", spec["each"])]
    for label, _, most, change in spec["forget"]:
        bars.append((f"class {label} forget accuracy", mean([e["forget_accuracy"] for e in after[label]]), "<=", most))
        bars.append((f"class {label} retain accuracy, change",
                     mean([a["retain_accuracy"] - b["retain_accuracy"] for a, b in zip(after[label], before[label])]),
                     ">=", change))
    missed = 0
    for what, figure, sense, bar in bars:
        met = figure >= bar if sense == ">=" else figure <= bar
        missed += not met
        print(f"{'met   ' if met else 'MISSED'} {name} {what}: {figure:.4f} {sense} {bar}")
    sys.exit(1 if missed else 0)


main()

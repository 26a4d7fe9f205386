"""A model of the time, memory and traffic of a training, fitted to measurements.

    model.py [measured.csv]                  fits the model, and compares it with trainings not used for the fit
    model.py --rows 1e9 --columns 512 --classes 1e4 --codebooks 256 --keys 4096 --width 16 --top-k 8
             --ranks 64 --threads 32 [--gbit 25] [--microseconds 50] [--faster 1.0]
                                             prints what such a training would take

The modelled time of a stage is a sum of terms: counts of operations, divided by ranks times threads, times factors. The
factors are fitted by least squares on relative errors, and are not negative. Traffic and memory are computed from the
layout of the data.
"""

import argparse
import csv
import os
import sys

import numpy as np

ROWS_PER_KEY, KEY_BYTES, GROUP, EPOCHS, BATCH = 16, 1, 16, 2, 256
HERE = os.path.dirname(os.path.abspath(__file__))
SIZES = "rows columns classes codebooks keys width top_k ranks threads".split()
STAGES = "keys search values".split()


def stride(classes):
    """Returns the floats that the values of a pair take in memory during training, rounded up to whole vectors."""
    return np.ceil(classes / 4) * 4 if classes <= 16 else np.ceil(classes / 16) * 16


def groups(c):
    """Returns the number of groups of codebooks on the rank that has most of them."""
    return np.ceil(np.ceil(c["codebooks"] / GROUP) / c["ranks"])


def projection(c):
    """Returns the number of additions for projecting a row, which takes a fast transform for each round of outputs."""
    size = 2 ** np.ceil(np.log2(c["columns"]))
    return np.ceil(c["codebooks"] * c["width"] / size) * size * np.log2(size)


def touched(c):
    """Returns the expected number of different keys in a codebook that the rows of a batch select, if they select at
    random."""
    return c["keys"] * (1 - np.exp(-BATCH * c["top_k"] / c["keys"]))


def terms(c):
    """Returns for each stage its terms: numbers of operations of the slowest rank."""
    used = np.minimum(ROWS_PER_KEY * c["keys"], c["rows"])
    n, workers = c["rows"], c["ranks"] * c["threads"]
    quads = np.ceil(c["width"] / 4) * 4
    # A rank divides its values among threads by groups of codebooks: each group is the work of one thread.
    shares = np.ceil(groups(c) / c["threads"]) * GROUP
    shares = np.minimum(shares, c["codebooks"])
    return {
        "keys": [used * c["keys"] * c["codebooks"] * quads / workers, used * c["codebooks"] * c["keys"] / workers,
                 used * projection(c) / workers, used * c["columns"]],
        "search": [n * c["codebooks"] * c["keys"] * quads / workers, n * c["codebooks"] * c["keys"] / workers,
                   n * projection(c) / workers, n * c["codebooks"] * c["top_k"] / workers],
        # Terms of training values: values are added; the sums of a row are loaded and stored for each codebook; each
        # batch moves the values it touches through the cache; and codes are looked up.
        "values": [EPOCHS * n * shares * c["top_k"] * stride(c["classes"]), EPOCHS * n * shares * stride(c["classes"]),
                   EPOCHS * n / BATCH * shares * touched(c) * stride(c["classes"]), EPOCHS * n * shares * c["top_k"],
                   EPOCHS * n * c["classes"] / workers, EPOCHS * n * c["classes"] * np.ceil(c["codebooks"] / GROUP) / workers,
                   c["codebooks"] * c["keys"] * stride(c["classes"]) / workers,
                   (c["ranks"] > 1) * traffic(c)["training"]],
    }


def traffic(c):
    """Returns the bytes that a rank sends and receives: codes in the search, sums and errors in training."""
    part = (c["ranks"] - 1) / c["ranks"]
    return {
        "search": part * c["rows"] * c["codebooks"] * c["top_k"] * 2 * 2,
        "training": 2 * part * EPOCHS * c["rows"] * 4 * (c["classes"] * groups(c) + c["classes"] + 3),
        "file": c["codebooks"] * c["keys"] * c["classes"] * 2 / c["ranks"] * (c["ranks"] > 1),
    }


def memory(c):
    """Returns the bytes of memory of a rank while it trains: values twice (float32, and float16 at the end), keys,
    codes, order of rows."""
    own = np.minimum(groups(c) * GROUP, c["codebooks"]) * c["keys"]
    pairs = c["codebooks"] * c["keys"]
    batch = BATCH * (groups(c) * (stride(c["classes"]) + c["classes"])
                     + (c["ranks"] > 1) * np.ceil(c["codebooks"] / GROUP) / c["ranks"] * c["classes"]) * 4
    return own * stride(c["classes"]) * 4 + own * c["classes"] * 2 + pairs * (c["width"] + 4) \
        + c["rows"] * (c["codebooks"] * c["top_k"] * 2 + 48) + batch


def read(path):
    with open(path, newline="", encoding="ascii") as file:
        lines = list(csv.DictReader(file))
    return [({name: float(line[name]) for name in SIZES}, line["use"], 
             {s: float(line[s + "_seconds"]) for s in STAGES}, float(line["peak_bytes"])) for line in lines]


def least_squares(a, iterations=20000):
    """Returns the factors x >= 0 that make a x nearest to 1, by projected gradient descent; each row of `a` is divided
    by the measured time."""
    scale = np.abs(a).max(axis=0)
    scale[scale == 0] = 1
    a = a / scale
    step, x = 1 / np.linalg.norm(a.T @ a, 2), np.zeros(a.shape[1])
    y, t = x, 1.0
    for _ in range(iterations):
        new = np.maximum(0, y - step * (a.T @ (a @ y - 1)))
        t_new = (1 + np.sqrt(1 + 4 * t * t)) / 2
        x, y, t = new, new + (t - 1) / t_new * (new - x), t_new
    return x / scale


def fit(measured):
    factors = {}
    for stage in STAGES:
        a = [[term / seconds[stage] for term in terms(c)[stage]]
             for c, use, seconds, _ in measured if use == "fit" and seconds[stage] >= 0.2]
        factors[stage] = least_squares(np.array(a))
    return factors


def seconds_of(c, factors, network=None):
    """Returns the modelled seconds of each stage. `network` are bytes per second and seconds per message between hosts;
    None = as measured."""
    found = {stage: float(np.dot(terms(c)[stage], factors[stage])) for stage in STAGES}
    if network:
        rate, latency = network
        found["values"] -= float(terms(c)["values"][-1] * factors["values"][-1])
        found["values"] += traffic(c)["training"] / rate + EPOCHS * c["rows"] / BATCH * 2 * latency
        found["search"] += traffic(c)["search"] / rate
    return found


def compare(measured, factors):
    print("| rows | columns | classes | C x K x d, k | ranks x threads | measured, s | model, s | error |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    worst = 0.0
    for c, use, seconds, _ in measured:
        if use != "check":
            continue
        was, said = sum(seconds.values()), sum(seconds_of(c, factors).values())
        worst = max(worst, abs(said / was - 1))
        print(f"| {c['rows']:,.0f} | {c['columns']:.0f} | {c['classes']:.0f} | {c['codebooks']:.0f} x {c['keys']:.0f} x "
              f"{c['width']:.0f}, {c['top_k']:.0f} | {c['ranks']:.0f} x {c['threads']:.0f} | {was:.1f} | {said:.1f} | "
              f"{100 * (said / was - 1):+.0f} % |")
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measured", nargs="?", default=os.path.join(HERE, "measured.csv"))
    for name in SIZES:
        parser.add_argument("--" + name.replace("_", "-"), type=float)
    parser.add_argument("--gbit", type=float, default=25.0, help="of the network, a host")
    parser.add_argument("--microseconds", type=float, default=50.0, help="of a message")
    parser.add_argument("--faster", type=float, default=1.0, help="than a core of the machine that was measured")
    parser.add_argument("--within", type=float, help="fail if the model is further off than this share")
    options = parser.parse_args()
    measured = read(options.measured)
    factors = fit(measured)
    if options.rows is None:
        worst = compare(measured, factors)
        print(f"largest error {100 * worst:.0f} %")
        return int(options.within is not None and worst > options.within)
    c = {name: getattr(options, name) for name in SIZES}
    if None in c.values():
        parser.error("all sizes are needed: " + ", ".join("--" + name.replace("_", "-") for name in SIZES))
    found = seconds_of(c, {s: f / options.faster for s, f in factors.items()},
                       (options.gbit * 1e9 / 8, options.microseconds * 1e-6) if c["ranks"] > 1 else None)
    for stage in STAGES:
        print(f"{stage:8} {found[stage]:14,.0f} s")
    print(f"{'in all':8} {sum(found.values()):14,.0f} s, {sum(found.values()) / 3600:,.1f} h")
    print(f"memory   {memory(c) / 2**30:14,.1f} GiB a rank")
    for what, size in traffic(c).items():
        print(f"{what:8} {size / 2**30:14,.1f} GiB that a rank sends and receives")
    return 0


if __name__ == "__main__":
    sys.exit(main())

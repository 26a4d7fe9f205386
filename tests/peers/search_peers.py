"""Compares the search of projected rows by PyTorch, FAISS, numpy and libdkvb in one process, on the same data.

    search_peers.py [--cases CASE,...] [--rounds N] [--codebooks C] [--threads N] [--library libdkvb.so] [--json]
                    --inside libpeers_inside.so

Rows and keys are whole numbers, as the library makes them, and are given to the other libraries as floats, which hold
all sums exactly. Codes are compared before anything is timed: libdkvb's must be the lowest of the nearest keys, those
of another library equally near; otherwise the script exits with 1.
"""
import json
import os
import statistics
import sys

import common

FASHION = "/usr/share/datasets/fashion-mnist"
# For each case: the data, the length of a key, and the number of rows in a call (1: each row alone).
CASES = {
    "random8": ("random", 8, 512),
    "random16": ("random", 16, 512),
    "random32": ("random", 32, 512),
    "cifar10-8": ("cifar10", 8, 512),
    "cifar10-16": ("cifar10", 16, 512),
    "cifar10": ("cifar10", 32, 512),
    "tiny100": ("tiny100", 32, 512),
    "fashion": ("fashion", 16, 512),
    "one8": ("random", 8, 1),
    "one16": ("random", 16, 1),
    "one32": ("random", 32, 1),
    "one-cifar10": ("cifar10", 32, 1),
}
ALONE = 16  # number of rows that are timed one after the other


def arguments():
    p = common.parser(__doc__.splitlines()[0])
    p.add_argument("--cases", default=",".join(CASES), help="default: " + ",".join(CASES))
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--inside", required=True, help="module with the library's inside, built beside the tests")
    p.add_argument("--codebooks", type=int, default=256)
    p.add_argument("--keys", type=int, default=4096)
    p.add_argument("--batch", type=int, default=512, help="rows of the cases that have more than one")
    args = p.parse_args()
    args.cases = args.cases.split(",")
    for case in args.cases:
        if case not in CASES:
            p.error(f"case {case}: one of {', '.join(CASES)} is wanted")
    return args


def feature_files(data, folder):
    if data == "fashion":
        return [os.path.join(FASHION, f) for f in ("train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte.gz")]
    return [os.path.join(folder, data, f) for f in ("train_x.npy", "test_x.npy")]


def random_data(args, key_dim, rows):
    """Makes normally distributed rows and keys with a standard deviation of 14 steps, as the library scales them."""
    random = np.random.default_rng(0)
    sizes = (args.codebooks, args.keys, key_dim), (rows, args.codebooks, key_dim)
    keys, q = (np.rint(14 * random.standard_normal(size, dtype=np.float32)).clip(-63, 63) for size in sizes)
    return q, keys


def fitted(args, data, train, key_dim):
    """Fits codebooks with the library's defaults, or takes them from the cache folder."""
    path = args.cache and os.path.join(args.cache, f"{data}-{args.codebooks}x{args.keys}x{key_dim}.npz")
    if path and os.path.exists(path):
        kept = np.load(path)
        return dkvb.Codebooks.from_arrays(kept["keys"] / kept["scales"][:, None, None], len(kept["center"]),
                                          center=kept["center"], scales=kept["scales"])
    codebooks = dkvb.Codebooks.fit(dkvb.read_features(train), codebooks=args.codebooks, keys=args.keys,
                                   key_dim=key_dim, threads=args.threads)
    if path:
        os.makedirs(args.cache, exist_ok=True)
        np.savez(path, keys=codebooks.keys, scales=codebooks.scales, center=codebooks.center)
    return codebooks


def rows_and_keys(args, data, key_dim, rows):
    if data == "random":
        return random_data(args, key_dim, rows)
    train, test = feature_files(data, args.data)
    if not os.path.exists(train):
        return None
    codebooks = fitted(args, data, train, key_dim)
    q = codebooks.project(dkvb.read_features(test)[:rows], threads=args.threads)
    return q.astype(np.float32), codebooks.keys.astype(np.float32)


def compare(q, keys, codes):
    """Compares the codes of each library with a search in whole numbers: how many differ, and whether only in ties;
    libdkvb's may not differ at all."""
    best = exact.nearest(q, keys)
    result = {}
    for name, found in codes.items():
        differ, no_tie = exact.check(q, keys, found.astype(np.int64), best)
        result[name] = {"differ": differ, "no_tie": no_tie}
    return result, result["libdkvb"]["differ"] == 0 and not any(each["no_tie"] for each in result.values())


def run_case(args, case):
    data, key_dim, batch = CASES[case]
    alone = batch == 1
    got = rows_and_keys(args, data, key_dim, ALONE if alone else args.batch)
    if got is None:
        return {"case": case, "skipped": f"{data} is not there"}
    q, keys = got
    step = 1 if alone else len(q)
    works, codes = {}, {}
    for contender in contenders.all_of(keys, args.threads, alone):
        calls = [contender.rows(q[i:i + step]) for i in range(0, len(q), step)]
        codes[contender.name] = np.concatenate([contender.codes(contender.search(call)) for call in calls])
        works[contender.name] = lambda search=contender.search, calls=calls: [search(call) for call in calls]
    answers, well = compare(q, keys, codes)
    seconds = common.interleave(works, args.rounds)
    for name, times in seconds.items():
        answers[name].update(seconds=statistics.median(times) / len(calls), least_seconds=min(times) / len(calls),
                             ratio=common.ratio(times, seconds["libdkvb"]))
    ours = [kind.name for kind in contenders.OURS]
    best = min((name for name in answers if name not in ours), key=lambda name: answers[name]["ratio"])
    return {"case": case, "codebooks": len(keys), "keys": keys.shape[1], "key_dim": key_dim, "rows_per_call": step,
            "codes": q.shape[0] * q.shape[1], "contenders": answers, "best_peer": best,
            "best_peer_ratio": answers[best]["ratio"], "agree": well}


def show(result):
    if "skipped" in result:
        print(f"\n{result['case']}: skipped, {result['skipped']}", flush=True)
        return
    print(f"\n{result['case']}: {result['codebooks']} codebooks of {result['keys']} keys, {result['key_dim']} wide; "
          f"{result['rows_per_call']} rows in a call\n")
    rows = [(name, f"{1e3 * each['seconds']:.2f}", f"{1e3 * each['least_seconds']:.2f}", f"{each['ratio']:.2f}",
             f"{each['differ']}", f"{each['no_tie']}") for name, each in result["contenders"].items()]
    print(common.markdown(("contender", "ms, median", "ms, least", "times libdkvb", "codes that differ", "no tie"),
                          rows))
    print(f"\nbest peer: {result['best_peer']}, {result['best_peer_ratio']:.2f} times libdkvb; of {result['codes']} "
          f"codes {'all agree' if result['agree'] else 'SOME ARE WRONG'} (those of libdkvb "
          "are the lowest of the nearest keys, those of the others as near)", flush=True)


def main():
    contenders.set_threads(args.threads)
    contenders.use_inside(os.path.abspath(args.inside))
    machine = common.machine(args.threads, (torch, faiss, np))
    if not args.json:
        print("; ".join(f"{what} {value}" for what, value in machine.items()))
    results = []
    for case in args.cases:
        results.append(run_case(args, case))
        if not args.json:
            show(results[-1])
    if args.json:
        print(json.dumps({"machine": machine, "rounds": args.rounds, "cases": results}))
    sys.exit(0 if all(result.get("agree", True) for result in results) else 1)


args = arguments()
common.start(args, ("numpy", "torch", "faiss"))
import faiss
import numpy as np
import torch

import contenders
import dkvb
import exact

main()

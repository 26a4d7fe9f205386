"""Prints the tables that docs/benchmarks.md explains: runs `dkvb bench` for many numbers of rows, keys and codebooks.

    benchmark_tables.py DKVB [--tables NAME,...] [--peers SEARCH.json] [--training TRAINING.json]

The script prints Markdown. The tables of other libraries come from the outputs of search_peers.py --json and
training_peer.py --json.
"""
import argparse
import json
import os
import subprocess
import sys

from common import cpu, markdown

ROWS = 512  # number of rows in the tables of search that vary something else


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("dkvb", help="the tool")
    p.add_argument("--tables", default=",".join(TABLES), help="default: " + ",".join(TABLES))
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--repeats", type=int, default=5)
    p.add_argument("--codebooks", type=int, default=256, help="less is quicker; default 256")
    p.add_argument("--peers", help="output of search_peers.py --json")
    p.add_argument("--training", help="output of training_peer.py --json")
    return p.parse_args()


def bench(args, work, **options):
    given = {"codebooks": args.codebooks, "threads": args.threads, "repeats": args.repeats, **options}
    words = [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    done = subprocess.run([args.dkvb, "bench", work, "--json", *words], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"failed: bench {work} {' '.join(words)}")
    return json.loads(done.stdout)


def ms(seconds):
    return f"{1e3 * seconds:.3g}" if seconds < 1 else f"{1e3 * seconds:.0f}"


def mb(count):
    return f"{count / 1e6:.3g}" if count < 1e8 else f"{count / 1e6:.0f}"


def growth(seconds):
    """Returns how many times as long each line of a table took as the line before."""
    return ["", *(f"{b / a:.2f}" for a, b in zip(seconds, seconds[1:]))]


def rows(args):
    """Measures the time by the number of rows in a call; small calls are repeated, and their median counts."""
    runs = [bench(args, "search", rows=max(n, 256), batch=n) for n in (1, 4, 16, 64, 256, 1024, 4096)]
    grown = growth([run["seconds_call"] for run in runs])
    return markdown(("rows in a call", "ms a call", "times the line before", "rows a second", "of it projecting"),
                    [(str(run["batch"]), ms(run["seconds_call"]), more, f"{run['rows_per_second']:.0f}",
                      f"{run['project_ratio']:.2f}") for run, more in zip(runs, grown)])


def search_over(args, name, values, head):
    runs = [bench(args, "search", **{"rows": ROWS, name: value}) for value in values]
    grown = growth([run["seconds"] for run in runs])
    return markdown((head, f"ms for {ROWS} rows", "times the line before", "billion operations a second",
                     "of it projecting", "keys, MB", "codes, MB"),
                    [(str(value), ms(run["seconds"]), more, f"{run['gops']:.0f}", f"{run['project_ratio']:.2f}",
                      mb(run["bytes_keys"]), mb(run["bytes_codes"])) for value, run, more in zip(values, runs, grown)])


def keys(args):
    return search_over(args, "keys", (256, 1024, 4096, 16384), "keys in a codebook")


def codebooks(args):
    return search_over(args, "codebooks", [args.codebooks * n // 4 for n in (1, 2, 4, 8)], "codebooks")


def width(args):
    return search_over(args, "key_dim", (8, 16, 32, 64), "width of a key")


def ranks(args):
    return search_over(args, "top_k", (1, 4, 8, 16), "keys selected")


def threads(args):
    counts = [1]
    while counts[-1] * 2 <= args.threads:
        counts.append(counts[-1] * 2)
    return search_over(args, "threads", counts, "threads")


def training(args):
    shapes = ((10, 1250), (10, 5000), (10, 20000), (100, 5000), (1000, 5000))
    runs = [bench(args, "train", classes=classes, rows=n) for classes, n in shapes]
    return markdown(("classes", "rows", "ms an epoch", "rows a second", "values, MB", "codes, MB"),
                    [(str(run["classes"]), str(run["rows"]), ms(run["seconds"]), f"{run['rows_per_second']:.0f}",
                      mb(run["bytes_values"]), mb(run["bytes_codes"])) for run in runs])


def forgetting(args):
    shapes = ((500, 20000), (5000, 20000), (5000, 100000))
    runs = [bench(args, "forget", rows=n, pairs=pairs, repeats=min(args.repeats, 3)) for n, pairs in shapes]
    return markdown(("rows", "pairs masked", "count, choose, mask: ms", "search of the rows: ms", "times as long",
                     "codes hit", "searched again: ms", "times that share of the search"),
                    [(str(run["rows"]), str(run["pairs_masked"]), ms(run["seconds"]), ms(run["search_seconds"]),
                      f"{run['search_ratio']:.0f}", f"{run['refresh_share']:.3f}", ms(run["refresh_seconds"]),
                      f"{run['refresh_ratio']:.2f}") for run in runs])


def machine(args):
    busy = os.getloadavg()[0]
    run = bench(args, "search", codebooks=4, rows=64)
    return (f"{cpu()}; {args.threads} threads; kernels `{run['kernel']}`. {args.codebooks} codebooks of "
            f"{run['keys']} keys, {run['key_dim']} wide, {run['top_k']} selected, where a table does not say otherwise; "
            f"medians of {args.repeats}." + (f" The machine was busy with other work (load {busy:.1f})." if busy > 0.3 else ""))


def peers_table(path):
    with open(path, encoding="utf-8") as file:
        said = json.load(file)
    cases = [case for case in said["cases"] if "skipped" not in case]
    versions = ", ".join(f"{name} {said['machine'][name]}" for name in ("torch", "faiss", "numpy"))
    names = list(dict.fromkeys(name for case in cases for name in case["contenders"]))
    head = ("contender", *(case["case"] for case in cases))

    def cell(case, name):
        if name not in case["contenders"]:
            return "–"
        figure = case["contenders"][name]
        if name == "libdkvb":
            return f"{ms(figure['seconds'])} ms"
        bold = "**" if name == case["best_peer"] else ""
        return f"{bold}{figure['ratio']:.2f}{bold}"

    table = markdown(head, [(name, *(cell(case, name) for case in cases)) for name in names])
    agree = "all codes agree" if all(case["agree"] for case in cases) else "SOME CODES ARE WRONG"
    return f"{table}\n\n{versions}; {said['machine']['threads']} threads; {said['rounds']} rounds; {agree}."


def training_table(path):
    with open(path, encoding="utf-8") as file:
        run = json.load(file)
    made = "in full" if run["full"] else f"from {run['steps_measured']} of {run['steps']} steps"
    stages = run["libdkvb_stages"]
    return markdown(("training", "seconds", "times libdkvb", "test accuracy", "of it"), [
        (f"PyTorch, {made}", f"{run['loop_seconds']:.1f}", f"{run['ratio']:.1f}",
         f"{run['loop_accuracy']:.3f}" if run["full"] else "–",
         f"{run['steps']} steps of {1e3 * run['loop_step']:.0f} ms"),
        ("libdkvb, in full", f"{run['libdkvb_seconds']:.1f}", "1", f"{run['libdkvb_accuracy']:.3f}",
         f"keys {stages['keys']:.1f}, projection and search {stages['search']:.1f}, values {stages['values']:.1f}")])


TABLES = {"machine": machine, "rows": rows, "keys": keys, "codebooks": codebooks, "width": width, "ranks": ranks,
          "threads": threads, "training": training, "forgetting": forgetting}


def main():
    args = arguments()
    made = [(name, lambda name=name: TABLES[name](args)) for name in args.tables.split(",") if name]
    if args.peers:
        made.append(("peers", lambda: peers_table(args.peers)))
    if args.training:
        made.append(("peers training", lambda: training_table(args.training)))
    for name, make in made:
        print(f"{name}\n\n{make()}\n", flush=True)


main()

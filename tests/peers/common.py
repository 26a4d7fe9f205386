"""Code that the scripts in tests/peers share: their environment, measuring in alternating rounds, medians, tables.

Thread pools read the environment when they are loaded, so numpy, torch, faiss and dkvb are imported only after start().
"""
import argparse
import importlib.util
import os
import platform
import random
import statistics
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SKIPPED = 77


def parser(about):
    p = argparse.ArgumentParser(description=about)
    p.add_argument("--threads", type=int, default=os.cpu_count(), help="of every contender; default: all")
    p.add_argument("--library", help="libdkvb.so to load; default: as the bindings find it")
    p.add_argument("--data", default=os.path.join(HERE, "../../../shared/data"), help="folder of cifar10/ and tiny100/")
    p.add_argument("--cache", help="folder to keep fitted keys in; default: fit them in every run")
    p.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    return p


def start(args, needed):
    """Sets the same number of threads for all libraries; exits with 77 if a Python module is missing.

    Thread pools are set to wait passively, so that they do not take cores from the library timed next.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(args.threads)
    if args.library:
        os.environ["DKVB_LIBRARY"] = os.path.abspath(args.library)
    sys.path.insert(0, os.path.join(HERE, "../../bindings/python"))
    for name in needed:
        if importlib.util.find_spec(name) is None:
            print(f"skipped: python3 has no module {name}")
            sys.exit(SKIPPED)


def cpu():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            lines = dict(line.split(":", 1) for line in info.read().split("\n\n")[0].splitlines() if ":" in line)
    except OSError:
        return platform.processor()
    said = {key.strip(): value.strip() for key, value in lines.items()}
    name = said.get("model name", platform.processor())
    return f"{name}, family {said['cpu family']}" if "cpu family" in said else name


def machine(threads, modules=()):
    import dkvb
    said = {"cpu": cpu(), "threads": threads, "kernel": dkvb.kernels(), "libdkvb": dkvb.version()}
    for module in modules:
        said[module.__name__] = module.__version__
    return said


def interleave(works, rounds, pause=0.15):
    """Returns the seconds of each of `works` (functions by name) in every round; the order changes with each round.

    A pause before each measurement lets the threads of the previous library fall asleep: those of OpenBLAS spin for
    2^28 ticks, a tenth of a second.
    """
    seconds = {name: [] for name in works}
    order = random.Random(0)
    for _ in range(rounds):
        for name in order.sample(list(works), len(works)):
            time.sleep(pause)
            begin = time.perf_counter()
            works[name]()
            seconds[name].append(time.perf_counter() - begin)
    return seconds


def ratio(seconds, reference):
    """Returns the median over rounds of seconds / reference, as both of a round were measured in the same state of the
    machine."""
    return statistics.median(a / b for a, b in zip(seconds, reference))


def markdown(head, rows):
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])

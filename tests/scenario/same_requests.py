"""Tests that the same requests to forget, made from C, from Python and by the tool, give the same models, byte for
byte, and the same refusals.

    DKVB_LIBRARY=…/libdkvb.so PYTHONPATH=bindings/python python3 tests/scenario/same_requests.py DKVB SAME_REQUESTS

The test makes 60 random requests: for classes, for rows and for many at once, of both strengths, with and without a
codes file, several in a row on one model. The time and the salts are fixed, so that models with their journals must
have equal bytes."""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

os.environ["SOURCE_DATE_EPOCH"] = "1700000000"

import dkvb  # noqa: E402

TOOL, PROGRAM = (str(Path(path).resolve()) for path in sys.argv[1:])
CLASSES, ROWS, REQUESTS = 5, 500, 60
WAYS = ("c", "python", "tool")


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, check=False)


def make(folder):
    centers = np.random.default_rng(0).normal(size=(CLASSES, 12))
    rng = np.random.default_rng(1)
    y = rng.integers(CLASSES, size=ROWS, dtype=np.int32)
    np.save(folder / "x.npy", (centers[y] + 0.5 * rng.normal(size=(ROWS, 12))).astype(np.float32))
    np.save(folder / "y.npy", y)
    done = run(TOOL, "train", "--features", f"{folder}/x.npy", "--labels", f"{folder}/y.npy", "--codebooks", "8", "--keys",
               "32", "--key-dim", "6", "--epochs", "2", "--hold-out", "0.3", "--keep-counts", "-o", f"{folder}/m.dkvb",
               "--codes-out", f"{folder}/m.codes")
    assert done.returncode == 0, done.stderr


def draw(rng):
    """Draws a random request: strength, kind, what to forget, number of pairs, force, limit, and whether a codes file
    is given."""
    strength = rng.choice(("suppress", "suppress", "exact"))
    kind = rng.choice(("classes", "classes", "ids", "requests"))
    ids = sorted(rng.sample(range(ROWS), rng.randint(1, 30)))
    classes = rng.sample(range(CLASSES), rng.choice((1, 1, 1, 2)))
    codes = strength == "exact" or kind != "classes" or rng.random() < 0.7
    pairs = 0 if strength == "exact" else rng.choice((0, 10, 40)) if codes and kind != "ids" else rng.choice((10, 40))
    who = {"classes": ",".join(map(str, classes)), "ids": ",".join(map(str, ids))}.get(kind)
    if kind == "requests":
        lines = [f"class {one}\tthe same" for one in classes]
        if strength == "exact" or pairs:
            lines.append("ids " + ",".join(map(str, ids)))
        who = "# drawn\n" + "\n".join(lines) + "\n"
    return {"strength": strength, "kind": kind, "who": who, "pairs": pairs, "force": rng.random() < 0.4,
            "limit": rng.choice((0.02, 1)), "codes": codes, "salt": f"{rng.getrandbits(256):064x}"}


def by_c(folder, r):
    done = run(PROGRAM, f"{folder}/m.dkvb", f"{folder}/m.codes" if r["codes"] else "-", r["strength"], r["kind"], r["who"],
               str(r["pairs"]), str(int(r["force"])), str(r["limit"]), r["salt"])
    assert done.returncode == 0, done.stderr
    first, _, said = done.stdout.strip().partition(" ")
    return first, said


def by_python(folder, r):
    numbers = {"0": None, "1": "nothing", "2": "rows", "3": "target", "4": "class", "5": "mixed", "6": "again"}
    model = dkvb.Model.load(f"{folder}/m.dkvb")
    codeset = dkvb.Codeset.load(f"{folder}/m.codes") if r["codes"] else None
    who = r["who"] if r["kind"] == "requests" else [int(one) for one in r["who"].split(",")]
    drop = r["limit"] if r["strength"] == "suppress" and not r["pairs"] else None
    try:
        plan = model.plan_forget(**{r["kind"]: who}, codeset=codeset, strength=r["strength"], budget=r["pairs"] or None,
                                 force=r["force"], max_class_loss=r["limit"], max_retain_drop=drop,
                                 keys="keep" if r["strength"] == "exact" else None, reason="the same",
                                 salt=bytes.fromhex(r["salt"]))
        if plan.info.refused is None or plan.info.forced:
            model.apply(plan, codeset)
            model.save(f"{folder}/m.dkvb")
            if codeset is not None:
                codeset.save(f"{folder}/m.codes")
    except dkvb.Error as error:
        return "error", str(error)
    return next(n for n, why in numbers.items() if why == plan.info.refused), plan.refusal or ""


def by_tool(folder, r):
    words = [TOOL, "forget", f"{folder}/m.dkvb", "--salt", r["salt"], "--reason", "the same", "--json", "--strength",
             r["strength"], "--max-class-loss", str(r["limit"])]
    if r["kind"] == "classes":
        words += ["--class", r["who"]]
    elif r["kind"] == "ids":
        np.save(folder / "ids.npy", np.array([int(one) for one in r["who"].split(",")]))
        words += ["--rows", f"{folder}/ids.npy"]
    else:
        (folder / "requests").write_text(r["who"])
        words += ["--requests", f"{folder}/requests"]
    words += ["--codes", f"{folder}/m.codes"] if r["codes"] else []
    words += ["--pairs", str(r["pairs"])] if r["pairs"] else []
    words += ["--max-retain-drop", str(r["limit"])] if r["strength"] == "suppress" and not r["pairs"] else []
    words += ["--force"] if r["force"] else []
    words += ["--keep-keys"] if r["strength"] == "exact" else []
    planned = run(*words, "--dry-run")
    assert planned.returncode in (0, 1), (words, planned.stderr)
    if planned.returncode == 1:
        return "error", planned.stderr.strip()
    found = json.loads(planned.stdout)
    done = run(*words)
    assert done.returncode == (1 if found["refused"] and not found["forced"] else 0), (words, done.stderr)
    return None, found["refused"] or ""


def main():
    rng = random.Random(13)
    kinds, left = set(), 0
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary) / "base"
        base.mkdir()
        make(base)
        folders = {way: Path(temporary) / way for way in WAYS}
        for number in range(REQUESTS):
            if left == 0:  # begins a new series of requests on a fresh model
                left = rng.randint(1, 5)
                for folder in folders.values():
                    shutil.rmtree(folder, ignore_errors=True)
                    shutil.copytree(base, folder)
            left -= 1
            request = draw(rng)
            c, python, tool = (by(folders[way], request)
                               for way, by in zip(WAYS, (by_c, by_python, by_tool), strict=True))
            about = (number, request, c, python, tool)
            assert c == python, about
            assert c[1] in tool[1] if c[0] == "error" else c[1] == tool[1], about
            models = [(folders[way] / "m.dkvb").read_bytes() for way in WAYS]
            assert models[0] == models[1] == models[2], about
            kinds.add((request["strength"], request["kind"], c[0]))
    assert len(kinds) >= 10 and {"0", "1", "error"} <= {outcome for _, _, outcome in kinds}, sorted(kinds)
    print(f"{REQUESTS} requests, {len(kinds)} kinds of request and outcome")


main()

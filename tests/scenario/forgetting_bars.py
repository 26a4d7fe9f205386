"""Checks on real data what the documentation promises about forgetting: a limit for each promise, measured with the
tool as a user would call it.

    forgetting_bars.py TOOL DATA_FOLDER [--sets cifar10 fashion tiny100 clinc150] [--seeds 0 1 2] [--parts PART ...]
                       [--work DIR] [--quick]

All figures are measured on test rows, on which no choice depends: budgets (numbers of masked pairs) are found on
held-out training rows. The limits apply to the mean over the seeds. DIR keeps the trained models and the results of
each part; a part with stored results is not measured again, so remove DIR/*.json for another version of the tool.
--quick: fewer classes and requests, for a test that runs in minutes. The exit status is 77 if the data is missing.
"""
import argparse
import filecmp
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from ctypes import byref, c_uint64
from pathlib import Path

if len(sys.argv) > 1:
    os.environ.setdefault("DKVB_LIBRARY", str(Path(sys.argv[1]).resolve().parent.parent / "lib" / "libdkvb.so"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bindings" / "python"))

import dkvb
import numpy as np
from dkvb import _arrays, _ffi, _struct
from dkvb._library import lib

import forgetting_lab as lab_module
from forgetting_lab import Failed, Lab, Set

SHARE = 0.07  # Fraction of all pairs that is masked where a number of pairs must be given.
MANY_CLASSES = 20  # Of a data set with more classes, this many are forgotten, evenly spread.

parts = {}


def part(*sets, seeds=None):
    """Registers a function that measures on one Lab as a part of this script, for some data sets and the first `seeds`
    seeds."""
    def register(measure):
        parts[measure.__name__.replace("measure_", "")] = measure, sets, seeds
        return measure
    return register


def log(*words):
    print(*words, flush=True)


def mean(numbers):
    return float(np.mean(list(numbers)))


def chosen_classes(lab, quick):
    n = lab.data.classes
    if quick:
        return [0, 3, 8]
    return list(range(0, n, n // MANY_CLASSES))[:MANY_CLASSES] if n > MANY_CLASSES else list(range(n))


def many_pairs(lab):
    with dkvb.Model.map(lab.model) as model:
        return int(SHARE * model.info.codebooks * model.info.keys)


# Part 1: effects of a forgetting on each class, measured on the test rows


def tally(lab, before, after):
    """Returns for each class the number of rows, of rows classified correctly before and after, lost and gained."""
    rows = np.zeros((lab.data.classes, 5), int)
    for label, was, now in zip(lab.data.tests, before, after):
        rows[label] += (1, was, now, was and not now, now and not was)
    return rows.tolist()


def forget_accuracy(entry, column=2):
    row = entry["classes"][entry["class"]]
    return row[column] / row[0]


def retain_accuracy(entry, column):
    others = [row for label, row in enumerate(entry["classes"]) if label != entry["class"]]
    return sum(row[column] for row in others) / sum(row[0] for row in others)


def retain_change(entry):
    return retain_accuracy(entry, 2) - retain_accuracy(entry, 1)


def loss_bound(rows):
    """Returns the upper end of the 95 % interval of the mean accuracy loss over pooled rows, each of which differs by
    -1, 0 or 1."""
    n, lost, gained = (sum(row[i] for row in rows) for i in (0, 3, 4))
    loss = (lost - gained) / n
    return loss + 1.96 * math.sqrt(((lost + gained) / n - loss * loss) / n)


def forget_and_tally(lab, label, before, *options):
    """Forgets one class by the tool, and returns its effects on all classes; if the plan is refused, nothing is
    forgotten."""
    entry = {"class": label, "failed": None}
    began = time.perf_counter()
    try:
        model, said = lab.forget(label, *options)
        entry["pairs"] = said["pairs_masked"]
        after = lab.right(lab.labels(model))
    except Failed as failure:
        entry["failed"], after = str(failure), before
    entry.update(classes=tally(lab, before, after), seconds=time.perf_counter() - began)
    log(f"  {lab.data.name} seed {lab.seed} class {label} {' '.join(map(str, options))}: "
        f"forget {forget_accuracy(entry, 1):.4f} -> {forget_accuracy(entry):.4f}, "
        f"retain {retain_change(entry):+.4f}, pairs {entry.get('pairs', '-')} {entry['failed'] or ''}")
    return entry


# 1. suppress


@part("cifar10", "fashion", "tiny100", "clinc150")
def measure_suppress(lab, quick):
    before = lab.right(lab.labels(lab.model))
    entries = [forget_and_tally(lab, label, before) for label in chosen_classes(lab, quick)]
    if not entries[-1]["failed"]:
        check_answers(lab, lab.scratch("forgotten.dkvb"))
    return entries


def check_answers(lab, model):
    """Asserts that the answers read from codes equal those of `dkvb predict`."""
    lab.run("predict", model, "--features", lab.data.test_x, "-o", lab.scratch("labels.npy"))
    if not np.array_equal(np.load(lab.scratch("labels.npy")), lab.labels(model)):
        sys.exit(f"{model}: predict does not say what codes that were searched again do")


def worst_loss(seeds, pool):
    """Returns (bound, forgotten class, other class) of the largest bound on a class's accuracy loss; with `pool`,
    losses are pooled over all forgotten classes."""
    rows = {}
    for entry in (entry for entries in seeds for entry in entries):
        for other, row in enumerate(entry["classes"]):
            if other != entry["class"]:
                rows.setdefault(("all" if pool else entry["class"], other), []).append(row)
    return max((loss_bound(of_pair), *pair) for pair, of_pair in rows.items())


def judge_suppress(name, seeds):
    entries = [entry for of_seed in seeds for entry in of_seed]
    done = [e for e in entries if not e["failed"]]
    refused = [e for e in entries if e["failed"]]
    right, n = (sum(e["classes"][e["class"]][i] for e in done) for i in (2, 0))
    bound, forgotten, other = worst_loss(seeds, len(entries[0]["classes"]) > MANY_CLASSES)
    pairs = [e["pairs"] for e in done]
    yield f"share refused, classes {[e['class'] for e in refused]}", len(refused) / len(entries), "<=", 0.05
    yield ("refusals that do not name exact as the way on",
           sum("--strength exact" not in e["failed"] for e in refused), "<=", 0)
    yield f"forget accuracy, {len(done)} forgettings of {min(pairs)} to {max(pairs)} pairs", right / n, "<=", 0.01
    yield "accuracy of the others, change", mean(map(retain_change, done)), ">=", -0.002
    yield f"loss of any class, 95 % bound (worst: {other} when {forgotten} went)", bound, "<=", 0.03


# 2. exact


@part("cifar10")
def measure_exact(lab, quick):
    model, codes = lab.prepare_others()
    requests = draw_requests(lab, 3 if quick else 20)
    result = {"requests": replay_requests(lab, model, codes, requests), "class": replay_class(lab, model, codes, 8),
              "seconds": time_replays(lab, model, codes, requests)}
    if not quick:
        result["own keys"] = replay_with_keys(lab)
    return result


def draw_requests(lab, count):
    rows = np.random.default_rng(lab.seed).permutation(len(lab.data.y))[:50 * count]
    return rows.astype(np.uint64).reshape(count, 50)


def exact(lab, model, codes, output, *options):
    """Forgets exactly by the tool. Returns the paths of the new model and codes file, and the seconds of the whole
    command."""
    began = time.perf_counter()
    written = lab.scratch(output + ".dkvb"), lab.scratch(output + ".codes")
    lab.run("forget", model, "-o", written[0], "--codes", codes, "--codes-out", written[1], "--strength", "exact",
            *options)
    return (*written, time.perf_counter() - began)


def train_from_codes(lab, keys_of, codes, labels, *options):
    """Trains a model that never saw some rows, as these are not in the codes file or have no label."""
    output = lab.scratch("fresh.dkvb")
    np.save(lab.scratch("fresh-codes.npy"), codes)
    np.save(lab.scratch("fresh-labels.npy"), labels)
    lab.run("train", "--empty-classes", "--init-from", keys_of, "--codes", lab.scratch("fresh-codes.npy"), "--labels",
            lab.scratch("fresh-labels.npy"), "-o", output, "--seed", lab.seed, "--keep-counts", *options)
    return output


def compare(lab, replayed, fresh):
    # a codes array has no held-out rows for the temperature
    differ = lab_module.differing_sections(replayed, fresh, temperature=False)
    accuracies = [lab.run("eval", m, "--features", lab.data.test_x, "--labels", lab.data.test_y, "--codes",
                          lab.others_test_codes)["accuracy"] for m in (replayed, fresh)]
    return {"differ": differ, "accuracies": accuracies}


def replay_requests(lab, model, codes, requests):
    """Forgets several requests one after another; after each, the model must equal one trained without all these
    rows."""
    _, labels, stored = lab_module.codeset_part(codes, _ffi.DKVB_PART_TRAINING)
    lab.others_test_codes = lab.scratch("others-test.npy")
    lab.run("search", model, "--features", lab.data.test_x, "-o", lab.others_test_codes)
    found, now, now_codes = [], model, codes
    for number, ids in enumerate(requests):
        np.save(lab.scratch("ids.npy"), ids)
        now, now_codes, seconds = exact(lab, now, now_codes, f"replayed-{number % 2}", "--rows", lab.scratch("ids.npy"))
        labels[ids] = -1
        found.append({**compare(lab, now, train_from_codes(lab, model, stored, labels)), "seconds": seconds})
        log(f"  {lab.data.name} seed {lab.seed} request {number}: {found[-1]}")
    return found


def replay_class(lab, model, codes, label):
    """Forgets a whole class exactly, and compares the model with one trained on files without the rows of the class."""
    ids, labels, stored = lab_module.codeset_part(codes, _ffi.DKVB_PART_TRAINING)
    replayed, _, seconds = exact(lab, model, codes, "replayed-0", "--class", label)
    left = labels != label
    np.save(lab.scratch("ids.npy"), ids[left])
    fresh = train_from_codes(lab, model, stored[left], labels[left], "--ids", lab.scratch("ids.npy"))
    found = {**compare(lab, replayed, fresh), "seconds": seconds}
    log(f"  {lab.data.name} seed {lab.seed} class {label}: {found}")
    return found


def replay_ids(model, codeset, ids):
    """Returns the seconds of dkvb_model_replay() alone, without files, and removes the rows from the codeset."""
    pointer, entry = _arrays.pointer(ids), c_uint64()
    began = time.perf_counter()
    lib.dkvb_model_replay(model._c, codeset, pointer, len(ids), None, byref(entry), None)
    seconds = time.perf_counter() - began
    lib.dkvb_codeset_remove(codeset, pointer, len(ids), None)
    return seconds


def time_replays(lab, model, codes, requests):
    """Measures the time of exact forgetting: of several requests, each on the model that the previous one left, and of
    a class."""
    of_class = np.setdiff1d(np.flatnonzero(lab.data.y == 8), requests).astype(np.uint64)
    codeset = lab_module.load_codeset(codes)
    with dkvb.Model.load(model) as loaded:
        seconds = [replay_ids(loaded, codeset, ids) for ids in [*requests, of_class]]
    lib.dkvb_codeset_free(codeset)
    log(f"  {lab.data.name} seed {lab.seed} replay alone: {', '.join(f'{s:.2f}' for s in seconds)} s")
    return seconds


def replay_with_keys(lab, rows=8000):
    """Forgets rows exactly with keys placed again without them; the model must equal one fitted without these rows."""
    x, y, ids = (lab.scratch(name) for name in ("x.npy", "y.npy", "ids.npy"))
    forgotten = np.random.default_rng(lab.seed).permutation(rows)[:50].astype(np.uint64)
    left = np.setdiff1d(np.arange(rows), forgotten)
    options = ("--seed", lab.seed, "--keep-counts", "--json")
    np.save(x, lab.train_x[:rows])
    np.save(y, lab.data.y[:rows])
    np.save(ids, forgotten)
    before, codes, fresh = lab.scratch("before.dkvb"), lab.scratch("before.codes"), lab.scratch("fresh.dkvb")
    lab.run("train", "--empty-classes", "--features", x, "--labels", y, "-o", before, "--codes-out", codes, *options)
    replayed, _, seconds = exact(lab, before, codes, "replayed-0", "--rows", ids, "--key-features", x)
    np.save(x, lab.train_x[left])
    np.save(y, lab.data.y[left])
    np.save(ids, left)
    lab.run("train", "--empty-classes", "--features", x, "--labels", y, "--ids", ids, "-o", fresh, "--codes-out", codes,
            *options)
    found = {"differ": lab_module.differing_sections(replayed, fresh), "seconds": seconds}
    log(f"  {lab.data.name} seed {lab.seed} own keys, {rows} rows: {found}")
    return found


def judge_exact(_name, seeds):
    requests = [r for of_seed in seeds for r in of_seed["requests"]]
    classes = [of_seed["class"] for of_seed in seeds]
    differ = sorted({name for r in requests + classes for name in r["differ"]})
    yield (f"sections that differ from a fresh training, {len(requests)} requests, {len(classes)} classes {differ}",
           len(differ), "<=", 0)
    apart = [abs(r["accuracies"][0] - r["accuracies"][1]) for r in requests + classes]
    yield "accuracy, largest difference", max(apart), "<=", 0.0
    seconds = [s for of_seed in seeds for s in of_seed["seconds"]]
    yield (f"seconds of a replay, median of {len(seconds)} (least {min(seconds):.2f}, most {max(seconds):.2f}; the "
           f"whole command {np.median([r['seconds'] for r in requests]):.1f})", float(np.median(seconds)), "<=", 6.0)
    own = [of_seed["own keys"] for of_seed in seeds if "own keys" in of_seed]
    if own:
        differ = sorted({name for o in own for name in o["differ"]})
        yield f"own keys placed again: sections that differ {differ}", len(differ), "<=", 0


# Part 3: forgetting without data


@part("cifar10", "fashion", "tiny100")
def measure_nodata(lab, quick):
    before = lab.right(lab.labels(lab.model))
    classes = [3, 8] if quick else chosen_classes(lab, False)
    counts = {}
    if lab.data.name == "cifar10":
        counts = {method: [label for label in classes if not same_mask(lab, label, method)]
                  for method in ("activations", "contrast")}
        log(f"  {lab.data.name} seed {lab.seed}: classes whose mask from counts is another: {counts}")
    return {"classes": len(classes), "counts": counts,
            "values": [by_values(lab, label, before, many_pairs(lab)) for label in classes]}


def same_mask(lab, label, method):
    """Returns whether the counts in the model choose the same mask, byte for byte, as the codes of the training
    rows."""
    masks = lab.scratch("codes.mask"), lab.scratch("counts.mask")
    options = ("--method", method, "--pairs", many_pairs(lab), "-o", lab.scratch("forgotten.dkvb"), "--class", label)
    lab.run("forget", lab.model, *options, "--codes", lab.codes, "--force", "--mask-out", masks[0])
    lab.run("forget", lab.model, *options, "--mask-out", masks[1])
    return filecmp.cmp(*masks, shallow=False)


def by_values(lab, label, before, pairs):
    lab.run("forget", lab.model, "-o", lab.scratch("forgotten.dkvb"), "--class", label, "--method", "values", "--pairs",
            pairs)
    after = lab.right(lab.labels(lab.scratch("forgotten.dkvb")))
    entry = {"class": label, "classes": tally(lab, before, after)}
    log(f"  {lab.data.name} seed {lab.seed} class {label} by values: forget {forget_accuracy(entry):.4f}, "
        f"retain {retain_change(entry):+.4f}")
    return entry


def judge_nodata(name, seeds):
    for method in seeds[0]["counts"]:
        others = [label for of_seed in seeds for label in of_seed["counts"][method]]
        yield f"{method}: masks from counts that differ from those of rows {others}", len(others), "<=", 0
    entries = [e for of_seed in seeds for e in of_seed["values"]]
    classes = sorted({e["class"] for e in entries})
    means = {label: mean(forget_accuracy(e) for e in entries if e["class"] == label) for label in classes}
    over = {label: round(figure, 4) for label, figure in means.items() if figure > 0.005}
    yield f"values, {SHARE:.0%} of all pairs: forget accuracy, mean of {len(classes)} classes", mean(means.values()), "<=", 0.005
    yield f"values, {SHARE:.0%} of all pairs: the same, worst class (over the bar: {over})", max(means.values()), "<=", 0.005


# Part 4: forgetting half of the classes


@part("cifar10", "fashion", "tiny100")
def measure_half(lab, _quick):
    halves = [range(50)] if lab.data.name == "tiny100" else [range(5), range(5, 10)]
    return [forget_half(lab, list(half)) for half in halves]


def half_accuracies(lab, labels, half):
    gone, right = np.isin(lab.data.tests, half), lab.right(labels)
    return {"forget": float(right[gone].mean()), "rest": float(right[~gone].mean())}


def forget_half(lab, half):
    """Forgets half of the classes one after another, each request changing the same model file."""
    model, names, failed = lab.copy("half.dkvb"), ",".join(map(str, half)), []
    for label in half:
        try:
            lab.forget(label, model=model, output=model)
        except Failed as failure:
            failed.append([label, str(failure)])
            log(f"  {lab.data.name} seed {lab.seed} class {label}: {failure}")
    found = {"half": half, "failed": failed, "suppress": half_accuracies(lab, lab.labels(model), half)}
    found["retrained"] = half_accuracies(lab, lab.labels(lab.retrain(names)), half)
    logits = lab.logits(lab.model)
    logits[:, half] = -np.inf
    found["column dropped"] = half_accuracies(lab, logits.argmax(axis=1), half)
    log(f"  {lab.data.name} seed {lab.seed} classes {half[0]} to {half[-1]}: {found}")
    return found


def judge_half(_name, seeds):
    for at in range(len(seeds[0])):
        found = [of_seed[at] for of_seed in seeds]
        name = f"classes {found[0]['half'][0]} to {found[0]['half'][-1]}"
        rest = {who: mean(f[who]["rest"] for f in found) for who in
                ("suppress", "retrained", "column dropped")}
        failed = [label for f in found for label, _ in f["failed"]]
        beside = ", ".join(f"{who} {value:.4f}" for who, value in rest.items())
        yield f"{name}: requests that failed {failed}", len(failed), "<=", 0
        yield f"{name}: forget accuracy", mean(f["suppress"]["forget"] for f in found), "<=", 0.01
        yield f"{name}: rest, less that of retrained ({beside})", rest["suppress"] - rest["retrained"], ">=", -0.015


# 5. recovery

ATTACKS = ("constant", "probe", "relearn_10", "relearn_20", "relearn_50")


@part("cifar10", seeds=1)
def measure_recovery(lab, _quick):
    """Measures how far forgotten answers can be recovered; the reference is a model of exact forgetting, for which the
    codes file tells how the model was trained."""
    return [{"class": label, **audit(lab, label, lab.retrain(label))} for label in (3, 8)]


def audit(lab, label, model):
    said = lab.run("audit", model, "--before", lab.model, "--class", label, "--codes", lab.codes, "--features",
                   lab.data.train_x, "--labels", lab.data.train_y, "--test-features", lab.data.test_x, "--test-labels",
                   lab.data.test_y, "--shadows", 0, "--seed", lab.seed)
    subjects = {s["subject"]: s for s in said["subjects"]}
    log(f"  {lab.data.name} seed {lab.seed} class {label}:")
    for attack in ATTACKS:
        log("   ", attack, "; ".join(f"{who} {s[attack + '_class']['value']:.3f} and {s[attack + '_rest']['value']:.3f}"
                                     for who, s in subjects.items()))
    return {attack: {end: subjects["model"][f"{attack}_{end}"] for end in ("class", "rest")} for attack in ATTACKS}


def judge_recovery(_name, seeds):
    for attack in ATTACKS:
        found = [(e["class"], e[attack]["class"]["difference"]) for of_seed in seeds for e in of_seed]
        said = ", ".join(f"class {c}: {d['value']:+.3f} [{d['low']:+.3f}, {d['high']:+.3f}]" for c, d in found)
        yield (f"exact, {attack}: lower end of what it gets beyond retrained ({said})",
               max(d["low"] for _, d in found), "<=", 0.0)


# 6. poison


@part("cifar10", "fashion")
def measure_poison(lab, quick):
    rng = np.random.default_rng(1000 + lab.seed)
    ids, labels, _ = lab.training
    rows = {label: ids[labels == label] for label in range(lab.data.classes)}
    return {"poisoned": poisoned_requests(lab, rng, rows, quick) if lab.data.name == "cifar10" else [],
            "clean": clean_requests(lab, rng, rows)}


def ask(lab, what, *options, rows=None):
    """Returns what the guard of a plan says about a request to forget, without carrying it out."""
    if rows is not None:
        np.save(lab.scratch("ids.npy"), rows)
        options = ("--rows", lab.scratch("ids.npy"), *options)
    entry = {"what": what, "refused": None, "failed": None}
    try:
        entry["refused"] = lab.run("forget", lab.model, "--codes", lab.codes, "--dry-run", *options)["refused"]
    except Failed as failure:
        entry["failed"] = str(failure)
    return entry


def poisoned_requests(lab, rng, rows, quick):
    """Makes poisoned requests to forget, in which a tenth of the rows are of another class."""
    pairs = ("--pairs", many_pairs(lab))
    found = []
    for label in (3,) if quick else (3, 8, 0):
        for other in (o for o in rows if o != label):
            for share in (1.0, 0.5):
                own = rng.permutation(rows[label])[:int(share * len(rows[label]))]
                slipped_in = rng.permutation(rows[other])[:round(len(own) / 9)]
                found.append(ask(lab, [label, other, share], *pairs, rows=np.concatenate([own, slipped_in])))
    say_missed(lab, "poisoned, not refused", [e["what"] for e in found if not e["refused"]])
    return found


def clean_requests(lab, rng, rows):
    """Makes half of a hundred honest requests to forget (the other data set has the other half): single classes, pairs
    of classes, parts of a class, random rows, rows of two classes."""
    pairs = ("--pairs", many_pairs(lab))
    classes = [f"{label}" for label in rows] + [f"{label},{label + 1}" for label in range(0, 10, 2)]
    found = [ask(lab, f"classes {c}", "--class", c) for c in classes]
    for _ in range(15):
        label, share = rng.integers(10), rng.uniform(0.05, 1.0)
        of_class = rng.permutation(rows[label])[:int(share * len(rows[label]))]
        found.append(ask(lab, f"{share:.2f} of class {label}", *pairs, rows=of_class))
    for _ in range(10):
        found.append(ask(lab, "40 rows", *pairs, rows=rng.permutation(np.concatenate(list(rows.values())))[:40]))
    for _ in range(10):
        pair = rng.permutation(10)[:2]
        of_two = rng.permutation(np.concatenate([rows[label] for label in pair]))[:40]
        found.append(ask(lab, f"40 rows of classes {pair[0]} and {pair[1]}", *pairs, rows=of_two))
    say_missed(lab, "clean, refused", [(e["what"], e["refused"]) for e in found if e["refused"]])
    say_missed(lab, "clean, failed", [(e["what"], e["failed"]) for e in found if e["failed"]])
    return found


def say_missed(lab, what, entries):
    log(f"  {lab.data.name} seed {lab.seed} {what}: {len(entries)}")
    for entry in entries:
        log(f"    {entry}")


def judge_poison(name, seeds):
    found = [e for of_seed in seeds for e in of_seed["poisoned"]]
    if found:
        yield f"share stopped of {len(found)}", mean(bool(e["refused"]) for e in found), ">=", 1.0
    clean = [e for of_seed in seeds for e in of_seed["clean"]]
    failed = sum(bool(e["failed"]) for e in clean)
    yield (f"share refused of {len(clean)} clean requests ({failed} failed otherwise)",
           mean(bool(e["refused"]) for e in clean), "<=", 0.05)


# 7. speed


@part("cifar10", seeds=1)
def measure_speed(lab, _quick):
    bench = 1e3 * lab.run("bench", "forget", "--rows", 5000, "--repeats", 5)["seconds"]
    result = {"bench": [bench, bench]}
    ids, labels, codes = lab.training
    with dkvb.Model.load(lab.model) as model:
        for name, method, aside in (("activations", _ffi.DKVB_METHOD_ACTIVATIONS, True),
                                    ("contrast", _ffi.DKVB_METHOD_CONTRAST, False)):
            result[name] = forget_milliseconds(model, labels, codes, method, aside)
    log(f"  {lab.data.name} seed {lab.seed}, milliseconds: {result}")
    return result


def forget_milliseconds(model, labels, codes, method, alone, repeats=21):
    """Returns the median and least milliseconds for choosing and masking the pairs of class 3, on objects in memory.
    With `alone`, only the codes of rows of class 3 are given."""
    codes = np.ascontiguousarray(codes[labels == 3] if alone else codes)
    marks = None if alone else (labels == 3).astype(np.uint8)
    request = _struct.options(_ffi.Request, method=method, codes=_arrays.pointer(codes),
                              k=codes.shape[2], n=len(codes), rows=_arrays.pointer(marks))
    pairs = int(SHARE * model.info.codebooks * model.info.keys)
    found = []
    for _ in range(repeats):
        with model.codebooks as codebooks, dkvb.Mask(codebooks) as mask:
            began = time.perf_counter()
            lib.dkvb_unlearn_choose(mask._c, model._c, byref(request), pairs, None)
            entry = model.forget(mask)
            found.append(1e3 * (time.perf_counter() - began))
            model.undo(entry)
    return [float(np.median(found)), min(found)]


def judge_speed(_name, seeds):
    for what, (median, least) in seeds[0].items():
        yield f"{what}: milliseconds to forget a class, median (least {least:.1f})", median, "<=", 15.0


# Running all parts


def measured(lab, name, measure, args):
    """Returns the results of a part that are stored in the folder, or else measures and stores them."""
    path = lab.path(f"{lab.data.name}-{lab.seed}-{name}.json")
    if os.path.exists(path) and not args.quick:
        with open(path) as file:
            return json.load(file)
    began = time.perf_counter()
    lab.prepare()
    found = measure(lab, args.quick)
    lab.sweep()
    log(f"{name}, {lab.data.name}, seed {lab.seed}: {time.perf_counter() - began:.0f} s")
    if not args.quick:
        with open(path + ".part", "w") as file:
            json.dump(found, file)
        os.replace(path + ".part", path)
    return found


def is_met(figure, sense, bar):
    return figure >= bar if sense == ">=" else figure <= bar


def has_command(tool, command):
    return subprocess.run([tool, "help", command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def bars_of(name, args, folder):
    """Returns the results of one part as lines (data set, what, figure, sense, limit), for each data set of the
    part."""
    measure, sets, seeds = parts[name]
    if name == "recovery" and not has_command(args.tool, "audit"):
        log("recovery: left out, this tool has no audit")
        return
    for set_name in (s for s in sets if s in args.sets):
        data = Set(set_name, args.data)
        if not data.there:
            log(f"{name}, {set_name}: skipped, {data.train_x} is not there")
            continue
        found = [measured(Lab(args.tool, data, seed, folder), name, measure, args) for seed in args.seeds[:seeds]]
        for what, figure, sense, bar in globals()[f"judge_{name}"](set_name, found):
            log(bar_line(name, set_name, what, figure, sense, bar))
            yield name, set_name, what, figure, sense, bar


def bar_line(name, set_name, what, figure, sense, bar):
    verdict = "met   " if is_met(figure, sense, bar) else "MISSED"
    return f"{verdict} {name} {set_name} {what}: {figure:.4f} {sense} {bar}"


def read_args():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("tool")
    parser.add_argument("data")
    parser.add_argument("--sets", nargs="+", default=["cifar10", "fashion", "tiny100", "clinc150"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--parts", nargs="+", default=list(parts), choices=list(parts))
    parser.add_argument("--work")
    parser.add_argument("--quick", action="store_true")
    return parser.parse_args()


def main():
    args = read_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.work or temporary
        os.makedirs(folder, exist_ok=True)
        bars = [bar for name in args.parts for bar in bars_of(name, args, folder)]
    if not bars:
        sys.exit(77)
    log(f"\nseeds {' '.join(map(str, args.seeds))}")
    for bar in bars:
        log(bar_line(*bar))
    missed = [bar for bar in bars if not is_met(*bar[3:])]
    log(f"{len(bars) - len(missed)} of {len(bars)} bars met")
    # Times are printed, but no limit on them decides the exit status, since the machine may be busy.
    sys.exit(any("seconds" not in bar[2] for bar in missed))


if __name__ == "__main__":
    main()

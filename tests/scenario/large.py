"""Measures time and memory of the tool on a million rows, and the longest time without a change of its progress bar.
The output is a table with a limit in each line.

    large.py TOOL WORK_FOLDER [--rows N] [--whiten HOW]

The default is 1,280,000 float32 rows of 512 columns in 1,000 classes. The rows are made chunk by chunk from a seed and
removed at the end, as are the model and the codes file; the rows take 2.6 GB of disk, all other files about 2.5 GB.

The limits on times hold for two idle cores and the full number of rows. With fewer rows times are printed only, and the
limits on memory and accuracy decide.

When the tool moves its progress bar it also checks for interrupts, so the longest time between two changes of the bar
is also how long Ctrl-C waits. Files are read before the first change of the bar and written after the last one: these
two gaps are judged together, less the time of reading and writing. Memory is anonymous memory (RssAnon), sampled every
20 ms, without pages of mapped files.
"""
import argparse
import json
import os
import pty
import re
import subprocess
import sys
import threading
import time

import numpy as np

FULL, COLUMNS, CLASSES, LATENT = 1280000, 512, 1000, 48
CHUNK = 16384
GIB = 2**30
MOST_GAP = 1.0  # largest number of seconds between two changes of the progress bar


def make_rows(folder, rows):
    """Makes rows around class centres in LATENT dimensions, maps them to COLUMNS dimensions, and adds noise."""
    rng = np.random.default_rng(20261127)
    centres = rng.standard_normal((CLASSES, LATENT), dtype=np.float32)
    spread = rng.standard_normal((LATENT, COLUMNS), dtype=np.float32) / np.float32(np.sqrt(LATENT))
    x_path, y_path = os.path.join(folder, "x.npy"), os.path.join(folder, "y.npy")
    x = np.lib.format.open_memmap(x_path, "w+", np.float32, (rows, COLUMNS))
    y = np.lib.format.open_memmap(y_path, "w+", np.int32, (rows,))
    for first in range(0, rows, CHUNK):
        n = min(CHUNK, rows - first)
        label = rng.integers(CLASSES, size=n, dtype=np.int32)
        latent = centres[label] + np.float32(1.3) * rng.standard_normal((n, LATENT), dtype=np.float32)
        x[first:first + n] = latent @ spread + np.float32(0.5) * rng.standard_normal((n, COLUMNS), dtype=np.float32)
        y[first:first + n] = label
    x.flush()
    y.flush()
    return x_path, y_path


class Watched:
    """One run of the tool: its JSON output, its peak of anonymous memory, its longest time without a change of the
    progress bar, and the bar before that time."""

    def __init__(self, *args):
        self.peak, self.gap, self.gap_after, self.edges = 0, 0.0, "start", 0.0
        self.said = ""
        try:
            ours, theirs = pty.openpty()
        except OSError:
            print("skipped: there are no pseudo-terminals here")
            sys.exit(77)
        began = time.monotonic()
        process = subprocess.Popen([str(a) for a in args], stdout=subprocess.PIPE, stderr=theirs, text=True)
        os.close(theirs)
        watchers = [threading.Thread(target=self.watch_memory, args=(process.pid,)),
                    threading.Thread(target=self.watch_bars, args=(ours, began))]
        for watcher in watchers:
            watcher.start()
        out = process.communicate()[0]
        self.seconds = time.monotonic() - began
        for watcher in watchers:
            watcher.join()
        os.close(ours)
        if process.returncode != 0:
            sys.exit(f"failed: {' '.join(map(str, args))}\n{self.said}")
        self.told = json.loads(out)

    def watch_memory(self, pid):
        try:
            while True:
                with open(f"/proc/{pid}/status") as status:
                    found = re.search(r"RssAnon:\s+(\d+) kB", status.read())
                if not found:  # a process that has ended but was not waited for has no memory
                    return
                self.peak = max(self.peak, int(found.group(1)) * 1024)
                time.sleep(0.02)
        except OSError:
            return

    def watch_bars(self, terminal, began):
        last, bar = began, None
        while True:
            try:
                text = os.read(terminal, 65536).decode(errors="replace")
            except OSError:  # the tool has closed its end of the terminal
                text = ""
            now, gap = time.monotonic(), time.monotonic() - last
            if bar is None or not text:
                self.edges += gap
            elif gap > self.gap:
                self.gap, self.gap_after = gap, bar
            if not text:
                return
            self.said += re.sub(r"\r[^\r\n]*", "", text)
            bars = re.findall(r"\r(\S+) +\[[#.]*\] +(\d+)%", text)
            if bars:
                bar, last = "%s at %s %%" % bars[-1], now


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tool")
    parser.add_argument("work_folder")
    parser.add_argument("--rows", type=int, default=FULL)
    parser.add_argument("--whiten", default="choose", choices=("choose", "never", "always"))
    given = parser.parse_args()
    tool, work, rows = given.tool, given.work_folder, given.rows
    full = rows >= FULL
    os.makedirs(work, exist_ok=True)
    names = {name: os.path.join(work, name) for name in ("x.npy", "y.npy", "model", "codes", "less", "less_codes")}
    results = []

    def bar(what, figure, most, judged=True, least=None):
        bad = judged and not (figure <= most if least is None else least <= figure <= most)
        range_ = f"<= {most:g}" if least is None else f"{least:g} to {most:g}"
        word = "MISSED" if bad else "met   " if judged else "      "
        results.append((bad, f"{word} {what}: {figure:.2f} ({range_})"))
        print(results[-1][1], flush=True)

    def quiet(what, run):
        bar(f"{what}, longest gap between signs of life, s (after {run.gap_after})", run.gap, MOST_GAP, full)
        bar(f"{what}, before the first and after the last, files aside, s", run.edges - run.told["seconds_files"],
            2 * MOST_GAP, full)

    try:
        began = time.monotonic()
        make_rows(work, rows)
        print(f"{rows} rows of {COLUMNS} float32, {CLASSES} classes, made in {time.monotonic() - began:.0f} s; "
              f"{os.cpu_count()} cores", flush=True)

        trained = Watched(tool, "train", "--features", names["x.npy"], "--labels", names["y.npy"], "-o", names["model"],
                          "--codes-out", names["codes"], "--codebooks", 64, "--top-k", 8, "--key-dim", 16,
                          "--epochs", 1, "--whiten", given.whiten, "--json")
        t = trained.told
        print(f"{t['codebooks']} codebooks of {t['keys']} keys, {t['key_dim']} wide, top {t['top_k']}, "
              f"{'whitened' if t['whitened'] else 'plain'}; accuracy on rows held out {t['held_out_accuracy']:.4f}, "
              f"calibration error {t['calibration_error']:.4f}")
        print(f"train   whitening {t['seconds_whitening']:.1f} s, keys {t['seconds_keys']:.1f}, search "
              f"{t['seconds_search']:.1f}, values {t['seconds_values']:.1f}, temperature "
              f"{t['seconds_temperature']:.1f}, codes {t['seconds_codes']:.1f}; in all {trained.seconds:.1f}; model "
              f"{os.path.getsize(names['model']) / 1e6:.0f} MB, codes {os.path.getsize(names['codes']) / 1e6:.0f} MB",
              flush=True)
        bar("keys, search and values, minutes",
            (t["seconds_keys"] + t["seconds_search"] + t["seconds_values"]) / 60, 30, full)
        bar("train, memory beyond the mapped file, GiB", trained.peak / GIB, 8)
        bar("train, accuracy on rows held out", t["held_out_accuracy"], 0.99, least=0.05)
        quiet("train", trained)

        forget = (tool, "forget", names["model"], "--class", 3, "--codes", names["codes"], "-o", names["less"])
        # --force, as with few rows hardly any rows of a class are held out
        suppressed = Watched(*forget, "--force", "--json")
        s = suppressed.told
        print(f"suppress {s['pairs_masked']} pairs in {s['seconds']:.1f} s, {s['seconds_files']:.1f} of them files",
              flush=True)
        bar("suppress a class, files aside, s", s["seconds"] - s["seconds_files"], 3, full)
        bar("suppress, memory, GiB", suppressed.peak / GIB, 8)
        quiet("suppress", suppressed)

        exact = Watched(*forget, "--strength", "exact", "--keep-keys", "--codes-out", names["less_codes"], "--json")
        e = exact.told
        print(f"exact   {e['examples']} rows in {e['seconds']:.1f} s, {e['seconds_files']:.1f} of them files",
              flush=True)
        bar("exact, files aside, for the training of the values",
            (e["seconds"] - e["seconds_files"]) / t["seconds_values"], 1.2, full)
        bar("exact, memory, GiB", exact.peak / GIB, 8)
        quiet("exact", exact)
    finally:
        for path in names.values():
            if os.path.exists(path):
                os.unlink(path)
    sys.exit(any(bad for bad, _ in results))


main()

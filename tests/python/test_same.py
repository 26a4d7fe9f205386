"""Tests that Python, C and the tool give the same bytes: models with their journals, codes files, masks, codes of rows
and logits; and that Python takes hardly longer than C to predict one row.

    test_same.py TOOL PROGRAM     PROGRAM is the C program built from same.c
"""
import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

try:
    import numpy as np
except ImportError:
    print("skipped: numpy is not installed")
    sys.exit(77)

os.environ["SOURCE_DATE_EPOCH"] = "1700000000"  # Fixes the times in journals.
import dkvb  # noqa: E402

TOOL, PROGRAM = sys.argv.pop(1), sys.argv.pop(1)
ROWS, COLUMNS, SEED, FORGOTTEN, SALT = 500, 20, 7, 1, b"\xab" * 32
ABOVE_C = 30e-6  # seconds by which predicting one row may take longer in Python than in C


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{words[0]} {words[1]}: {done.stderr}")
    return done.stdout


class Same(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        here = cls.here = Path(cls.folder.name)
        random = np.random.default_rng(0)
        y = np.arange(ROWS, dtype=np.int32) % 4
        cls.x = (1.5 * random.normal(size=(4, COLUMNS))[y] + random.normal(size=(ROWS, COLUMNS))).astype(np.float32)
        for name, array in (("x", cls.x), ("y", y)):
            np.save(here / f"{name}.npy", array)
            array.tofile(here / f"{name}.raw")

        cls.model, codeset, _ = dkvb.fit(cls.x, y, seed=SEED, codeset=True)
        plan = cls.model.plan_forget(classes=[FORGOTTEN], codeset=codeset, reason="the same", salt=SALT)
        cls.model.apply(plan, codeset)
        cls.model.save(here / "python.dkvb")
        codeset.save(here / "python.codes")
        cls.model.mask.save(here / "python.mask")

        run(PROGRAM, "train", here, ROWS, COLUMNS)

        model, codes = here / "tool.dkvb", here / "tool.codes"
        run(TOOL, "train", "--features", here / "x.npy", "--labels", here / "y.npy", "--seed", SEED, "-o", model,
            "--codes-out", codes)
        run(TOOL, "forget", model, "--class", FORGOTTEN, "--codes", codes, "--reason", "the same", "--salt", SALT.hex())
        run(TOOL, "mask", "export", model, "-o", here / "tool.mask")
        run(TOOL, "search", model, "--features", here / "x.npy", "-o", here / "tool.search.npy")
        run(TOOL, "predict", model, "--features", here / "x.npy", "--scores", "-o", here / "tool.logits.npy")

    def assert_same_files(self, ending):
        python, *others = ((self.here / f"{way}.{ending}").read_bytes() for way in ("python", "c", "tool"))
        self.assertGreater(len(python), 0)
        for way, other in zip(("C", "the tool"), others):
            self.assertEqual(python, other, f".{ending} by Python is not that by {way}")

    def test_models_and_their_journals_have_the_same_bytes(self):
        self.assertEqual([entry.reason for entry in self.model.journal], ["the same"])
        self.assert_same_files("dkvb")

    def test_codes_files_have_the_same_bytes(self):
        self.assert_same_files("codes")

    def test_masks_have_the_same_bytes(self):
        self.assertGreater(len(self.model.mask), 0)
        self.assert_same_files("mask")

    def test_codes_of_rows_are_the_same(self):
        codes = self.model.search(self.x)
        self.assertEqual(codes.tobytes(), (self.here / "c.search").read_bytes())
        np.testing.assert_array_equal(codes, np.load(self.here / "tool.search.npy"))

    def test_codes_in_files_are_the_same_after_an_interrupt_too(self):
        path, rows = self.here / "python.search.npy", np.tile(self.x, (600 // len(self.x) + 1, 1))

        def stop(_done, _total):
            raise KeyboardInterrupt

        self.assertEqual(self.model.search_file(self.x, path).rows, len(self.x))
        self.assertEqual(path.read_bytes(), (self.here / "tool.search.npy").read_bytes())
        with self.assertRaises(KeyboardInterrupt):
            self.model.search_file(rows, path, progress=stop)
        with self.assertRaisesRegex(dkvb.MismatchError, "without distances"):
            self.model.search_file(rows, path, distances=self.here / "distances.npy")
        report = self.model.search_file(rows, path)
        self.assertEqual((report.rows, report.resumed), (len(rows), 512))
        np.testing.assert_array_equal(np.load(path), self.model.search(rows))
        outside = dkvb.Outside()
        report = self.model.search_file(rows, path, distances=self.here / "distances.npy", restart=True, outside=outside)
        self.assertEqual((report.resumed, outside.searched), (0, len(rows)))
        np.testing.assert_array_equal(np.load(self.here / "distances.npy"), self.model.search(rows, distances=True)[1])

    def test_logits_are_the_same_bits(self):
        logits = self.model.predict(self.x, logits=True)[1]
        self.assertEqual(logits.tobytes(), (self.here / "c.logits").read_bytes())
        self.assertEqual(logits.tobytes(), np.load(self.here / "tool.logits.npy").tobytes())

    def test_the_tool_tells_the_names_of_columns(self):
        named = pickle.loads(pickle.dumps(self.model))
        self.assertIsNone(named.column_names)
        names = [f"größe {column}, \"cm\"" for column in range(COLUMNS)]
        named.column_names = names
        named.save(self.here / "named.dkvb")
        told = json.loads(run(TOOL, "inspect", self.here / "named.dkvb", "--json"))
        self.assertEqual(told["column_names"], names)
        self.assertIn(f"columns    {COLUMNS} have names", run(TOOL, "inspect", self.here / "named.dkvb"))
        self.assertIsNone(json.loads(run(TOOL, "inspect", self.here / "python.dkvb", "--json"))["column_names"])
        self.assertNotIn("have names", run(TOOL, "inspect", self.here / "python.dkvb"))

    def test_one_row_takes_at_most_30_microseconds_more_than_in_c(self):
        row, differences = self.x[:1], []
        for _ in range(5):  # measures in turns, since other programs may use the machine
            c = float(run(PROGRAM, "time", self.here, COLUMNS, 2000)) / 1e9
            took = []
            for _ in range(2000):
                begun = time.perf_counter()
                self.model.predict(row)
                took.append(time.perf_counter() - begun)
            differences.append(float(np.median(took)) - c)
        print(f"Python less C, medians of one row: {', '.join(f'{d * 1e6:.1f}' for d in differences)} microseconds")
        self.assertLess(min(differences), ABOVE_C)


if __name__ == "__main__":
    unittest.main()

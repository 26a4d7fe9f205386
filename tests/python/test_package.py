"""Tests of the Python package as a whole: pickling, type hints, docstrings, and the versions of Python that can read
it."""
import ast
import inspect
import pickle
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

try:
    import numpy as np
except ImportError:
    print("skipped: numpy is not installed")
    sys.exit(77)
import dkvb

PACKAGE = Path(dkvb.__file__).resolve().parent
# C functions of the library that the Python package does not use, and the reasons.
WITHOUT_TWIN = {
    "dkvb_file_leftover": "for the tool, which names what killed processes left",
    "dkvb_file_remove_temporaries": "for handlers of signals in C; Python's cannot run inside a call",
    "dkvb_file_write": "for the tool; Python writes files",
    "dkvb_file_write_parts": "for the tool; Python writes files",
    "dkvb_imageset_spare": "for the tool, which is told an output beside pictures",
    "dkvb_model_set_class_name": "Model.class_names sets all names at once",
}


def fitted():
    random = np.random.default_rng(0)
    y = np.arange(600, dtype=np.int32) % 3
    x = (random.normal(size=(3, 16))[y] * 2 + random.normal(size=(600, 16))).astype(np.float32)
    model, codeset, _ = dkvb.fit(x, y, codeset=True, seed=1, codebooks=16, keys=64, key_dim=8, epochs=2)
    return x, model, codeset


def file_of(handle):
    with tempfile.TemporaryDirectory() as folder:
        handle.save(Path(folder, "file"))
        return Path(folder, "file").read_bytes()


class Package(unittest.TestCase):
    def test_handles_pickle_as_the_bytes_of_their_files(self):
        _, model, codeset = fitted()
        plan = model.plan_forget(classes=[1], codeset=codeset)
        for handle in (model, model.mask, codeset, plan):
            with self.subTest(type(handle).__name__):
                self.assertEqual(file_of(pickle.loads(pickle.dumps(handle))), file_of(handle))

    def test_codebooks_pickle_with_their_identity(self):
        x, model, _ = fitted()
        copy = pickle.loads(pickle.dumps(model.codebooks))
        np.testing.assert_array_equal(copy.search(x), model.codebooks.search(x))
        mask = dkvb.Mask(copy)  # the unpickled codebooks have the same birth id, so masks fit both
        mask.add(0, 0)
        model.forget(mask)
        self.assertIn((0, 0), model.mask)

    def test_a_mapped_model_pickles_too(self):
        x, model, _ = fitted()
        with tempfile.TemporaryDirectory() as folder:
            model.save(Path(folder, "m.dkvb"))
            with dkvb.Model.map(Path(folder, "m.dkvb")) as mapped:
                copy = pickle.loads(pickle.dumps(mapped))
        np.testing.assert_array_equal(copy.predict(x), model.predict(x))

    def test_columns_have_names_all_or_none(self):
        _, model, _ = fitted()
        names = [f"column {i}" for i in range(16)]
        self.assertIsNone(model.column_names)
        model.column_names = iter(names)
        self.assertEqual(model.column_names, names)
        for bad, error in ((names[:15], dkvb.InvalidArgument), ([*names[:15], "column 3"], dkvb.InvalidArgument),
                           ([*names[:15], ""], dkvb.InvalidArgument), ([*names[:15], None], dkvb.InvalidArgument),
                           ([*names[:15], 7], TypeError), ([*names[:15], "a\0b"], ValueError), ("a" * 16, TypeError),
                           ([], ValueError)):
            with self.subTest(bad), self.assertRaises(error):
                model.column_names = bad
            self.assertEqual(model.column_names, names)
        self.assertEqual(pickle.loads(pickle.dumps(model)).column_names, names)
        model.column_names = None
        self.assertIsNone(model.column_names)

    def test_rows_of_a_group_are_held_out_together(self):
        random = np.random.default_rng(3)
        y = np.arange(600, dtype=np.int32) % 3
        x = random.normal(size=(600, 16)).astype(np.float32)
        small = {"seed": 1, "codebooks": 8, "keys": 16, "key_dim": 4, "epochs": 1, "whiten": "never"}
        numbers = random.integers(0, 1 << 63, 200)[random.integers(0, 200, 600)]
        persons = np.array([f"persón {number}" for number in random.integers(0, 200, 600)])
        for groups in (numbers, numbers.tolist(), persons, persons.tolist(), persons.astype(object)):
            model, codeset, _ = dkvb.fit(x[:400], y[:400], groups=groups[:400], codeset=True, hold_out=0.3, **small)
            dkvb.fit_more(model, x[400:], y[400:], groups=groups[400:], codeset=codeset, hold_out=0.3)
            held = {groups[row] for row in codeset.rows("held_out").ids.tolist()}
            trained = {groups[row] for row in codeset.rows("training").ids.tolist()}
            self.assertGreater(len(held), 30)
            self.assertFalse(held & trained)
        plain = dkvb.fit(x, y, codeset=True, **small).codeset
        same = dkvb.fit(x, y, codeset=True, groups=np.arange(600), **small).codeset
        self.assertEqual(file_of(same), file_of(plain))
        for wrong, said in ((np.array([1, "b"] * 300, object), "all integers or all strings"), (np.arange(599), "shape"),
                            (np.full(600, -1), "-1 to -1 found"), (np.full(600, 0.5), "integers wanted"), (["a"] * 3, "shape"),
                            ([1, None] * 300, "all integers or all strings")):
            with self.subTest(said), self.assertRaisesRegex(ValueError, said):
                dkvb.fit(x, y, groups=wrong, **small)

    def test_encoders_pickle_by_how_they_were_opened(self):
        picture = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
        for encoder in (dkvb.Encoder("descriptor", upright=True), dkvb.Encoder("pixels", width=4, height=4, channels=3)):
            copy = pickle.loads(pickle.dumps(encoder))
            self.assertEqual(copy.identity, encoder.identity)
            np.testing.assert_array_equal(copy.encode([picture]), encoder.encode([picture]))

    def test_an_encoder_with_other_weights_than_were_pickled_is_refused(self):
        opened_again, arguments = dkvb.Encoder("descriptor").__reduce__()
        with self.assertRaisesRegex(dkvb.MismatchError, "pickled gave other rows"):
            opened_again(*arguments[:-1], "another")

    def test_exceptions_of_workers_pickle_with_their_status(self):
        with self.assertRaises(dkvb.MissingFile) as caught:
            dkvb.Model.load("/nowhere.dkvb")
        copy = pickle.loads(pickle.dumps(caught.exception))
        self.assertEqual((type(copy), copy.status, copy.errno, str(copy)),
                         (dkvb.MissingFile, caught.exception.status, caught.exception.errno, str(caught.exception)))

    def test_rows_added_by_their_features_are_the_rows_added_by_codes(self):
        x, model, _ = fitted()
        codebooks, labels, held = model.codebooks, np.arange(600) % 3, np.arange(600) % 10 == 0
        ids = np.arange(600, dtype=np.uint64) + 50
        by_features, by_codes = (dkvb.Codeset(codebooks, top_k=4, depth=8, keep="codes") for _ in range(2))
        by_features.add_features(codebooks, x, labels, ids=ids, held_out=held)
        by_codes.add("training", ids[~held], labels[~held], codebooks.search(x[~held], 4))
        by_codes.add("held_out", ids[held], labels[held], codebooks.search(x[held], 8))
        self.assertEqual(file_of(by_features), file_of(by_codes))
        with self.assertRaisesRegex(ValueError, "held_out"):
            by_features.add_features(codebooks, x, labels, held_out=held[1:])

    def test_every_function_of_the_library_is_used_or_needs_no_twin(self):
        text = "".join(path.read_text() for path in PACKAGE.glob("*.py") if path.name != "_ffi.py")
        unused = {name for name in [*dkvb._ffi.PROTOTYPES, *dkvb._ffi.REFERENCE_PROTOTYPES]
                  if not re.search(rf"\.{name}\b", text)}
        self.assertEqual(unused - set(WITHOUT_TWIN), set(), "the package has nothing that calls them")
        self.assertEqual(set(WITHOUT_TWIN) - unused, set(), "they are used: take them off the list")

    def test_a_long_call_stops_within_a_second_of_ctrl_c_and_changes_nothing(self):
        program = """
import os, signal, sys, threading, time
import numpy as np
import dkvb
random = np.random.default_rng(0)
y = np.arange(4000, dtype=np.int32) % 3
x = random.normal(size=(4000, 64)).astype(np.float32)
codebooks = dkvb.Codebooks.fit(x, codebooks=16, keys=64, seed=1)
model, codes = dkvb.Model(codebooks, 3, top_k=4), codebooks.search(x, 4)
before, sent = model.values.tobytes(), []
def interrupt():
    sent.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)
signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Timer(0.5, interrupt).start()
try:
    model.train(codes, y, epochs=100000)
except KeyboardInterrupt:
    print(time.monotonic() - sent[0], model.values.tobytes() == before)
"""
        done = subprocess.run([sys.executable, "-c", program], text=True, capture_output=True, check=False, timeout=100)
        self.assertEqual(done.returncode, 0, done.stderr)
        seconds, same = done.stdout.split()
        self.assertLess(float(seconds), 1)
        self.assertEqual(same, "True")

    def test_progress_true_is_a_bar_or_nothing(self):
        x, model, _ = fitted()
        np.testing.assert_array_equal(model.predict(x, progress=True), model.predict(x))

    def test_few_rows_get_the_answers_of_many(self):
        x, model, _ = fitted()
        labels, logits = model.predict(x, logits=True)
        for i in (0, 7):
            one, scores = model.predict(x[i:i + 1], logits=True)
            self.assertEqual(one[0], labels[i])
            np.testing.assert_array_equal(scores[0], logits[i])

    def test_every_file_is_read_by_python_3_9(self):
        for path in sorted(PACKAGE.rglob("*.py")):
            with self.subTest(path.name):
                ast.parse(path.read_text(), feature_version=(3, 9))

    def test_every_public_name_has_a_docstring(self):
        silent = []
        for name in dkvb.__all__:
            thing = getattr(dkvb, name)
            if not (inspect.isclass(thing) or inspect.isfunction(thing)):
                continue
            if not inspect.getdoc(thing):
                silent.append(name)
            for method, function in inspect.getmembers(thing, inspect.isfunction) if inspect.isclass(thing) else ():
                if not method.startswith("_") and function.__module__.startswith("dkvb") and not inspect.getdoc(function):
                    silent.append(f"{name}.{method}")
        self.assertEqual(silent, [])

    def test_every_public_function_has_type_hints(self):
        silent = []
        for name in dkvb.__all__:
            thing = getattr(dkvb, name)
            members = vars(thing).items() if inspect.isclass(thing) else [("", thing)] if inspect.isfunction(thing) else []
            for member, function in members:
                function = getattr(function, "__func__", getattr(function, "fget", function))
                if member.startswith("_") and member != "__init__" or not inspect.isfunction(function):
                    continue
                if "dkvb" not in function.__code__.co_filename:  # leaves out functions that dataclasses generate
                    continue
                hints, given = function.__annotations__, inspect.signature(function).parameters
                silent += [f"{name}.{member}({one})" for one in [*given, "return"]
                           if one not in (*hints, "self", "cls") and thing.__module__ != "dkvb.estimator"]
        self.assertEqual(silent, [])

    def test_mypy_finds_nothing(self):
        self.assertTrue((PACKAGE / "py.typed").exists())
        if not shutil.which("mypy"):
            self.skipTest("mypy is not installed")
        with tempfile.TemporaryDirectory() as cache:
            done = subprocess.run(["mypy", "--cache-dir", cache, "--config-file", str(PACKAGE.parent / "pyproject.toml"),
                                   "--ignore-missing-imports", str(PACKAGE)], text=True, capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout[-3000:])


if __name__ == "__main__":
    unittest.main()

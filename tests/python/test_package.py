"""The package as a whole: what pickles, what is typed and documented, and which Python can read it."""
import ast
import inspect
import pickle
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


def fitted():
    random = np.random.default_rng(0)
    y = np.arange(600, dtype=np.int32) % 3
    x = (random.normal(size=(3, 16))[y] * 2 + random.normal(size=(600, 16))).astype(np.float32)
    model, codeset, _ = dkvb.fit(x, y, codeset=True, seed=1)
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
        dkvb.Mask(copy).save  # a mask of the copy belongs to the model too
        model.forget(dkvb.Mask(copy) | model.mask) if hasattr(dkvb.Mask, "__or__") else None

    def test_a_mapped_model_pickles_too(self):
        x, model, _ = fitted()
        with tempfile.TemporaryDirectory() as folder:
            model.save(Path(folder, "m.dkvb"))
            with dkvb.Model.map(Path(folder, "m.dkvb")) as mapped:
                copy = pickle.loads(pickle.dumps(mapped))
        np.testing.assert_array_equal(copy.predict(x), model.predict(x))

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

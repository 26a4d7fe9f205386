"""Tests of linear heads from Python: their results equal those of NumPy and, if it is installed, of scikit-learn.

    DKVB_LIBRARY=…/libdkvb.so DKVB_REFERENCE_LIBRARY=…/libdkvb-reference.so PYTHONPATH=bindings/python \\
        python3 tests/scenario/reference_bindings.py
"""

import math
import os
import subprocess
import sys
import unittest
import warnings

import numpy as np

import dkvb

CLASSES, DIM = 5, 12


def clouds(n, seed):
    """Returns rows in clouds far from 0, one around the centre of each class, and their labels."""
    centers = np.random.default_rng(0).normal(size=(CLASSES, DIM)) + 3
    rng = np.random.default_rng(seed)
    labels = rng.integers(CLASSES, size=n, dtype=np.int32)
    return (centers[labels] + rng.normal(size=(n, DIM))).astype(np.float32), labels


X, Y = clouds(600, 1)
TEST_X, TEST_Y = clouds(300, 2)


def scaled(x):
    return np.sqrt((x.astype(float) ** 2).mean())


class Ridge(unittest.TestCase):
    def test_scores_are_those_of_the_formula(self):
        head = dkvb.reference.fit(X, Y, kind="ridge", penalty=0.02)
        x, targets = X.astype(float), np.eye(CLASSES)[Y]
        z = (x - x.mean(0)) / scaled(X)
        weights = np.linalg.solve(z.T @ z / len(z) + 0.02 * np.eye(DIM), z.T @ (targets - targets.mean(0)) / len(z))
        wanted = (TEST_X - x.mean(0)) / scaled(X) @ weights + targets.mean(0)
        np.testing.assert_allclose(head.scores(TEST_X), wanted, atol=1e-11)
        np.testing.assert_array_equal(head.predict(TEST_X), wanted.argmax(1))
        info = head.info
        self.assertEqual((info.kind, info.dim, info.classes, info.rows), ("ridge", DIM, CLASSES, 600))
        self.assertTrue(info.converged and not info.chosen and info.penalty == 0.02)

    def test_removed_rows_leave_what_a_fit_without_them_finds(self):
        head, gone = dkvb.reference.fit(X, Y, kind="ridge", penalty=0.001), np.arange(600) % 7 == 2
        head.remove(X[gone], Y[gone])
        never = dkvb.reference.fit(X[~gone], Y[~gone], kind="ridge", penalty=0.001)
        np.testing.assert_allclose(head.scores(TEST_X), never.scores(TEST_X), rtol=0, atol=1e-9)
        self.assertEqual(head.info.rows, 600 - gone.sum())
        with self.assertRaises(dkvb.StateError):
            dkvb.reference.fit(X, Y).remove(X[gone], Y[gone])


class Logistic(unittest.TestCase):
    def test_it_is_as_good_as_that_of_scikit_learn(self):
        try:
            from sklearn.linear_model import LogisticRegression
        except ImportError:
            self.skipTest("scikit-learn is not here")
        head = dkvb.reference.fit(X, Y, penalty=0.01, tolerance=1e-6)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            peer = LogisticRegression(C=1 / (0.01 * len(X)), tol=1e-8, max_iter=10000).fit(X / scaled(X), Y)
        wanted = peer.predict_log_proba(TEST_X / scaled(X))
        found = head.scores(TEST_X)
        found -= np.log(np.exp(found).sum(1, keepdims=True))
        # a gradient tolerance of 1e-6 allows differences of 1e-4 in weights
        np.testing.assert_allclose(found, wanted, atol=2e-3)

    def test_a_penalty_is_chosen_from_the_list_without_test_rows(self):
        info = dkvb.reference.fit(X, Y).info
        self.assertTrue(info.chosen and info.converged)
        self.assertIn(info.penalty, (0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001))

    def test_rows_and_labels_that_cannot_be_are_refused_by_their_place(self):
        odd = X.copy()
        odd[4, 7] = np.nan
        with self.assertRaisesRegex(dkvb.InvalidArgument, "row 4, column 7"):
            dkvb.reference.fit(odd, Y)
        with self.assertRaisesRegex(dkvb.InvalidArgument, "1 class has rows"):
            dkvb.reference.fit(X, np.full(600, 1), classes=3)
        with self.assertRaisesRegex(ValueError, "kind"):
            dkvb.reference.fit(X, Y, kind="forest")
        with self.assertRaises(ValueError):
            dkvb.reference.fit(X, Y[:5])

    def test_progress_may_cancel(self):
        def stop(_done, _total):
            raise StopIteration("enough")

        with self.assertRaisesRegex(StopIteration, "enough"):
            dkvb.reference.fit(X, Y, progress=stop)

    def test_a_closed_head_says_so(self):
        with dkvb.reference.fit(X, Y) as head:
            self.assertEqual(head.predict(X[:0]).shape, (0,))
        with self.assertRaisesRegex(ValueError, "closed"):
            head.predict(X)


class Comparison(unittest.TestCase):
    def test_heads_stand_beside_a_model(self):
        model, _codeset, _report = dkvb.fit(X, Y, seed=1)
        model.class_names = [f"class {label}" for label in range(CLASSES)]
        found = dkvb.reference.compare(X, Y, TEST_X, TEST_Y, classes=["class 2"], model=model)
        answers = model.predict(TEST_X)
        self.assertEqual([(line.head, line.rows) for line in found.lines],
                         [("model", ""), ("ridge", "all"), ("ridge", "kept"), ("logistic", "all"), ("logistic", "kept")])
        self.assertAlmostEqual(found["model"].accuracy, (answers == TEST_Y).mean())
        self.assertAlmostEqual(found["model"].others, (answers == TEST_Y)[TEST_Y != 2].mean())
        self.assertEqual((found.classes, found.forgotten_rows), ([2], (Y == 2).sum()))
        for kind in ("ridge", "logistic"):
            self.assertEqual(found[kind, "kept"].forgotten, 0)
            self.assertTrue(math.isnan(found[kind, "kept"].auc))
            self.assertGreater(found[kind, "all"].auc, 0.9)
            without = dkvb.reference.fit(X[Y != 2], Y[Y != 2], kind=kind, penalty=found[kind, "kept"].penalty)
            np.testing.assert_allclose((without.predict(TEST_X) == TEST_Y).mean(), found[kind, "kept"].accuracy, atol=0.004)
        with self.assertRaises(KeyError):
            found["forest", "all"]

    def test_rows_may_be_forgotten_and_there_need_be_no_model(self):
        found = dkvb.reference.compare(X, Y, TEST_X, TEST_Y, rows=[1, 5, 9], kind="ridge")
        self.assertEqual([line.fitted for line in found.lines], [600, 597])
        self.assertEqual(found.forgotten_rows, 3)


    def test_what_cannot_be_asked_is_refused(self):
        model, _codeset, _report = dkvb.fit(X, Y, seed=1)
        ask = dict(kind="ridge", penalty=0.01)
        with self.assertRaisesRegex(ValueError, "class_count: 7 found, the model has 5 classes"):
            dkvb.reference.compare(X, Y, TEST_X, TEST_Y, model=model, class_count=7, **ask)
        dkvb.reference.compare(X, Y, TEST_X, TEST_Y, model=model, class_count=CLASSES, **ask)
        with self.assertRaisesRegex(ValueError, "classes: names need a model"):
            dkvb.reference.compare(X, Y, TEST_X, TEST_Y, classes=["class 2"], **ask)
        with self.assertRaisesRegex(ValueError, "classes: 5 found"):
            dkvb.reference.compare(X, Y, TEST_X, TEST_Y, classes=[5], **ask)
        for request, why in ((dict(classes=[]), "names no training row"), (dict(rows=[4, 4]), "row 4 a second time"),
                             (dict(classes=[1], rows=[4]), "both classes and rows")):
            with self.assertRaisesRegex(dkvb.InvalidArgument, why):
                dkvb.reference.compare(X, Y, TEST_X, TEST_Y, **request, **ask)

    def test_rows_too_large_to_be_taken_out_are_fitted_anew_without(self):
        gone = Y == 2
        odd = np.where(gone[:, None], X * np.float32(1e8), X)
        head = dkvb.reference.fit(odd, Y, kind="ridge", penalty=0.001)
        with self.assertRaisesRegex(dkvb.StateError, "fit the head again"):
            head.remove(odd[gone], Y[gone])
        never = dkvb.reference.fit(X[~gone], Y[~gone], kind="ridge", penalty=0.001)
        found = dkvb.reference.compare(odd, Y, TEST_X, TEST_Y, classes=[2], kind="ridge", penalty=0.001)
        self.assertEqual(found["ridge", "kept"].accuracy, (never.predict(TEST_X) == TEST_Y).mean())


class Missing(unittest.TestCase):
    def test_import_needs_no_library_and_a_call_says_what_is_missing(self):
        program = ("import dkvb, numpy as np\n"
                   "try:\n    dkvb.reference.fit(np.eye(2, dtype=np.float32), [0, 1])\n"
                   "except ImportError as error:\n    print(error)\n")
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True,
                              env={**os.environ, "DKVB_REFERENCE_LIBRARY": "/nowhere/libdkvb-reference.so"})
        self.assertIn("cannot load libdkvb-reference.so.1", done.stdout)
        self.assertIn("/nowhere/libdkvb-reference.so", done.stdout)
        self.assertIn("Debian: libopenblas-dev", done.stdout)


if __name__ == "__main__":
    unittest.main()

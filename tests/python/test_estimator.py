"""Tests of DKVBClassifier, the scikit-learn estimator, on small data.

    DKVB_LIBRARY=…/libdkvb.so PYTHONPATH=bindings/python python3 tests/python/test_estimator.py
"""

import copy
import pickle
import subprocess
import sys
import unittest
import warnings

import numpy as np

try:
    import sklearn  # noqa: F401
except ImportError:
    print("skipped: scikit-learn is not installed (Debian: python3-sklearn)")
    sys.exit(77)

from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits, make_blobs
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import dkvb
from dkvb import DKVBClassifier

# The tests fix the model's shape, as shapes chosen to suit the data would change with the number of rows.
SHAPE = {"codebooks": 32, "keys": 32, "key_dim": 8, "top_k": 4, "whiten": "never"}
RECIPE = {"epochs": 4, "batch": 64, "learning_rate": 2.0}
CAT = np.array(["ant", "bee", "cat"])


def blobs(n=300, seed=0, centers=3, columns=8):
    """Makes rows in float32, so that no two rows become equal by conversion."""
    x, y = make_blobs(n, n_features=columns, centers=centers, cluster_std=2.0, random_state=seed)
    return x.astype(np.float32), y


def small(**settings):
    return DKVBClassifier(**{**SHAPE, **RECIPE, **settings})


def same_bits(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def nothing_learned(clf):
    """Sets all values of a classifier to zero, so that it abstains on all rows."""
    clf.model_.values = np.zeros_like(clf.model_.values)
    return clf


class Answers(unittest.TestCase):
    def test_decision_function_has_the_bits_of_the_models_logits(self):
        x, y = blobs()
        clf = small().fit(x, y)
        self.assertTrue(same_bits(clf.decision_function(x), clf.model_.predict(x, logits=True)[1]))

    def test_two_classes_are_decided_by_the_difference_of_their_logits(self):
        x, y = blobs(centers=2)
        clf = small().fit(x, y)
        logits = clf.model_.predict(x, logits=True)[1].astype(np.float64)
        self.assertTrue(same_bits(clf.decision_function(x), logits[:, 1] - logits[:, 0]))

    def test_labels_of_any_kind_come_back_as_they_were(self):
        x, y = blobs(centers=2)
        for labels in (np.array([-1, 1]), np.array([False, True]), np.array(["no", "yes"]), np.array([0.0, 5.0]),
                       np.array(["no", "yes"], object), np.array([7, 2**40])):
            clf = small().fit(x, labels[y])
            self.assertEqual(clf.predict(x).dtype, labels.dtype, labels)
            self.assertEqual(clf.classes_.tolist(), labels.tolist())
            self.assertGreater(clf.score(x, labels[y]), 0.9)

    def test_objects_that_are_numbers_are_numbers(self):
        x, y = blobs(centers=2)
        self.assertEqual(small().fit(x, (y * 2 - 1).astype(object)).classes_.tolist(), [-1, 1])
        self.assertEqual(small().fit(x, y.astype(bool).astype(object)).classes_.tolist(), [False, True])
        mixed = y.astype(object)
        mixed[3] = np.int8(0)
        self.assertEqual(small().fit(x, mixed).classes_.dtype.kind, "i")

    def test_labels_of_two_kinds_are_refused_by_row(self):
        x, y = blobs()
        for other, kind in ((None, "NoneType"), (1, "a whole number"), (True, "a boolean"), (float("nan"), "float")):
            labels = CAT[y].astype(object)
            labels[7] = other
            with self.assertRaisesRegex(ValueError, f"y: row 0 is text and row 7 is {kind}; all labels must be of one"):
                small().fit(x, labels)

    def test_several_labels_a_row_are_refused_in_one_sentence(self):
        x, y = blobs(60)
        with self.assertRaisesRegex(ValueError, r"3 labels a row; DKVBClassifier takes one label a row: .*MultiOutput"):
            small().fit(x, np.eye(3, dtype=int)[y])
        two = np.stack([y, y == 1], axis=1)
        self.assertEqual(MultiOutputClassifier(small()).fit(x, two).predict(x).shape, (60, 2))

    def test_names_of_classes_go_into_the_model(self):
        x, y = blobs()
        clf = small().fit(x, CAT[y])
        self.assertEqual(clf.model_.class_names, CAT.tolist())

    def test_a_row_without_an_answer_gets_even_probabilities_and_the_commonest_class(self):
        x, y = blobs()
        keep = (y != 0) | (np.arange(len(y)) % 3 == 0)
        clf = nothing_learned(small().fit(x[keep], CAT[y[keep]]))
        commonest = CAT[1:][np.argmax(np.bincount(y)[1:])]
        self.assertEqual(set(clf.predict(x).tolist()), {commonest})
        np.testing.assert_array_equal(clf.predict_proba(x), np.full((len(x), 3), 1 / 3))

    def test_a_row_without_an_answer_never_gets_a_forgotten_class(self):
        x, y = blobs()
        heavy = np.where(y == 1, 4, 1)  # the class "bee" is made the commonest
        clf = small().fit(x, CAT[y], sample_weight=heavy)
        clf.forget(classes="bee")
        nothing_learned(clf)
        self.assertEqual(set(clf.predict(x).tolist()), {"ant"})
        self.assertEqual(np.unique(clf.predict_proba(x), axis=0).tolist(), [[0.5, 0.0, 0.5]])

    def test_abstain_is_the_answer_to_a_row_without_an_answer(self):
        x, y = blobs()
        for labels, answer, kind in ((y, -1, "i"), (CAT[y], "unknown", "U"), (y, "unknown", "O"), (y > 0, "?", "O")):
            clf = nothing_learned(small(abstain=answer).fit(x, labels))
            self.assertEqual(set(clf.predict(x).tolist()), {answer})
            self.assertEqual(clf.predict(x).dtype.kind, kind)
        clf = small(abstain="unknown").fit(x, CAT[y])
        self.assertEqual(clf.predict(x).dtype, np.dtype("<U7"))  # the type of the labels does not depend on the rows
        self.assertGreater(clf.score(x, CAT[y]), 0.9)

    def test_one_class_is_always_the_answer(self):
        x, _ = blobs(20)
        clf = DKVBClassifier().fit(x, ["only"] * 20)
        self.assertEqual(set(clf.predict(x).tolist()), {"only"})
        np.testing.assert_array_equal(clf.predict_proba(x), np.ones((20, 1)))

    def test_tiny_tables_can_be_learned(self):
        for rows, columns, classes in ((1, 1, 1), (1, 5, 1), (2, 1, 2), (5, 3, 5), (10, 4, 3)):
            x = np.random.RandomState(0).randn(rows, columns)
            y = np.arange(rows) % classes
            np.testing.assert_array_equal(DKVBClassifier().fit(x, y).predict(x[:classes]), y[:classes])
        constant = DKVBClassifier().fit(np.ones((12, 4)), [0, 1] * 6)
        self.assertEqual(constant.predict_proba(np.ones((1, 4))).shape, (1, 2))


class Learning(unittest.TestCase):
    def test_order_of_rows_changes_no_bit(self):
        x, y = blobs()
        order = np.random.RandomState(1).permutation(len(x))
        one, other = small().fit(x, y), small().fit(x[order], y[order])
        self.assertTrue(same_bits(one.decision_function(x), other.decision_function(x)))
        self.assertTrue(same_bits(one.predict_proba(x), other.predict_proba(x)))

    def test_number_of_threads_changes_no_bit(self):
        x, y = blobs()
        logits = [small(n_jobs=n).fit(x, y).decision_function(x) for n in (1, 2, -1)]
        self.assertTrue(same_bits(logits[0], logits[1]) and same_bits(logits[0], logits[2]))

    def test_random_state_changes_the_keys_and_equal_ones_do_not(self):
        x, y = blobs()
        logits = [small(random_state=state).fit(x, y).decision_function(x)
                  for state in (None, 0, 1, 1, np.random.RandomState(3), np.random.RandomState(3))]
        self.assertTrue(same_bits(logits[0], logits[1]) and same_bits(logits[2], logits[3]))
        self.assertTrue(same_bits(logits[4], logits[5]))
        self.assertFalse(same_bits(logits[1], logits[2]))

    def test_whole_weights_are_copies_of_rows(self):
        x, y = blobs(120)
        weights = np.random.RandomState(0).randint(0, 4, len(x))
        weighted = small(hold_out=0.0).fit(x, y, sample_weight=weights)
        np.testing.assert_array_equal(weighted.class_count_, np.bincount(y, weights))
        rows = weighted.codeset_.rows("training")
        self.assertEqual(len(rows), weights.sum())
        codes = weighted.model_.search(x)
        for row in np.flatnonzero(weights)[:20]:
            same = (rows.codes == codes[row]).all(axis=(1, 2)) & (rows.labels == y[row])
            self.assertGreaterEqual(int(same.sum()), weights[row])

    def test_a_weight_of_zero_is_a_row_that_is_not_there(self):
        x, y = blobs()
        there = np.arange(len(x)) % 3 > 0
        for whole in (1.0, 0.37):  # the same weight for all rows
            zeros = small().fit(x, y, sample_weight=np.where(there, whole, 0.0))
            left = small().fit(x[there], y[there])
            self.assertTrue(same_bits(zeros.decision_function(x), left.decision_function(x)))
        twice = np.concatenate([x, x])
        zeros = small().fit(twice, np.concatenate([y, y]), sample_weight=np.repeat([0, 1], len(x)))
        self.assertTrue(same_bits(zeros.decision_function(x), small().fit(x, y).decision_function(x)))
        with self.assertRaisesRegex(ValueError, "all rows have weight 0"):
            small().fit(x, y, sample_weight=np.zeros(len(x)))

    def test_weights_whose_sum_overflows_are_scaled_like_others(self):
        x, y = blobs()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            clf = small().fit(x, y, sample_weight=np.where(y == 0, 0.5, 1.0) * 1.7e308)
        other = small().fit(x, y, sample_weight=np.where(y == 0, 0.5, 1.0))
        np.testing.assert_array_equal(clf.class_count_, other.class_count_)
        self.assertGreater(clf.score(x, y), 0.9)

    def test_labels_that_no_class_name_may_have_are_labels_like_others(self):
        x, y = blobs()
        for labels in (["a\0b", "c", "d"], ["a\nb", "c", "d"], ["\ud800", "c", "d"], ["a" * 300, "c", "d"]):
            names = np.array(labels, dtype=object)[y]
            clf = small().fit(x, names)
            self.assertGreater(clf.score(x, names), 0.9)
            self.assertEqual([name for name in clf.model_.class_names if name], [])

    def test_fractional_weights_keep_their_shares_and_every_class(self):
        x, y = blobs(3000)
        weights = np.where(y == 0, 0.25, 1.25) * 1e-3
        weights[y == 2] = 1e-12
        clf = small().fit(x, y, sample_weight=weights)
        counts = clf.class_count_
        self.assertAlmostEqual(counts[1] / counts[0], 5.0, delta=1.0)
        self.assertEqual(counts[2], 1)
        self.assertAlmostEqual(counts.sum() / 3000, 1.0, delta=0.1)

    def test_copies_of_a_row_are_all_held_out_or_all_learned_from(self):
        x, y = blobs(200)
        clf = small(hold_out=0.3).fit(x, y, sample_weight=np.full(len(x), 3))
        rows = clf._rows_
        held = np.bincount(rows.positions, rows.held_out)
        self.assertEqual(set(held.tolist()), {0.0, 3.0})

    def test_weights_by_class_are_weights_of_their_rows(self):
        x, y = blobs()
        by_class = small(class_weight={"ant": 3, "cat": 0}).fit(x, CAT[y])
        by_row = small().fit(x, CAT[y], sample_weight=np.array([3, 1, 0])[y])
        self.assertTrue(same_bits(by_class.decision_function(x), by_row.decision_function(x)))
        with self.assertRaisesRegex(ValueError, "class_weight: 'even' found, it must be None, a dict or \"balanced\""):
            small(class_weight="even").fit(x, y)

    def test_balanced_classes_help_the_rare_one(self):
        x, y = blobs(2000, centers=2, columns=2)
        keep = (y == 0) | (np.arange(len(y)) % 40 == 1)
        plain, balanced = (small(normalize=False, class_weight=w).fit(x[keep], y[keep]) for w in (None, "balanced"))
        self.assertGreater((balanced.predict(x) == 1).mean(), (plain.predict(x) == 1).mean())

    def test_a_fit_that_fails_leaves_what_was_learned(self):
        x, y = blobs()
        clf = small().fit(x, y)
        before = clf.decision_function(x)
        with self.assertRaises(ValueError):
            clf.set_params(top_k=1000).fit(x, y)
        self.assertTrue(same_bits(before, clf.decision_function(x)))


class Later(unittest.TestCase):
    """partial_fit()"""

    def test_the_first_call_is_a_fit(self):
        x, y = blobs()
        fitted, begun = small().fit(x, y), small().partial_fit(x, y)
        self.assertTrue(same_bits(fitted.decision_function(x), begun.decision_function(x)))

    def test_classes_can_come_later_and_are_kept_in_order(self):
        x, y = blobs(600)
        names = np.array(["m", "z", "a"])[y]
        clf = small().partial_fit(x[y < 2], names[y < 2])
        self.assertEqual(clf.classes_.tolist(), ["m", "z"])
        clf.partial_fit(x, names)
        self.assertEqual(clf.classes_.tolist(), ["a", "m", "z"])
        self.assertGreater(clf.score(x, names), 0.9)
        np.testing.assert_array_equal(clf.classes_[np.argmax(clf.predict_proba(x), axis=1)], clf.predict(x))
        np.testing.assert_array_equal(clf.class_count_, [(y == 2).sum(), 2 * (y == 0).sum(), 2 * (y == 1).sum()])
        self.assertEqual(clf.model_.class_names, ["m", "z", "a"])
        clf.forget(classes="a")
        self.assertLess((clf.predict(x) == "a").mean(), 0.05)

    def test_classes_can_be_named_in_advance(self):
        x, y = blobs(600)
        clf = small().partial_fit(x[y < 2], y[y < 2], classes=[0, 1, 2, 9])
        self.assertEqual(clf.classes_.tolist(), [0, 1, 2, 9])
        clf.partial_fit(x[y == 2], y[y == 2])
        self.assertIn(2, clf.predict(x))

    def test_labels_of_another_kind_are_refused(self):
        x, y = blobs()
        clf = small().fit(x, y)
        with self.assertRaisesRegex(ValueError, "labels that are text found, the labels in classes_ are numbers"):
            clf.partial_fit(x, CAT[y])

    def test_one_row_of_one_class_can_be_added(self):
        x, y = blobs()
        clf = small().fit(x, y)
        clf.partial_fit(x[y == 2][:1] + 0.1, [2])
        self.assertEqual(clf._rows_.given, len(x) + 1)

    def test_rows_of_every_call_can_be_forgotten_exactly(self):
        x, y = blobs()
        rows = np.array([3, 5, 205, 250])
        left = np.setdiff1d(np.arange(300), rows)
        keys = dkvb.Codebooks.fit(blobs(seed=9)[0], codebooks=32, keys=32, key_dim=8)

        def taught(first, second):
            clf = small().set_params(codebooks=keys, keys=None, key_dim=None)
            clf.partial_fit(x[first], y[first], classes=[0, 1, 2])
            return clf.partial_fit(x[second], y[second])

        clf = taught(np.arange(200), np.arange(200, 300))
        clf.forget(rows=rows, strength="exact")
        never = taught(left[left < 200], left[left >= 200])
        self.assertTrue(same_bits(clf.decision_function(x), never.decision_function(x)))

    def test_masked_pairs_and_codes_do_not_go_together(self):
        x, y = blobs(600)
        clf = small().fit(x, y)
        clf.forget(classes=2)
        before = pickle.dumps(clf.model_.values)
        with self.assertRaisesRegex(dkvb.StateError, r"pairs are masked .* undo\(\) .* set_params\(keep_codes=False\)"):
            clf.partial_fit(x[y < 2], y[y < 2])
        self.assertEqual(before, pickle.dumps(clf.model_.values))
        clf.set_params(keep_codes=False).partial_fit(x[y < 2], y[y < 2])
        self.assertIsNone(clf.codeset_)
        with self.assertRaisesRegex(dkvb.StateError, "codes of the rows were not kept"):
            clf.forget(rows=[1], budget=10)
        with self.assertRaisesRegex(dkvb.StateError, "earlier rows have no codes"):
            clf.set_params(keep_codes=True).partial_fit(x[y < 2], y[y < 2])

    def test_forgotten_rows_come_back_only_if_told_to(self):
        x, y = blobs()
        clf = small().fit(x, y)
        clf.forget(rows=[7], strength="exact", keys="keep")
        with self.assertRaisesRegex(dkvb.StateError, "row 1 was forgotten; .* relearn=True"):
            clf.partial_fit(x[6:8], y[6:8])
        clf.partial_fit(x[7:8], y[7:8], relearn=True)
        self.assertEqual(clf._rows_.given, 301)
        with self.assertRaisesRegex(ValueError, "have another number now"):
            clf.plan(rows=[7], budget=5)
        clf.forget(rows=[300], strength="exact", keys="keep")

    def test_a_call_that_is_refused_adds_no_class(self):
        x, y = blobs()
        clf = small().fit(x[y < 2], y[y < 2])
        for given, message in (({"sample_weight": -np.ones(300)}, "row 0 has weight -1"), ({"classes": ["a"]}, "text")):
            with self.assertRaisesRegex(ValueError, message):
                clf.partial_fit(x, y, **given)
        clf.forget(rows=[0], strength="exact", keys="keep")
        with self.assertRaisesRegex(dkvb.StateError, "was forgotten"):
            clf.partial_fit(x, y)
        self.assertEqual((clf.classes_.tolist(), clf.model_.info.classes), ([0, 1], 2))


class Forgetting(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.x, cls.y = blobs(900)
        cls.names = CAT[cls.y]
        cls.fitted = small().fit(cls.x, cls.names)

    def setUp(self):
        self.clf = copy.deepcopy(self.fitted)

    def test_a_forgotten_class_is_not_answered_and_keeps_its_column(self):
        self.clf.forget(classes=["bee"], reason="a request")
        self.assertLess((self.clf.predict(self.x) == "bee").mean(), 0.02)
        self.assertEqual(self.clf.classes_.tolist(), CAT.tolist())
        self.assertEqual(self.clf.predict_proba(self.x).shape, (900, 3))
        others = self.names != "bee"
        self.assertGreater(self.clf.score(self.x[others], self.names[others]), 0.9)
        self.assertEqual(self.clf.model_.journal[-1].reason, "a request")

    def test_undo_gives_every_bit_back(self):
        before = self.clf.decision_function(self.x), self.clf.predict_proba(self.x)
        entry = self.clf.forget(classes="bee")
        self.assertFalse(same_bits(before[0], self.clf.decision_function(self.x)))
        self.assertEqual(self.clf.undo(entry), entry)
        self.assertTrue(same_bits(before[0], self.clf.decision_function(self.x)))
        self.assertTrue(same_bits(before[1], self.clf.predict_proba(self.x)))

    def test_purge_is_for_good(self):
        self.clf.forget(classes="bee")
        answers = self.clf.predict(self.x)
        self.assertIs(self.clf.purge(), self.clf)
        np.testing.assert_array_equal(answers, self.clf.predict(self.x))
        with self.assertRaises(dkvb.Error):
            self.clf.undo()

    def test_a_plan_changes_nothing_and_can_be_applied(self):
        before = self.clf.decision_function(self.x)
        with self.clf.plan(classes={"bee"}) as plan:
            self.assertEqual(plan.classes, [1])
            self.assertTrue(same_bits(before, self.clf.decision_function(self.x)))
            entry = self.clf.apply(plan)
        self.assertTrue(self.clf.model_.journal[entry - 1].in_force)

    def test_exact_forgetting_of_rows_gives_the_bits_of_a_fit_without_them(self):
        rows = np.flatnonzero(self.y == 1)[:50]
        left = np.setdiff1d(np.arange(900), rows)
        self.clf.forget(rows=rows, strength="exact", X=self.x)
        never = small().fit(self.x[left], self.names[left])
        self.assertTrue(same_bits(self.clf.decision_function(self.x), never.decision_function(self.x)))
        self.assertTrue(same_bits(self.clf.predict_proba(self.x), never.predict_proba(self.x)))
        np.testing.assert_array_equal(self.clf.class_count_, never.class_count_)

    def test_all_copies_of_a_weighted_row_are_forgotten(self):
        weights = 1 + self.y
        rows = [0, 1, 2, 3, 4, 5, 6]
        left = np.setdiff1d(np.arange(900), rows)
        clf = small().fit(self.x, self.names, sample_weight=weights)
        clf.forget(rows=rows, strength="exact", X=self.x)
        never = small().fit(self.x[left], self.names[left], sample_weight=weights[left])
        self.assertTrue(same_bits(clf.decision_function(self.x), never.decision_function(self.x)))

    def test_keys_of_other_rows_need_no_word_about_them(self):
        rows, other = np.flatnonzero(self.y == 1)[:50], blobs(400)[0] + np.float32(0.1)
        left = np.setdiff1d(np.arange(900), rows)
        clf = clone(small(key_rows=other)).fit(self.x, self.names)
        clf.forget(rows=rows, strength="exact")
        never = small(key_rows=other).fit(self.x[left], self.names[left])
        self.assertTrue(same_bits(clf.decision_function(self.x), never.decision_function(self.x)))
        with self.assertRaisesRegex(ValueError, "key_rows"):
            small(key_rows=other[:, 1:]).fit(self.x, self.names)

    def test_equal_rows_of_two_labels_are_forgotten_one_by_one(self):
        x, names = np.concatenate([self.x, self.x[:40]]), np.concatenate([self.names, np.roll(CAT, 1)[self.y[:40]]])
        for rows in (np.arange(20), np.arange(900, 920)):
            left = np.setdiff1d(np.arange(940), rows)
            clf = small().fit(x, names)
            clf.forget(rows=rows, strength="exact", X=x)
            never = small().fit(x[left], names[left])
            self.assertTrue(same_bits(clf.decision_function(x), never.decision_function(x)))

    def test_exact_forgetting_of_a_class_leaves_no_row_of_it(self):
        self.clf.forget(classes="bee", strength="exact", keys="keep")
        self.assertEqual(self.clf.class_count_[1], 0)
        self.assertNotIn("bee", self.clf.predict(self.x))
        self.assertFalse((self.clf.codeset_.rows("training").labels == 1).any())

    def test_exact_forgetting_must_be_told_about_the_keys(self):
        with self.assertRaisesRegex(dkvb.Refused, "give X, all rows as they were given to fit\\(\\), or keys=\"keep\""):
            self.clf.forget(rows=[1], strength="exact")

    def test_rows_are_named_by_their_place_or_by_a_mask(self):
        mask = np.zeros(900, bool)
        mask[[4, 9]] = True
        plans = [self.clf.plan(rows=rows, budget=10).info for rows in ([4, 9], np.array([9, 4]), mask, {9, 4})]
        self.assertEqual(plans[0], plans[1])
        self.assertEqual(plans[0], plans[2])
        self.assertEqual(plans[0], plans[3])
        self.assertEqual(plans[0].ids, 2)
        for rows, message in (([900], "rows: 900 found, rows 0 to 899"), ([-1], "rows: -1 found"), ([], "rows"),
                              (mask[:5], "a mask of shape \\(5,\\)"), ([0.5], "rows: float64"), (mask & False, "the mask marks no row")):
            with self.assertRaisesRegex(ValueError, message):
                self.clf.plan(rows=rows, budget=10)
        with self.assertRaisesRegex(ValueError, "weight 0"):
            small().fit(self.x, self.y, sample_weight=np.arange(900)).plan(rows=[0], budget=10)
        self.clf.forget(rows=[4], strength="exact", keys="keep")
        with self.assertRaisesRegex(ValueError, "row 4 was forgotten already"):
            self.clf.plan(rows=[4, 5], budget=10)

    def test_who_is_meant_must_be_said_once(self):
        for given in ({}, {"classes": "bee", "rows": [1]}):
            with self.assertRaisesRegex(ValueError, "give either classes or rows"):
                self.clf.forget(**given)
        with self.assertRaisesRegex(ValueError, "classes: 'dog' found"):
            self.clf.forget(classes=["cat", "dog"])

    def test_nothing_is_forgotten_before_something_is_learned(self):
        clf = small()
        for call in (lambda: clf.forget(classes=1), lambda: clf.plan(rows=[1]), clf.undo, clf.purge,
                     lambda: clf.audit(self.x, self.y, self.x, self.y), lambda: clf.predict_proba(self.x)):
            self.assertRaises(NotFittedError, call)

    def test_audit_returns_the_librarys_report(self):
        test_x, test_y = blobs(300, seed=0)
        test_x = test_x + 0.01
        before = copy.deepcopy(self.clf)
        self.clf.forget(classes="bee")
        found = self.clf.audit(self.x, self.names, test_x, CAT[test_y], before=before, shadows=0, rmia_models=0)
        self.assertIsInstance(found, dkvb.Audit)
        self.assertEqual(found.classes, [1])
        self.assertLess(found["model"]["accuracy_class"].value, found["before"]["accuracy_class"].value)
        with self.assertRaisesRegex(ValueError, "X: 899 rows found, 900 were given"):
            self.clf.audit(self.x[1:], self.names[1:], test_x, CAT[test_y])

    def test_audit_after_exact_finds_the_model_as_retrained(self):
        test_x, test_y = blobs(300, seed=0)
        self.clf.forget(classes="bee", strength="exact", keys="keep")
        found = self.clf.audit(self.x, self.names, test_x + 0.01, CAT[test_y], shadows=0, rmia_models=0)
        for key, figure in found["model"].items():
            if figure is not None:
                self.assertEqual((key, figure.verdict, figure.difference.value), (key, "as retrained", 0.0))
        self.assertEqual(found["model"]["agreement_rest"].value, 1.0)
        self.assertEqual(found.members, int((~self.clf._rows_.held_out[self.clf._rows_.gone]).sum()))

    def test_without_codes_a_class_is_forgotten_by_a_budget(self):
        clf = small(keep_codes=False).fit(self.x, self.names)
        self.assertIsNone(clf.codeset_)
        for method in ("values", "contrast"):  # the method "contrast" needs counts of selected pairs
            self.assertIsNone(clf.plan(classes="bee", budget=300, method=method).refusal)
        clf.forget(classes="bee", budget=300)
        self.assertLess((clf.predict(self.x) == "bee").mean(), 0.1)
        for given in ({"rows": [1]}, {"classes": "bee", "strength": "exact"}):
            with self.assertRaisesRegex(dkvb.StateError, "fit again with keep_codes=True"):
                clf.forget(**given)


class Company(unittest.TestCase):
    """Tests of DKVBClassifier together with other classes of scikit-learn."""

    def test_pickles_answer_and_forget_alike(self):
        x, y = blobs()
        for clf in (small().fit(x, CAT[y]), small(keep_codes=False).fit(x, CAT[y])):
            other = pickle.loads(pickle.dumps(clf))
            self.assertTrue(same_bits(clf.decision_function(x), other.decision_function(x)))
            self.assertTrue(same_bits(clf.predict_proba(x), other.predict_proba(x)))
            for one in (clf, other):
                one.forget(classes="cat", budget=100)
            self.assertTrue(same_bits(clf.decision_function(x), other.decision_function(x)))
        clf = small().fit(x, CAT[y])
        other = pickle.loads(pickle.dumps(clf))
        for one in (clf, other):
            one.partial_fit(x[:50] + 0.5, CAT[y[:50]]).forget(rows=[1, 320], strength="exact", keys="keep")
        self.assertTrue(same_bits(clf.decision_function(x), other.decision_function(x)))

    def test_a_clone_has_the_settings_and_nothing_that_was_learned(self):
        x, y = blobs()
        other = clone(small(class_weight={0: 2}, abstain=-1).fit(x, y))
        self.assertEqual(other.get_params(), small(class_weight={0: 2}, abstain=-1).get_params())
        self.assertFalse(hasattr(other, "model_"))

    def test_keys_of_other_rows_can_be_shared_by_clones_and_pickles(self):
        x, y = blobs()
        keys = dkvb.Codebooks.fit(blobs(seed=9)[0], codebooks=32, keys=32, key_dim=8)
        clf = DKVBClassifier(codebooks=keys, **RECIPE).fit(x, y)
        for other in (clone(clf).fit(x, y), pickle.loads(pickle.dumps(clf))):
            self.assertTrue(same_bits(clf.decision_function(x), other.decision_function(x)))
        clf.forget(rows=[1], strength="exact")  # no argument `keys` is needed, as keys were placed on other rows

    def test_pipelines_grids_folds_and_calibration_work(self):
        x, y = load_digits(return_X_y=True)
        x, test_x, y, test_y = train_test_split(x[:900], y[:900], random_state=0)
        pipeline = make_pipeline(StandardScaler(), small())
        self.assertGreater(pipeline.fit(x, y).score(test_x, test_y), 0.85)
        self.assertGreater(cross_val_score(pipeline, x, y, cv=3).min(), 0.8)
        grid = GridSearchCV(pipeline, {"dkvbclassifier__top_k": [1, 4], "dkvbclassifier__epochs": [1, 4]}, cv=2)
        self.assertIn("dkvbclassifier__top_k", grid.fit(x, y).best_params_)
        calibrated = CalibratedClassifierCV(small(), cv=2).fit(x, y)
        self.assertGreater(calibrated.score(test_x, test_y), 0.85)
        prefit = CalibratedClassifierCV(small().fit(x[:300], y[:300]), cv="prefit").fit(x[300:], y[300:])
        self.assertGreater(prefit.score(test_x, test_y), 0.75)
        bagged = BaggingClassifier(small(), n_estimators=3, random_state=0).fit(x, y)
        self.assertGreater(bagged.score(test_x, test_y), 0.85)

    def test_grids_work_in_several_processes(self):
        x, y = blobs()
        grid = GridSearchCV(small(), {"top_k": [1, 2]}, cv=2, n_jobs=2).fit(x, y)
        self.assertGreater(grid.best_score_, 0.8)

    def test_sparse_and_strange_rows_are_refused(self):
        from scipy.sparse import csr_matrix

        x, y = blobs(60)
        with self.assertRaisesRegex(TypeError, "sparse"):
            small().fit(csr_matrix(x), y)
        for bad in (np.nan, np.inf, 1e300):
            rows = x.astype(np.float64)
            rows[3, 2] = bad
            with self.assertRaises(ValueError), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                small().fit(rows, y)
        clf = small().fit(x, y)
        with self.assertRaisesRegex(ValueError, "features"):
            clf.predict(x[:, 1:])

    def test_importing_the_package_needs_no_scikit_learn(self):
        program = ("import sys; sys.modules['sklearn'] = None\n"
                   "import dkvb; assert 'DKVBClassifier' in dir(dkvb)\n"
                   "try: dkvb.DKVBClassifier\n"
                   "except ImportError as error: assert 'needs scikit-learn' in str(error), error\n"
                   "else: raise SystemExit('no ImportError')\n"
                   "try: dkvb.nothing\n"
                   "except AttributeError: pass")
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ""))


class Frames(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        try:
            import pandas
        except ImportError:
            raise unittest.SkipTest("pandas is not installed (Debian: python3-pandas)")
        cls.pandas = pandas

    def test_frames_are_checked_by_the_names_of_their_columns(self):
        x, y = blobs()
        frame = self.pandas.DataFrame(x, columns=[f"c{i}" for i in range(8)])
        clf = small().fit(frame, self.pandas.Series(CAT[y]))
        self.assertEqual(clf.feature_names_in_.tolist(), list(frame.columns))
        self.assertEqual(clf.predict(frame).dtype, object)  # pandas keeps text in columns of objects
        self.assertTrue(same_bits(clf.decision_function(frame), small().fit(x, CAT[y]).decision_function(x)))
        with self.assertRaisesRegex(ValueError, "feature names"):
            clf.predict(frame[frame.columns[::-1]])
        clf.partial_fit(frame[:20] + 0.5, self.pandas.Series(CAT[y[:20]]))
        clf.forget(rows=[0, 310], strength="exact", keys="keep")
        clf.forget(classes="cat")

    def test_categories_and_weights_in_series_work(self):
        x, y = blobs()
        kinds = self.pandas.Series(CAT[y]).astype("category")
        weights = self.pandas.Series(np.arange(len(y)) % 2 + 1, index=np.arange(len(y))[::-1])
        one = small().fit(x, kinds, sample_weight=weights)
        other = small().fit(x, CAT[y], sample_weight=weights.to_numpy())
        self.assertTrue(same_bits(one.decision_function(x), other.decision_function(x)))


if __name__ == "__main__":
    unittest.main()

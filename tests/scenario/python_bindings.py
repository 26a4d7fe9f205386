"""The Python bindings from end to end, on small made-up data.

    DKVB_LIBRARY=…/libdkvb.so PYTHONPATH=bindings/python python3 tests/scenario/python_bindings.py
"""

import ctypes
import errno
import gc
import hashlib
import math
import multiprocessing
import os
import pickle
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import warnings
from pathlib import Path
from unittest import mock

import numpy as np

import dkvb
from dkvb import _library, errors

SOURCE = Path(__file__).resolve().parents[2]
SHAPE = {"codebooks": 16, "keys": 32, "key_dim": 4}
CLASSES, DIM = 3, 8


def clouds(n, seed):
    """Returns rows in clouds, one around the centre of each class, and their labels."""
    centers = np.random.default_rng(0).normal(size=(CLASSES, DIM))
    rng = np.random.default_rng(seed)
    labels = rng.integers(CLASSES, size=n, dtype=np.int32)
    return (centers[labels] + 0.3 * rng.normal(size=(n, DIM))).astype(np.float32), labels


def run_python(*arguments, **environment):
    return subprocess.run([sys.executable, *arguments], env={**os.environ, **environment}, text=True,
                          capture_output=True, timeout=120)


class Case(unittest.TestCase):
    """Test case with codebooks and a trained model, made anew for every test, and a temporary folder."""

    @classmethod
    def setUpClass(cls):
        cls.x, cls.y = clouds(600, 1)

    def setUp(self):
        self.codebooks = dkvb.Codebooks.fit(self.x, seed=1, **SHAPE)
        self.codes = self.codebooks.search(self.x)
        self.model = dkvb.Model(self.codebooks, CLASSES)
        self.model.train(self.codes, self.y)
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)

    def mask_of_class(self, label, pairs=200):
        mask = dkvb.Mask(self.codebooks)
        dkvb.unlearn_choose(mask, self.model, "activations", pairs, codes=self.codes[self.y == label])
        return mask


class CodebooksTest(Case):
    def test_info_and_arrays_agree_on_shapes(self):
        info = self.codebooks.info
        self.assertEqual((info.codebooks, info.keys, info.key_dim, info.input_dim), (16, 32, 4, DIM))
        self.assertTrue(info.frozen)
        self.assertEqual(len(info.birth), 16)
        signs, order = self.codebooks.projection
        self.assertEqual((signs.shape, order.shape), ((info.rounds, info.round_size), (16, 4)))
        self.assertEqual(self.codebooks.center.shape, (DIM,))
        self.assertEqual(self.codebooks.scales.shape, (16,))
        self.assertEqual(self.codebooks.keys.shape, (16, 32, 4))
        self.assertIsNone(self.codebooks.whitening)

    def test_search_finds_the_nearest_keys_in_order(self):
        rows, keys = (array.astype(int) for array in (self.codebooks.project(self.x[:20]), self.codebooks.keys))
        codes, found = self.codebooks.search(self.x[:20], k=3, distances=True)
        distances = ((rows[:, :, None, :] - keys) ** 2).sum(axis=-1)
        self.assertEqual((codes.dtype, found.dtype), (np.uint16, np.int32))
        np.testing.assert_array_equal(codes, np.argsort(distances, axis=-1, kind="stable")[:, :, :3])
        np.testing.assert_array_equal(found, np.sort(distances, axis=-1)[:, :, :3])

    def test_signs_transform_order_and_scales_project_a_row(self):
        codebooks = dkvb.Codebooks.fit(self.x, seed=1, whiten=True, **SHAPE)
        signs, order = codebooks.projection
        bits = np.arange(signs.shape[1])
        hadamard = 1 - 2 * (np.array([[bin(i & j).count("1") for j in bits] for i in bits]) % 2)
        y = (self.x - codebooks.center) @ codebooks.whitening
        y /= np.linalg.norm(y, axis=1, keepdims=True)
        h = np.einsum("oi,ti,ni->nto", hadamard, signs, np.pad(y, ((0, 0), (0, len(bits) - DIM))))
        r = np.floor(h.reshape(len(y), -1)[:, order] * codebooks.scales[:, None] + 0.5).clip(-63, 63)
        projected, saturated = codebooks.project(self.x, saturated=True)
        self.assertLess((projected != r).mean(), 0.001)  # only numbers near a half may round differently
        self.assertLess(saturated.sum(), 0.001 * projected.size)

    def test_search_leaves_masked_pairs_out(self):
        mask = self.mask_of_class(0)
        codes = self.codebooks.search(self.x, mask=mask)
        self.assertFalse(mask.to_array()[np.arange(16)[:, None], codes].any())
        np.testing.assert_array_equal(self.codebooks.search(self.x, mask=dkvb.Mask(self.codebooks)), self.codes)

    def test_no_rows_give_no_codes(self):
        self.assertEqual(self.codebooks.search(np.empty((0, DIM), np.float32)).shape, (0, 16, 1))

    def test_arrays_of_other_codebooks_make_the_same_codes(self):
        codebooks = dkvb.Codebooks.fit(self.x, seed=1, whiten=True, **SHAPE)
        copy = dkvb.Codebooks.from_arrays(codebooks.keys / codebooks.scales[:, None, None], DIM, seed=1,
                                          center=codebooks.center, whitening=codebooks.whitening,
                                          scales=codebooks.scales)
        self.assertEqual(copy.info.birth, codebooks.info.birth)
        np.testing.assert_array_equal(copy.search(self.x), codebooks.search(self.x))

    def test_steps_make_frozen_codebooks(self):
        codebooks = dkvb.Codebooks.begin(DIM, seed=1, **SHAPE)
        with self.assertRaises(dkvb.StateError):
            codebooks.search(self.x)
        for part in np.array_split(self.x, 4):
            codebooks.step(part)
        codebooks.freeze()
        self.assertEqual(codebooks.search(self.x).shape, (600, 16, 1))

    def test_repr_tells_what_they_are(self):
        self.assertEqual(repr(self.codebooks), "<dkvb.Codebooks: 8 columns, 16 codebooks of 32 keys, 4 wide>")
        growing = dkvb.Codebooks.begin(DIM, **SHAPE)
        self.assertEqual(repr(growing), "<dkvb.Codebooks: 8 columns, 16 codebooks of 32 keys, 4 wide, still growing>")
        growing.close()
        self.assertEqual(repr(growing), "<dkvb.Codebooks, closed>")

    def test_every_method_places_keys_and_others_are_refused(self):
        for method in ("means", "ema", "sample"):
            with dkvb.Codebooks.fit(self.x, method=method, **SHAPE) as codebooks:
                self.assertEqual(codebooks.info.keys, 32)
        with self.assertRaisesRegex(ValueError, "'lloyd' found"):
            dkvb.Codebooks.fit(self.x, method="lloyd")


class FitTest(Case):
    SMALL = {"codebooks": 16, "keys": 32, "key_dim": 4, "epochs": 2, "seed": 3}

    def test_rows_and_labels_are_enough(self):
        model, codeset, report = dkvb.fit(self.x, self.y)
        self.assertIsNone(codeset)
        self.assertGreater((model.predict(self.x) == self.y).mean(), 0.95)
        self.assertEqual((report.rows, report.classes, report.held_out), (600, CLASSES, 0))
        self.assertEqual((model.info.codebooks, model.info.keys), (report.codebooks, report.keys))
        self.assertEqual((model.info.temperature, model.info.temperature_power),
                         (report.temperature, report.temperature_power))
        self.assertGreater(report.held_out_accuracy, 0.9)

    def test_settings_are_those_of_the_single_steps(self):
        model, _, report = dkvb.fit(self.x, self.y, whiten="never", top_k=2, values_dtype="float32", batch=64,
                                    class_weight="balanced", learning_rate=2, rate_last=1, **self.SMALL)
        codebooks = dkvb.Codebooks.fit(self.x, codebooks=16, keys=32, key_dim=4, seed=3)
        other = dkvb.Model(codebooks, CLASSES, top_k=2)
        other.values_dtype = "float32"
        other.train(codebooks.search(self.x, 2), self.y, epochs=2, batch=64, learning_rate=2, rate_last=1, seed=3,
                    class_weight="balanced")
        self.assertEqual(model.codebooks.info.birth, codebooks.info.birth)
        np.testing.assert_array_equal(model.values, other.values)
        self.assertEqual((report.keys, report.top_k, report.epochs), (32, 2, 2))

    def test_a_codeset_forgets_exactly(self):
        ids = np.arange(600) + 1000
        model, codeset, report = dkvb.fit(self.x, self.y, ids=ids, codeset=True, hold_out=0.2, whiten="always",
                                          **self.SMALL)
        self.assertEqual(len(codeset.rows("held_out")), report.held_out)
        self.assertTrue(codeset.keyinit["whiten"])
        self.assertEqual(codeset.keyinit["rows_per_key"], 16)
        again = dkvb.Codebooks.fit(self.x, **codeset.keyinit)
        self.assertEqual(again.info.birth, model.codebooks.info.birth)
        rest = np.arange(600) % 7 != 0
        never = dkvb.fit(self.x[rest], self.y[rest], ids=ids[rest], codeset=True, hold_out=0.2,
                         codebooks=model.codebooks, epochs=2, seed=3, batch=report_batch(codeset),
                         learning_rate=report.learning_rate, rate_last=0.3 * report.learning_rate)
        model.replay(codeset, ids[~rest])
        codeset.remove(ids[~rest])
        np.testing.assert_array_equal(model.values, never.model.values)
        held = codeset.rows("held_out")
        self.assertEqual(dkvb.fit_temperature(model.decode(held.codes[:, :, :model.info.top_k]), held.labels),
                         (never.model.info.temperature, never.model.info.temperature_power))

    def test_rows_are_called_by_strings(self):
        names = [f"Zoë {row}" for row in range(600)]
        model, codeset, _ = dkvb.fit(self.x, self.y, ids=names, codeset=True, keep_names=True, hold_out=0.2, **self.SMALL)
        called = {}
        for part in ("training", "held_out"):
            rows = codeset.rows(part)
            called.update(zip(rows.names, rows.ids.tolist()))
        self.assertEqual(sorted(called), sorted(names))
        ids = np.array([called[name] for name in names], np.uint64)
        by_ids = dkvb.fit(self.x, self.y, ids=ids, codeset=True, hold_out=0.2, **self.SMALL)
        np.testing.assert_array_equal(model.values, by_ids.model.values)
        self.assertIsNone(by_ids.codeset.rows("held_out").names)
        planned = model.plan_forget(ids=names[3:9], codeset=codeset, strength="exact", features=self.x, feature_ids=names,
                                    max_class_loss=1, force=True)
        self.assertEqual(planned.info.ids, 6)
        model.apply(planned, codeset)
        left = codeset.rows("training").names + codeset.rows("held_out").names
        self.assertEqual(sorted(left), sorted(names[:3] + names[9:]))
        with self.assertRaisesRegex(dkvb.NotFound, "row 1 asks for 'Zoë 4', the codes have no such row"):
            model.plan_forget(ids=[names[0], names[4]], codeset=codeset, strength="exact")
        with self.assertRaisesRegex(ValueError, "599 names found, there are 600 rows"):
            dkvb.fit(self.x, self.y, ids=names[1:])
        with self.assertRaises(ValueError):  # numbers mixed with strings are refused
            dkvb.fit(self.x, self.y, ids=[1, *names[1:]])
        with self.assertRaisesRegex(dkvb.InvalidArgument, "must bring names too"):
            dkvb.fit_more(model, self.x[:9], self.y[:9], codeset=codeset)
        dkvb.fit_more(model, self.x[:9], self.y[:9], codeset=codeset, ids=[f"new {row}" for row in range(9)], epochs=1)

    def test_rows_that_join_a_codeset_are_trained_and_recorded(self):
        model, codeset, _ = dkvb.fit(self.x[:400], self.y[:400], codeset=True, hold_out=0.2, trials=3, **self.SMALL)
        report = dkvb.fit_more(model, self.x[400:], self.y[400:], codeset=codeset, hold_out=0.2, epochs=1)
        self.assertEqual((report.rows + report.held_out, report.labelled, report.epochs), (200, 200, 1))
        self.assertEqual(sum(len(codeset.rows(part)) for part in ("training", "held_out")), 600)
        self.assertEqual((len(codeset.sessions), model.info.trials), (2, 3))
        again = dkvb.Model(model.codebooks, CLASSES, top_k=model.info.top_k)
        again.replay(codeset)
        np.testing.assert_array_equal(again.values, model.values)
        plain = dkvb.fit(self.x, self.y, **self.SMALL).model
        self.assertEqual(dkvb.fit_more(plain, self.x[:60], self.y[:60]).temperature_kept, "few rows")
        self.assertEqual(dkvb.fit_more(plain, self.x, self.y).temperature_kept, "")

    def test_stages_epochs_and_progress_are_told(self):
        stages, epochs, ticks = [], [], []
        dkvb.fit(self.x, self.y, codeset=True, stage=stages.append, report=epochs.append,
                 progress=lambda done, total: ticks.append(done / total), **self.SMALL)
        self.assertEqual(stages, ["whitening", "keys", "search", "values", "temperature", "codes"])
        self.assertEqual([report.epoch for report in epochs], [1, 2])
        self.assertTrue(ticks and max(ticks) <= 1)

    def test_what_a_callback_raises_cancels(self):
        def stop(_):
            raise KeyError("enough")

        for name in ("stage", "report"):
            with self.assertRaisesRegex(KeyError, "enough"):
                dkvb.fit(self.x, self.y, **{name: stop}, **self.SMALL)
        with self.assertRaisesRegex(KeyError, "enough"):
            dkvb.tune(self.x, self.y, trials=2, report=stop, codebooks=16)

    def test_max_bytes_limits_the_file(self):
        for limit in (50_000, 200_000):
            model = dkvb.fit(self.x, self.y, max_bytes=limit, epochs=1).model
            model.save(self.directory / "m")
            self.assertLessEqual((self.directory / "m").stat().st_size, limit)
        with self.assertRaisesRegex(ValueError, "16 codebooks of 64 keys for 3 classes takes"):
            dkvb.fit(self.x, self.y, max_bytes=100)

    def test_tuning_gives_settings_for_fit_and_repeats(self):
        tuned = dkvb.tune(self.x, self.y, trials=3, codebooks=16, seed=4)
        self.assertEqual([trial.number for trial in tuned.trials], [1, 2, 3])
        self.assertEqual(dkvb.tune(self.x, self.y, trials=3, codebooks=16, seed=4), tuned)
        model, _, report = dkvb.fit(self.x, self.y, **tuned.settings)
        self.assertEqual(model.info.trials, 3)
        self.assertEqual((report.codebooks, report.keys, report.top_k), (16, *(tuned.settings[n] for n in ("keys", "top_k"))))
        plain = dkvb.tune(self.x, self.y, trials=3, codebooks=16, whiten="never")
        self.assertFalse(any(trial.whitened for trial in plain.trials))

    def test_the_papers_shape_needs_its_rows(self):
        with self.assertRaisesRegex(ValueError, "4096 keys in a codebook need at least as many rows"):
            dkvb.fit(self.x, self.y, preset="paper")
        report = dkvb.fit(self.x, self.y, preset="paper", keys=64).report
        self.assertEqual((report.codebooks, report.keys, report.top_k, report.epochs), (256, 64, 1, 1))

    def test_wrong_arguments_are_named(self):
        with self.assertRaisesRegex(TypeError, "unknown setting: colour"):
            dkvb.fit(self.x, self.y, colour=3)
        for name, value in (("whiten", "maybe"), ("keep", "all"), ("values_dtype", "int8"), ("preset", "small"),
                            ("hold_out", 2), ("class_weight", "even"), ("classes", 2), ("top_k", -1)):
            with self.assertRaisesRegex(ValueError, name):
                dkvb.fit(self.x, self.y, **{name: value})
        with self.assertRaisesRegex(ValueError, "none of 600 rows has a label"):
            dkvb.fit(self.x, np.full(600, -1))


def report_batch(codeset):
    return codeset.sessions[0].training["batch"]


class MaskTest(Case):
    def test_mask_is_a_set_of_pairs(self):
        mask = dkvb.Mask(self.codebooks, [(1, 2), (0, 31)])
        mask.add(15, 0)
        self.assertEqual(list(mask), [(0, 31), (1, 2), (15, 0)])
        self.assertEqual(len(mask), 3)
        self.assertIn((1, 2), mask)
        for outside in ((2, 1), (16, 0), (-1, 0), (0, 32)):
            self.assertNotIn(outside, mask)
        mask.remove(1, 2)
        mask.discard(1, 2)
        with self.assertRaises(KeyError):
            mask.remove(1, 2)
        mask.clear()
        self.assertEqual(len(mask), 0)

    def test_operators_copy_and_assignments_do_not(self):
        a, b = dkvb.Mask(self.codebooks, [(0, 0), (0, 1)]), dkvb.Mask(self.codebooks, [(0, 1), (0, 2)])
        self.assertEqual(list(a | b), [(0, 0), (0, 1), (0, 2)])
        self.assertEqual(list(a & b), [(0, 1)])
        self.assertEqual(list(a - b), [(0, 0)])
        self.assertEqual(list(a), [(0, 0), (0, 1)])
        same = a
        a |= b
        self.assertIs(a, same)
        self.assertEqual(len(same), 3)
        a &= b
        self.assertEqual(a, b)
        a -= b
        self.assertEqual(len(a), 0)
        with self.assertRaises(TypeError):
            a |= {(0, 0)}
        self.assertNotEqual(a, "a mask")

    def test_array_and_pairs_agree(self):
        mask = self.mask_of_class(1)
        array = mask.to_array()
        self.assertEqual((array.dtype, array.shape), (np.bool_, (16, 32)))
        self.assertEqual(list(mask), [tuple(pair) for pair in np.argwhere(array).tolist()])

    def test_file_holds_the_same_set(self):
        mask = self.mask_of_class(1)
        mask.save(self.directory / "a.mask")
        self.assertEqual(dkvb.Mask.load(self.directory / "a.mask", self.codebooks), mask)

    def test_masks_of_other_codebooks_do_not_mix(self):
        others = dkvb.Codebooks.fit(self.x, seed=2, **SHAPE)
        with self.assertRaises(dkvb.MismatchError):
            self.mask_of_class(1) | dkvb.Mask(others)
        self.mask_of_class(1).save(self.directory / "a.mask")
        with self.assertRaises(dkvb.MismatchError):
            dkvb.Mask.load(self.directory / "a.mask", others)

    def test_numbers_that_do_not_fit_are_refused_and_not_cut_off(self):
        mask = dkvb.Mask(self.codebooks)
        for key in (-1, 32, 1 << 32, (1 << 32) + 1):
            with self.assertRaises(ValueError):
                mask.add(0, key)
        self.assertEqual(len(mask), 0)


class ModelTest(Case):
    def test_learns_and_answers(self):
        x, y = clouds(300, 2)
        labels, logits = self.model.predict(x, logits=True)
        self.assertGreater((labels == y).mean(), 0.95)
        codes = self.codebooks.search(x)
        np.testing.assert_array_equal(self.model.classify(codes), labels)
        np.testing.assert_array_equal(self.model.decode(codes), logits)
        np.testing.assert_array_equal(dkvb.argmax(logits), labels)
        np.testing.assert_allclose(dkvb.softmax(logits).sum(axis=1), 1, rtol=1e-6)
        best, scores = dkvb.top(logits, 2)
        np.testing.assert_array_equal(best[:, 0], labels)
        np.testing.assert_array_equal(scores[:, 0], logits.max(axis=1))

    def test_training_reports_every_epoch(self):
        seen = []
        reports = self.model.train(self.codes, self.y, epochs=3, batch=64, learning_rate=1.0, report=seen.append)
        self.assertEqual(seen, reports)
        self.assertEqual([(r.epoch, r.epochs, r.rows) for r in reports], [(e, 3, 600) for e in (1, 2, 3)])

    def test_steps_make_the_values_of_unshuffled_training(self):
        whole, steps = dkvb.Model(self.codebooks, CLASSES), dkvb.Model(self.codebooks, CLASSES)
        whole.train(self.codes, self.y, batch=100, shuffle=False, epochs=1)
        seen = []
        steps.train_begin(batch=100, report=seen.append)
        reports = [steps.train_step(self.codes[i:i + 200], self.y[i:i + 200]) for i in (0, 200, 400)]
        self.assertFalse(steps.values.any())
        steps.train_end()
        np.testing.assert_array_equal(steps.values, whole.values)
        self.assertEqual(seen, reports)
        self.assertEqual([report.rows for report in reports], [200, 200, 200])

    def test_abort_leaves_the_values(self):
        values = self.model.values
        self.model.train_begin()
        self.model.train_step(self.codes, self.y)
        self.model.train_abort()
        np.testing.assert_array_equal(self.model.values, values)
        with self.assertRaises(dkvb.StateError):
            self.model.train_step(self.codes, self.y)

    def test_values_are_replaced_as_a_whole(self):
        values = np.arange(16 * 32 * CLASSES, dtype=np.float32).reshape(16, 32, CLASSES)
        self.model.values = values
        np.testing.assert_array_equal(self.model.values, values)
        with self.assertRaisesRegex(ValueError, r"values: shape \(16, 32, 1\) found, \(16, 32, 3\) wanted"):
            self.model.values = values[:, :, :1]

    def test_temperature_is_fitted_kept_and_used(self):
        logits = self.model.decode(self.codes)
        temperature, power = dkvb.fit_temperature(logits, self.y)
        self.assertEqual(self.model.info.temperature, 1.0)
        self.model.set_temperature(temperature, power)
        self.assertEqual((self.model.info.temperature, self.model.info.temperature_power), (temperature, power))
        np.testing.assert_allclose(dkvb.softmax(logits, temperature), dkvb.softmax(logits / temperature), rtol=1e-4,
                                   atol=1e-6)
        found = self.model.evaluate(self.x, self.y)
        self.assertAlmostEqual(found.loss, -np.log(dkvb.softmax(logits, temperature, power)[np.arange(len(self.y)),
                                                                                           self.y]).mean(), places=5)
        self.assertEqual((found.rows, found.right), (len(self.y), (logits.argmax(axis=1) == self.y).sum()))
        self.assertLess(found.calibration_error, 0.05)
        np.testing.assert_array_equal(found.class_rows, np.bincount(self.y, minlength=CLASSES))
        again = self.model.evaluate(self.x, self.y, self.codes)
        self.assertEqual((again.right, again.loss, again.searched), (found.right, found.loss, 0))
        with self.assertRaisesRegex(ValueError, "codes"):
            self.model.evaluate(self.x, self.y, self.codes[:3])
        with self.assertRaises(ValueError):
            self.model.set_temperature(0)
        with self.assertRaises(ValueError):
            dkvb.softmax(logits, 0)
        with self.assertRaises(ValueError):
            dkvb.softmax(logits, float("nan"))

    def test_rows_outside_the_scale_are_counted_through_all_calls(self):
        outside = dkvb.Outside()
        self.model.predict(self.x, outside=outside)
        self.assertEqual((outside.searched, outside.rows, outside.first), (len(self.x), 0, None))
        self.model.search(self.x[:7] * 255, outside=outside)
        self.model.codebooks.search(self.x[:5] * 0, outside=outside)
        self.assertEqual((outside.searched, outside.rows, outside.first), (len(self.x) + 12, 12, len(self.x)))
        self.assertEqual((outside.longer, outside.shorter), (7, 5))
        info = self.model.codebooks.info
        self.assertEqual(outside.lengths, (info.least_length, info.greatest_length))
        self.assertGreater(outside.length, info.greatest_length)
        again = dkvb.Outside()
        dkvb.fit(self.x * 255, self.y, codebooks=self.model.codebooks, codeset=True, outside=again)
        self.assertEqual((again.searched, again.rows), (len(self.x), len(self.x)))

    def test_classes_of_few_rows_can_weigh_as_much(self):
        few = np.where(np.arange(len(self.y)) % 20 < 18, 0, self.y).astype(np.int32)
        values = []
        for weight in (None, "balanced"):
            model = dkvb.Model(self.codebooks, CLASSES)
            model.train(self.codes, few, class_weight=weight)
            values.append(model.values)
        self.assertFalse((values[0] == values[1]).all())
        with self.assertRaisesRegex(ValueError, "class_weight"):
            self.model.train(self.codes, self.y, class_weight="even")

    def test_values_can_be_stored_in_16_bits(self):
        self.assertEqual(self.model.values_dtype, "float16")
        self.model.values_dtype = "float32"
        values = self.model.values + np.float32(1e-5)
        self.model.values = values
        np.testing.assert_array_equal(self.model.values, values)
        self.model.values_dtype = "float16"
        self.assertEqual(self.model.info.values_dtype, "float16")
        np.testing.assert_array_equal(self.model.values, values.astype(np.float16).astype(np.float32))
        self.model.values_dtype = "bfloat16"
        self.assertFalse((self.model.values.view(np.uint32) & 0xFFFF).any())
        with self.assertRaisesRegex(ValueError, "'float64' found, float32, float16, bfloat16 are wanted"):
            self.model.values_dtype = "float64"
        self.model.values_dtype = "float32"
        self.model.values = np.full_like(values, 1e6)
        with self.assertRaisesRegex(dkvb.InvalidArgument, "too large for float16"):
            self.model.values_dtype = "float16"

    def test_classes_have_names_and_can_grow(self):
        self.model.class_names = ["kettle", "Löwe"]
        self.assertEqual(self.model.class_names, ["kettle", "Löwe", None])
        self.model.add_classes(2)
        self.assertEqual(self.model.info.classes, 5)
        self.assertEqual(self.model.predict(self.x, logits=True)[1].shape, (600, 5))

    def test_class_names_are_replaced_as_a_whole(self):
        self.model.class_names = ["a", None, "c"]
        for names, error in ((["x", "y", "z", "too many"], dkvb.InvalidArgument), (["x", "line\n"], ValueError),
                             (["x", 7], TypeError), (["x", b"y"], TypeError), ("xyz", TypeError), (b"xyz", TypeError)):
            with self.assertRaises(error):
                self.model.class_names = names
            self.assertEqual(self.model.class_names, ["a", None, "c"])
        self.model.save(self.directory / "m.dkvb")
        with dkvb.Model.map(self.directory / "m.dkvb") as mapped, self.assertRaises(dkvb.StateError):
            mapped.class_names = ["x"]

    def test_a_name_goes_before_an_index_in_either_spelling(self):
        self.model.class_names = ["2", "K\u00e4fer", None]
        self.assertEqual(self.model.find_class("2"), 0)
        self.assertEqual(self.model.find_class("#2"), 2)
        self.assertEqual(self.model.find_class("Ka\u0308fer"), 1)
        with self.assertRaises(dkvb.NotFound):
            self.model.find_class("3")
        with self.assertRaisesRegex(dkvb.InvalidArgument, "class 1 is called"):
            self.model.class_names = ["2", "K\u00e4fer", "Ka\u0308fer"]
        self.model.class_names = ["K\u00e4fer", "2"]  # two classes may swap their names
        self.assertEqual(self.model.class_names, ["K\u00e4fer", "2", None])

    def test_labels_that_skip_are_refused_unless_classes_are_given(self):
        x, y = self.x[:60], np.arange(60) % 2 + 1
        with self.assertRaisesRegex(dkvb.MismatchError, "labels are 1 to 2: class 0 has no rows; subtract 1"):
            dkvb.fit(x, y, codebooks=4, keys=8)
        self.assertEqual(dkvb.fit(x, y, classes=3, codebooks=4, keys=8).model.info.classes, 3)
        found = dkvb.survey_labels(y, allow_empty=True)
        self.assertEqual((found.rows, found.classes, found.empty, found.empty_list), (60, 3, 1, "0"))
        # booleans are allowed as labels
        self.assertEqual(dkvb.fit(x, y == 1, codebooks=4, keys=8).model.info.classes, 2)

    def test_few_rows_are_enough_unless_too_many_keys_are_asked_for(self):
        for rows in (1, 2, 50, 400):
            self.assertLessEqual(dkvb.Codebooks.fit(self.x[:rows]).info.keys, rows)
        with self.assertRaisesRegex(dkvb.InvalidArgument, "400 rows for 500 keys.*the option keys must be at most"):
            dkvb.Codebooks.fit(self.x[:400], keys=500)

    def test_values_that_dwarf_all_others_are_found(self):
        x = self.x[:60].copy()
        self.assertEqual(dkvb.survey_features(x).outlying, 0)
        x[11, 3] = 3e38
        found = dkvb.survey_features(x)
        self.assertEqual((found.outlying, found.first_row, found.first_column), (1, 11, 3))

    def test_a_model_remembers_its_encoder(self):
        self.assertIsNone(self.model.encoder)
        self.model.encoder = "fünf pixels"
        with self.assertRaises(dkvb.InvalidArgument):
            self.model.encoder = "two\nlines"
        with self.assertRaises(TypeError):
            self.model.encoder = b"bytes"
        self.assertEqual(self.model.encoder, "fünf pixels")
        self.model.save(self.directory / "m.dkvb")
        with dkvb.Model.map(self.directory / "m.dkvb") as mapped:
            self.assertEqual(mapped.encoder, "fünf pixels")
            with self.assertRaises(dkvb.StateError):
                mapped.encoder = None
        self.model.encoder = None
        self.assertIsNone(self.model.encoder)

    def test_no_epochs_are_no_training(self):
        for epochs in (0, -1):
            with self.assertRaisesRegex(ValueError, f"epochs: {epochs} found, 1 or more wanted"):
                self.model.train(self.codes, self.y, epochs=epochs)

    def test_journal_time_is_taken_from_digits_only(self):
        mask = self.mask_of_class(1, 1)
        for text in (" 5", "+5", "5x", "9223372036854775808", "-5", ""):
            with mock.patch.dict(os.environ, SOURCE_DATE_EPOCH=text):
                self.model.forget(mask)
            self.assertLess(abs(self.model.journal[-1].time - time.time()), 60, text)
        with mock.patch.dict(os.environ, SOURCE_DATE_EPOCH="5"):
            self.model.forget(mask)
        self.assertEqual(self.model.journal[-1].time, 5)

    def test_undo_restores_every_score_bit_for_bit(self):
        before = self.model.predict(self.x, logits=True)[1]
        entry = self.model.forget(self.mask_of_class(1), method="activations", reason="request 17")
        after = self.model.predict(self.x)
        self.assertLess((after == 1)[self.y == 1].mean(), 0.05)
        self.model.undo(entry)
        self.assertEqual(self.model.predict(self.x, logits=True)[1].tobytes(), before.tobytes())

    def test_journal_says_what_was_done(self):
        mask = self.mask_of_class(1)
        entry = self.model.forget(mask, method="activations", reason="request 17")
        self.assertEqual(self.model.mask, mask)
        self.assertEqual(self.model.journal_mask(entry), mask)
        self.model.undo(entry)
        first, second = self.model.journal
        self.assertEqual((first.id, first.kind, first.state, first.pairs, first.method, first.reason),
                         (entry, "forget", "undone", len(mask), "activations", "request 17"))
        self.assertEqual((second.kind, second.state, second.ends), ("undo", "done", entry))
        self.assertGreater(first.time, 0)

    def test_journal_is_evidence(self):
        salt, rows = bytes(range(32)), np.array([9, 2**64 - 1, 4], np.uint64)
        empty = self.model.journal_head
        entry = self.model.forget(self.mask_of_class(1), strength="suppress", rows=rows, salt=salt)
        self.model.undo(entry)
        first, second = self.model.journal
        self.assertEqual((first.strength, first.terms, first.rows, first.salted), ("suppress", None, 3, True))
        numbers = struct.pack("<4Q", 3, *sorted(rows))
        self.assertEqual(first.commitment, hashlib.sha256(salt + b"dkvb rows" + numbers).digest())
        self.assertEqual((second.strength, second.rows, second.commitment, second.pairs_commitment, second.salted),
                         ("", 0, None, None, False))
        self.assertTrue(self.model.journal_names_rows(entry, rows[::-1]))
        self.assertFalse(self.model.journal_names_rows(entry, [4, 9]))
        self.assertEqual([self.model.journal_find_head(head) for head in (empty, first.head, second.head)], [0, 1, 2])
        self.assertEqual(self.model.journal_head, second.head)
        with self.assertRaises(dkvb.NotFound):
            self.model.journal_find_head(bytes(32))
        self.model.purge()
        self.assertFalse(self.model.journal_names_rows(entry, rows[::-1]))
        self.assertEqual(self.model.journal[0].head, first.head)

    def test_terms_come_back_as_they_were_told(self):
        mask, head = self.mask_of_class(1), self.model.journal_head
        # the interval adds half a row to each count: 7.5 lost, .5 gained
        half = 1.96 * math.sqrt((8 / 11 - (7 / 11) ** 2) / 11)
        lost = dkvb.ClassEffect(9, 8, 1, 7, 0, 7 / 9, 7 / 11 - half, 7 / 11 + half)
        for terms in (dkvb.Terms(classes=(0, 2), effects={1: lost, 2: lost}, budget=5, target=0.25, max_retain_drop=0.5,
                                 max_class_loss=1.0, forced=True, keys="placed", after=head),
                      dkvb.Terms(again=1), dkvb.Terms(target=0.0)):
            self.model.forget(mask, terms=terms)
            self.assertEqual(self.model.journal[-1].terms, terms)
        self.model.forget(mask, terms=dkvb.Terms())
        self.assertIsNone(self.model.journal[-1].terms)

    def test_what_was_forgotten_is_not_trained_on_unless_asked_for(self):
        entry = self.model.forget(self.mask_of_class(1), terms=dkvb.Terms(classes=(1,)))
        codes = self.model.search(self.x)
        with self.assertRaisesRegex(dkvb.StateError, f"is of class 1, which journal entry {entry} forgot"):
            self.model.train(codes, self.y)
        self.model.train(codes, np.where(self.y == 1, -1, self.y))
        self.assertEqual(len(self.model.journal), 1)
        self.model.train(codes, self.y, relearn=True)
        first, second = self.model.journal
        self.assertEqual((first.state, second.kind, second.ends, second.terms.classes), ("relearned", "relearn", 1, (1,)))
        entry = self.model.forget(self.mask_of_class(1), rows=[4, 9])
        self.assertEqual(self.model.relearn(entry, "consent given"), entry + 1)
        self.assertEqual(self.model.journal[-1].reason, "consent given")
        with self.assertRaises(dkvb.StateError):
            self.model.relearn(entry)

    def test_evidence_is_checked(self):
        mask, none = self.mask_of_class(1), dkvb.ClassEffect(1, 0, 0, 0, 0, 0.0, 0.0, 0.0)
        for wrong, message in (({"strength": "gone"}, "strength: 'gone' found"), ({"salt": b"short"}, "5 bytes found"),
                               ({"rows": [1, 1]}, "row 1 is named twice"), ({"rows": [-1]}, "-1 to -1 found"),
                               ({"terms": dkvb.Terms(target=2.0)}, "target: 2 found"),
                               ({"terms": dkvb.Terms(keys="lost")}, "keys: 'lost' found"),
                               ({"terms": dkvb.Terms(after=b"short")}, "5 bytes found"),
                               ({"terms": dkvb.Terms(again=1)}, "there is no journal entry 1"),
                               ({"terms": dkvb.Terms(classes=(CLASSES,))}, f"classes: {CLASSES} found"),
                               ({"terms": dkvb.Terms(effects={-1: none})}, "effects: class -1 found")):
            with self.assertRaisesRegex(ValueError, message):
                self.model.forget(mask, **wrong)
        self.assertEqual(self.model.journal, [])

    def test_purge_changes_no_score_and_cannot_be_undone(self):
        mask = self.mask_of_class(1)
        entry = self.model.forget(mask)
        before = self.model.predict(self.x, logits=True)[1]
        self.model.purge()
        self.assertEqual(self.model.predict(self.x, logits=True)[1].tobytes(), before.tobytes())
        self.assertFalse(self.model.values[mask.to_array()].any())
        self.assertFalse(self.model.codebooks.keys[mask.to_array()].any())
        self.assertTrue(self.codebooks.keys[mask.to_array()].any())  # the old codebooks still have their keys
        with self.assertRaises(dkvb.StateError):
            self.model.undo(entry)

    def test_stale_codes_are_refused_and_refreshed(self):
        self.model.forget(self.mask_of_class(1))
        with self.assertRaises(dkvb.MismatchError):
            self.model.classify(self.codes)
        kept = self.codes.copy()
        fresh = self.model.refresh(self.x, self.codes)
        np.testing.assert_array_equal(self.codes, kept)
        np.testing.assert_array_equal(fresh, self.model.search(self.x))
        np.testing.assert_array_equal(self.model.classify(fresh), self.model.predict(self.x))

    def test_examples_mask_all_they_select(self):
        mask = dkvb.Mask(self.codebooks)
        gained = dkvb.unlearn_choose(mask, self.model, "examples", 10, codes=self.codes[:10])
        self.assertEqual(gained, len(mask))
        self.assertTrue(mask.to_array()[np.arange(16)[:, None], self.codes[:10]].all())

    def test_file_is_loaded_mapped_and_inspected(self):
        path = self.directory / "Löwe.dkvb"
        self.model.forget(self.mask_of_class(2), reason="why")
        self.model.save(path)
        answers = self.model.predict(self.x)
        info = dkvb.Model.inspect(path)
        with dkvb.Model.load(path) as loaded, dkvb.Model.map(path) as mapped:
            for model in (loaded, mapped):
                np.testing.assert_array_equal(model.predict(self.x), answers)
                self.assertEqual(model.journal, self.model.journal)
                model.verify()
            self.assertEqual((info.classes, info.masked_pairs), (CLASSES, loaded.info.masked_pairs))
            with self.assertRaises(dkvb.StateError):
                mapped.train(loaded.search(self.x), self.y)

    def test_codebooks_outlive_the_model(self):
        codebooks = self.model.codebooks
        self.codebooks.close()
        self.model.close()
        np.testing.assert_array_equal(codebooks.search(self.x), self.codes)


class CodesetCase(Case):
    """Test case with a model trained on most rows, whose ids are not row numbers, and a codeset of all rows."""

    TRAINING = {"epochs": 2, "batch": 50, "learning_rate": 4.0, "rate_last": 2.0, "label_smoothing": 0.05,
                "class_weight": "balanced", "seed": 7, "shuffle": True}

    def setUp(self):
        super().setUp()
        self.ids = np.arange(600, dtype=np.uint64) * 7 + 5
        self.held = dkvb.Codeset.holds_out(self.ids, 0.25)
        self.model = self.trained_on(~self.held)
        self.codeset = dkvb.Codeset(self.codebooks, depth=28)
        for part, rows, k in (("training", ~self.held, 1), ("held_out", self.held, 28)):
            self.codeset.add(part, self.ids[rows], self.y[rows], self.codebooks.search(self.x[rows], k=k))
        self.codeset.add_session(self.model, **self.TRAINING)

    def trained_on(self, rows):
        model = dkvb.Model(self.codebooks, CLASSES)
        model.train(self.codes[rows], self.y[rows], ids=self.ids[rows], **self.TRAINING)
        model.count_classes(self.codes[rows], self.y[rows])
        return model


class CodesetTest(CodesetCase):
    def test_rows_come_back_as_copies(self):
        rows, held = self.codeset.rows("training"), self.codeset.rows("held_out")
        for array, expected in ((rows.ids, self.ids[~self.held]), (rows.labels, self.y[~self.held]),
                                (rows.codes, self.codes[~self.held]), (held.ids, self.ids[self.held]),
                                (held.codes, self.codebooks.search(self.x[self.held], k=28))):
            self.assertEqual(array.dtype, expected.dtype)
            np.testing.assert_array_equal(array, expected)
        rows.codes[:] = 0
        self.codeset.close()
        np.testing.assert_array_equal(held.ids, self.ids[self.held])

    def test_a_file_holds_the_same(self):
        path = self.directory / "m.codes"
        self.codeset.save(path)
        with dkvb.Codeset.load(path, self.codebooks) as loaded:
            for part in ("training", "held_out"):
                mine, theirs = self.codeset.rows(part), loaded.rows(part)
                self.assertEqual((mine.ids.tobytes(), mine.labels.tobytes(), mine.codes.tobytes()),
                                 (theirs.ids.tobytes(), theirs.labels.tobytes(), theirs.codes.tobytes()))
            self.assertEqual([of.training for of in loaded.sessions], [self.TRAINING])
            self.assertEqual(loaded.sessions[0].rows, (~self.held).sum())
            self.assertTrue(loaded.took_part(0).all())
            self.assertIsNone(loaded.keyinit)
        others = dkvb.Codebooks.fit(self.x, seed=2, **SHAPE)
        with self.assertRaises(dkvb.MismatchError):
            dkvb.Codeset.load(path, others)
        with self.assertRaises(dkvb.FormatError):
            dkvb.Model.load(path)

    def test_options_are_arguments_of_the_calls_they_are_about(self):
        rows = self.codeset.rows("training")
        model = dkvb.Model(self.codebooks, CLASSES)
        model.train(rows.codes, rows.labels, ids=rows.ids, **self.codeset.sessions[0].training)
        np.testing.assert_array_equal(model.values, self.model.values)
        self.assertIsNone(self.codeset.keyinit)
        placed = dkvb.Codeset(self.codebooks, keyinit={"seed": 1, **SHAPE})
        placed.save(self.directory / "placed.codes")
        with dkvb.Codeset.load(self.directory / "placed.codes") as loaded:
            self.assertEqual(loaded.keyinit, placed.keyinit)
        again = dkvb.Codebooks.fit(self.x, **placed.keyinit)
        self.assertEqual(again.info.birth, self.codebooks.info.birth)
        with self.assertRaisesRegex(ValueError, "'epoch' found"):
            self.codeset.add_session(self.model, epoch=3)
        with self.assertRaises(dkvb.MismatchError):
            dkvb.Codeset(self.codebooks, keyinit={"codebooks": 17, "keys": 32})

    def test_kept_features_are_searched_to_the_same_codes(self):
        path, x = self.directory / "features.codes", self.x.astype(np.float16)
        codeset = dkvb.Codeset(self.codebooks, depth=28, keep="features")
        for part, rows, k in (("training", ~self.held, 1), ("held_out", self.held, 28)):
            codeset.add(part, self.ids[rows][::-1], self.y[rows][::-1], self.codebooks.search(x[rows][::-1], k=k),
                        x[rows][::-1])
        self.assertEqual(codeset.kept["training"], ("features", 12 + 2 * x.shape[1]))
        codeset.save(path)
        with dkvb.Codeset.load(path) as loaded:
            self.assertFalse(loaded.searched)
            with self.assertRaisesRegex(RuntimeError, "search\\(\\) finds them"):
                loaded.rows("training")
            loaded.search(self.codebooks)
            for part in ("training", "held_out"):
                np.testing.assert_array_equal(loaded.rows(part).codes, codeset.rows(part).codes)

    def test_removed_rows_are_gone_from_both_parts(self):
        gone = [int(self.ids[~self.held][3]), int(self.ids[self.held][0])]
        with self.assertRaisesRegex(dkvb.NotFound, "id 6"):
            self.codeset.remove([*gone, 6])
        self.assertEqual(self.codeset.remove(gone), 2)
        for part in ("training", "held_out"):
            self.assertFalse(np.isin(gone, self.codeset.rows(part).ids).any())
        self.assertEqual(repr(self.codeset), f"<dkvb.Codeset: {(~self.held).sum() - 1} rows to train on, "
                                             f"{self.held.sum() - 1} held out, 16 codebooks, 1 and 28 keys in each>")

    def test_removed_rows_come_back_only_when_they_are_readmitted(self):
        gone = self.ids[~self.held][:2]
        code = self.codeset.rows("training").codes[:1]
        self.codeset.remove(gone)
        self.assertTrue(self.codeset.was_removed(gone[0]))
        with self.assertRaisesRegex(dkvb.StateError, f"has id {gone[0]}, a row that was removed"):
            self.codeset.add("training", gone[:1], [0], code)
        self.codeset.readmit(gone[:1])
        self.codeset.add("training", gone[:1], [0], code)
        self.assertEqual([self.codeset.was_removed(one) for one in gone], [False, True])
        self.codeset.readmit()
        self.assertFalse(self.codeset.was_removed(gone[1]))

    def test_what_is_held_out_follows_from_the_id(self):
        np.testing.assert_array_equal(dkvb.Codeset.holds_out(self.ids[::-1], 0.25), self.held[::-1])
        self.assertTrue(0.15 < self.held.mean() < 0.35)
        self.assertFalse(dkvb.Codeset.holds_out(self.ids, 0).any())
        self.assertTrue(dkvb.Codeset.holds_out(self.ids, 1).all())

    def test_what_cannot_be_is_refused(self):
        codes = self.codes[:2]
        for ids, labels, codes, message in (([5000, 5001], [0], codes, r"labels: shape \(1,\) found"),
                                            ([5001, 5001], [0, 0], codes, "have the same id"),
                                            ([5000, 5001], [0, -2], codes, "row 1 has label -2"),
                                            ([5000, 5001], [0, 0], codes[:, :1], r"codes: shape \(2, 1, 1\) found"),
                                            ([5000, 5001], [0, 0], codes + 32, "names key")):
            with self.assertRaisesRegex(ValueError, message):
                self.codeset.add("training", ids, labels, codes)
        with self.assertRaisesRegex(ValueError, "part: 'test' found, one of training, held_out wanted"):
            self.codeset.rows("test")
        with self.assertRaises(dkvb.InvalidArgument):
            dkvb.Codeset(self.codebooks, top_k=33)
        self.assertEqual(len(self.codeset.rows("training")), (~self.held).sum())
        self.assertEqual(len(dkvb.Codeset(self.codebooks).rows("held_out")), 0)


class ChoosingTest(CodesetCase):
    def chosen(self, method, budget=None, **given):
        mask = dkvb.Mask(self.codebooks)
        self.assertEqual(dkvb.unlearn_choose(mask, self.model, method, budget, **given), len(mask))
        return mask

    def test_activations_are_the_most_selected_pairs(self):
        rows = self.codeset.rows("training")
        by_rows = self.chosen("activations", 100, codes=rows.codes, rows=rows.labels == 1)
        counts = np.zeros((16, 32), np.uint64)
        np.add.at(counts, (np.arange(16)[:, None], rows.codes[rows.labels == 1].reshape(-1, 16).T), 1)
        first = np.argsort(-counts.ravel().astype(np.int64), kind="stable")[:100]
        self.assertEqual(list(by_rows), [divmod(pair, 32) for pair in sorted(first.tolist())])
        self.assertEqual(self.chosen("activations", 100, classes=[0, dkvb.FORGET, 0]), by_rows)
        np.testing.assert_array_equal(self.model.class_counts(1), counts)

    def test_contrast_is_its_formula(self):
        # counts of class 1 (forget) and class 0 (keep); class 2 is set aside
        f, r = self.model.class_counts(1), self.model.class_counts(0)
        score = np.where(f > 0, f.astype(float) ** 2 / np.maximum(f + r, 1), 0)
        found = self.chosen("contrast", 60, classes=[dkvb.KEEP, dkvb.FORGET, dkvb.ASIDE])
        first = np.argsort(-score.ravel(), kind="stable")[:60]
        self.assertEqual(list(found), [divmod(pair, 32) for pair in sorted(first.tolist())])

    def test_every_takes_all_and_values_need_no_data(self):
        every = self.chosen("every", classes=[False, True, False])
        np.testing.assert_array_equal(every.to_array(), self.model.class_counts(1) > 0)
        self.model.drop_counts()
        self.assertFalse(self.model.info.class_counts)
        with self.assertRaises(dkvb.NotFound):
            self.chosen("every", classes=[False, True, False])
        values = self.chosen("values", 40, classes=[False, True, False])
        self.assertTrue((self.model.values[values.to_array()][:, 1] > 0).all())

    def test_requests_are_checked(self):
        for method, given, message in (("most", {}, "method: 'most' found"), ("values", {}, "budget: None found"),
                                       ("every", {"rows": [True]}, "marks need the codes"),
                                       ("every", {"classes": [1, 0]}, r"classes: shape \(2,\) found, \(3,\) wanted"),
                                       ("every", {"classes": [0, 3, 0]}, "class 1 is marked 3"),
                                       ("every", {"codes": self.codes, "rows": [1]}, r"\(600,\) wanted"),
                                       ("every", {}, "needs classes")):
            with self.assertRaisesRegex(ValueError, message):
                self.chosen(method, **given)

    def test_effects_are_what_predictions_say(self):
        mask = self.chosen("activations", 150, classes=[False, True, False])
        x, y = self.x[self.held], self.y[self.held]
        before = self.model.predict(x)
        effects, exhausted = dkvb.effect(self.model, mask, self.codeset, exhausted=True)
        after = self.model.classify(self.codebooks.search(x, mask=mask))
        self.assertEqual(exhausted, 0)
        for label, found in enumerate(effects):
            rows = y == label
            self.assertEqual((found.rows, found.right_before, found.right_after),
                             (rows.sum(), (before == y)[rows].sum(), (after == y)[rows].sum()))
            self.assertEqual(found.loss, (found.right_before - found.right_after) / found.rows)
            self.assertTrue(-1 <= found.low <= found.loss <= found.high <= 1 and found.low < found.high)
        whole = dkvb.Mask(self.codebooks, [(3, key) for key in range(32)])
        self.assertEqual(dkvb.effect(self.model, whole, self.codeset, exhausted=True)[1], len(y))
        self.assertEqual(dkvb.effect(self.model, mask, self.codeset.rows("held_out")), effects)
        self.assertEqual({e.loss for e in dkvb.effect(self.model, None, self.codeset)}, {0.0})
        self.assertEqual({e.loss for e in dkvb.effect(self.model, dkvb.Mask(self.codebooks), self.codeset)}, {0.0})
        self.assertEqual({e.loss for e in dkvb.effect(self.model, mask, self.codeset, before=mask)}, {0.0})

    def test_a_plan_finds_the_smallest_budget_that_keeps_both_limits(self):
        found = self.model.plan_forget(classes=[1], codeset=self.codeset, method="contrast", target=0.1,
                                       max_retain_drop=1, max_class_loss=1, force=True).info.budget
        self.assertTrue(found.met)

        def accuracy(budget):
            mask = self.chosen("contrast", budget, classes=[False, True, False])
            effect = dkvb.effect(self.model, mask, self.codeset)[1]
            return effect.right_after / effect.rows

        self.assertEqual(accuracy(found.budget), found.forget_after)
        self.assertLessEqual(found.forget_after, 0.1)
        self.assertGreater(accuracy(found.budget - 1), 0.1)

    def test_codes_of_other_codebooks_are_refused(self):
        others = dkvb.Model(dkvb.Codebooks.fit(self.x, seed=2, **SHAPE), CLASSES)
        with self.assertRaises(dkvb.MismatchError):
            dkvb.effect(others, None, self.codeset)
        with self.assertRaises(dkvb.MismatchError):
            others.replay(self.codeset)


class ReplayTest(CodesetCase):
    def test_replay_gives_the_model_that_never_saw_the_rows(self):
        gone = np.flatnonzero(~self.held)[::11]
        never = self.trained_on(~self.held & ~np.isin(np.arange(600), gone))
        entry = self.model.replay(self.codeset, self.ids[gone][::-1], reason="request 17", strength="exact",
                                  rows=self.ids[gone])
        self.assertEqual(self.model.values.tobytes(), never.values.tobytes())
        for label in range(CLASSES):
            np.testing.assert_array_equal(self.model.class_counts(label), never.class_counts(label))
        line = self.model.journal[-1]
        self.assertEqual((line.id, line.kind, line.strength, line.rows), (entry, "replay", "exact", len(gone)))
        self.assertTrue(self.model.journal_names_rows(entry, self.ids[gone]))
        self.assertEqual(dkvb.effect(never, None, self.codeset), dkvb.effect(self.model, None, self.codeset))
        self.assertEqual(self.codeset.remove(self.ids[gone]), len(gone))
        self.model.replay(self.codeset)
        self.assertEqual(self.model.values.tobytes(), never.values.tobytes())

    def test_replay_that_fails_changes_nothing(self):
        values = self.model.values
        with self.assertRaisesRegex(dkvb.NotFound, "id 6"):
            self.model.replay(self.codeset, [6])
        with self.assertRaises(ZeroDivisionError):
            self.model.replay(self.codeset, progress=lambda done, total: 1 / 0)
        self.codeset.remove(self.ids[~self.held][:1])
        with self.assertRaisesRegex(dkvb.MismatchError, "the codes are of 878"):
            self.model.replay(self.codeset)
        self.assertEqual(self.model.values.tobytes(), values.tobytes())
        self.assertEqual(self.model.journal, [])


class SeparationTest(Case):
    def test_numbers_are_those_of_the_definitions(self):
        labels = self.y.copy()
        labels[::7] = -1
        found = dkvb.separation(self.codes, labels, keys=32, classes=4)  # One class more than have rows.
        selects = self.codes[:, :, 0][:, :, None] == np.arange(32)  # [n][C][K]
        counts = np.stack([selects[labels == label].sum(axis=0) for label in range(4)])
        np.testing.assert_array_equal(found.counts, counts)
        np.testing.assert_array_equal(found.rows, [(labels == label).sum() for label in range(4)])
        np.testing.assert_array_equal(found.pairs_selected, (counts > 0).sum(axis=(1, 2)))
        np.testing.assert_array_equal(found.pairs_exclusive,
                                      ((counts > 0) & ((counts > 0).sum(axis=0) == 1)).sum(axis=(1, 2)))
        shares = [counts[label] / found.rows[label] for label in range(3)]
        self.assertEqual(found.jaccard[0, 1], ((counts[0] > 0) & (counts[1] > 0)).sum()
                         / ((counts[0] > 0) | (counts[1] > 0)).sum())
        self.assertAlmostEqual(found.weighted[0, 2], np.minimum(shares[0], shares[2]).sum()
                               / np.maximum(shares[0], shares[2]).sum(), places=12)
        self.assertTrue(np.isnan(found.weighted[3]).all() and np.isnan(found.class_silhouettes[3]))
        self.assertEqual((found.nearest[3], np.isnan(found.overlap[3])), (-1, True))
        for label in range(3):
            others = [(-found.weighted[label, other], other) for other in range(3) if other != label]
            self.assertEqual((-found.overlap[label], found.nearest[label]), min(others))

    def test_silhouettes_are_those_of_all_distances(self):
        found = dkvb.separation(self.codes, self.y, keys=32)
        distance = 1 - (self.codes[:, None, :, 0] == self.codes[None, :, :, 0]).mean(axis=2)
        sums = np.stack([distance[:, self.y == label].sum(axis=1) for label in range(CLASSES)], axis=1)
        own = np.arange(len(self.y)), self.y
        means = sums / found.rows
        within = sums[own] / (found.rows[self.y] - 1.0)
        means[own] = np.inf
        between = means.min(axis=1)
        expected = (between - within) / np.maximum(between, within)
        np.testing.assert_allclose(found.row_silhouettes, expected, rtol=0, atol=1e-12)
        self.assertAlmostEqual(found.silhouette, expected.mean(), places=12)
        self.assertAlmostEqual(found.class_silhouettes[1], expected[self.y == 1].mean(), places=12)
        again = dkvb.separation(self.codes, self.y, keys=32, threads=1)
        self.assertEqual(again.row_silhouettes.tobytes(), found.row_silhouettes.tobytes())

    def test_what_cannot_be_is_refused(self):
        with self.assertRaisesRegex(dkvb.InvalidArgument, "row 5 is 3, it must be -1 to 2"):
            dkvb.separation(self.codes, np.where(np.arange(600) == 5, 3, self.y), keys=32, classes=3)
        with self.assertRaisesRegex(dkvb.InvalidArgument, "names key"):
            dkvb.separation(self.codes, self.y, keys=int(self.codes.max()))
        with self.assertRaisesRegex(dkvb.InvalidArgument, "no label of 0 or more"):
            dkvb.separation(self.codes, np.full(600, -1), keys=32)
        with self.assertRaisesRegex(ValueError, "wanted"):
            dkvb.separation(self.codes[:, :, 0], self.y, keys=32)
        with self.assertRaises(ZeroDivisionError):
            dkvb.separation(self.codes, self.y, keys=32, progress=lambda done, total: 1 / 0)


class SweepTest(unittest.TestCase):
    def setUp(self):
        rng = np.random.default_rng(3)
        self.y = np.arange(400, dtype=np.int32) % 4
        self.x = (rng.normal(size=(4, 12))[self.y] + rng.normal(size=(400, 12))).astype(np.float32)
        self.model, self.codeset = dkvb.fit(self.x, self.y, codebooks=6, keys=24, key_dim=4, top_k=2, codeset=True,
                                            hold_out=0.25)[:2]

    def test_cells_are_those_of_effects(self):
        cells = self.model.sweep(self.codeset, classes=[1, 3], methods=["values", "examples"], budgets=[4, 30],
                                 seeds=[0, 2])
        self.assertEqual([(c.label, c.method, c.seed, c.budget) for c in cells],
                         [(label, method, seed, budget) for label in (1, 3)
                          for method, seed in (("values", 0), ("examples", 0), ("examples", 2)) for budget in (4, 30)])
        for cell in cells:
            if cell.method != "values":
                continue
            with self.model.codebooks as codebooks:
                mask = dkvb.Mask(codebooks)
            dkvb.unlearn_choose(mask, self.model, "values", cell.budget, classes=np.arange(4) == cell.label)
            effects = dkvb.effect(self.model, mask, self.codeset)
            own = effects[cell.label]
            self.assertEqual((cell.forget_rows, cell.forget_before, cell.forget_after),
                             (own.rows, own.right_before, own.right_after))
            others = [e for label, e in enumerate(effects) if label != cell.label]
            self.assertEqual(cell.retain_after, sum(e.right_after for e in others))
            self.assertEqual(cell.worst_loss, max(e.loss for e in others))
            self.assertEqual(cell.pairs, len(mask))

    def test_a_table_goes_on_after_what_ended_it(self):
        with tempfile.TemporaryDirectory() as folder:
            whole, path = os.path.join(folder, "whole.csv"), os.path.join(folder, "table.csv")
            cells = self.model.sweep(self.codeset, steps=5, path=whole)
            heard = []

            def each(cell):
                heard.append(cell)
                if len(heard) == 7:
                    raise ZeroDivisionError

            with self.assertRaises(ZeroDivisionError):
                self.model.sweep(self.codeset, steps=5, path=path, each=each)
            self.assertEqual(heard, cells[:7])
            with self.assertRaisesRegex(dkvb.MismatchError, "of another sweep"):
                self.model.sweep(self.codeset, steps=4, path=path)
            self.assertEqual(self.model.sweep(self.codeset, steps=5, path=path), cells)
            with open(whole, "rb") as one, open(path, "rb") as other:
                self.assertEqual(one.read(), other.read())

    def test_shapes_exact_and_test_rows(self):
        cells = self.model.sweep(self.codeset, strengths=["exact"], test_x=self.x[:99], test_labels=self.y[:99],
                                 shapes=[{"seed": 5}, {"codebooks": 3, "top_k": 1}], features=self.x)
        self.assertEqual([(c.codebooks, c.top_k, c.train_seed, c.label) for c in cells],
                         [(6, 2, 5, label) for label in range(4)] + [(3, 1, 0, label) for label in range(4)])
        self.assertTrue(all(c.strength == "exact" and c.method is c.budget is None and c.trained_anew for c in cells))
        self.assertTrue(all(c.forget_rows + c.retain_rows == 99 for c in cells))

    def test_what_cannot_be_is_refused(self):
        for words, given in (("methods: 'guess' found", {"methods": ["guess"]}),
                             ("strengths: 'thoroughly' found", {"strengths": ["thoroughly"]}),
                             ("shapes: 'depth' found", {"shapes": [{"depth": 3}]}),
                             ("classes: 4 found", {"classes": [4]}),
                             ("test_labels: None found", {"test_x": self.x})):
            with self.assertRaisesRegex(ValueError, words):
                self.model.sweep(self.codeset, **given)
        with self.assertRaisesRegex(dkvb.InvalidArgument, "budget 4 must be above 5"):
            self.model.sweep(self.codeset, budgets=[5, 4])
        with self.assertRaisesRegex(dkvb.InvalidArgument, "list of the options is empty"):
            self.model.sweep(self.codeset, methods=[])
        for words, given in (("without test rows", {"test_labels": self.y}),
                             ("without features", {"feature_ids": np.arange(400)}),
                             ("no shape is given", {"features": self.x})):
            with self.assertRaisesRegex(dkvb.InvalidArgument, words):
                self.model.sweep(self.codeset, **given)


class AuditTest(Case):
    RECIPE = {"epochs": 1, "learning_rate": 3.0, "rate_last": 0.9, "batch": 64, "seed": 4}

    def setUp(self):
        super().setUp()
        self.x, self.y = clouds(600, 1)
        self.test_x, self.test_y = clouds(200, 2)
        self.before = dkvb.Model(self.codebooks, CLASSES)
        self.before.train(self.codes, self.y, **self.RECIPE)
        self.forgot = dkvb.Model(self.codebooks, CLASSES)
        self.forgot.train(self.codes, self.y, **self.RECIPE)
        self.forgot.class_names = ["cat", "dog", "owl"]
        self.forgot.forget(self.mask_of_class(1), terms=dkvb.Terms(classes=(1,)))

    def audit(self, model, **settings):
        return model.audit(self.x, self.y, self.test_x, self.test_y, training=self.RECIPE, **settings)

    def test_shares_are_those_of_numpy(self):
        found = self.audit(self.forgot, classes=["dog"], before=self.before, shadows=4)
        of_class = self.test_y == 1
        self.assertEqual((found.classes, found.members, found.class_rows, found.rest_rows, found.shadows),
                         ([1], int((self.y == 1).sum()), int(of_class.sum()), int((~of_class).sum()), 4))
        self.assertEqual(list(found.subjects), ["model", "before", "column dropped", "replay", "retrained"])
        again = dkvb.Model(self.codebooks, CLASSES)
        again.train(self.codes, np.where(self.y == 1, -1, self.y), **self.RECIPE)
        answers = {"model": self.forgot, "before": self.before, "retrained": again}
        answers = {name: model.predict(self.test_x) for name, model in answers.items()}
        for name, labels in answers.items():
            for key, rows in (("class", of_class), ("rest", ~of_class)):
                figure = found[name][f"accuracy_{key}"]
                self.assertAlmostEqual(figure.value, (labels == self.test_y)[rows].mean(), places=12)
                self.assertAlmostEqual(figure.difference.value, figure.value
                                       - found["retrained"][f"accuracy_{key}"].value, places=12)
                if name != "retrained":
                    self.assertAlmostEqual(found[name][f"agreement_{key}"].value,
                                           (labels == answers["retrained"])[rows].mean(), places=12)

    def test_membership_by_the_loss_is_the_area_of_all_pairs(self):
        # the audit takes the forgotten class from the journal
        found = self.audit(self.forgot, before=self.before, shadows=0)
        self.assertEqual(found.classes, [1])
        logits = np.concatenate([self.before.decode(self.codes[self.y == 1]),
                                 self.before.predict(self.test_x[self.test_y == 1], logits=True)[1]]).astype(np.float64)
        rest = np.delete(logits, 1, axis=1)
        margin = logits[:, 1] - np.log(np.exp(rest - rest.max(axis=1, keepdims=True)).sum(axis=1)) - rest.max(axis=1)
        members, others = margin[:found.members, None], margin[None, found.members:]
        figure = found["before"]["membership_loss"]
        self.assertAlmostEqual(figure.value, ((members > others) + 0.5 * (members == others)).mean(), places=4)
        self.assertTrue(figure.low <= figure.value <= figure.high and 0 <= figure.tpr_01.value <= figure.tpr_1.value)
        self.assertIsNone(found["model"]["membership_lira"])
        self.assertIsNone(found["model"]["accuracy_class"].tpr_1)
        self.assertIsNone(found["model"]["accuracy_class"].privleak)
        retrained = found["retrained"]["membership_loss"].value
        self.assertAlmostEqual(figure.privleak.value, (figure.value - retrained) / retrained, places=12)
        self.assertEqual((found.rmia_models, found.retained), (2, int((self.y != 1).sum())))
        gap = np.mean([abs(found["before"][key].difference.value) for key in
                       ("accuracy_forgotten", "accuracy_retained", "accuracy_test", "membership_loss")])
        self.assertAlmostEqual(found["before"]["average_gap"].value, gap, places=12)
        self.assertIsNone(self.audit(self.forgot, shadows=0, rmia_models=0)["model"]["membership_rmia"])

    def test_klom_has_mean_median_and_percentile_of_rows(self):
        found = self.audit(self.forgot, before=self.before, shadows=0, rmia_models=0, models=2)
        self.assertEqual((found.models, found.planned), (2, 0))  # KLoM masks the given pairs, without planning anew
        for subject in found.subjects.values():
            for group in ("forgotten", "retained", "class", "rest"):
                figure = subject[f"klom_{group}"]
                self.assertTrue(0 <= figure.median.value <= figure.p95.value <= 12)
                self.assertTrue(figure.low <= figure.value <= figure.high)
                self.assertIsNone(figure.privleak)
        self.assertEqual(found["replay"]["klom_rest"], found["retrained"]["klom_rest"])
        self.assertIsNone(found["model"]["membership_loss"].median)

    def test_the_reference_differs_in_nothing_and_a_codeset_is_the_recipe(self):
        fitted = dkvb.fit(self.x, self.y, codeset=True, top_k=1, **SHAPE)
        ids = np.flatnonzero(self.y == 2).astype(np.uint64)
        known = [i for i in ids if i in set(fitted.codeset.rows("training").ids)
                 or i in set(fitted.codeset.rows("held_out").ids)]
        fitted.model.replay(fitted.codeset, known)
        stages = []
        found = fitted.model.audit(self.x, self.y, self.test_x, self.test_y, classes=[2], codeset=fitted.codeset,
                                   shadows=0, rmia_models=0, stage=stages.append)
        self.assertEqual(stages, ["search", "attacks"])
        for key, figure in found["model"].items():
            if figure and not key.startswith("agreement"):
                self.assertEqual((figure.difference.value, figure.verdict), (0, "as retrained"), key)

    def test_what_cannot_be_audited_is_refused(self):
        with self.assertRaisesRegex(dkvb.InvalidArgument, "no forgetting in the journal"):
            self.audit(self.before)
        with self.assertRaisesRegex(dkvb.InvalidArgument, "row 7 a second time"):
            self.audit(self.forgot, rows=[7, 9, 7])
        with self.assertRaisesRegex(dkvb.InvalidArgument, "an even number from 4"):
            self.audit(self.forgot, shadows=5)
        with self.assertRaisesRegex(ValueError, "the model has classes 0 to 2"):
            self.audit(self.forgot, classes=[3])
        with self.assertRaises(dkvb.NotFound):
            self.audit(self.forgot, classes=["cow"])
        with self.assertRaises(ZeroDivisionError):
            self.audit(self.forgot, stage=lambda name: 1 / 0)
        with self.assertRaises(ZeroDivisionError):
            self.audit(self.forgot, progress=lambda done, total: 1 / 0)


class ErrorsTest(Case):
    def test_message_is_the_librarys(self):
        with self.assertRaises(dkvb.InvalidArgument) as caught:
            dkvb.Codebooks.fit(self.x[:10], **SHAPE)
        self.assertEqual(str(caught.exception), _library.lib.dkvb_last_error().decode())
        self.assertEqual(caught.exception.status, -2)

    def test_exceptions_have_their_twins_in_python(self):
        twins = {dkvb.OutOfMemory: MemoryError, dkvb.InvalidArgument: ValueError, dkvb.FileError: OSError,
                 dkvb.FormatError: ValueError, dkvb.StateError: RuntimeError, dkvb.NotFound: LookupError}
        for ours, twin in twins.items():
            self.assertTrue(issubclass(ours, dkvb.Error) and issubclass(ours, twin))
        with self.assertRaises(OSError):
            dkvb.Model.load(self.directory / "absent")
        with self.assertRaises(LookupError):
            self.model.undo(99)

    def test_file_errors_carry_the_systems_number(self):
        with self.assertRaises(FileNotFoundError) as caught:
            dkvb.Model.load(self.directory / "absent")
        self.assertIsInstance(caught.exception, dkvb.FileError)
        self.assertEqual((caught.exception.errno, caught.exception.status), (errno.ENOENT, -3))
        self.assertEqual(str(caught.exception), _library.lib.dkvb_last_error().decode())
        copy = pickle.loads(pickle.dumps(caught.exception))
        self.assertEqual((type(copy), str(copy), copy.errno), (dkvb.MissingFile, str(caught.exception), errno.ENOENT))
        with self.assertRaises(dkvb.FileError) as caught:
            dkvb.Model.load(self.directory)
        self.assertIsNone(caught.exception.errno)
        denied = errors.from_status(-3, f"m.dkvb: cannot open: {os.strerror(errno.EACCES)}")
        self.assertIsInstance(denied, PermissionError)

    def test_status_becomes_its_exception(self):
        for status in range(-9, 0):
            error = errors.from_status(status, "why")
            self.assertEqual((error.status, str(error)), (status, "why"))
            self.assertIsNot(type(error), dkvb.Error)
        self.assertEqual(errors.from_status(-1000, "why").status, -1000)

    def test_number_too_large_is_named_without_a_warning(self):
        x = self.x.astype(float)
        x[17, 3] = 1e300
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with self.assertRaisesRegex(dkvb.InvalidArgument, "17.*3"):
                self.codebooks.search(x)

    def test_number_that_is_not_finite_is_named(self):
        x = self.x.copy()
        x[17, 3] = np.nan
        with self.assertRaisesRegex(dkvb.InvalidArgument, "17.*3"):
            self.codebooks.search(x)

    def test_wrong_shapes_name_both(self):
        for call in (self.codebooks.search, self.codebooks.project, self.model.predict):
            with self.assertRaisesRegex(ValueError, r"features: shape \(600, 7\) found, \(rows, 8\) wanted"):
                call(self.x[:, :7])
        with self.assertRaisesRegex(ValueError, r"\(8,\) found"):
            self.model.predict(self.x[0])
        with self.assertRaisesRegex(ValueError, r"labels: shape \(10,\) found, \(600,\) wanted"):
            self.model.train(self.codes, self.y[:10])
        with self.assertRaisesRegex(ValueError, r"codes: shape \(600, 16\) found, \(rows, 16, k\) wanted"):
            self.model.classify(self.codes[:, :, 0])
        with self.assertRaisesRegex(ValueError, "k: 33 found"):
            self.codebooks.search(self.x, k=33)

    def test_types_that_would_lose_something_are_refused(self):
        with self.assertRaisesRegex(ValueError, "labels: float64 found, integers wanted"):
            self.model.train(self.codes, self.y.astype(float))
        with self.assertRaisesRegex(ValueError, "codes: -1 to"):
            self.model.classify(np.where(self.codes == self.codes[0], -1, self.codes.astype(np.int64)))
        with self.assertRaisesRegex(ValueError, "complex"):
            self.model.predict(self.x.astype(complex))

    def test_label_out_of_range_is_named(self):
        y = self.y.copy()
        y[5] = 3
        with self.assertRaisesRegex(dkvb.InvalidArgument, "5"):
            self.model.train(self.codes, y)

    def test_damaged_and_foreign_files_are_told_apart(self):
        path = self.directory / "m.dkvb"
        self.model.save(path)
        damaged = bytearray(path.read_bytes())
        damaged[-70] ^= 1
        path.write_bytes(damaged)
        with self.assertRaises(dkvb.ChecksumError):
            dkvb.Model.load(path)
        path.write_bytes(b"not a model, but long enough to look at it: " * 20)
        with self.assertRaises(dkvb.FormatError):
            dkvb.Model.load(path)

    def test_text_with_nul_is_refused(self):
        with self.assertRaisesRegex(ValueError, "NUL"):
            self.model.save("m\0.dkvb")
        with self.assertRaisesRegex(ValueError, "NUL"):
            self.model.forget(self.mask_of_class(1), reason="a\0b")
        with self.assertRaisesRegex(TypeError, "reason: bytes found, str wanted"):
            self.model.forget(self.mask_of_class(1), reason=b"why")

    def test_closed_handles_are_refused(self):
        for handle in (self.codebooks, self.model, self.mask_of_class(1)):
            handle.close()
            handle.close()
        with self.assertRaisesRegex(ValueError, "Codebooks is closed"):
            self.codebooks.search(self.x)
        with self.assertRaisesRegex(ValueError, "Model is closed"):
            self.model.predict(self.x)

    def test_missing_library_says_what_was_tried(self):
        done = run_python("-c", "import dkvb", DKVB_LIBRARY="/nowhere/libdkvb.so")
        self.assertIn("ImportError: dkvb: cannot load", done.stderr)
        self.assertIn("/nowhere/libdkvb.so", done.stderr)

    def test_other_library_is_refused(self):
        done = run_python("-c", "import dkvb", DKVB_LIBRARY="libc.so.6")
        self.assertIn("ImportError: dkvb: libc.so.6 is not libdkvb", done.stderr)


class ArraysTest(Case):
    def addresses(self, function, call):
        """Returns the addresses of the pointers that a call passes to one C function of the library."""
        real, seen = getattr(_library.lib, function), []

        def spy(*arguments):
            seen.extend(ctypes.cast(a, ctypes.c_void_p).value for a in arguments if isinstance(a, ctypes._Pointer))
            return real(*arguments)

        with mock.patch.object(_library.lib, function, spy):
            result = call()
        return result, seen

    def test_arrays_that_fit_are_passed_without_a_copy(self):
        codes, seen = self.addresses("dkvb_search", lambda: self.codebooks.search(self.x))
        self.assertEqual(seen, [self.x.ctypes.data, codes.ctypes.data])
        _, seen = self.addresses("dkvb_model_train", lambda: self.model.train(self.codes, self.y))
        self.assertEqual(seen, [self.codes.ctypes.data, self.y.ctypes.data])

    def test_rows_in_the_middle_of_an_array_are_passed_without_a_copy(self):
        _, seen = self.addresses("dkvb_model_predict", lambda: self.model.predict(self.x[10:20]))
        self.assertEqual(seen[0], self.x[10:].ctypes.data)

    def test_other_arrays_are_converted(self):
        wide = np.empty((600, 2 * DIM), np.float32)
        wide[:, ::2] = self.x
        unaligned = np.frombuffer(b"x" + self.x.tobytes(), np.uint8)[1:].view(np.float32).reshape(self.x.shape)
        self.assertFalse(unaligned.flags.aligned)
        for x in (wide[:, ::2], np.asfortranarray(self.x), unaligned, self.x.astype(np.float64), self.x.astype(">f4"),
                  self.x.tolist()):
            np.testing.assert_array_equal(self.codebooks.search(x), self.codes)
        for codes in (self.codes.astype(np.int64), np.asfortranarray(self.codes), self.codes.astype(">u2")):
            np.testing.assert_array_equal(self.model.classify(codes), self.model.predict(self.x))
        values = self.model.values
        fresh = dkvb.Model(self.codebooks, CLASSES)
        fresh.train(self.codes, self.y.astype(np.int64))
        np.testing.assert_array_equal(fresh.values, values)


class DataTest(Case):
    def test_npy_goes_out_and_comes_back(self):
        path = self.directory / "a.npy"
        for dtype in ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"):
            array = np.arange(24, dtype=dtype).reshape(2, 3, 4)
            dkvb.write_npy(path, array)
            for back in (dkvb.read_array(path), np.load(path)):
                self.assertEqual((back.dtype, back.shape), (array.dtype, array.shape))
                np.testing.assert_array_equal(back, array)
        with self.assertRaisesRegex(ValueError, "complex128"):
            dkvb.write_npy(path, np.zeros(3, complex))

    def test_odd_arrays_of_numpy_are_written_and_read(self):
        path = self.directory / "a.npy"
        for array in (np.float32(3), np.empty((0, 4), np.float32), np.asfortranarray(self.x), self.x.astype(">f4")):
            dkvb.write_npy(path, array)
            np.testing.assert_array_equal(np.load(path), array)
            np.testing.assert_array_equal(dkvb.read_array(path), array)

    def test_features_and_labels_are_converted(self):
        np.save(self.directory / "x.npy", np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
        np.save(self.directory / "y.npy", np.array([-1, 7], np.int64))
        x, y = dkvb.read_features(self.directory / "x.npy"), dkvb.read_labels(self.directory / "y.npy")
        self.assertEqual((x.dtype, x.shape), (np.float32, (2, 12)))
        self.assertEqual((y.dtype, y.tolist()), (np.int32, [-1, 7]))

    def test_array_lives_as_long_as_a_view_of_it(self):
        np.save(self.directory / "x.npy", self.x)
        view = dkvb.read_features(self.directory / "x.npy")[3:5]
        gc.collect()
        self.assertFalse(view.flags.owndata)
        np.testing.assert_array_equal(view, self.x[3:5])

    def test_file_that_is_no_array_is_refused(self):
        with self.assertRaises(dkvb.FormatError):
            dkvb.read_features(__file__)


class LongCallsTest(Case):
    def setUp(self):
        super().setUp()
        self.addCleanup(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT))
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a test runner may have set SIGINT to be ignored

    def test_progress_counts_up_to_the_end(self):
        seen = []
        self.codebooks.search(self.x, progress=lambda done, total: seen.append((done, total)))
        self.assertEqual(seen, sorted(seen))
        self.assertTrue(all(0 < done <= total for done, total in seen))

    def test_exception_in_progress_cancels_and_comes_out(self):
        cause = ZeroDivisionError()

        def fail(done, total):
            raise KeyError("mine") from cause

        values = self.model.values
        with self.assertRaisesRegex(KeyError, "mine") as caught:
            self.model.train(self.codes, self.y, progress=fail)
        self.assertIs(caught.exception.__cause__, cause)
        self.assertIsNone(caught.exception.__context__)
        np.testing.assert_array_equal(self.model.values, values)

    def test_exception_in_report_cancels_and_comes_out(self):
        def fail(report):
            raise StopIteration(report.epoch)

        values = self.model.values
        with self.assertRaises(StopIteration):
            self.model.train(self.codes, self.y, epochs=5, report=fail)
        np.testing.assert_array_equal(self.model.values, values)

    def test_interrupt_between_callbacks_becomes_keyboard_interrupt(self):
        def interrupt(done, total):
            os.kill(os.getpid(), signal.SIGINT)

        values = self.model.values
        with self.assertRaises(KeyboardInterrupt):
            self.model.train(self.codes, self.y, epochs=1000, progress=interrupt)
        np.testing.assert_array_equal(self.model.values, values)
        self.assertIs(signal.getsignal(signal.SIGINT), signal.default_int_handler)

    def test_interrupt_from_outside_ends_a_long_call(self):
        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with self.assertRaises(KeyboardInterrupt):
            self.model.train(np.repeat(self.codes, 100, axis=0), np.repeat(self.y, 100), epochs=1_000_000)
        timer.join()

    def test_handler_that_does_not_raise_lets_the_call_go_on(self):
        caught = []
        signal.signal(signal.SIGINT, lambda signum, frame: caught.append(signum))
        sent = []

        def once(done, total):
            if not sent:
                sent.append(os.kill(os.getpid(), signal.SIGINT))

        self.model.train(self.codes, self.y, epochs=3, progress=once)
        self.assertEqual(caught, [signal.SIGINT])

    def test_results_do_not_depend_on_threads(self):
        for threads in (1, 2, 3):
            np.testing.assert_array_equal(self.codebooks.search(self.x, threads=threads), self.codes)
        self.assertEqual(dkvb.threads(3), 3)

    def test_model_is_used_from_many_threads(self):
        answers, found = self.model.predict(self.x), []
        threads = [threading.Thread(target=lambda: found.append(self.model.predict(self.x))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(found), 8)
        for labels in found:
            np.testing.assert_array_equal(labels, answers)

    def test_close_during_a_call_waits_for_it(self):
        started = threading.Event()
        found = []
        x = np.repeat(self.x, 20, axis=0)
        thread = threading.Thread(target=lambda: found.append(
            self.model.predict(x, progress=lambda done, total: started.set())))
        thread.start()
        started.wait(60)
        self.model.close()
        gc.collect()
        thread.join()
        self.assertEqual(len(found[0]), len(x))


class ProcessesTest(Case):
    def test_predict_in_a_forked_child_after_predict_in_the_parent(self):
        answers = self.model.predict(self.x)
        context = multiprocessing.get_context("fork")
        receiver, sender = context.Pipe(duplex=False)
        child = context.Process(target=lambda: sender.send(self.model.predict(self.x)))
        child.start()
        try:
            self.assertTrue(receiver.poll(60), "the child hangs")
            np.testing.assert_array_equal(receiver.recv(), answers)
            child.join(60)
            self.assertEqual(child.exitcode, 0)
        finally:
            child.kill()

    def test_handles_without_a_file_say_that_they_are_not_pickled(self):
        with tempfile.TemporaryDirectory() as folder:
            dkvb.write_npy(f"{folder}/pictures.npy", np.zeros((2, 4, 4, 3), np.uint8))
            with self.assertRaisesRegex(TypeError, "no file of its own"):
                multiprocessing.reduction.ForkingPickler.dumps(dkvb.ImageSet(f"{folder}/pictures.npy"))

    def test_interpreter_ends_quietly_with_handles_open(self):
        program = """
import atexit, numpy as np, dkvb
x = np.random.default_rng(0).normal(size=(100, 8)).astype(np.float32)
codebooks = dkvb.Codebooks.fit(x, codebooks=4, keys=8, key_dim=4)
model = dkvb.Model(codebooks, 2)
model.itself = model
dkvb.write_npy("x.npy", x)
array = dkvb.read_features("x.npy")
atexit.register(lambda: model.predict(array))
"""
        done = subprocess.run([sys.executable, "-c", program], cwd=self.directory, text=True, capture_output=True,
                              timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_handles_do_not_leak(self):
        def make_and_drop(times):
            for _ in range(times):
                dkvb.Mask(dkvb.Codebooks.from_arrays(keys, DIM)).add(0, 0)
            gc.collect()
            return int(Path("/proc/self/statm").read_text().split()[1])  # memory pages of the process in use

        keys = np.zeros((64, 128, 32), np.float32)
        before = make_and_drop(10)
        pages_of_keys = keys.nbytes // os.sysconf("SC_PAGESIZE")
        self.assertLess(make_and_drop(100) - before, 10 * pages_of_keys)

    def test_quickstart_runs_on_synthetic_data(self):
        done = run_python(str(SOURCE / "examples/quickstart.py"), "--synthetic")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("forgotten and purged", done.stdout)

    def test_sentences_of_a_forgotten_intent_are_out_of_scope_in_the_example(self):
        done = run_python(str(SOURCE / "examples/sentences.py"))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("sentences of the forgotten intent are out of scope now", done.stdout)
        self.assertIn("chat-0007 is gone", done.stdout)


if __name__ == "__main__":
    unittest.main()

"""Tests of the Python bindings of pictures and encoders, on made-up pictures.

    DKVB_LIBRARY=…/libdkvb.so PYTHONPATH=bindings/python python3 tests/scenario/pictures_bindings.py
"""

import gc
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np

import dkvb
from pictures import CLASSES, draw, png_bytes, write_folder


class Case(unittest.TestCase):
    """Test case with a temporary folder and a random number generator."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.rng = np.random.default_rng(7)


class PicturesTest(Case):
    def test_a_png_comes_back_as_it_was(self):
        for channels in (1, 3):
            picture = self.rng.integers(0, 256, (9, 14, channels), np.uint8)
            (self.directory / "p.png").write_bytes(png_bytes(picture))
            for found in (dkvb.read_image(self.directory / "p.png"), dkvb.decode_image(png_bytes(picture))):
                self.assertEqual(found.dtype, np.uint8)
                np.testing.assert_array_equal(found, picture)

    def test_pixels_live_as_long_as_an_array_looks_at_them(self):
        picture = draw("down", self.rng)
        row = dkvb.decode_image(png_bytes(picture))[-1]
        gc.collect()
        np.testing.assert_array_equal(row, picture[-1])

    def test_what_is_no_picture_is_an_error_that_names_it(self):
        cut = png_bytes(draw("down", self.rng))[:200]
        for data in (b"", b"no picture", cut):
            with self.assertRaisesRegex(dkvb.FormatError, "request 17"):
                dkvb.decode_image(data, name="request 17")
        with self.assertRaises(FileNotFoundError):
            dkvb.read_image(self.directory / "none.png")

    def test_arrays_that_lie_otherwise_in_memory_are_the_same_pictures(self):
        picture = self.rng.integers(0, 256, (12, 12, 3), np.uint8)
        encoder = dkvb.Encoder("descriptor")
        wanted = encoder.encode([picture])
        for other in (np.asfortranarray(picture), picture[:, ::-1].copy()[:, ::-1], picture.astype(np.int64),
                      picture.tolist()):
            np.testing.assert_array_equal(encoder.encode([other]), wanted)

    def test_arguments_that_are_wrong_are_refused_in_words(self):
        picture, encoder = np.zeros((4, 4, 3), np.uint8), dkvb.Encoder("descriptor")
        for wrong, words in ((picture / 2, "picture 0: float64 found, integers wanted"),
                             (picture.astype(int) + 256, "picture 0: 256 to 256 found, 0 to 255 wanted"),
                             (picture[0, 0], "picture 0: shape")):
            with self.assertRaisesRegex(ValueError, words):
                encoder.encode([wrong])

    def test_the_build_says_what_it_reads(self):
        self.assertLessEqual(set(dkvb.image_codecs()), {"png", "jpeg", "webp"})


class ImageSetTest(Case):
    def setUp(self):
        super().setUp()
        write_folder(self.directory / "set", 3, seed=1)
        (self.directory / "set" / "down" / "ünï.PNG").write_bytes(png_bytes(draw("down", self.rng)))
        (self.directory / "set" / "notes.txt").write_text("no picture")
        self.set = dkvb.ImageSet(self.directory / "set")

    def test_a_folder_is_a_set_of_classes(self):
        info = self.set.info
        self.assertEqual((len(self.set), info.pictures, info.ignored, info.format, info.classes),
                         (10, 10, 1, "folder", 3))
        self.assertEqual(self.set.ignored, {".txt": 1})
        self.assertEqual((info.nested, info.turned), ("none", 0))
        self.assertEqual(self.set.class_names, list(CLASSES))
        self.assertEqual(self.set.labels.dtype, np.int32)
        self.assertEqual(self.set.labels.tolist(), [0] * 3 + [1] * 4 + [2] * 3)
        self.assertEqual([self.set.label(i) for i in range(10)], self.set.labels.tolist())
        self.assertEqual([self.set.name(i) for i in (0, 6, 9)], ["across/000.png", "down/ünï.PNG", "slant/002.png"])
        np.testing.assert_array_equal(self.set.read(4), dkvb.read_image(self.directory / "set/down/001.png"))
        self.assertEqual(repr(self.set), "<dkvb.ImageSet: folder, 10 pictures, 3 classes>")

    def test_pictures_that_are_not_there_are_index_errors(self):
        for call in (self.set.label, self.set.name, self.set.read):
            with self.assertRaisesRegex(IndexError, "10 found, of 10 pictures"):
                call(10)

    def test_an_array_is_a_set_without_classes(self):
        pictures = self.rng.integers(0, 256, (5, 6, 7), np.uint8)
        dkvb.write_npy(self.directory / "p.npy", pictures)
        images = dkvb.ImageSet(self.directory / "p.npy", "array")
        info = images.info
        self.assertEqual((info.format, info.classes, info.height, info.width, info.channels), ("array", 0, 6, 7, 1))
        self.assertEqual((images.labels.tolist(), images.class_names), ([-1] * 5, []))
        np.testing.assert_array_equal(images.read(3)[:, :, 0], pictures[3])

    def test_a_list_is_one_set_in_its_order(self):
        files = sorted((self.directory / "set" / "down").glob("*.png"))
        images = dkvb.ImageSet([files[1], files[0].read_bytes(), str(self.directory / "set")])
        info = images.info
        self.assertEqual((info.format, info.pictures, info.classes, info.ignored), ("list", 12, 3, 1))
        self.assertEqual([images.name(i) for i in range(3)],
                         [str(files[1]), "bytes 1", str(self.directory / "set/across/000.png")])
        self.assertEqual(images.labels.tolist(), [-1, -1, *self.set.labels.tolist()])
        for index, wanted in ((0, files[1]), (1, files[0]), (2, self.directory / "set/across/000.png")):
            np.testing.assert_array_equal(images.read(index), dkvb.read_image(wanted))
        np.testing.assert_array_equal(dkvb.Encoder("descriptor").encode_set(images)[2:],
                                      dkvb.Encoder("descriptor").encode_set(self.set))
        with self.assertRaisesRegex(ValueError, "there is no source"):
            dkvb.ImageSet([])

    def test_a_set_that_is_none_is_refused(self):
        with self.assertRaises(FileNotFoundError):
            dkvb.ImageSet(self.directory / "nowhere")
        with self.assertRaises(dkvb.FormatError):
            dkvb.ImageSet(self.directory / "set/notes.txt")
        with self.assertRaisesRegex(ValueError, "format: 'zip' found"):
            dkvb.ImageSet(self.directory / "set", "zip")

    def test_a_closed_set_says_so(self):
        self.set.close()
        self.assertEqual(repr(self.set), "<dkvb.ImageSet, closed>")
        with self.assertRaisesRegex(ValueError, "ImageSet is closed"):
            len(self.set)


class EncoderTest(Case):
    def test_pixels_are_numbers_of_255(self):
        pictures = self.rng.integers(0, 256, (40, 6, 5, 3), np.uint8)
        with dkvb.Encoder("pixels", width=5, height=6, channels=3) as encoder:
            self.assertEqual((encoder.info.kind, encoder.info.dim, encoder.info.filter), ("pixels", 90, ""))
            x = encoder.encode(pictures)
            self.assertEqual(x.dtype, np.float32)
            np.testing.assert_array_equal(x, (pictures / np.float32(255)).reshape(40, 90))
            np.testing.assert_array_equal(encoder.encode(list(pictures)), x)
            row, seen = encoder.trace(pictures[3])
            np.testing.assert_array_equal(row, x[3])
            self.assertTrue(all(layer.dtype == np.float32 and layer.ndim == 2 for layer in seen.values()))
            self.assertEqual(encoder.encode([]).shape, (0, 90))
            with self.assertRaises(dkvb.MismatchError):
                encoder.encode(pictures[:, :5])

    def test_pictures_are_not_confused_with_one_picture(self):
        encoder = dkvb.Encoder("pixels", width=3, height=6, channels=1)
        with self.assertRaisesRegex(ValueError, r"pictures: shape \(9, 6, 3\) found"):
            encoder.encode(np.zeros((9, 6, 3), np.uint8))
        with self.assertRaisesRegex(ValueError, "picture 1: "):
            encoder.encode([np.zeros((6, 3), np.uint8), np.zeros(3, np.uint8)])

    def test_a_row_does_not_depend_on_pictures_beside_it_or_threads(self):
        encoder = dkvb.Encoder("descriptor")
        pictures = [draw(name, self.rng) for name in [*CLASSES] * 15]
        x = encoder.encode(pictures)
        self.assertEqual(x.shape, (45, encoder.info.dim))
        np.testing.assert_array_equal(encoder.encode(pictures[::-1], threads=1)[::-1], x)
        for i in (0, 31, 44):
            np.testing.assert_array_equal(encoder.encode([pictures[i]])[0], x[i])
            np.testing.assert_array_equal(encoder.trace(pictures[i])[0], x[i])

    def test_a_set_gives_the_rows_of_its_pictures(self):
        write_folder(self.directory / "set", 14, seed=1)
        images, encoder = dkvb.ImageSet(self.directory / "set"), dkvb.Encoder("descriptor")
        x = encoder.encode([images.read(i) for i in range(42)])
        np.testing.assert_array_equal(encoder.encode_set(images), x)
        np.testing.assert_array_equal(encoder.encode_set(images, 5, 30, threads=1), x[5:35])
        self.assertEqual(encoder.encode_set(images, 42).shape, (0, encoder.info.dim))
        with self.assertRaisesRegex(IndexError, "40 from number 3 on found, of 42"):
            encoder.encode_set(images, 3, 40)

    def test_unreadable_pictures_end_a_call_or_are_left_out(self):
        write_folder(self.directory / "set", 4, seed=1)
        whole = dkvb.Encoder("descriptor").encode_set(dkvb.ImageSet(self.directory / "set"))
        for name in ("down/001.png", "slant/000.png"):
            (self.directory / "set" / name).write_bytes(b"no picture")
        images, encoder, told = dkvb.ImageSet(self.directory / "set"), dkvb.Encoder("descriptor"), []
        with self.assertRaisesRegex(dkvb.FormatError, "down/001.png"):
            encoder.encode_set(images)
        x, readable = encoder.encode_set(images, skip_unreadable=True)
        self.assertEqual(readable.tolist(), [i not in (5, 8) for i in range(12)])
        np.testing.assert_array_equal(x, np.where(readable[:, None], whole, 0))
        encoder.encode_set(images, 2, skip_unreadable=lambda index, message: told.append((index, message)))
        self.assertEqual([index for index, _message in told], [5, 8])
        self.assertIn("slant/000.png", told[1][1])

    def test_a_set_becomes_a_file_that_an_interrupted_call_goes_on_with(self):
        write_folder(self.directory / "set", 30, seed=1)
        (self.directory / "set/down/003.png").write_bytes(b"no picture")
        images, encoder = dkvb.ImageSet(self.directory / "set"), dkvb.Encoder("descriptor")
        path, part = self.directory / "x.npy", self.directory / "x.npy.part"
        x, readable = encoder.encode_set(images, skip_unreadable=True)

        def stop(done, _total):
            if done >= 40:
                raise KeyError("enough")

        with self.assertRaisesRegex(dkvb.FormatError, "down/003.png"):
            encoder.encode_file(images, path)
        with self.assertRaisesRegex(KeyError, "enough"):
            encoder.encode_file(images, path, skip_unreadable=True, progress=stop)
        self.assertTrue(part.exists() and not path.exists())
        report, of_file = encoder.encode_file(images, path, skip_unreadable=True)
        self.assertEqual((report.pictures, report.rows, report.unreadable), (90, 89, 1))
        self.assertTrue(0 < report.resumed < 90 and not part.exists())
        np.testing.assert_array_equal(of_file, readable)
        np.testing.assert_array_equal(np.load(path), x[readable])
        encoder.encode_file(images, path, dtype="float16", skip_unreadable=lambda *_told: None)
        np.testing.assert_array_equal(np.load(path), x[readable].astype(np.float16))
        with self.assertRaisesRegex(ValueError, "dtype: 'int8' found"):
            encoder.encode_file(images, path, dtype="int8")

    def test_what_a_callback_raises_comes_out(self):
        write_folder(self.directory / "set", 12, seed=1)
        (self.directory / "set/down/003.png").write_bytes(b"no picture")
        images, encoder = dkvb.ImageSet(self.directory / "set"), dkvb.Encoder("descriptor")

        def stop(*_arguments):
            raise KeyError("enough")

        with self.assertRaisesRegex(KeyError, "enough"):
            encoder.encode_set(images, skip_unreadable=stop)
        with self.assertRaisesRegex(KeyError, "enough"):
            encoder.encode_set(images, skip_unreadable=True, progress=stop)

    def test_encoders_that_cannot_be_are_refused(self):
        for arguments in ({"kind": "clip"}, {"kind": "resnet50"}, {"kind": "pixels"}, {"kind": "eyes"},
                          {"kind": "descriptor", "weights": "w.safetensors"},
                          {"kind": "clip", "weights": "w.safetensors", "activation": "relu"}):
            with self.assertRaises((ValueError, dkvb.StateError)):
                dkvb.Encoder(**arguments)
        with self.assertRaisesRegex(ValueError, "kind: 'eyes' found, one of pixels, descriptor, clip, resnet50 wanted"):
            dkvb.Encoder("eyes")

    def test_a_model_remembers_its_encoder(self):
        encoder = dkvb.Encoder("descriptor")
        self.assertEqual(encoder.identity, dkvb.Encoder("descriptor").identity)
        self.assertNotEqual(encoder.identity, dkvb.Encoder("pixels", width=4, height=4, channels=1).identity)
        self.assertTrue(encoder.identity.startswith("descriptor"))
        self.assertEqual(repr(encoder), f"<dkvb.Encoder: {encoder.identity}, {encoder.info.dim} columns>")
        x = encoder.encode([draw(name, self.rng) for name in [*CLASSES] * 8])
        model = dkvb.Model(dkvb.Codebooks.fit(x, codebooks=2, keys=4, key_dim=4), 3)
        model.encoder = encoder.identity
        model.save(self.directory / "m.dkvb")
        self.assertEqual(dkvb.Model.load(self.directory / "m.dkvb").encoder, encoder.identity)
        self.assertEqual(dkvb.Encoder(model=model).identity, encoder.identity)
        with self.assertRaisesRegex(dkvb.MismatchError, "was trained on rows of descriptor"):
            dkvb.Encoder("pixels", width=4, height=4, channels=1, model=model)
        model.encoder = None
        with self.assertRaisesRegex(dkvb.NotFound, "does not say which encoder"):
            dkvb.Encoder(model=model)
        with self.assertRaisesRegex(dkvb.MismatchError, "columns"):
            dkvb.Encoder("pixels", width=4, height=4, channels=1, model=model)
        with self.assertRaisesRegex(ValueError, "kind: None found"):
            dkvb.Encoder()


if __name__ == "__main__":
    if "png" not in dkvb.image_codecs():
        print("this build reads no PNG files")
        sys.exit(77)
    unittest.main()

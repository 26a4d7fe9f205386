"""Tests of receipts from Python: they have the bytes and the check results of the tool, keys are objects, failures are
exceptions.

    test_receipt.py DKVB
"""
import hashlib
import json
import os
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

TOOL = sys.argv.pop(1)
os.environ["SOURCE_DATE_EPOCH"] = "0"


class WrongSignature(Exception):
    pass


class Key:
    """A stand-in for a key pair of signatures, made of hashes."""

    def __init__(self, secret):
        self.secret = secret

    def public_key(self):
        return self

    def public_bytes_raw(self):
        return hashlib.sha256(self.secret).digest()

    def sign(self, message):
        return hashlib.sha512(self.secret + message).digest()

    def verify(self, signature, message):
        if signature != self.sign(message):
            raise WrongSignature


class Receipts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.home = tempfile.TemporaryDirectory()
        os.chdir(cls.home.name)
        random = np.random.default_rng(0)
        y = np.arange(600, dtype=np.int32) % 3
        x = (random.normal(size=(3, 16))[y] * 2 + random.normal(size=(600, 16))).astype(np.float32)
        model, codeset, _ = dkvb.fit(x, y, codeset=True, seed=1, codebooks=16, keys=64, key_dim=8, epochs=2)
        model.save("before.dkvb")
        model.apply(model.plan_forget(classes=[1], codeset=codeset, salt=bytes(range(32))), codeset)
        model.save("m.dkvb")
        codeset.save("m.codes")
        cls.files = {"codes": "m.codes", "before": Path("before.dkvb")}

    @classmethod
    def tearDownClass(cls):
        os.chdir("/")
        cls.home.cleanup()

    def test_python_and_the_tool_write_the_same_bytes(self):
        dkvb.receipt.write("python.json", "m.dkvb", command="ü", bom="python-bom.json", **self.files)
        subprocess.run([TOOL, "receipt", "m.dkvb", "--codes", "m.codes", "--before", "before.dkvb", "--command", "ü",
                        "--bom", "tool-bom.json", "-o", "tool.json"], check=True, stdout=subprocess.DEVNULL)
        for name in ("", "-bom"):
            self.assertEqual(Path(f"python{name}.json").read_bytes(), Path(f"tool{name}.json").read_bytes())

    def test_python_and_the_tool_say_the_same_sentences(self):
        dkvb.receipt.write("r.json", "m.dkvb", **self.files)
        done = subprocess.run([TOOL, "verify", "m.dkvb", "--codes", "m.codes", "--receipt", "r.json", "--json"], check=True,
                              capture_output=True, text=True)
        found = dkvb.receipt.verify("r.json", "m.dkvb", codes="m.codes")
        self.assertTrue(found)
        self.assertEqual([{"outcome": s.outcome, "about": s.about, "sentence": s.text} for s in found.sentences],
                         json.loads(done.stdout)["sentences"])

    def test_another_file_differs_and_is_named(self):
        dkvb.receipt.write("r.json", "m.dkvb", **self.files)
        found = dkvb.receipt.verify("r.json", "before.dkvb", codes="m.codes")
        self.assertFalse(found)
        self.assertEqual([s.about for s in found.sentences if s.outcome == "differs"][0], "model")

    def test_a_signature_is_checked_by_the_key_that_is_given(self):
        dkvb.receipt.write("s.json", "m.dkvb", key=Key(b"a"))
        self.assertTrue(dkvb.receipt.verify("s.json", "m.dkvb", key=Key(b"a")))
        self.assertFalse(dkvb.receipt.verify("s.json", "m.dkvb", key=Key(b"b")))
        kind = {s.about: s.outcome for s in dkvb.receipt.verify("s.json", "m.dkvb").sentences}
        self.assertEqual(kind["signature"], "not checked")

    def test_keys_of_cryptography_sign(self):
        try:
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        except ImportError:
            self.skipTest("cryptography is not installed")
        key = Ed25519PrivateKey.from_private_bytes(bytes(32))
        dkvb.receipt.write("s.json", "m.dkvb", key=key)
        self.assertTrue(dkvb.receipt.verify("s.json", "m.dkvb", key=key.public_key()))

    def test_an_exception_of_a_key_reaches_the_caller(self):
        class Broken(Key):
            def sign(self, message):
                raise WrongSignature

        with self.assertRaises(WrongSignature):
            dkvb.receipt.write("broken.json", "m.dkvb", key=Broken(b"a"))
        self.assertFalse(Path("broken.json").exists())

    def test_ids_of_the_forgotten_rows_are_found(self):
        with tempfile.TemporaryDirectory() as folder:
            model = dkvb.Model.load("before.dkvb")
            ids = np.arange(5, 40, 5, dtype=np.uint64)
            model.forget(model.mask, rows=ids)
            model.save(Path(folder, "rows.dkvb"))
            dkvb.receipt.write("rows.json", Path(folder, "rows.dkvb"))
            for asked, outcome in ((ids, "checked"), (ids[1:], "differs")):
                found = dkvb.receipt.verify("rows.json", Path(folder, "rows.dkvb"), ids=asked)
                self.assertEqual({s.about: s.outcome for s in found.sentences}["rows"], outcome)

    def test_what_is_no_receipt_raises(self):
        Path("no.json").write_text("{}")
        with self.assertRaises(dkvb.FormatError):
            dkvb.receipt.verify("no.json", "m.dkvb")


if __name__ == "__main__":
    unittest.main()

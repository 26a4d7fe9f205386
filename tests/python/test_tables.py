"""Tests of tables: files written by numpy, csv or as by pandas are read back bit for bit; other files are refused with
their name."""
import csv
import io
import random
import struct
import sys
import tempfile
import unittest
import zipfile
from fractions import Fraction
from pathlib import Path

try:
    import numpy as np
except ImportError:
    print("skipped: numpy is not installed")
    sys.exit(77)
import dkvb

NAMES = ["cat", "dog", 'ärger, "x" and more', "7"]


def nearest_float(text):
    """Returns the float32 nearest to a decimal number, ties to even, by exact arithmetic; infinity beyond the largest
    float."""
    exact = Fraction(text)
    most = np.finfo(np.float32).max
    guess = np.float32(min(max(float(exact), -float(most)), float(most))) if abs(exact) < 10 ** 300 else most
    near = [np.nextafter(guess, np.float32(-np.inf)), guess, np.nextafter(guess, np.float32(np.inf))]
    finite = [x for x in near if np.isfinite(x)]
    limit = Fraction(2) ** 128 - Fraction(2) ** 103  # from this number on, the nearest float32 is infinite
    if abs(exact) >= limit:
        return np.float32(np.inf)
    return min(finite, key=lambda x: (abs(Fraction(float(x)) - exact), int(x.view(np.uint32)) & 1))


class Tables(unittest.TestCase):
    def setUp(self):
        self._folder = tempfile.TemporaryDirectory()
        self.folder = Path(self._folder.name)
        self.random = np.random.default_rng(0)
        self.x = self.random.normal(size=(120, 5)).astype(np.float32)
        self.labels = [NAMES[i] for i in self.random.integers(0, 4, 120)]
        self.people = [f"u{i // 10}" for i in range(120)]

    def tearDown(self):
        self._folder.cleanup()

    def put(self, content, name="t.csv"):
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    def write(self, name="t.csv", names=tuple("abcde"), order=None, **form):
        """Writes the rows as a table with columns of labels, ids and groups between the features."""
        text = io.StringIO()
        out = csv.writer(text, **form)
        order = list(range(5)) if order is None else order
        out.writerow([*(names[i] for i in order), "label", "id", "who"])
        for i, row in enumerate(self.x):
            out.writerow([*(repr(float(row[j])) for j in order), self.labels[i], 1000 + i, self.people[i]])
        return self.put(text.getvalue(), name)

    def read(self, path, **options):
        return dkvb.read_table(path, label_column="label", id_column="id", group_column="who", **options)

    def refused(self, content, *said, error=dkvb.FormatError, **options):
        with self.assertRaises(error) as caught:
            dkvb.read_table(self.put(content), **options)
        for text in said:
            self.assertIn(text, str(caught.exception))

    def test_every_way_to_write_a_table_reads_as_the_same_rows(self):
        forms = [{}, {"delimiter": "\t"}, {"delimiter": ";"}, {"lineterminator": "\n"}, {"lineterminator": "\r"},
                 {"quoting": csv.QUOTE_ALL}]
        for form in forms:
            table = self.read(self.write(**form))
            np.testing.assert_array_equal(table.x, self.x)
            self.assertEqual(table.column_names, list("abcde"))
            self.assertEqual(table.label_names, sorted(set(self.labels), key=lambda name: name.encode()))
            self.assertEqual([table.label_names[i] for i in table.labels], self.labels)
            np.testing.assert_array_equal(table.ids, np.arange(1000, 1120))
            self.assertEqual(len(set(table.groups)), 12)
            self.assertTrue(all(len(set(table.groups[i:i + 10])) == 1 for i in range(0, 120, 10)))
        marked = b"\xef\xbb\xbf" + self.write().read_bytes() + b"\r\n\r\n"
        np.testing.assert_array_equal(self.read(self.put(marked)).x, self.x)

    def test_columns_are_matched_by_name_whatever_their_order(self):
        table = self.read(self.write(order=[4, 2, 0, 1, 3]), columns=list("abcde"))
        np.testing.assert_array_equal(table.x, self.x)
        table = self.read(self.write(), columns=["e", "#1"])
        np.testing.assert_array_equal(table.x, self.x[:, [4, 0]])
        self.refused("a,b\n1,2\n", "no column is called 'q'", "a, b", error=dkvb.MismatchError, columns=["a", "q"])
        self.refused("1,2\n3,4\n", "no column is called 'a'", error=dkvb.MismatchError, columns=["a", "b"])

    def test_rows_of_one_group_are_kept_and_groups_have_one_number_everywhere(self):
        whole = self.read(self.write())
        table = self.read(self.write(), group="u3")
        np.testing.assert_array_equal(table.x, self.x[30:40])
        np.testing.assert_array_equal(table.groups, whole.groups[30:40])
        ids = dkvb.read_table(self.write(), what="ids", group_column="who", group="u3").ids
        np.testing.assert_array_equal(ids, np.arange(30, 40))
        with self.assertRaises(dkvb.NotFound):
            self.read(self.write(), group="nobody")

    def test_numbers_are_rounded_once(self):
        rng, texts = random.Random(1), []
        for _ in range(20000):
            kind = rng.randrange(4)
            digits = "".join(rng.choice("0123456789") for _ in range(rng.randrange(1, 25)))
            if kind == 0:
                texts.append(f"{rng.choice(['', '-', '+'])}{digits}e{rng.randrange(-60, 30)}")
            elif kind == 1:
                texts.append(f"{rng.choice(['', '-'])}{digits[:3]}.{digits}")
            else:  # numbers halfway between two floats, and close to halfway
                bits = rng.randrange(0x7F7FFFFF)
                low, high = (Fraction(float(np.uint32(b).view(np.float32))) for b in (bits, bits + 1))
                half = (low + high) / 2
                power = half.denominator.bit_length() - 1
                text = str(half.numerator * 5 ** power)
                texts.append(f"{text}e{-power}" if kind == 2 else f"{text}.{rng.choice(['0', '00', '']) }1e{-power}")
        wanted = [nearest_float(t) for t in texts]
        usable = [(t, w) for t, w in zip(texts, wanted) if np.isfinite(w)]
        found = dkvb.read_table(self.put("n\n" + "\n".join(t for t, _ in usable) + "\n")).x[:, 0]
        for (text, want), got in zip(usable, found):
            self.assertEqual(got.view(np.uint32) & 0x7FFFFFFF, want.view(np.uint32) & 0x7FFFFFFF, text)
            self.assertEqual(float(got), float(want), text)
        self.refused("n\n1\n3.5e38\n", "line 3", "3.5e38")

    def test_the_first_line_holds_names_when_it_says_so(self):
        for text, names, rows in (("a,b\n1,2\n", ["a", "b"], 1), ("1,2\n3,4\n", None, 2), ("0,1,2\n5,6,7\n", list("012"), 1),
                                  (",a,b\n0,1,2\n1,3,4\n", ["a", "b"], 2), ("0,1\n1,0\n", None, 2), ("ID3,b\n1,2\n", ["ID3", "b"], 1)):
            table = dkvb.read_table(self.put(text))
            self.assertEqual((table.column_names, len(table.x)), (names, rows), text)
        self.assertEqual(len(dkvb.read_table(self.put("0,1\n1,0\n"), header=True).x), 1)
        self.assertEqual(len(dkvb.read_table(self.put("0,1,2\n1,0,2\n"), header=False).x), 2)
        table = dkvb.read_table(self.put("1,2,cat\n3,4,dog\n"), label_column="3")
        self.assertEqual((table.column_names, table.label_names), (["#1", "#2"], ["cat", "dog"]))

    def test_labels_are_numbers_or_names(self):
        def labels(text, **options):
            table = dkvb.read_table(self.put(text), what="labels", **options)
            return table.labels.tolist(), table.label_names

        self.assertEqual(labels("2\n\n-1\n0\n\n"), ([2, -1, -1, 0], None))
        self.assertEqual(labels("1.0\n0.0\n"), ([1, 0], None))
        self.assertEqual(labels("2.000000000000000000e+00\n-1.000000000000000000e+00\n2e3\n"), ([2, -1, 2000], None))
        self.assertEqual(labels("b\na\nb\n"), ([1, 0, 1], ["a", "b"]))
        self.assertEqual(labels("label\n3\n"), ([3], None))
        self.assertEqual(labels("Rock, paper\nJazz\n"), ([1, 0], ["Jazz", "Rock, paper"]))
        self.assertEqual(labels("dog\n1\nzoo\nape\n", label_names=["cat", "dog"]), ([1, 1, 3, 2], ["cat", "dog", "ape", "zoo"]))
        self.assertEqual(labels("1\n0\n", label_names=["1", "x"]), ([0, 0], ["1", "x"]))
        self.assertEqual(labels("b\n", label_names=["", "b"]), ([1], ["", "b"]))
        self.refused("0.5\n1.5\n", "with a fraction", what="labels")
        self.refused("a,b\n1,2\n", "2 columns", "labels must be named", what="labels")

    def test_ids_are_numbers_or_names_and_each_is_there_once(self):
        self.assertEqual(dkvb.read_table(self.put("p1\np2\n"), what="ids").ids, ["p1", "p2"])
        self.assertEqual(dkvb.read_table(self.put("18446744073709551615\n3\n"), what="ids").ids.tolist(), [2 ** 64 - 1, 3])
        self.assertEqual(dkvb.read_table(self.put("007\n7\n"), what="ids").ids, ["007", "7"])
        self.refused("2\n2.0\n", "rows 0 and 1 both have id 2", what="ids")
        self.refused("id,a\n1,2\n1,3\n", "line 3", "'1'", "row 0", id_column="id")
        self.refused("p1\n\np2\n", "row 1 has no id", what="ids")

    def test_what_is_no_table_is_refused_with_line_and_column(self):
        self.refused("a,b\n1,2\n3\n", "line 3 has 1 fields", "line 1 has 2")
        self.refused("a,b\n1,2\n3,4,5\n", "line 3 has 3 fields")
        self.refused("a,b\n1,2\n3,\n", "line 3", "column 2 ('b') is empty")
        self.refused("a,b\n1,2\n3,Berlin\n", "line 3", "column 2 ('b')", "'Berlin'")
        self.refused("a;b\n1,5;2\n", "line 2", "'1,5'", "decimal point")
        for text in ("nan", "inf", "1e99", "0x1p3", "1_0", "1 2"):
            self.refused(f"a,b\n1,{text}\n", "line 2", f"'{text}'")
        self.refused("a,a\n1,2\n", "two columns are called 'a'")
        self.refused('a,b\n1,"2\n', "line 2", "never closed")
        self.refused('a,b\n1,"2"3\n', "line 2", "behind the quote")
        self.refused("a,b\n1," + "9" * 70000 + "\n", "65535")
        self.refused(b"a,b\n1,2" + b"\n1,2" * 400 + b"\0\n", "zero byte")
        self.refused(b"caf\xe9,b\n1,2\n", "column 1", "UTF-8")
        self.refused("a,b\n1,2\n".encode("utf-16"), "UTF-16")
        self.refused("", "is empty")
        self.refused('{"a": 1}', "JSON")
        self.refused("a,b\n1,2\n", "no column is called 'c'", error=dkvb.MismatchError, label_column="c")

    def test_a_field_may_lie_across_the_edge_of_the_buffer(self):
        for name in ('quo""te', "täxt", "plain"):  # column names as they are written between quotes in the file
            for shift in range(-14, 3):
                fill = "1,z\r\n" * ((1 << 20) // 5 - 8)
                pad = "2," + "p" * ((1 << 20) + shift - len(fill) - len("n,label\r\n") - 4) + "\r\n"
                text = "n,label\r\n" + fill + pad + f'3,"{name}"\r\n4,end\r\n'
                table = dkvb.read_table(self.put(text), label_column="label")
                self.assertEqual(table.label_names[table.labels[-2]], name.replace('""', '"'))
                self.assertEqual(table.label_names[table.labels[-1]], "end")

    def test_arrays_of_an_archive_are_read_by_name(self):
        path = self.folder / "rows.npz"
        for save in (np.savez, np.savez_compressed):
            save(path, x=self.x, y=np.array(self.labels))
            np.testing.assert_array_equal(dkvb.read_table(f"{path}:x").x, self.x)
            np.testing.assert_array_equal(dkvb.read_features(f"{path}:x"), self.x)
            table = dkvb.read_table(f"{path}:y", what="labels")
            self.assertEqual([table.label_names[i] for i in table.labels], self.labels)
            for name in (str(path), f"{path}:q"):
                with self.assertRaisesRegex(dkvb.NotFound, "arrays .*x, y"):
                    dkvb.read_table(name)
        for dtype in ("<U30", ">U30", "S40"):
            texts = np.array([t.encode("utf-8") for t in self.labels]) if dtype[0] == "S" else np.array(self.labels)
            np.save(self.folder / "y.npy", texts.astype(dtype))
            table = dkvb.read_table(self.folder / "y.npy", what="labels")
            self.assertEqual([table.label_names[i] for i in table.labels], self.labels)

    def test_the_file_of_a_path_is_the_archive_unless_a_file_has_that_name(self):
        from dkvb.table import file_of

        self.assertEqual(file_of(self.folder / "a.npz:x"), str(self.folder / "a.npz"))
        self.assertEqual(file_of("a.npz"), "a.npz")
        odd = self.put("a\n1\n", "odd.npz:x")
        self.assertEqual(file_of(odd), str(odd))
        np.testing.assert_array_equal(dkvb.read_table(odd).x, [[1]])

    def test_a_damaged_archive_is_refused_or_reads_as_the_same_array(self):
        path = self.folder / "one.npz"
        np.savez_compressed(path, x=self.x[:4])
        whole = path.read_bytes()
        for size in range(3, len(whole)):  # a file of only "PK" is a column name
            path.write_bytes(whole[:size])
            with self.assertRaises(dkvb.Error):
                dkvb.read_table(path)
        for at in range(len(whole)):
            for bit in (1, 16, 128):
                path.write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1:])
                try:
                    found = dkvb.read_table(path)
                except dkvb.Error:
                    continue
                np.testing.assert_array_equal(found.x, self.x[:4])

    def test_a_small_archive_that_promises_much_gets_no_memory(self):
        path = self.folder / "bomb.npz"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
            out.writestr("x.npy", b"\x93NUMPY\1\0" + struct.pack("<H", 118) + b"{'descr': '<f4', 'fortran_order': False, 'shape': (4, 5), }".ljust(117) + b"\n" + bytes(80))
        whole = path.read_bytes()
        at = whole.rindex(b"PK\1\2") + 24
        path.write_bytes(whole[:at] + struct.pack("<I", 1 << 31) + whole[at + 4:])
        with self.assertRaises(dkvb.FormatError):
            dkvb.read_table(path)

    def test_a_long_reading_can_be_cancelled(self):
        path = self.put("a\n" + "1\n" * 50000)
        heard = []

        def stop(done, total):
            heard.append((done, total))
            if len(heard) == 3:
                raise RuntimeError("enough")

        with self.assertRaisesRegex(RuntimeError, "enough"):
            dkvb.read_table(path, progress=stop)
        self.assertTrue(all(done <= total for done, total in heard))


if __name__ == "__main__":
    unittest.main()

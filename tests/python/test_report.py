"""Tests of the page of `dkvb report`: its seven figures, correct statements, hostile names, and no references to the
network.

    python3 test_report.py [DKVB]         DKVB is the tool, whose options are compared with those of the Python module
"""

import contextlib
import io
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import unittest
from html.parser import HTMLParser
from pathlib import Path

try:
    import matplotlib
    import numpy as np
    import scipy  # noqa: F401
    import sklearn  # noqa: F401
except ImportError as error:
    print(f"skipped: the report needs matplotlib and scikit-learn: {error}")
    sys.exit(77)

import dkvb
from dkvb import report
from dkvb.report import __main__ as command
from dkvb.report import findings, inputs, page, stats, text

TOOL = sys.argv.pop(1) if len(sys.argv) > 1 and os.access(sys.argv[1], os.X_OK) else None
HOSTILE = ["<script>alert(1)</script>", 'b"&\'<img src=http://example.org/x>', "$\\frac{a}{", "d\u202eevil"]
REASON = "</style></title><script>fetch('http://example.org')</script> & \"17\""
FIGURES = ["accuracy", "losses", "membership", "budget", "calibration", "map", "overlap"]


class Page(HTMLParser):
    """The contents of a page: its tags with their attributes, and the titles of its figures."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.titles, self.inside = [], {}, None
        self.feed(source)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        self.inside = attributes.get("id") if tag == "title" else None

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside:
            self.titles[self.inside] = self.titles.get(self.inside, "") + data


def plain(source):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", source))


class Report(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="dkvb-report-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        rng = np.random.default_rng(3)
        middles = rng.normal(size=(4, 16))
        labels = rng.integers(0, 4, 900).astype(np.int32)
        x = (middles[labels] + rng.normal(scale=1.1, size=(900, 16))).astype(np.float32)
        cls.x, cls.y = x[:600], labels[:600]
        dkvb.write_npy(cls.at("x.npy"), cls.x)
        dkvb.write_npy(cls.at("y.npy"), cls.y)
        dkvb.write_npy(cls.at("tx.npy"), x[600:])
        dkvb.write_npy(cls.at("ty.npy"), labels[600:])
        model, codeset, _ = dkvb.fit(cls.x, cls.y, codeset=True, seed=1, codebooks=16, keys=64, key_dim=6, top_k=2,
                                     threads=1)
        model.class_names = HOSTILE
        model.save(cls.at("before.dkvb"))
        codeset.save(cls.at("m.codes"))
        plan = model.plan_forget(classes=[0], codeset=codeset, reason=REASON, force=True, salt=bytes(32), threads=1)
        model.apply(plan, codeset)
        model.save(cls.at("forgot.dkvb"))
        exact, again = dkvb.Model.load(cls.at("before.dkvb")), dkvb.Codeset.load(cls.at("m.codes"))
        plan = exact.plan_forget(classes=[0], codeset=again, strength="exact", keys="keep", force=True, threads=1)
        exact.apply(plan, again)
        exact.save(cls.at("exact.dkvb"))
        cls.all = {"before": cls.at("before.dkvb"), "codes": cls.at("m.codes"), "test_features": cls.at("tx.npy"),
                   "test_labels": cls.at("ty.npy"), "features": cls.at("x.npy"), "labels": cls.at("y.npy")}
        cls.source = report.html(cls.at("forgot.dkvb"), **cls.all)

    @classmethod
    def at(cls, name):
        return str(cls.folder / name)

    def test_seven_figures_have_their_words(self):
        found = Page(self.source)
        self.assertEqual(list(found.titles), [f"{name}-alt" for name in FIGURES])
        for name, words in found.titles.items():
            self.assertGreater(len(words), 30, name)
        pictures = [attributes for tag, attributes in found.tags if tag == "svg"]
        self.assertEqual([one["aria-labelledby"] for one in pictures], list(found.titles))
        self.assertTrue(all(one["role"] == "img" for one in pictures))

    def test_ids_are_each_used_once(self):
        ids = [attributes["id"] for _tag, attributes in Page(self.source).tags if "id" in attributes]
        self.assertEqual(len(ids), len(set(ids)))
        for used in re.findall(r'(?:xlink:href="|href="|url\()#([^")]*)', self.source):
            self.assertIn(used, ids)

    def test_figures_have_colours_of_the_page_only(self):
        for svg in re.findall(r"<svg.*?</svg>", self.source, re.S):
            self.assertEqual(set(re.findall(r"#[0-9a-fA-F]{6}\b", svg)), set())
            self.assertIn("var(--ink)", svg)

    def test_hostile_text_stays_text(self):
        found = Page(self.source)
        self.assertEqual([tag for tag, _ in found.tags if tag in ("script", "img", "iframe", "object", "base", "form")], [])
        self.assertEqual([name for _tag, attributes in found.tags for name in attributes if name.startswith("on")], [])
        for hidden in ("\u202e", "\x00"):
            self.assertNotIn(hidden, self.source)
        self.assertIn("&lt;script&gt;alert(1)&lt;/script&gt;", self.source)
        self.assertIn(text.html(REASON), self.source)
        self.assertIn("\\u202e", self.source)
        self.assertEqual(text.visible("a\u2067b\ud800"), "a\\u2067b\\ud800")

    def test_nothing_is_asked_of_the_net(self):
        for _tag, attributes in Page(self.source).tags:
            for name in ("href", "src", "xlink:href", "action", "data", "srcset"):
                if name in attributes:
                    self.assertRegex(attributes[name], r"^(#|data:)")
        self.assertNotRegex(self.source, r"@import|url\((?!#)")

    def test_same_inputs_give_the_same_bytes(self):
        with matplotlib.rc_context({"font.size": 20, "svg.hashsalt": None, "axes.grid": False}):  # a matplotlibrc
            self.assertEqual(report.html(self.at("forgot.dkvb"), **self.all), self.source)

    def test_what_has_no_input_is_left_out_with_a_sentence(self):
        source = report.html(self.at("forgot.dkvb"))
        self.assertEqual(Page(source).titles, {})
        self.assertEqual(source.count('<p class="left-out">Left out. '), 8)
        self.assertIn("fe", source)
        # Without the model before, the report undoes the masking in a copy of the model.
        source = report.html(self.at("forgot.dkvb"), codes=self.at("m.codes"), features=self.at("x.npy"),
                             labels=self.at("y.npy"))
        self.assertEqual(list(Page(source).titles), [f"{name}-alt" for name in FIGURES])
        # Exact forgetting cannot be undone, so the report lacks the model before.
        source = plain(report.html(self.at("exact.dkvb"), codes=self.at("m.codes")))
        self.assertIn("the model from before must be given (--before)", source)

    def test_suppress_and_exact_promise_what_they_do(self):
        suppressed, exact = plain(self.source), plain(report.html(self.at("exact.dkvb"), before=self.at("before.dkvb")))
        self.assertIn("The values behind the mask remain in the file until a purge", suppressed)
        self.assertNotIn("What the rows taught the values is deleted", suppressed)
        self.assertIn("What the rows taught the values is deleted", exact)
        self.assertIn("The keys stayed where they are", exact)
        self.assertNotIn("The values behind the mask", exact)
        purged = dkvb.Model.load(self.at("forgot.dkvb"))
        purged.purge()
        purged.save(self.at("purged.dkvb"))
        words = plain(report.html(self.at("purged.dkvb"), before=self.at("before.dkvb")))
        self.assertIn("What the rows taught other values is still there", words)
        self.assertNotIn("is deleted", words)

    def test_areas_are_those_of_the_audit(self):
        after, before = dkvb.Model.load(self.at("forgot.dkvb")), dkvb.Model.load(self.at("before.dkvb"))
        test_x, test_y = dkvb.read_features(self.at("tx.npy")), dkvb.read_labels(self.at("ty.npy"))
        audit = after.audit(self.x, self.y, test_x, test_y, classes=[0], before=before, threads=1,
                            codeset=dkvb.Codeset.load(self.at("m.codes")), shadows=0, rmia_models=0)
        found = findings._membership(inputs.load(self.at("forgot.dkvb"), **self.all))
        for mine, theirs in (("after", "model"), ("before", "before"), ("retrained", "retrained")):
            figure, area = audit[theirs]["membership_loss"], found.curves[mine][2]
            for member in ("value", "low", "high"):
                self.assertAlmostEqual(getattr(area, member), getattr(figure, member), 9, (mine, member))
        accuracy = audit["model"]["accuracy_class"]
        mine = stats.share(round(accuracy.value * audit.class_rows), audit.class_rows)
        self.assertAlmostEqual(mine.low, accuracy.low, 9)

    def test_codes_of_another_model_are_refused(self):
        for keep in ("codes", "features"):
            _, codeset, _ = dkvb.fit(self.x, self.y, codeset=True, seed=2, codebooks=16, keys=64, key_dim=6, top_k=2,
                                     keep=keep, threads=1)
            codeset.save(self.at("other.codes"))
            with self.assertRaisesRegex(ValueError, "other.codes: codes of other codebooks than .*forgot.dkvb has"):
                report.html(self.at("forgot.dkvb"), codes=self.at("other.codes"))

    def test_codes_under_a_mask_are_those_of_a_search(self):
        model = dkvb.Model.load(self.at("forgot.dkvb"))
        with model.codebooks as codebooks:
            deep = codebooks.search(self.x, 64)
        self.assertTrue(np.array_equal(findings.under_mask(deep, model.mask.to_array(), 2), model.search(self.x)))

    def test_names_without_a_name_are_numbers(self):
        with dkvb.Model.load(self.at("before.dkvb")).codebooks as codebooks:
            model = dkvb.Model(codebooks, 3)
        model.class_names = ["a"]
        self.assertEqual(page.class_names(model), ["a", "class 1", "class 2"])

    def test_a_page_is_written_whole_or_not_at_all(self):
        target = self.folder / "page.html"
        target.write_text("old")
        os.chmod(self.at("forgot.dkvb"), 0o600)
        report.write(target, self.at("forgot.dkvb"))
        self.assertEqual(target.stat().st_mode & 0o777, 0o600)  # the page may be read by no more users than its inputs
        os.chmod(self.at("forgot.dkvb"), 0o644)
        with self.assertRaises(dkvb.Error):
            report.write(target, self.at("m.codes"))
        self.assertTrue(target.read_text().startswith("<!DOCTYPE html>"))
        self.assertEqual(list(self.folder.glob("page.html.*")), [])

    def run_command(self, *words):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = command.main(list(words))
        return code, out.getvalue(), err.getvalue()

    def test_a_full_disk_is_told_with_the_name_of_the_page(self):
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        page_html = report.html(self.at("forgot.dkvb"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(page_html) // 2, limits[1]))
        try:
            code, printed, err = self.run_command(self.at("forgot.dkvb"), "-o", self.at("full.html"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        self.assertEqual((code, printed), (1, ""))
        self.assertTrue(err.startswith(f"dkvb: {self.at('full.html')}: cannot write: "), err)
        self.assertEqual(list(self.folder.glob("full.html*")), [])

    def test_a_failure_is_one_sentence(self):
        model, out = self.at("forgot.dkvb"), self.at("o.html")
        np.save(self.at("nobody.npy"), np.zeros(0, np.int64))
        for code, words, said in (
                (1, (self.at("none.dkvb"), "-o", out), "none.dkvb"),
                (1, (model, "-o", self.at("nowhere/o.html")), "cannot be written"),
                (2, (model, "-o", model), "is an input too"),
                (1, (model, "-o", out, "--test-features", self.at("tx.npy")), "--test-labels"),
                (1, (model, "-o", out, "--class", "nobody"), "nobody"),
                (1, (model, "-o", out, "--rows", self.at("nobody.npy")), "nobody.npy: no id found"),
                (1, (model, "-o", out, "--test-features", self.at("tx.npy"), "--test-labels", self.at("y.npy")),
                 "600 labels found")):
            got, printed, err = self.run_command(*words)
            self.assertEqual((got, printed, err.count("\n")), (code, "", 1), err)
            self.assertTrue(err.startswith("dkvb: "), err)
            self.assertIn(said, err)

    def test_the_command_has_the_options_of_the_module(self):
        if not TOOL:
            self.skipTest("no command was given")
        shown = subprocess.run([TOOL, "help", "report"], capture_output=True, text=True, check=True).stdout
        theirs = dict(re.findall(r"^  (?:-[a-z], )?(--[a-z-]+)(?: (\S+))?", shown, re.M))
        theirs.pop("--help")
        mine = {one.option_strings[-1]: one.metavar or "" for one in command.parser()._actions
                if one.option_strings and one.dest != "help"}
        self.assertEqual(mine, theirs)

    def test_the_command_says_what_is_missing(self):
        if not TOOL:
            self.skipTest("no command was given")
        words = [TOOL, "report", self.at("forgot.dkvb"), "-o", self.at("tool.html"), "--title", "-x <b>"]
        here = {**os.environ, "DKVB_PYTHON": sys.executable}
        done = subprocess.run(words, env=here, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("<h1>-x &lt;b&gt;</h1>", Path(self.at("tool.html")).read_text(encoding="utf-8"))
        empty = self.folder / "empty"
        (empty / "dkvb").mkdir(parents=True)
        (empty / "dkvb" / "__init__.py").write_text("raise SystemExit('a file of the folder was run')")
        without = {name: value for name, value in here.items() if name != "PYTHONPATH"}
        done = subprocess.run([*words[:2], "../forgot.dkvb", "-o", "o.html"], env=without, cwd=empty, capture_output=True,
                              text=True)
        if done.returncode:  # if the command succeeds, the package is installed on this machine
            self.assertIn("cannot load the package dkvb", done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1)
        done = subprocess.run(words, env={**here, "DKVB_PYTHON": "/nowhere/python3"}, capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("'/nowhere/python3' cannot be run", done.stderr)
        (self.folder / "bare").mkdir()
        (self.folder / "bare" / "matplotlib.py").write_text("raise ImportError('it is not here')")
        done = subprocess.run(words, env={**here, "PYTHONPATH": f"{self.folder}/bare:{here['PYTHONPATH']}"},
                              capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (1, 1))
        self.assertIn("need matplotlib", done.stderr)

    def browse(self, source):
        """Opens a page in Chromium, and returns the document, the console lines, and the addresses that the page
        requested. Requests of the browser itself are left out: they do not have the page as origin."""
        browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        if not browser:
            self.skipTest("Chromium is not installed")
        target, log = self.folder / "chromium.html", self.folder / "net.json"
        target.write_text(source, encoding="utf-8")
        done = subprocess.run(
            [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
             "--disable-component-update", "--disable-sync", "--disable-default-apps", "--disable-dev-shm-usage",
             "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={self.folder}/profile", "--enable-logging=stderr",
             f"--log-net-log={log}", "--dump-dom", target.as_uri()],
            capture_output=True, text=True, timeout=150, env={**os.environ, "HOME": str(self.folder)})
        self.assertEqual(done.returncode, 0, done.stderr)
        asked = [event["params"] for event in json.loads(log.read_text())["events"] if "url" in event.get("params", {})]
        urls = {one["url"] for one in asked if one.get("initiator", "not an origin") != "not an origin"
                and not re.match("(file|data|about|chrome):", one["url"])}
        return done.stdout, re.findall(r".*:CONSOLE.*", done.stderr), urls

    def test_chromium_shows_it_without_an_error_or_a_request(self):
        document, console, urls = self.browse(self.source)
        self.assertEqual((console, urls), ([], set()))
        self.assertEqual(document.count("<svg"), 7)
        self.assertTrue(document.rstrip().endswith("</html>"))

    def test_chromium_would_tell_of_an_error_and_a_request(self):
        _document, console, urls = self.browse("<img src=http://example.org/x.png><script>nothing()</script>")
        self.assertEqual(urls, {"http://example.org/x.png"})
        self.assertIn("nothing is not defined", "".join(console))


if __name__ == "__main__":
    unittest.main()

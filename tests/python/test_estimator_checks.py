"""Runs scikit-learn's own checks of estimators (sklearn.utils.estimator_checks) on DKVBClassifier.

    DKVB_LIBRARY=…/libdkvb.so PYTHONPATH=bindings/python python3 tests/python/test_estimator_checks.py
"""

import sys
import unittest
import warnings

try:
    from sklearn.utils.estimator_checks import check_estimator
except ImportError:
    print("skipped: scikit-learn is not installed (Debian: python3-sklearn)")
    sys.exit(77)

from dkvb import DKVBClassifier

FEWEST = 40  # least number of checks that must have run; scikit-learn 1.2 has 51 for a classifier


class Checks(unittest.TestCase):
    def check(self, estimator):
        passed, failed = 0, []
        for one, check in check_estimator(estimator, generate_only=True):
            name = getattr(check, "func", check).__name__
            with self.subTest(name), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    check(one)
                    passed += 1
                except unittest.SkipTest as reason:  # a check is skipped if a module such as pandas is missing
                    failed.append(f"{name}: {reason}")
        self.assertGreaterEqual(passed, FEWEST)
        print(f"{passed} checks passed; not made: {', '.join(failed) or 'none'}")

    def test_all_checks_pass_with_codes_and_without(self):
        self.check(DKVBClassifier())
        self.check(DKVBClassifier(keep_codes=False))

    def test_no_check_is_expected_to_fail(self):
        self.assertNotIn("_xfail_checks", DKVBClassifier()._more_tags())


if __name__ == "__main__":
    unittest.main()

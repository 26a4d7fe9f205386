"""The functions that pip calls to build a wheel. The functions run setup.py with the user's installed setuptools, if
there is one, as pip's isolated environment would hide that setuptools."""
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

WANTED = ["setuptools>=59", "wheel"]


def _environment():
    """Returns the environment of the user, as pip hides installed packages, setuptools included."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONNOUSERSITE")}


def _has_setuptools():
    found = subprocess.run([sys.executable, "-c", "import setuptools, wheel"], env=_environment(), check=False,
                           capture_output=True)
    return found.returncode == 0


def get_requires_for_build_wheel(config_settings=None):
    return [] if _has_setuptools() else WANTED


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    here = Path(__file__).resolve().parent
    before = set(Path(wheel_directory).glob("*.whl"))
    environment = None if importlib.util.find_spec("setuptools") else _environment()
    # builds in a temporary folder, so that no build files stay in the checkout
    with tempfile.TemporaryDirectory() as work:
        subprocess.run([sys.executable, "setup.py", "--quiet", "egg_info", "--egg-base", work, "build", "--build-base",
                        work, "bdist_wheel", "--bdist-dir", f"{work}/wheel", "--dist-dir", wheel_directory], cwd=here,
                       env=environment, check=True)
    (made,) = set(Path(wheel_directory).glob("*.whl")) - before
    return made.name


def get_requires_for_build_sdist(config_settings=None):
    return []


def build_sdist(sdist_directory, config_settings=None):
    raise RuntimeError("dkvb: the package is built from a checkout of libdkvb, whose sources are not in an sdist")

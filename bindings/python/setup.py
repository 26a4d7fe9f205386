"""Builds a wheel that carries libdkvb, by CMake from the checkout around this folder, with the libraries that it needs.

The wheel is for every Python 3.9 or later, and for systems whose glibc is as new as the newest symbol that is used. The
wheel contains neither OpenBLAS nor libdkvb-reference, which needs OpenBLAS; install both from the system's packages.
"""
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.dist import Distribution
from wheel.bdist_wheel import bdist_wheel

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# Libraries that every glibc system has, and that the wheel therefore leaves out.
SYSTEM = re.compile(r"^(linux-vdso|ld-linux.*|libc|libm|libpthread|libdl|librt)\.so")


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def version():
    text = (ROOT / "include" / "dkvb" / "version.h").read_text()
    return re.search(r'DKVB_VERSION_STRING "([^"]+)"', text)[1].replace("-rc", "rc")


def needed(library):
    """Returns a dict of names and paths of the shared libraries that `library` loads on this machine, except those in
    SYSTEM."""
    found = re.findall(r"^\s*(\S+) => (/\S+)", run("ldd", str(library)), re.M)
    return {name: Path(path) for name, path in found if not SYSTEM.match(name)}


def licence(path):
    """Returns the path of a library's licence text, which Debian keeps in a file of its package; None if there is
    none."""
    for candidate in (str(path), str(path.resolve()), str(path.resolve()).replace("/usr/lib/", "/lib/")):
        done = subprocess.run(["dpkg", "-S", candidate], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                              check=False) if shutil.which("dpkg") else None
        if done and done.returncode == 0:
            package = done.stdout.split(":")[0]
            return Path("/usr/share/doc") / package / "copyright"
    return None


class BuildWithLibrary(build_py):
    """Build step of setuptools that copies the Python modules, builds libdkvb, and puts libdkvb beside the modules."""

    def run(self):
        super().run()
        package = Path(self.build_lib) / "dkvb"
        with tempfile.TemporaryDirectory() as build:
            for tool in ("cmake", "cc"):
                if not shutil.which(tool):
                    sys.exit(f"dkvb: {tool} is not installed, and a wheel is built with it: cmake/install-deps.sh installs "
                             "what is needed")
            configured = ["cmake", "-S", str(ROOT), "-B", build, "-DCMAKE_BUILD_TYPE=Release", "-DBUILD_TESTING=OFF",
                          "-DDKVB_TOOL=OFF", "-DDKVB_EXAMPLES=OFF", "-DDKVB_REFERENCE=OFF", "-DDKVB_PYTHON=OFF",
                          "-DCMAKE_BUILD_WITH_INSTALL_RPATH=ON", "-DCMAKE_INSTALL_RPATH=$ORIGIN"]
            run(*configured)
            run("cmake", "--build", build, "--target", "dkvb", "-j", str(os.cpu_count() or 1))
            library = next(Path(build, "lib").glob("libdkvb.so.?"))
            self.take(library, package / library.name)
        licences = package / "licenses"
        licences.mkdir(exist_ok=True)
        shutil.copy(ROOT / "LICENSE", licences / "libdkvb.txt")
        for name, path in needed(package / library.name).items():
            self.take(path, package / name)
            text = licence(path)
            if not text:
                sys.exit(f"dkvb: the licence of {path} was not found, and a wheel must carry it")
            shutil.copy(text, licences / f"{name.partition('.')[0]}.txt")
        self.rename(package)

    @staticmethod
    def take(source, target):
        shutil.copy(source, target)
        if shutil.which("strip"):
            run("strip", "--strip-unneeded", str(target))


    @staticmethod
    def rename(package):
        """Renames the copied system libraries in the wheel. Under its system name, a copied library would also be used
        by other packages in the process, which may need a newer version."""
        if not shutil.which("patchelf"):
            print("dkvb: patchelf is not installed: the copied libraries keep the names that they have in the system",
                  file=sys.stderr)
            return
        copies = [path for path in package.glob("*.so*") if not path.name.startswith("libdkvb.")]
        new = {path.name: path.name.replace(".so", "-dkvb.so", 1) for path in copies}
        for path in [*copies, *package.glob("libdkvb.so*")]:
            for pair in new.items():
                run("patchelf", "--replace-needed", *pair, str(path))
        for path in copies:  # one option for each call of patchelf, as patchelf 0.14 mixes up two options
            run("patchelf", "--set-rpath", "$ORIGIN", str(path))
            run("patchelf", "--set-soname", new[path.name], str(path))
            path.rename(path.with_name(new[path.name]))


class PlatformWheel(bdist_wheel):
    """A wheel for one platform and every version of Python, as ctypes can load libdkvb in every version."""

    def finalize_options(self):
        super().finalize_options()
        self.root_is_pure = False

    def get_tag(self):
        newest = (2, 17)
        for library in Path(self.bdist_dir or "build").rglob("*.so*"):
            for major, minor in re.findall(r"GLIBC_(\d+)\.(\d+)", run("objdump", "-T", str(library))):
                newest = max(newest, (int(major), int(minor)))
        machine = sysconfig.get_platform().partition("-")[2].replace("-", "_").replace(".", "_")
        return "py3", "none", f"manylinux_{newest[0]}_{newest[1]}_{machine}"


class WithLibrary(Distribution):
    def has_ext_modules(self):
        return True


setup(
    name="dkvb",
    version=version(),
    description="Classifiers that can forget, on numpy arrays",
    long_description=(HERE / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.9",
    install_requires=["numpy"],
    extras_require={"sklearn": ["scikit-learn>=1.2"], "report": ["matplotlib"], "progress": ["tqdm"]},
    packages=["dkvb"] + [f"dkvb.{path.parent.name}" for path in sorted((HERE / "dkvb").glob("*/__init__.py"))],
    package_dir={"dkvb": "dkvb"},
    package_data={"dkvb": ["py.typed"], "dkvb.report": ["*.css"]},
    zip_safe=False,
    distclass=WithLibrary,
    cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": PlatformWheel},
)

#!/bin/sh
# Test that a wheel is built without a network, contains libdkvb with the licences, and works on a system without
# libdkvb.
#   wheel.sh SOURCE_DIR WORK_DIR PYTHON
set -eu

source=$1
work=$2
python=$3
unset PYTHONPATH DKVB_LIBRARY LD_LIBRARY_PATH

"$python" -c 'import setuptools, wheel, pip, numpy' 2>/dev/null || {
  echo "skipped: Python has no pip, setuptools, wheel and numpy"
  exit 77
}
rm -rf "$work"
mkdir -p "$work/wheels" "$work/site"
before=$(cd "$source/bindings/python" && ls -A)
"$python" -m pip wheel --quiet --no-index --no-deps --wheel-dir "$work/wheels" "$source/bindings/python"
[ "$before" = "$(cd "$source/bindings/python" && ls -A)" ] || { echo "the build left files in bindings/python"; exit 1; }
wheel=$(ls "$work/wheels/"*.whl)
case $wheel in *-py3-none-manylinux_2_*) ;; *) echo "the tag of $wheel names no oldest glibc"; exit 1 ;; esac
"$python" -m pip install --quiet --no-index --no-deps --target "$work/site" "$wheel"
cd "$work"
# The glibc version in the wheel's tag must not be older than any symbol that the library uses.
stated=$(basename "$wheel" | sed 's/.*manylinux_2_\([0-9]*\)_.*/\1/')
for library in site/dkvb/*.so*; do
  newest=$(objdump -T "$library" | sed -n 's/.*GLIBC_2\.\([0-9]*\).*/\1/p' | sort -n | tail -n 1)
  [ "${newest:-0}" -le "$stated" ] || { echo "$library needs glibc 2.$newest, the tag says 2.$stated"; exit 1; }
  name=$(basename "$library")
  [ -s "site/dkvb/licenses/${name%%[.-]*}.txt" ] || { echo "$library has no licence in the wheel"; exit 1; }
  # No library in the wheel may have the name of a system library, as another package may need a newer version of the
  # latter.
  if command -v patchelf >/dev/null; then
    case $(patchelf --print-soname "$library") in *dkvb*) ;; *) echo "$library has the soname of the system's"; exit 1 ;; esac
    for wanted in $(patchelf --print-needed "$library"); do
      case $wanted in libc.so* | libm.so* | ld-linux* | libpthread.so* | libdl.so*) continue ;; esac
      [ -e "site/dkvb/$wanted" ] || { echo "$library needs $wanted, which is not in the wheel"; exit 1; }
    done
  fi
done
PYTHONPATH=site PYTHONDONTWRITEBYTECODE=1 "$python" - <<'END'
import os
import dkvb
import numpy as np

random = np.random.default_rng(0)
y = np.arange(600, dtype=np.int32) % 3
x = (random.normal(size=(3, 16))[y] * 2 + random.normal(size=(600, 16))).astype(np.float32)
model, codeset, report = dkvb.fit(x, y, codeset=True)
model.apply(model.plan_forget(classes=[1], codeset=codeset), codeset)
assert not (model.predict(x) == 1).any()
loaded = {line.split()[-1] for line in open("/proc/self/maps") if ".so" in line}
assert any(path.startswith(os.path.realpath("site")) and "libdkvb.so" in path for path in loaded)
try:
    dkvb.reference.fit(x, y)
except ImportError as error:
    assert "libopenblas" in str(error), error
END
echo "wheel: fine"

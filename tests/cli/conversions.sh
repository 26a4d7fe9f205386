#!/bin/sh
# Test of the lines of Python that error messages give for converting foreign files: each must write x.npy. Lines whose
# Python modules are missing are only compiled.
. "$(dirname "$0")/common.sh"
make_data
mv x.npy rows.npy
check "$python" - "$dkvb" <<'END'
import importlib.util, json, os, pickle, re, sqlite3, struct, subprocess, sys
import numpy
import numpy as np

dkvb = sys.argv[1]
rows = np.load("rows.npy")
modules = {name: importlib.import_module(name) for name in ("pandas", "scipy.io", "torch", "openpyxl", "h5py", "pyarrow")
           if importlib.util.find_spec(name.partition(".")[0])}
frame = modules["pandas"].DataFrame(rows) if "pandas" in modules else None
made = {}  # name of a file: the module that its line needs


def make(name, needs, writer=None):
    """A real file where a writer and its modules are here; else the first bytes of one."""
    if writer and all(module in modules for module in needs):
        writer(name)
        made[name] = True
    else:
        made[name] = False
    return made[name]


def masked_crc(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def sqlite(name):
    with sqlite3.connect(name) as file:
        frame.to_sql("name", file, index=False)


def hdf5(name):
    with modules["h5py"].File(name, "w") as file:
        file["name"] = rows


def picked(name):
    with open(name, "wb") as file:
        pickle.dump(rows, file)


def listed(name):
    with open(name, "w") as file:
        json.dump(rows.tolist(), file)


length = struct.pack("<Q", 300)
starts = {"a.avro": b"Obj\1", "a.parquet": b"PAR1", "a.feather": b"ARROW1\0\0", "old.feather": b"FEA1", "a.orc": b"ORC",
          "a.h5": b"\x89HDF\r\n\x1a\n", "new.mat": b"MATLAB 7.3 MAT-file", "a.nc": b"CDF\1", "a.fits": b"SIMPLE  =",
          "a.rda": b"RDX3\n", "a.xls": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a.mat": b"MATLAB 5.0 MAT-file",
          "a.xlsx": b"PK\3\4" + bytes(22) + struct.pack("<HH", 19, 0) + b"[Content_Types].xml", "a.sqlite": b"SQLite format 3\0",
          "a.pt": b"PK\3\4" + bytes(22) + struct.pack("<HH", 16, 0) + b"archive/data.pkl",
          "a.safetensors": struct.pack("<Q", 200) + b'{"name":', "a.tfrecord": length + struct.pack("<I", masked_crc(length)),
          "a.dcm": bytes(128) + b"DICM"}
for name, start in starts.items():
    with open(name, "wb") as file:
        file.write(start + bytes(300))
    made[name] = False
make("a.parquet", ["pandas", "pyarrow"], lambda name: frame.rename(columns=str).to_parquet(name))
make("a.feather", ["pandas", "pyarrow"], lambda name: frame.rename(columns=str).to_feather(name))
make("a.h5", ["h5py"], hdf5)
make("a.xlsx", ["pandas", "openpyxl"], lambda name: frame.to_excel(name, index=False))
os.remove("a.sqlite")
if not make("a.sqlite", ["pandas"], sqlite):
    with sqlite3.connect("a.sqlite") as file:
        file.execute("CREATE TABLE name (a)")
make("a.mat", ["scipy.io"], lambda name: modules["scipy.io"].savemat(name, {"name": rows}))
make("a.pt", ["torch"], lambda name: modules["torch"].save(modules["torch"].nn.Parameter(modules["torch"].tensor(rows)), name))
make("a.pkl", [], picked)
make("a.json", [], listed)
make("utf16.csv", [], lambda name: np.savetxt(name, rows, delimiter=",", encoding="utf-16"))
with open("utf16.csv", encoding="utf-8") as file:  # savetxt of some versions of NumPy ignores the encoding
    try:
        text = file.read()
    except UnicodeDecodeError:
        text = None
if text:
    with open("utf16.csv", "w", encoding="utf-16") as file:
        file.write(text)

for name in sorted(made):
    answer = subprocess.run([dkvb, "train", "--features", name, "--labels", "y.npy", "-o", "m.dkvb"], capture_output=True, text=True)
    found = re.search(r"(numpy\.save\('x\.npy', .*\)) makes ", answer.stderr)
    assert answer.returncode == 1 and found, (name, answer.stderr)
    code = compile(found[1], name, "exec")
    if not made[name]:
        print(f"{name}: only compiled: {found[1]}")
        continue
    exec(code, {"numpy": numpy, "path": name, "sqlite3": sqlite3, "pickle": pickle, "json": json,
                "scipy": sys.modules.get("scipy"), **modules})
    assert np.array_equal(np.load("x.npy").astype("f4"), rows), name
    train = [dkvb, "train", "--features", "x.npy", "--labels", "y.npy", "--codebooks", "8", "--keys", "32", "--key-dim", "6",
             "--epochs", "1", "-o", "m.dkvb"]
    subprocess.run(train, check=True, stdout=subprocess.DEVNULL)
    os.remove("x.npy"), os.remove("m.dkvb")
    print(f"{name}: converted by: {found[1]}")
END

"""Makes the files that code blocks of the documentation use: rows of ten classes in every form that the pages name.

x.npy, y.npy             rows to train on, float32 [2000][32], and their labels; train_x.npy, train_y.npy are the same
test_x.npy, test_y.npy   500 more; more_x.npy, more_y.npy another 500
names.txt                names of the classes, a line each
rows.csv                 the rows of x.npy and a column `label` with the names
new.csv                  the rows of test_x.npy, without labels
withdrawn.npy            ids of 40 rows of x.npy; withdrawn_x.npy has the rows
photos/, holiday.jpg     two folders of 30 pictures, and one picture
"""
import csv
import sys
from pathlib import Path

import numpy as np
from PIL import Image

NAMES = ["cat", "dog", "bird", "fish", "frog", "horse", "deer", "mouse", "fox", "wolf"]
COLUMNS = 32
folder = Path(sys.argv[1])
random = np.random.default_rng(7)
centres = random.normal(size=(len(NAMES), COLUMNS)) * 2


def rows(n):
    y = np.arange(n, dtype=np.int32) % len(NAMES)
    return (centres[y] + 1.5 * random.normal(size=(n, COLUMNS))).astype(np.float32), y


def table(name, x, y=None):
    with open(folder / name, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow([f"c{j}" for j in range(x.shape[1])] + (["label"] if y is not None else []))
        for i, row in enumerate(x):
            out.writerow([f"{v:.6g}" for v in row] + ([NAMES[y[i]]] if y is not None else []))


def picture(path, low):
    Image.fromarray(random.integers(low, low + 128, size=(32, 32, 3), dtype=np.uint8)).save(path)


for name, n in (("", 2000), ("test_", 500), ("more_", 500)):
    x, y = rows(n)
    for start in [name] if name else ["", "train_"]:
        np.save(folder / f"{start}x.npy", x)
        np.save(folder / f"{start}y.npy", y)
    if name != "more_":
        table("new.csv" if name else "rows.csv", x, None if name else y)
(folder / "names.txt").write_text("\n".join(NAMES) + "\n")
withdrawn = np.arange(0, 400, 10, dtype=np.uint64) + 3
np.save(folder / "withdrawn.npy", withdrawn)
np.save(folder / "withdrawn_x.npy", np.load(folder / "x.npy")[withdrawn])
for kind, low in (("beach", 120), ("forest", 0)):
    (folder / "photos" / kind).mkdir(parents=True)
    for i in range(30):
        picture(folder / "photos" / kind / f"{i}.png", low)
picture(folder / "holiday.jpg", 120)

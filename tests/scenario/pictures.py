"""Made-up pictures for tests, of three classes that differ in colour and direction of stripes, and a writer of PNG
files."""

import struct
import zlib
from pathlib import Path

import numpy as np

CLASSES = {"across": ((200, 60, 40), (1.0, 0.0)), "down": ((40, 180, 70), (0.0, 1.0)), "slant": ((50, 60, 210), (0.7, 0.7))}


def png_bytes(picture):
    """Returns the bytes of a PNG file of a picture, `uint8[height][width][1 or 3]`."""
    height, width, channels = picture.shape
    # PNG filter type 0 before each line
    lines = np.concatenate([np.zeros((height, 1), np.uint8), picture.reshape(height, -1)], axis=1)
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2}[channels], 0, 0, 0)),
              (b"IDAT", zlib.compress(lines.tobytes())), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(struct.pack(">I", len(data)) + kind + data
                                            + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks)


def draw(name, rng, width=None, height=None):
    """Draws a picture of a class: stripes in the class's colour, randomly shifted, with noise; of a random size unless
    given."""
    color, (down, across) = CLASSES[name]
    width, height = width or int(rng.integers(40, 90)), height or int(rng.integers(40, 90))
    y, x = np.mgrid[:height, :width]
    wave = 0.6 + 0.4 * np.sin((y * down + x * across) * rng.uniform(0.5, 0.7) + rng.uniform(0, 6))
    picture = wave[:, :, None] * np.array(color) + rng.normal(0, 8, (height, width, 3))
    return np.clip(picture, 0, 255).astype(np.uint8)


def write_folder(folder, count, seed, names=tuple(CLASSES)):
    """Writes a folder for each class, with `count` pictures in each folder."""
    rng = np.random.default_rng(seed)
    for name in names:
        (Path(folder) / name).mkdir(parents=True)
        for i in range(count):
            (Path(folder) / name / f"{i:03}.png").write_bytes(png_bytes(draw(name, rng)))

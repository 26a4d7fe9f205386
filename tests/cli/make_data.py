"""Data of the tests of the tool: four clouds of points, the same on every machine and with every numpy."""
import sys

import numpy as np

COLUMNS, CLASSES = 16, 4


def mix(z):
    """splitmix64 of an array of integers."""
    z = (z + 1) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def uniform(count, stream):
    """Numbers in [-1, 1), exact in float32: no function whose last bit depends on a library."""
    raw = mix(np.arange(count, dtype=np.uint64) + np.uint64(stream << 32))
    return (raw >> np.uint64(48)).astype(np.float64) / 32768 - 1


def rows(count, stream):
    labels = (mix(np.arange(count, dtype=np.uint64) + np.uint64(stream << 40)) % np.uint64(CLASSES)).astype(np.int32)
    centers = uniform(CLASSES * COLUMNS, 7).reshape(CLASSES, COLUMNS)
    noise = uniform(count * COLUMNS, stream).reshape(count, COLUMNS)
    return (centers[labels] + 0.75 * noise).astype(np.float32), labels


def main(folder):
    for name, count, stream in (("", 400, 1), ("test_", 100, 2)):
        x, y = rows(count, stream)
        np.save(f"{folder}/{name}x.npy", x)
        np.save(f"{folder}/{name}y.npy", y)


main(sys.argv[1])

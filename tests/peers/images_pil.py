"""Compares decoding, resizing and fitting of pictures by PIL and by libdkvb, pixel value by pixel value.

    images_pil.py --inside libpeers_inside.so [--data DIR] [--library libdkvb.so]

The comparison is made on every picture of DIR/images (except 16-bit grey, which PIL clips) and on made-up pictures of
every kind. The script fails if a pixel value differs by more than 1, or the pixel values of a picture by more than 0.02
on average.
"""
import ctypes
import io
import itertools
import os
import struct
import sys
import tempfile
import warnings
import zlib
from pathlib import Path

import common

ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))  # x, y, dx, dy
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # Samples of a pixel, by PNG's colour type.
DEPTHS = {0: (1, 2, 4, 8), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}  # Bit depths without 16-bit grey.
WORST, MEAN = 1, 0.02


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def pack_rows(pixels, depth):
    """Packs samples, uint16[h][w][samples], with filter bytes as PNG does."""
    rows = pixels.reshape(len(pixels), -1)
    if depth == 16:
        packed = rows.astype(">u2").view(np.uint8)
    else:
        bits = np.unpackbits(rows.astype(np.uint8)[..., None], axis=2)[..., 8 - depth:]
        packed = np.packbits(bits.reshape(len(rows), -1), axis=1)
    return np.insert(packed, 0, 0, axis=1).tobytes()


def png(pixels, depth, kind, interlaced, trns=b"", palette=b""):
    """Makes the bytes of a PNG file, as PIL writes neither interlaced PNG nor most bit depths."""
    height, width = pixels.shape[:2]
    passes = [pixels[y::dy, x::dx] for x, y, dx, dy in ADAM7] if interlaced else [pixels]
    data = b"".join(pack_rows(part, depth) for part in passes if part.size)
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlaced)
    chunks = [(b"IHDR", header), (b"gAMA", struct.pack(">I", 100000)), (b"PLTE", palette), (b"tRNS", trns),
              (b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*c) for c in chunks if c[1] or c[0] == b"IEND")


def made_pngs(random):
    """Yields (name, bytes) of PNG files of every colour type and bit depth, plain and interlaced, with and without
    tRNS."""
    for kind, depths in DEPTHS.items():
        for depth, interlaced, size in itertools.product(depths, (0, 1), ((37, 53), (1, 9), (300, 1))):
            pixels = random.integers(0, 2 ** depth, (*size, SAMPLES[kind]))
            palette = random.integers(0, 256, 3 << depth, dtype=np.uint8).tobytes() if kind == 3 else b""
            transparent = {0: b"\0\1", 2: b"\0\1\0\2\0\3", 3: b"\0\x80"}.get(kind, b"")
            for trns in {b"", transparent}:
                name = f"type{kind}-{depth}bit{'-interlaced' * interlaced}{'-trns' * bool(trns)}-{size[1]}x{size[0]}"
                yield f"{name}.png", png(pixels, depth, kind, interlaced, trns, palette)
    if int(Image.__version__.split(".")[0]) > 10:  # before PIL 10.1, palette indices behind the end were greys
        yield "short-palette.png", png(random.integers(0, 256, (20, 20, 1)), 8, 3, 0, palette=bytes(range(30)))


def made_jpegs(random):
    for mode, size, progressive in itertools.product(("L", "RGB", "CMYK"), ((64, 48), (1, 7), (33, 17), (301, 223)),
                                                     (False, True)):
        channels = {"L": (), "RGB": (3,), "CMYK": (4,)}[mode]
        noise = random.integers(0, 256, (size[1] // 8 + 1, size[0] // 8 + 1, *channels), dtype=np.uint8)
        picture = Image.fromarray(noise, mode).resize(size, Image.Resampling.BICUBIC)
        for subsampling, quality in ((0, 95), (1, 75), (2, 40)):
            file = io.BytesIO()
            picture.save(file, "JPEG", quality=quality, subsampling=subsampling, progressive=progressive)
            name = f"{mode}-{size[0]}x{size[1]}-{subsampling}-{quality}{'-progressive' * progressive}.jpg"
            yield name, file.getvalue()


def made_webps(random):
    """Yields WebP files, lossless and lossy: all pixel values must equal PIL's, as PIL and libdkvb decode by the same
    library."""
    for mode, size, lossless in itertools.product(("L", "RGB", "RGBA"), ((64, 48), (1, 7), (33, 17), (301, 223)),
                                                  (False, True)):
        channels = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
        noise = random.integers(0, 256, (size[1] // 8 + 1, size[0] // 8 + 1, *channels), dtype=np.uint8)
        picture = Image.fromarray(noise, mode).resize(size, Image.Resampling.BICUBIC)
        file = io.BytesIO()
        picture.save(file, "WEBP", quality=70, lossless=lossless, exact=True)
        yield f"{mode}-{size[0]}x{size[1]}{'-lossless' * lossless}.webp", file.getvalue()


def levels(call, *arguments):
    """Returns the picture that a call of the library fills in, as uint8[height][width][3]."""
    image = ffi.Image(struct_size=ctypes.sizeof(ffi.Image))
    if call(ctypes.byref(image), *arguments):
        raise SystemExit(f"{call.__name__}{arguments}: failed")
    taken = np.ctypeslib.as_array(image.pixels, (image.height, image.width, image.channels)).copy()
    lib.dkvb_image_free(ctypes.byref(image))
    return np.repeat(taken, 3 // taken.shape[2], axis=2)


def read(image, path):
    lib.dkvb_image_read(image, path, None, 0, None)


def as_image(pixels):
    """Returns a C struct of a picture on the memory of an array, which must outlive the struct."""
    return ffi.Image(struct_size=ctypes.sizeof(ffi.Image), width=pixels.shape[1], height=pixels.shape[0], channels=3,
                     pixels=pixels.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8)))


def fit_by_pil(picture, shorter, crop, resampling):
    """Resizes and crops a picture by PIL, as torchvision's Resize and CenterCrop do."""
    width, height = picture.size
    if min(width, height) != shorter:
        longer = int(shorter * max(width, height) / min(width, height))
        picture = picture.resize((shorter, longer) if width <= height else (longer, shorter), resampling)
    left, top = (int(round((side - crop) / 2.0)) for side in picture.size)
    return picture.crop((left, top, left + crop, top + crop))


class Report:
    """Collects the differences of pixel values, and prints them."""

    def __init__(self):
        self.worst, self.means, self.failures = 0, [], 0

    def compare(self, name, step, ours, theirs):
        difference = np.abs(ours.astype(int) - np.asarray(theirs, dtype=int))
        self.worst = max(self.worst, difference.max())
        self.means.append(difference.mean())
        if ours.shape != np.shape(theirs) or difference.max() > WORST or difference.mean() > MEAN:
            print(f"{name}, {step}: up to {difference.max()} levels apart, {difference.mean():.4f} on average")
            self.failures += 1

    def end(self, what):
        print(f"{what}: {len(self.means)} comparisons, largest difference {self.worst}, "
              f"largest mean {max(self.means, default=0):.4f}, {self.failures} failures")
        return self.failures


def compare_file(report, path):
    with Image.open(path) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore") # PIL warns that transparency is dropped, as intended
        picture = file.convert("RGB")
    pixels = levels(read, os.fsencode(path))
    report.compare(path, "decoding", pixels, picture)
    if max(picture.size) > 50 * min(picture.size):
        return # PIL would compute the whole huge picture, the library only a square of it
    image = as_image(pixels)
    for shorter, crop, filter_, resampling in ((224, 224, ffi.DKVB_FILTER_BICUBIC, Image.Resampling.BICUBIC),
                                               (256, 224, ffi.DKVB_FILTER_BILINEAR, Image.Resampling.BILINEAR)):
        report.compare(path, f"fitting to {shorter} and {crop}",
                       levels(inside.peer_fit, ctypes.byref(image), shorter, crop, filter_),
                       fit_by_pil(picture, shorter, crop, resampling))


def compare_sizes(report, random):
    """Compares resizing to larger and smaller sizes, and resizing of one side only."""
    for _ in range(150):
        width, height, to_width, to_height = (int(side) for side in random.integers(1, 150, 4))
        pixels = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        image, picture = as_image(pixels), Image.fromarray(pixels)
        for size in ((to_width, to_height), (width, to_height), (to_width, height)):
            for filter_, resampling in ((ffi.DKVB_FILTER_BICUBIC, Image.Resampling.BICUBIC),
                                        (ffi.DKVB_FILTER_BILINEAR, Image.Resampling.BILINEAR)):
                report.compare(f"{width} x {height}", f"to {size[0]} x {size[1]}",
                               levels(inside.peer_resize, ctypes.byref(image), *size, filter_),
                               picture.resize(size, resampling))


def compare_fits(report, random):
    """Compares fitting of pictures whose crop begins at half a pixel, and of pictures that have the right size."""
    for _ in range(200):
        width, height = (int(side) for side in random.integers(1, 120, 2))
        shorter = int(random.integers(1, 60)) if random.integers(0, 4) else min(width, height)
        crop = int(random.integers(1, shorter + 1))
        pixels = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        image = as_image(pixels)
        report.compare(f"{width} x {height}", f"fitting to {shorter} and {crop}",
                       levels(inside.peer_fit, ctypes.byref(image), shorter, crop, ffi.DKVB_FILTER_BICUBIC),
                       fit_by_pil(Image.fromarray(pixels), shorter, crop, Image.Resampling.BICUBIC))


def compare_made(random):
    report = Report()
    webps = made_webps(random) if lib.dkvb_image_codecs() & ffi.DKVB_CODEC_WEBP and features.check("webp") else ()
    with tempfile.TemporaryDirectory() as folder:
        for name, data in itertools.chain(made_pngs(random), made_jpegs(random), webps):
            path = os.path.join(folder, name)
            Path(path).write_bytes(data)
            compare_file(report, path)
    failures = report.end("made files")
    for what, compare in (("sizes", compare_sizes), ("squares", compare_fits)):
        report = Report()
        compare(report, random)
        failures += report.end(what)
    return failures


def compare_found(folder):
    """Compares the pictures of a folder; returns None if the folder has no picture."""
    report = Report()
    paths = sorted(path for part in ("photos", "folder", "png-kinds") for path in Path(folder, part).rglob("*.*"))
    for path in paths:
        if path.name != "gray16.png":
            compare_file(report, str(path))
    return report.end(folder) if paths else None


def main(args):
    both = ffi.DKVB_CODEC_PNG | ffi.DKVB_CODEC_JPEG
    if lib.dkvb_image_codecs() & both != both:
        print("skipped: this build does not read both PNG and JPEG")
        return common.SKIPPED
    made = compare_made(np.random.default_rng(0))
    found = compare_found(os.path.join(args.data, "images"))
    if found is None and made == 0:
        print(f"skipped: {args.data}/images holds no picture; those that were made are fine")
        return common.SKIPPED
    return 1 if made or found else 0


if __name__ == "__main__":
    parser = common.parser(__doc__.splitlines()[0])
    parser.add_argument("--inside", required=True, help="module with the library's inside, built beside the tests")
    arguments = parser.parse_args()
    common.start(arguments, ("numpy", "PIL"))
    import numpy as np
    from PIL import Image, features
    from dkvb import _ffi as ffi
    from dkvb._library import lib
    inside = ctypes.CDLL(os.path.abspath(arguments.inside))
    sys.exit(main(arguments))

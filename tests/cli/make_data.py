"""Makes the data for tests of the tool, which are the same on every machine and with every numpy: four clouds of
points; or, as `make_data.py FOLDER pictures`, folders of small PNG files and weights of small encoders."""
import json
import os
import struct
import sys
import zlib

import numpy as np

COLUMNS, CLASSES = 16, 4


def mix(z):
    """Returns the hash splitmix64 of each integer in an array."""
    z = (z + 1) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def uniform(count, stream):
    """Returns pseudo-random numbers in [-1, 1) that are exact in float32, computed without functions whose last bit
    depends on a library."""
    raw = mix(np.arange(count, dtype=np.uint64) + np.uint64(stream << 32))
    return (raw >> np.uint64(48)).astype(np.float64) / 32768 - 1


def rows(count, stream):
    labels = (mix(np.arange(count, dtype=np.uint64) + np.uint64(stream << 40)) % np.uint64(CLASSES)).astype(np.int32)
    centers = uniform(CLASSES * COLUMNS, 7).reshape(CLASSES, COLUMNS)
    noise = uniform(count * COLUMNS, stream).reshape(count, COLUMNS)
    return (centers[labels] + 0.75 * noise).astype(np.float32), labels


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def write_png(path, pixels):
    """uint8[height][width][3]"""
    height, width, _ = pixels.shape
    lines = b"".join(b"\0" + row.tobytes() for row in pixels)  # each line begins with PNG filter type 0 (none)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
                   chunk(b"IDAT", zlib.compress(lines, 1)) + chunk(b"IEND", b""))


def picture(height, width, stream, stripes=None):
    """Makes a picture of noise over stripes of a given direction with a period of 8 pixels."""
    noise = (uniform(height * width * 3, stream).reshape(height, width, 3) + 1) * (127 if stripes is None else 40)
    y, x = np.mgrid[:height, :width]
    wave = {None: 0 * x, "across": y, "down": x, "slanted": x + y}[stripes]
    return (noise + (wave // 4 % 2 * 150)[:, :, None]).astype(np.uint8)


def write_clip(path, stream, width=64, patch=8, positions=5, rows=24):
    """Writes made-up weights of a small CLIP with one block, with the tensor names of Hugging Face."""
    shapes = {
        "visual_projection.weight": (rows, width),
        "vision_model.embeddings.class_embedding": (width,),
        "vision_model.embeddings.patch_embedding.weight": (width, 3, patch, patch),
        "vision_model.embeddings.position_embedding.weight": (positions, width)}
    block = "vision_model.encoder.layers.0"
    norms = ["vision_model.pre_layrnorm", "vision_model.post_layernorm", f"{block}.layer_norm1", f"{block}.layer_norm2"]
    for name, shape in [(name, (width,)) for name in norms] + [
            (f"{block}.self_attn.{each}_proj", (width, width)) for each in ("q", "k", "v", "out")] + [
            (f"{block}.mlp.fc1", (2 * width, width)), (f"{block}.mlp.fc2", (width, 2 * width))]:
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = shape, shape[:1]
    header, body = {}, b""
    for i, (name, shape) in enumerate(shapes.items()):
        values = uniform(int(np.prod(shape)), stream + i).astype(np.float32).tobytes()
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(body), len(body) + len(values)]}
        body += values
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + body)


def pictures(folder):
    """Makes folders of pictures: train/ and test/ with three classes, slow/ with many links to pictures that take a
    while to read; and weights of two small encoders."""
    for i in range(72):
        kind = ("across", "down", "slanted")[i % 3]
        place = f"train/{kind}/deep/er" if i < 3 else f"train/{kind}" if i < 54 else f"test/{kind}"
        write_png(f"{folder}/{place}/{i:02}.png", picture(24 + i % 5, 32, 100 + i, kind))
    for i in range(7):
        write_png(f"{folder}/slow/{i:03}.png", picture(900, 900, 200 + i))
    for i in range(7, 96):
        os.link(f"{folder}/slow/{i % 7:03}.png", f"{folder}/slow/{i:03}.png")
    write_clip(f"{folder}/clip.safetensors", 300)
    write_clip(f"{folder}/other.safetensors", 400)


def main(folder):
    for name, count, stream in (("", 400, 1), ("test_", 100, 2)):
        x, y = rows(count, stream)
        np.save(f"{folder}/{name}x.npy", x)
        np.save(f"{folder}/{name}y.npy", y)


if sys.argv[2:] == ["pictures"]:
    pictures(sys.argv[1])
else:
    main(sys.argv[1])

#!/bin/sh
# Test of weights files in common forms: tensor names with a prefix, unused number types, shards, no config; and of
# photos with an EXIF orientation.
. "$(dirname "$0")/common.sh"
check "$python" "$here/make_data.py" . pictures
"$dkvb" encode --encoder clip --weights clip.safetensors --input test -o plain.npy >/dev/null 2>said.txt || {
    grep -q 'reads no weights\|build of libdkvb' said.txt || fail "$(cat said.txt)"
    exit 77
}
grep -q '^dkvb: clip.safetensors: no config says which activation the weights need; quick_gelu' said.txt || fail "$(cat said.txt)"
"$python" - <<'END'
import json, os, struct
import numpy as np

data = open("clip.safetensors", "rb").read()
size = struct.unpack("<Q", data[:8])[0]
header, body = json.loads(data[8:8 + size]), data[8 + size:]


def write(name, tensors, more=()):
    os.makedirs(name)
    out, packed = {}, b""
    for key, entry in tensors.items():
        begin, end = entry["data_offsets"]
        piece = body[begin:end]
        if name == "doubles":
            piece = np.frombuffer(piece, "<f4").astype("<f8").tobytes()
            entry = {**entry, "dtype": "F64"}
        out[key] = {**entry, "data_offsets": [len(packed), len(packed) + len(piece)]}
        packed += piece
    for key, dtype, shape, bytes_ in more:
        out[key] = {"dtype": dtype, "shape": shape, "data_offsets": [len(packed), len(packed) + bytes_]}
        packed += bytes(bytes_)
    text = json.dumps(out).encode()
    open(f"{name}/model.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + packed)


for prefix in ("model.", "module.", "clip.model."):
    write(prefix + "d", {prefix + key: entry for key, entry in header.items()})
write("text_side", header, [("text_model.a", "F8_E4M3", [8, 8], 64), ("text_model.b", "C64", [3], 24),
                            ("logit_scale", "F32", [1] * 9, 4), ("text_model.c", "F4", [16], 8)])
write("doubles", header)
write("both", {**{"teacher." + key: entry for key, entry in header.items()},
               **{"student." + key: entry for key, entry in header.items()}})
write("no_projection", {key: entry for key, entry in header.items() if "projection" not in key})
write("shard", {key: header[key] for key in list(header)[:9]})
write("other_config", header)
open("other_config/config.json", "w").write('{"lr": 0.001, "epochs": 3}')
END
for name in model.d module.d clip.model.d text_side doubles other_config; do
    check "$dkvb" encode --encoder clip --weights $name/model.safetensors --activation quick_gelu --input test -o $name.npy \
        >/dev/null 2>said.txt
    [ ! -s said.txt ] || fail "$name: $(cat said.txt)"
    same plain.npy $name.npy
done
weights() {
    refused 1 "$1/model.safetensors: $2" "$dkvb" encode --encoder clip --weights "$1/model.safetensors" --input test -o no.npy
}
weights no_projection 'has no tensor visual_projection.weight: saved without the projection'
weights shard 'has no tensor '
grep -q 'a shard of a checkpoint that is split' refused.err || fail "$(cat refused.err)"
weights both 'holds the network twice, behind '
refused 1 'other_config/config.json: has none of model_type' "$dkvb" encode --encoder clip --weights clip.safetensors \
    --config other_config/config.json --input test -o no.npy
refused 1 'shard: is a directory; the .safetensors file in it must be given' "$dkvb" encode --encoder clip --weights shard \
    --input test -o no.npy
refused 2 '--activation is of --encoder clip only' "$dkvb" encode --activation gelu --input test -o no.npy

# The same weights with another activation function are refused, and the message names the difference. If the activation
# function would be a guess, it is taken from the model's encoder.
check "$dkvb" train --images train --encoder clip --weights clip.safetensors --codebooks 4 --keys 8 -o m.dkvb >/dev/null 2>&1
check "$dkvb" predict m.dkvb --images test --weights clip.safetensors -o p.npy >/dev/null 2>said.txt
[ ! -s said.txt ] || fail "$(cat said.txt)"
refused 1 'clip.safetensors gives those with the activation quick_gelu' "$dkvb" predict m.dkvb --images test --weights clip.safetensors \
    --activation gelu -o no.npy

# Makes pictures that are stored turned, with an EXIF orientation that says how the camera was held.
"$python" - <<'END'
import struct, zlib
import numpy as np


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(path, a, orientation=0):
    note = struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    height, width, _ = a.shape
    open(path, "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
                           + (chunk(b"eXIf", note) if orientation else b"")
                           + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + line.tobytes() for line in a)))
                           + chunk(b"IEND", b""))


a = np.arange(6 * 4 * 3, dtype=np.uint8).reshape(6, 4, 3)
png("upright.png", a)
stored = {1: a, 2: a[:, ::-1], 3: a[::-1, ::-1], 4: a[::-1], 5: a.transpose(1, 0, 2), 6: np.rot90(a), 7: np.rot90(a[::-1], -1)[:, :],
          8: np.rot90(a, -1)}
stored[7] = a[::-1, ::-1].transpose(1, 0, 2)
for orientation, pixels in stored.items():
    png(f"noted{orientation}.png", np.ascontiguousarray(pixels), orientation)
END
check "$dkvb" encode --encoder pixels --input upright.png -o upright.npy --exif-orientation --json >said.json
claim said.json 'd["encoder"] == "pixels+exif"'
for orientation in 1 2 3 4 5 6 7 8; do
    check "$dkvb" encode --encoder pixels --input noted$orientation.png --exif-orientation -o turned.npy >/dev/null 2>said.txt
    [ ! -s said.txt ] || fail "$(cat said.txt)"
    same upright.npy turned.npy
done
check "$dkvb" encode --input noted6.png -o as_stored.npy >/dev/null 2>said.txt
grep -q '^dkvb: noted6.png: 1 pictures have an EXIF orientation that is not applied; --exif-orientation turns them$' said.txt ||
    fail "$(cat said.txt)"

# The model remembers the option --exif-orientation.
check "$dkvb" train --images train --exif-orientation --codebooks 4 --keys 8 -o e.dkvb >/dev/null
check "$dkvb" predict e.dkvb --images noted6.png -o one.npy >/dev/null 2>said.txt
[ ! -s said.txt ] || fail "$(cat said.txt)"
refused 1 '+exif, those of descriptor:1 are found: pictures must be turned as their EXIF' "$dkvb" predict e.dkvb --images test \
    --encoder descriptor -o no.npy
[ ! -e no.npy ] || fail "a file was left"

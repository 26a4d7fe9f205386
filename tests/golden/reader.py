"""A reader written from docs/format.md alone: what it finds in a model file must be what the tool exports.

    reader.py TOOL MODEL
"""
import hashlib
import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np


def sections(data):
    """Name -> bytes, by the header and the section table; layout rules checked."""
    magic, major, minor, kind, size, count, zero, _ = struct.unpack_from("<8sHHIQIIQ", data)
    assert magic == b"DKVB\r\n\x1a\n" and (major, kind) == (1, 1) and minor in (0, 1) and size == len(data) and zero == 0
    found, end = {}, 64 + 64 * count
    for i in range(count):
        name, dtype, flags, offset, length, _ = struct.unpack_from("<16sIIQQQ", data, 64 + 64 * i)
        start = (end + 63) // 64 * 64
        assert offset == start and not any(data[end:start]) and flags in (0, 1)
        found[name.rstrip(b"\0").decode()] = (dtype, data[offset:offset + length])
        end = offset + length
    assert end == len(data)
    return found


def pairs(words, codebooks, keys):
    """u64[C][W] -> u8[C][K]."""
    bits = np.unpackbits(np.frombuffer(words, np.uint8).reshape(codebooks, -1), axis=1, bitorder="little")
    assert not bits[:, keys:].any()
    return bits[:, :keys]


def names(data, classes):
    found, at = [], 0
    for _ in range(classes):
        length = struct.unpack_from("<H", data, at)[0]
        found.append(data[at + 2:at + 2 + length].decode())
        at += 2 + length
    assert at == len(data)
    return found


def journal(data):
    count, at, entries = struct.unpack_from("<Q", data)[0], 8, []
    for _ in range(count):
        kind, flags, target, time, n, new, method, reason, zero = struct.unpack_from("<IIQqQQHHI", data, at)
        at += 48
        texts = data[at:at + method], data[at + method:at + method + reason]
        at += method + reason
        pairs = data[at:at + 4 * n] if flags & 1 else None
        at += len(pairs or b"")
        assert zero == 0
        entries.append({"kind": kind, "target": target, "time": time, "pairs": n, "new": new, "texts": texts,
                        "list": pairs, "strength": 0, "rows": 0, "flags": 0, "hashes": bytes(64)})
    assert at == len(data)
    return entries


def evidence(data, entries):
    """Add to the entries what the section says of them."""
    count, at = struct.unpack_from("<Q", data)[0], 8
    for entry in entries[:count]:
        flags, strength, rows, salt, hashes, head, parameters, effect, zero = struct.unpack_from(
            "<IIQ32s64s32sHHI", data, at)
        at += 152
        texts = data[at:at + parameters], data[at + parameters:at + parameters + effect]
        at += parameters + effect
        assert zero == 0 and count <= len(entries)
        entry.update(strength=strength, rows=rows, flags=flags, hashes=hashes, head=head, texts=entry["texts"] + texts)
        if flags & 4 and entry["list"] is not None:
            committed = salt + b"dkvb pairs" + struct.pack("<Q", entry["pairs"]) + entry["list"]
            assert flags & 1 and hashlib.sha256(committed).digest() == hashes[32:]
    assert at == len(data)


def head_of(entries, birth):
    """The head of the journal, hashed from the first entry on; those in the file must be the same."""
    head = hashlib.sha256(b"dkvb journal" + birth).digest()
    for number, e in enumerate(entries, 1):
        texts = (*e["texts"], b"", b"")[:4]
        fixed = struct.pack("<QIIQqQQQIIHHHH", number, e["kind"], e["strength"], e["target"], e["time"], e["pairs"],
                            e["new"], e["rows"], e["flags"] & 6, 0, *map(len, texts))
        head = hashlib.sha256(head + fixed + e["hashes"] + b"".join(texts)).digest()
        assert e.get("head", head) == head, number
    return head


def widened(dtype, data):
    """Values of any type as float32."""
    if dtype == 12:  # bf16
        return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
    return np.frombuffer(data, {9: "<f2", 10: "<f4"}[dtype]).astype("<f4")


def main():
    tool, model = sys.argv[1:3]
    found = sections(Path(model).read_bytes())
    shape = found["shape"][1]
    codebooks, keys, key_dim, input_dim, classes, top_k, flags, _, _ = struct.unpack_from("<IIIIIIIIQ", shape)
    floats = {name: np.frombuffer(found[name][1], "<f4") for name in ("center", "projection", "keys")}
    values = widened(*found["values"])
    blocks = floats["keys"].reshape(codebooks, -1, key_dim, 16)
    lanes = blocks.transpose(0, 1, 3, 2).reshape(codebooks, -1, key_dim)
    assert not lanes[:, keys:].any()
    mask, purged = (pairs(found[name][1], codebooks, keys) for name in ("mask", "purged"))
    assert not (mask & purged).any()
    mine = {"center": floats["center"], "projection": floats["projection"].reshape(codebooks, input_dim, key_dim),
            "keys": lanes[:, :keys], "values": values.reshape(codebooks, keys, classes),
            "mask": mask | purged}
    with tempfile.TemporaryDirectory() as work:
        subprocess.run([tool, "export", model, "--dir", work], check=True, stdout=subprocess.DEVNULL)
        for name, array in mine.items():
            theirs = np.load(Path(work) / f"{name}.npy")
            assert theirs.shape == array.shape and (theirs == array).all(), name
    told = json.loads(subprocess.run([tool, "inspect", model, "--json"], check=True, stdout=subprocess.PIPE).stdout)
    assert told["birth"] == shape[40:56].hex() and told["top_k"] == top_k and told["normalize"] in (flags, bool(flags))
    assert told["values_dtype"] == {9: "float16", 10: "float32", 12: "bfloat16"}[found["values"][0]]
    entries = journal(found["journal"][1])
    if "evidence" in found:
        evidence(found["evidence"][1], entries)
    assert [e["pairs"] for e in told["journal"]] == [e["pairs"] for e in entries]
    assert told["head"] == head_of(entries, shape[40:56]).hex()
    assert [n or "" for n in names(found["classes"][1], classes)][0] == "zero"
    print(f"{len(found)} sections read as docs/format.md says")


main()

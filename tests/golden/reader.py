"""A reader written from docs/format.md alone: what it finds in a model file must be what the tool exports; and what it
finds in a file of codes must be the nearest keys of the model, counted as the model counts them.

    reader.py TOOL MODEL [CODES]
"""
import hashlib
import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np


LEFT_OUT = [6, 15, 21]  # ids of the rows that golden.c replays without


def sections(data, wanted=1):
    """Name -> type and bytes, by the header and the section table; layout rules checked."""
    magic, major, minor, kind, size, count, zero, _ = struct.unpack_from("<8sHHIQIIQ", data)
    assert magic == b"DKVB\r\n\x1a\n" and (major, kind) == (1, wanted) and minor in (0, 1, 2) and size == len(data) and zero == 0
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


def codes(data):
    """Shape, options and both parts of a file of codes."""
    found = sections(data, wanted=3)
    fixed = {name: found[name][1] for name in ("shape", "training", "keyinit")}
    codebooks, keys, top_k, depth, birth, flags, zero = struct.unpack("<4I16sII", fixed["shape"])
    assert (flags, zero) == (1, 0) and 1 <= top_k <= depth <= keys
    epochs, batch, in_order, zero, *rates, seed = struct.unpack("<IIIIddQ", fixed["training"])
    assert (epochs, batch, in_order, zero, rates, seed) == (2, 7, 0, 0, [2.0, 0.001], 0)
    method, *sizes, _, batch, normalize, zero, decay, _, seed = struct.unpack("<8IddQ", fixed["keyinit"])
    assert (method, sizes, batch, normalize, zero, decay, seed) == (0, [codebooks, keys, 4], 16, 1, 0, 0.5, 2)
    parts = []
    for names, k in ((("ids", "labels", "codes"), top_k), (("held_ids", "held_labels", "held_codes"), depth)):
        assert [found[name][0] for name in names] == [7, 6, 3]
        ids, labels, part = (np.frombuffer(found[name][1], dtype) for name, dtype in zip(names, ("<u8", "<i4", "<u2")))
        assert (np.diff(ids.astype("i8")) > 0).all() and (labels >= -1).all() and ((part < keys) | (part == 65535)).all()
        parts.append((ids.astype("i8"), labels, part.reshape(len(ids), codebooks, k)))
    assert len(found) == 9
    return birth, (codebooks, keys, top_k), parts


def rows_of(ids):
    """Rows as golden.c makes them; their ids are three times their numbers."""
    r, i = ids[:, None] // 3, np.arange(6)
    return np.where(i % 3 == r % 3, 8, 0) + (r * 31 + i * 17) % 23 / 8


def nearest(x, arrays, purged):
    """Squared distances [n][C][K], infinite for purged pairs."""
    y = x / np.linalg.norm(x, axis=1, keepdims=True) - arrays["center"]
    q = np.einsum("ni,cij->ncj", y, arrays["projection"].astype("f8"))
    distance = ((q[:, :, None] - arrays["keys"].astype("f8")) ** 2).sum(axis=3)
    return np.where(purged, np.inf, distance)


def check_codes(part, arrays, purged):
    """Codes of a search before the purge: without purged pairs they begin the order of the keys that are left."""
    ids, labels, found = part
    distance = nearest(rows_of(ids), arrays, purged)
    in_order = np.sort(distance, axis=2)
    assert (labels == ids // 3 % 3).all()
    for row, code in enumerate(found):
        for c, keys in enumerate(code):
            live = keys[~purged[c, keys].astype(bool)]
            assert np.allclose(distance[row, c, live], in_order[row, c, :len(live)], rtol=1e-5, atol=1e-6), (row, c)


def check_counts(part, purged, counts):
    """The model counts what it was replayed on: all but the rows left out, and no purged pairs."""
    ids, labels, found = part
    mine = np.zeros_like(counts)
    assert np.isin(LEFT_OUT, ids).all()
    for label, code in zip(labels[~np.isin(ids, LEFT_OUT)], found[~np.isin(ids, LEFT_OUT)]):
        for c, keys in enumerate(code):
            mine[label, c, keys] += 1
    assert (counts == np.where(purged, 0, mine)).all()


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
    encoder = found.get("encoder", (0, b""))
    assert encoder[0] == 0 and (told["encoder"] or "") == encoder[1].decode() and len(encoder[1]) <= 255
    assert told["format_minor"] == 2 or "encoder" not in found
    assert [n or "" for n in names(found["classes"][1], classes)][0] == "zero"
    if sys.argv[3:]:
        birth, sizes, parts = codes(Path(sys.argv[3]).read_bytes())
        assert (birth, sizes) == (shape[40:56], (codebooks, keys, top_k)) and found["counts"][0] == 5
        for part in parts:
            check_codes(part, mine, purged)
        check_counts(parts[0], purged, np.frombuffer(found["counts"][1], "<u4").reshape(classes, codebooks, keys))
        assert entries[-1]["kind"] == 4 and entries[-1]["rows"] == len(LEFT_OUT)
    print(f"{len(found)} sections read as docs/format.md says")


main()

"""A reader of files that is written from docs/format.md alone: what it reads from a model file must equal what the tool
exports, and the codes that it reads from a codes file must be the nearest keys of the model.

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


LEFT_OUT = [6, 15, 21]  # ids of the rows that golden.c forgets exactly


def sections(data, wanted=1):
    """Returns a dict from section names to types and bytes, and checks the layout rules of docs/format.md."""
    magic, major, minor, kind, size, count, zero, _ = struct.unpack_from("<8sHHIQIIQ", data)
    assert magic == b"DKVB\r\n\x1a\n" and (major, minor, kind) == (2, 0, wanted) and size == len(data) and zero == 0
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
    """Converts a set of pairs from bits, u64[C][W], to bytes, u8[C][K]."""
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
        kind, flags, ends, time, n, new, method, reason, zero = struct.unpack_from("<IIQqQQHHI", data, at)
        at += 48
        texts = data[at:at + method], data[at + method:at + method + reason]
        at += method + reason
        pairs = data[at:at + 4 * n] if flags & 1 else None
        at += len(pairs or b"")
        assert zero == 0
        entries.append({"kind": kind, "ends": ends, "time": time, "pairs": n, "new": new, "texts": texts,
                        "list": pairs, "strength": 0, "rows": 0, "flags": 0, "hashes": bytes(64)})
    assert at == len(data)
    return entries


def terms(data, entries):
    """Adds to the journal entries what the section "terms" says of them: the bytes that are hashed, and the terms."""
    at = last = 0
    while at < len(data):
        number, flags, keys, budget, target, drop, loss, again, after, asked, measured = struct.unpack_from(
            "<QIIQdddQ32sII", data, at)
        size = 88 + 4 * asked + 44 * measured
        assert last < number <= len(entries) and flags <= 7 and keys <= 2
        labels = struct.unpack_from(f"<{asked}I", data, at + 96)
        effects = [struct.unpack_from("<I5Q", data, at + 96 + 4 * asked + 44 * i) for i in range(measured)]
        told = {"classes": list(labels) or None, "target": target if flags & 2 else None, "budget": budget or None,
                "found": bool(flags & 2), "forced": bool(flags & 1), "again": again or None,
                "limits": {"max_retain_drop": drop, "max_class_loss": loss} if drop or loss else None,
                "effects": effects or None, "keys": (None, "kept", "placed")[keys],
                "after": after.hex() if flags & 4 else None}
        entries[number - 1].update(terms=data[at + 8:at + 8 + size], told=told)
        at, last = at + 8 + size, number
    assert at == len(data)


COUNTS = ("label", "rows", "right_before", "right_after", "lost", "gained")


def told_as(entry):
    """Returns the terms that the tool prints of a journal entry, in the form of terms()."""
    told = {key: entry[key] for key in ("target", "budget", "found", "forced", "again", "limits", "keys", "after")}
    told["classes"] = entry["classes"] and [one["label"] for one in entry["classes"]]
    told["effects"] = entry["effects"] and [tuple(one[key] for key in COUNTS) for one in entry["effects"]]
    return told


def evidence(data, entries):
    """Adds to the journal entries what the section "evidence" says of them."""
    count, at = struct.unpack_from("<Q", data)[0], 8
    for entry in entries[:count]:
        flags, strength, rows, salt, hashes, head = struct.unpack_from("<IIQ32s64s32s", data, at)
        at += 144
        assert count <= len(entries)
        entry.update(strength=strength, rows=rows, flags=flags, hashes=hashes, head=head)
        if flags & 4 and entry["list"] is not None:
            committed = salt + b"dkvb pairs" + struct.pack("<Q", entry["pairs"]) + entry["list"]
            assert flags & 1 and hashlib.sha256(committed).digest() == hashes[32:]
    assert at == len(data)


def head_of(entries, birth):
    """Computes the head of the journal by hashing all entries from the first on, and compares the hashes with those in
    the file."""
    head = hashlib.sha256(b"dkvb journal" + birth).digest()
    for number, e in enumerate(entries, 1):
        hashed = *e["texts"], e.get("terms", b"")
        fixed = struct.pack("<QIIQqQQQIIHHI", number, e["kind"], e["strength"], e["ends"], e["time"], e["pairs"],
                            e["new"], e["rows"], e["flags"] & 6, 0, *map(len, hashed))
        head = hashlib.sha256(head + fixed + e["hashes"] + b"".join(hashed)).digest()
        assert e.get("head", head) == head, number
    return head


def widened(dtype, data):
    """Converts values of any number type to float32."""
    if dtype == 12:  # bf16
        return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
    return np.frombuffer(data, {9: "<f2", 10: "<f4"}[dtype]).astype("<f4")


def spread(found, codebooks, keys, classes):
    """Returns the values of all pairs, [C * K][L], with zeros for pairs that the file leaves out."""
    stored = widened(*found["values"]).reshape(-1, classes)
    total = codebooks * keys
    if "valued" not in found:
        assert len(stored) == total
        return stored
    there = pairs(found["valued"][1], codebooks, keys).ravel().astype(bool)
    least = -(-total // 16)
    assert len(stored) == there.sum() >= least and total - len(stored) >= least
    row = len(found["values"][1]) // len(stored)
    assert (total - len(stored)) * row > len(found["valued"][1])
    blank = np.frombuffer(found["values"][1], "u1").reshape(len(stored), -1).any(axis=1) == 0
    # pairs of zeros may be stored only if few others are, and only the lowest ones
    places = np.flatnonzero(there)[blank]
    assert not blank.any() or (len(stored) == least and there[:places[-1]].all())
    values = np.zeros((total, classes), "f4")
    values[there] = stored
    return values


def packed(data, rows, numbers, bits, keys):
    """Unpacks the codes of rows, [rows][numbers], with 65,535 for no key."""
    size = -(-numbers * bits // 8)
    every = np.unpackbits(np.frombuffer(data, "u1").reshape(rows, size), axis=1, bitorder="little")
    assert not every[:, numbers * bits:].any()
    found = (every[:, :numbers * bits].reshape(rows, numbers, bits) << np.arange(bits)).sum(axis=2)
    assert (found <= keys).all()
    return np.where(found == keys, 65535, found)


def codes(data):
    """Returns the shape, options and both parts of a codes file that keeps codes and no features."""
    found = sections(data, wanted=3)
    fixed = {name: found[name][1] for name in ("shape", "keyinit", "sessions")}
    codebooks, keys, top_k, depth, birth, flags, sessions, *bits, columns, held_columns, zero = struct.unpack(
        "<4I16s6IQ", fixed["shape"])
    assert (flags, sessions, columns, held_columns, zero) == (1, 1, 0, 0, 0) and 1 <= top_k <= depth <= keys
    classes, dtype, epochs, batch, in_order, weights, rate, last_rate = struct.unpack_from("<6Idd", fixed["sessions"])
    assert (classes, epochs, batch, in_order, weights, rate, last_rate) == (3, 2, 7, 0, 0, 2.0, 0.9) and dtype in (9, 10, 12)
    method, *sizes, _, batch, flags, rows_per_key, decay, _, seed = struct.unpack("<8IddQ", fixed["keyinit"])
    assert (method, sizes, batch, flags, rows_per_key, decay, seed) == (0, [codebooks, keys, 4], 16, 1, 64, 0.5, 2)
    parts = []
    for names, k, b in ((("ids", "labels", "codes"), top_k, bits[0]), (("held_ids", "held_labels", "held_codes"), depth, bits[1])):
        assert [found[name][0] for name in names] == [7, 6, 0]
        ids, labels = (np.frombuffer(found[name][1], dtype) for name, dtype in zip(names, ("<u8", "<i4")))
        part = packed(found[names[2]][1], len(ids), codebooks * k, b, keys)
        assert (np.diff(ids.astype("i8")) > 0).all() and (labels >= -1).all()
        parts.append((ids.astype("i8"), labels, part.reshape(len(ids), codebooks, k)))
    taken = np.unpackbits(np.frombuffer(found["session_rows"][1], "u1"), bitorder="little")
    assert taken[:len(parts[0][0])].all() and not taken[len(parts[0][0]):].any()
    salt, *removed = struct.unpack("<32sQ", found["removed"][1])
    assert removed == [struct.unpack("<Q", hashlib.sha256(salt + b"dkvb removed" + struct.pack("<Q", 1000)).digest()[:8])[0]]
    assert len(found) == 11
    return birth, (codebooks, keys, top_k), parts


def rows_of(ids):
    """Makes the rows with these ids as golden.c does; the id of a row is three times its number."""
    r, i = ids[:, None] // 3, np.arange(6)
    return np.where(i % 3 == r % 3, 8, 0) + (r * 31 + i * 17) % 23 / 8


MASK64 = (1 << 64) - 1


def splitmix64(state):
    """Returns the next state of the generator splitmix64, and the number drawn."""
    state = (state + 0x9E3779B97F4A7C15) & MASK64
    z = ((state ^ state >> 30) * 0xBF58476D1CE4E5B9) & MASK64
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK64
    return state, z ^ z >> 31


class Stream:
    """The random generator xoshiro256**, seeded from a seed and the number of a stream."""

    def __init__(self, seed, stream):
        state = splitmix64(seed)[1] ^ splitmix64(stream ^ 0x6A09E667F3BCC909)[1]
        self.s = []
        for _ in range(4):
            state, number = splitmix64(state)
            self.s.append(number)

    def next(self):
        def rotated(x, k):
            return (x << k | x >> (64 - k)) & MASK64

        s = self.s
        result = rotated(s[1] * 5 & MASK64, 7) * 9 & MASK64
        t = s[1] << 17 & MASK64
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotated(s[3], 45)
        return result

    def below(self, n):
        while (x := self.next()) < (1 << 64) % n:
            pass
        return x % n

    def choose(self, n, count):
        left, chosen = list(range(n)), []
        for i in range(count):
            j = i + self.below(n - i)
            chosen.append(left[j])
            left[j] = left[i]
        return chosen


def projection(seed, codebooks, key_dim, input_dim):
    """Computes the signs and the order of outputs of a projection from its seed."""
    size = 1 << (input_dim - 1).bit_length()
    width, runs = min(key_dim, size), -(-key_dim // size)
    per_round = size // width
    rounds = -(-codebooks * runs // per_round)
    signs, order = np.empty((rounds, size), "i1"), np.empty((codebooks, key_dim), "u4")
    for t in range(rounds):
        stream = Stream(seed, 1 << 32 | t)
        for first in range(0, size, 64):
            bits = stream.next()
            for i in range(first, min(first + 64, size)):
                signs[t, i] = -1 if bits >> (i - first) & 1 else 1
        chosen = stream.choose(size, per_round * width)
        for run in range(t * per_round, min((t + 1) * per_round, codebooks * runs)):
            c, first, at = run // runs, run % runs * size, run % per_round * width
            count = min(width, key_dim - first)
            order[c, first:first + count] = t * size + np.array(chosen[at:at + count])
    return signs, order


def steps(x, arrays, normalize):
    """Projects rows to bytes, [n][C][d], in float32 where the library uses float32, and in the same order of
    operations."""
    y = x.astype("f4") - arrays["center"]
    if normalize:
        squares = np.cumsum(y.astype("f8") ** 2, axis=1)[:, -1:]
        y = (y.astype("f8") / np.sqrt(np.where(squares > 0, squares, 1))).astype("f4")
    rounds, size = arrays["signs"].shape
    h = np.zeros((len(y), rounds, size), "f4")
    h[:, :, :y.shape[1]] = y[:, None]
    h *= arrays["signs"]
    step = 1
    while step < size:
        pairs = h.reshape(len(y), rounds, -1, 2, step)
        h = np.stack((pairs[:, :, :, 0] + pairs[:, :, :, 1], pairs[:, :, :, 0] - pairs[:, :, :, 1]), axis=3)
        h = h.reshape(len(y), rounds, size)
        step *= 2
    r = h.reshape(len(y), -1)[:, arrays["order"]] * arrays["scales"][:, None]
    return np.floor(np.clip(r, np.float32(-63), np.float32(63)) + np.float32(64.5)).astype("i4") - 64


def check_codes(part, arrays, purged, normalize):
    """Checks codes that were searched before the purge: without purged pairs they must be the nearest remaining
    keys."""
    ids, labels, found = part
    rows = steps(rows_of(ids), arrays, normalize)
    distance = ((rows[:, :, None] - arrays["keys"].astype("i4")) ** 2).sum(axis=3)
    assert (labels == ids // 3 % 3).all()
    for row, code in enumerate(found):
        for c, keys in enumerate(code):
            live = keys[~purged[c, keys].astype(bool)]
            left = np.flatnonzero(purged[c] == 0)
            in_order = left[np.argsort(distance[row, c, left], kind="stable")]
            assert (live == in_order[:len(live)]).all(), (row, c)


def check_counts(part, purged, counts):
    """Checks the model's counts of selected pairs: they count all rows except the exactly forgotten ones, and no purged
    pairs."""
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
    codebooks, keys, key_dim, input_dim, classes, top_k, flags, trials = struct.unpack_from("<8I", shape)
    rows, birth, seed = struct.unpack_from("<Q16sQ", shape, 32)
    temperature, power = struct.unpack_from("<d16xd", shape, 64)
    assert len(shape) == 96 and temperature == 1 and power == 0 and flags in (0, 1, 2, 3) and rows > 0
    center, scales = (np.frombuffer(found[name][1], "<f4") for name in ("center", "scales"))
    values = spread(found, codebooks, keys, classes)
    mask, purged = (pairs(found[name][1], codebooks, keys) for name in ("mask", "purged"))
    assert not (mask & purged).any()
    quads = -(-key_dim // 4)
    blocks = np.frombuffer(found["keys"][1], "u1").reshape(codebooks, -1, quads, 16, 4)
    stored = blocks.transpose(0, 1, 3, 2, 4).reshape(codebooks, -1, quads * 4)
    dead = np.pad(purged, ((0, 0), (0, stored.shape[1] - keys)), constant_values=1).astype(bool)
    assert not stored[dead].any() and (stored[~dead][:, key_dim:] == 64).all()
    assert ((stored[~dead][:, :key_dim] >= 1) & (stored[~dead] <= 127)[:, :key_dim]).all()
    signs, order = projection(seed, codebooks, key_dim, input_dim)
    mine = {"center": center, "scales": scales, "signs": signs, "order": order,
            "keys": np.where(dead[:, :, None], 0, stored.astype("i4") - 64)[:, :keys, :key_dim],
            "values": values.reshape(codebooks, keys, classes), "mask": mask | purged}
    assert (flags >> 1) == ("whitening" in found)
    if flags & 2:
        panels = np.frombuffer(found["whitening"][1], "<f4").reshape(-1, input_dim, 16)
        columns = panels.transpose(1, 0, 2).reshape(input_dim, -1)
        assert not columns[:, input_dim:].any()
        mine["whitening"] = columns[:, :input_dim]
    with tempfile.TemporaryDirectory() as work:
        subprocess.run([tool, "export", model, "--dir", work], check=True, stdout=subprocess.DEVNULL)
        for name, array in mine.items():
            theirs = np.load(Path(work) / f"{name}.npy")
            assert theirs.shape == array.shape and (theirs == array).all(), name
    told = json.loads(subprocess.run([tool, "inspect", model, "--json"], check=True, stdout=subprocess.PIPE).stdout)
    assert told["birth"] == birth.hex() and told["top_k"] == top_k and told["trials"] == trials and told["normalize"] == bool(flags & 1)
    assert told["values_dtype"] == {9: "float16", 10: "float32", 12: "bfloat16"}[found["values"][0]]
    temperature = struct.unpack_from("<d", shape, 64)[0]
    assert (told["temperature"], told["whitened"]) == (temperature, bool(flags & 2))
    assert found["lengths"][0] == 10
    assert np.allclose(told["row_lengths"], np.frombuffer(found["lengths"][1], "<f4"), rtol=1e-6)
    entries = journal(found["journal"][1])
    terms(found["terms"][1], entries)
    assert [told_as(e) for e in told["journal"] if e["what"] != "purge"] == [e["told"] for e in entries if "told" in e]
    if "evidence" in found:
        evidence(found["evidence"][1], entries)
    assert [e["pairs"] for e in told["journal"]] == [e["pairs"] for e in entries]
    assert told["head"] == head_of(entries, birth).hex()
    encoder = found.get("encoder", (0, b""))
    assert encoder[0] == 0 and (told["encoder"] or "") == encoder[1].decode() and len(encoder[1]) <= 255
    if "columns" in found:
        assert found["columns"][0] == 0 and told["column_names"] == names(found["columns"][1], input_dim)
    else:
        assert told["column_names"] is None
    assert (told["format_major"], told["format_minor"]) == (2, 0)
    assert [n or "" for n in names(found["classes"][1], classes)][0] == "zero"
    if sys.argv[3:]:
        of, sizes, parts = codes(Path(sys.argv[3]).read_bytes())
        assert (of, sizes) == (birth, (codebooks, keys, top_k)) and found["counts"][0] == 5
        for part in parts:
            check_codes(part, mine, purged, flags & 1)
        check_counts(parts[0], purged, np.frombuffer(found["counts"][1], "<u4").reshape(classes, codebooks, keys))
        assert entries[-1]["kind"] == 4 and entries[-1]["rows"] == len(LEFT_OUT)
    print(f"{len(found)} sections read as docs/format.md says")


main()

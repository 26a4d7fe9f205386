"""Compares the speed of ViT-B/32 by libdkvb and by PyTorch, in turn: from pictures of the right size, and from files.

PyTorch's network gets tensors, libdkvb's gets bytes. The embeddings are compared where they are timed.
"""
import copy
import statistics
import time

import numpy as np
import torch

import common
import encoder_networks as networks
import encoder_pictures as pictures

BARS = {16: 1.1, 1: 1.5}  # for each batch size, how many times as many pictures per second as PyTorch are required
CALLS = {16: 1, 1: 4}


def seconds_of(model, x):
    begin = time.perf_counter()
    with torch.inference_mode():
        model(x)
    return time.perf_counter() - begin


def fastest(model, x):
    """Returns the faster PyTorch network: with attention written out, or by PyTorch's own function."""
    fused = copy.deepcopy(model)
    for block in fused.transformer.resblocks:
        block.attn.__class__ = networks.FusedAttention
    return min((model, fused), key=lambda model: min(seconds_of(model, x) for _ in range(3)))


def ways(case, model, paths, images, batch):
    """Returns the ways to measure: the kind of input, and for each library a function that returns embeddings."""
    parts = [slice(call * batch, (call + 1) * batch) for call in range(CALLS[batch])]
    pixels = [case.prepare.pixels(picture) for picture in pictures.opened(paths[:parts[-1].stop])]
    tensors = [pictures.scaled(pixels[part], case.prepare.scale) for part in parts]

    def network(x):
        with torch.inference_mode():
            return model(x).numpy()

    def whole(part):
        return pictures.scaled([case.prepare.pixels(picture) for picture in pictures.opened(paths[part])],
                               case.prepare.scale)

    yield ("pixels", lambda: [case.encoder.encode(pixels[part]) for part in parts],
           lambda: [network(x) for x in tensors])
    yield ("files", lambda: [case.encoder.encode_set(images, part.start, batch) for part in parts],
           lambda: [network(whole(part)) for part in parts])


def run(case, paths, images, rounds, right):
    """Prints a table of times, and returns whether all limits are met; right(ours, theirs) tells whether embeddings
    agree."""
    pixels = [case.prepare.pixels(picture) for picture in pictures.opened(paths[:16])]
    model = fastest(case.model, pictures.scaled(pixels, case.prepare.scale))
    kept, rows = True, []
    for batch, bar in BARS.items():
        for source, mine, other in ways(case, model, paths, images, batch):
            well = right(np.concatenate(mine()), np.concatenate(other()))
            seconds = common.interleave({"ours": mine, "theirs": other}, rounds)
            times, n = common.ratio(seconds["theirs"], seconds["ours"]), batch * CALLS[batch]
            kept = kept and well and times >= bar
            rates = [f"{n / statistics.median(each):.1f}" for each in seconds.values()]
            verdict = "WRONG ANSWERS" if not well else "MISSED" if times < bar else ""
            rows.append((source, f"{batch}", *rates, f"{times:.2f}", f"{bar}", verdict))
    print(f"\n{case.name}; PyTorch by {type(model.transformer.resblocks[0].attn).__name__}; medians of {rounds}\n")
    print(common.markdown(("from", "batch", "libdkvb, pictures/s", "PyTorch, pictures/s", "times", "bar", ""), rows))
    return kept

"""Which pairs should go: the two methods of unlearning."""

from . import _arrays
from ._library import lib


def unlearn_by_activations(mask, counts, pairs):
    """Add the `pairs` most selected pairs to a mask, from `uint64[C][K]` of Model.count_activations().

    Returns how many pairs the mask gained.
    """
    counts = _arrays.counts(counts, mask.shape)
    before = len(mask)
    lib.dkvb_unlearn_by_activations(mask._c, _arrays.pointer(counts), _arrays.integer(pairs, 64, "pairs"))
    return len(mask) - before


def unlearn_by_examples(mask, codes, examples, seed=0):
    """Add every pair that any of `examples` rows, drawn by `seed`, selects. Returns how many the mask gained."""
    codes, k = _arrays.codes(codes, mask.shape[0])
    before = len(mask)
    lib.dkvb_unlearn_by_examples(mask._c, _arrays.pointer(codes), k, len(codes),
                                 _arrays.integer(examples, 64, "examples"), _arrays.integer(seed, 64, "seed"))
    return len(mask) - before

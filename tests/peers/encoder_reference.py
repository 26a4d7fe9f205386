"""Compares encoders with the same networks in PyTorch, on made-up weights: the outputs of each layer, and the time.

    encoder_reference.py                 toy sizes, every layout, type of weights and activation; takes seconds
    encoder_reference.py --full          ViT-B/32 in both layouts and ResNet-50 encoder_reference.py --sizes b16,l14
    other sizes of the vision transformer, with the same limits encoder_reference.py --mistakes      how far off
    networks with typical mistakes are, at full size encoder_reference.py --speed         time of ViT-B/32 against
    PyTorch, from prepared pixels and from files
        [--pictures N] [--rounds N] [--threads N] [--data FOLDER] [--library libdkvb.so]

The script exits with 1 if a limit is missed. PyTorch's pictures are read and prepared by PIL, libdkvb's by libdkvb; on
pictures that PIL has resized, only the networks are compared. libdkvb is also compared with PyTorch in double
precision, which shows whose rounding is larger.
"""
import copy
import itertools
import sys
import tempfile

import common

# Limits for each kind of encoder: least cosine, and largest difference as a fraction of the embedding's norm.
BARS = {"clip": (0.999999, 1e-4), "resnet50": (0.99999, 1e-4)}
NOTICED = 10  # a typical mistake must differ by this many times the limit
TOYS = ("two-heads", "plain", "odd")
SEED = 1


def arguments():
    p = common.parser(__doc__.splitlines()[0])
    p.add_argument("--full", action="store_true", help="ViT-B/32 in both layouts and ResNet-50")
    p.add_argument("--sizes", help="vision transformers instead of those")
    p.add_argument("--mistakes", action="store_true", help="measure mistakes at full size")
    p.add_argument("--speed", action="store_true", help="time ViT-B/32 instead of comparing layers")
    p.add_argument("--pictures", type=int, help="default: 64, of toys and mistakes 8")
    p.add_argument("--rounds", type=int, default=9)
    return p.parse_args()


def distance(ours, theirs):
    """Returns the least cosine, and the largest difference as a fraction of the norm, of two arrays of embeddings,
    float[pictures][dim]."""
    ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
    norms = np.linalg.norm(theirs, axis=1)
    cosines = (ours * theirs).sum(1) / norms / np.linalg.norm(ours, axis=1)
    return float(cosines.min()), float((np.abs(ours - theirs).max(1) / norms).max())


def within(kind, found):
    cosine, largest = BARS[kind]
    return found[0] >= cosine and found[1] <= largest


class Case:
    """A network in PyTorch, and the weights file of the same network that libdkvb opens."""

    def __init__(self, kind, name, model, prepare, weights):
        self.kind, self.name, self.model, self.prepare = kind, name, model, prepare
        self.encoder = dkvb.Encoder(kind, weights)


def clip_cases(folder, sizes, types, activations, layouts):
    for name, activation in itertools.product(sizes, activations):
        size = networks.SIZES[name]
        made = networks.vision(size, activation, SEED)
        for dtype in types:
            model = files.rounded(made, dtype)
            for layout in layouts:
                with tempfile.TemporaryDirectory(dir=folder) as own:
                    weights = files.write_vision(own, model, size, activation, layout, dtype)
                    yield Case("clip", f"ViT {name}, {activation}, {layout}, {dtype}", model,
                               pictures.prepare_clip(size), weights)


def resnet50_cases(folder, width, types, opened):
    first = [pictures.RESNET50.pixels(picture) for picture in opened[:4]]
    made = networks.resnet50(width, SEED, pictures.scaled(first, pictures.RESNET50.scale))
    for dtype in types:
        model = files.rounded(made, dtype)
        with tempfile.TemporaryDirectory(dir=folder) as own:
            weights = files.write_resnet50(own, model, dtype)
            yield Case("resnet50", f"ResNet-50, width {width}, {dtype}", model, pictures.RESNET50, weights)


def cases_of(folder, opened, real, sizes=None, every=True):
    """Yields the networks to compare; with `every` in all layouts, types of weights and activations."""
    layouts = list(files.LAYOUTS) if every else ["huggingface"]
    types = ["f32"] if real or not every else list(files.DTYPES)
    activations = ["quick_gelu"] if real else list(networks.ACTIVATIONS)
    yield from clip_cases(folder, sizes or (["b32"] if real else TOYS), types, activations, layouts)
    if not sizes:
        yield from resnet50_cases(folder, 64 if real else 4, types, opened)


def layers_of(case, picture):
    """Returns (layer, largest difference as a fraction of a row's usual norm) for each layer, for one picture; names
    and shapes must agree."""
    theirs = []
    with torch.inference_mode():
        case.model(pictures.scaled([case.prepare.pixels(picture)], case.prepare.scale),
                   lambda name, tensor: theirs.append((name, tensor[0].numpy())))
    _, ours = case.encoder.trace(case.prepare.resized(picture))
    found = [(name, layer.shape) for name, layer in ours.items()]
    wanted = [(name, layer.shape) for name, layer in theirs]
    if found != wanted:
        sys.exit(f"{case.name}: layers {found} found, {wanted} wanted")
    return [(name, float(np.abs(ours[name] - layer).max() / np.sqrt((layer ** 2).sum(1).mean())))
            for name, layer in theirs]


def compare(case, opened, images):
    """Compares one network, and returns its distances by name, the worst layer, and the figures that must not depend on
    the layout."""
    pixels = [case.prepare.pixels(picture) for picture in opened]
    ours = case.encoder.encode([case.prepare.resized(picture) for picture in opened])
    whole = case.encoder.encode_set(images)
    theirs = pictures.embeddings(case.model, pixels, case.prepare.scale)
    double = pictures.embeddings(copy.deepcopy(case.model).double(), pixels, case.prepare.scale)
    found = {"network": distance(ours, theirs), "files": distance(whole, theirs), "double": distance(ours, double),
             "theirs": distance(theirs, double)}
    layers = [layer for picture in opened[:4] for layer in layers_of(case, picture)]
    return found, max(layers, key=lambda layer: layer[1]), (case.encoder.identity, ours.tobytes())


def parity(cases, opened, images):
    rows, kept, before = [], True, (None, None)
    for case in cases:
        found, (layer, worst), answer = compare(case, opened, images)
        well = all(within(case.kind, found[what]) for what in ("network", "files")) and worst <= BARS[case.kind][1]
        same = before[0] is not case.model or before[1] == answer
        kept, before = kept and well and same, (case.model, answer)
        rows.append((case.name, f"{found['network'][0]:.9f}", f"{found['network'][1]:.1e}", f"{found['files'][0]:.9f}",
                     f"{found['files'][1]:.1e}", f"{worst:.1e} ({layer})", f"{found['double'][1]:.1e}",
                     f"{found['theirs'][1]:.1e}",
                     "LAYOUTS DIFFER" if not same else "" if well else "BEYOND THE BARS"))
    print(f"\n{len(opened)} pictures\n")
    print(common.markdown(("network", "cosine", "largest", "cosine, from files", "largest, from files", "worst layer",
                           "ours to double", "PyTorch to double", ""), rows), flush=True)
    return kept


def mistakes(case, opened):
    """Returns whether a network with each typical mistake differs by far more than the limit."""
    ours = case.encoder.encode([case.prepare.resized(picture) for picture in opened])
    found = [(name, *distance(ours, wrong)) for name, wrong in
             wrongs.all_of(case.kind, case.model, case.prepare, opened)]
    print(f"\n{case.name}, {len(opened)} pictures\n")
    print(common.markdown(("mistake", "cosine", "largest"), [(name, f"{cosine:.6f}", f"{largest:.1e}")
                                                             for name, cosine, largest in found]), flush=True)
    missed = [name for name, _, largest in found if largest < NOTICED * BARS[case.kind][1]]
    for name in missed:
        print(f"{case.name}: hardly noticed: {name}")
    return not missed


def main(folder, scratch):
    """Runs the comparison; `folder` is for pictures, `scratch` for weights files, one at a time."""
    real = args.full or args.sizes or args.mistakes or args.speed
    few = 16 if args.speed else 8 if args.mistakes or not real else 64
    paths = pictures.files(args.data, folder, args.pictures or few)
    opened, images = pictures.opened(paths), dkvb.ImageSet(folder)
    one_each = cases_of(scratch, opened, real, every=False)
    if args.speed:
        return speed.run(next(one_each), paths, images, args.rounds, lambda *found: within("clip", distance(*found)))
    if args.mistakes:
        return all([mistakes(case, opened) for case in one_each])
    sizes = args.sizes and args.sizes.split(",")
    kept = parity(cases_of(scratch, opened, real, sizes), opened, images)
    return kept and (bool(real) or all([mistakes(case, opened) for case in one_each]))


args = arguments()
common.start(args, ("numpy", "torch", "PIL"))
import numpy as np
import torch

import dkvb
import encoder_files as files
import encoder_mistakes as wrongs
import encoder_networks as networks
import encoder_pictures as pictures
import encoder_speed as speed

torch.set_num_threads(args.threads)
print("; ".join(f"{what} {value}" for what, value in common.machine(args.threads, (torch, np)).items()))
with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as scratch:
    kept = main(folder, scratch)
sys.exit(0 if kept else 1)

"""Encoders turn pictures into rows of features. Encoders are frozen: their weights are never trained."""

import os
from ctypes import POINTER, byref
from dataclasses import dataclass, replace
from typing import Any, Dict, Optional, Tuple

import numpy as np

from . import _arrays, _ffi, _struct
from ._handle import Handle
from ._library import lib
from ._run import Callbacks, LongCall
from .errors import MismatchError
from .images import raw_image
from ._types import Array, Numbers, Path, Progress

_KINDS = {
    "pixels": _ffi.DKVB_ENCODER_PIXELS,
    "descriptor": _ffi.DKVB_ENCODER_DESCRIPTOR,
    "clip": _ffi.DKVB_ENCODER_CLIP,
    "resnet50": _ffi.DKVB_ENCODER_RESNET50,
}
_FILTERS = {"bilinear": _ffi.DKVB_FILTER_BILINEAR, "bicubic": _ffi.DKVB_FILTER_BICUBIC}
_LAYOUTS = {
    "huggingface": _ffi.DKVB_LAYOUT_HUGGINGFACE,
    "openai": _ffi.DKVB_LAYOUT_OPENAI,
    "torchvision": _ffi.DKVB_LAYOUT_TORCHVISION,
}
_DTYPES = {"float32": _ffi.DKVB_DTYPE_F32, "float16": _ffi.DKVB_DTYPE_F16}
_ACTIVATIONS = {"quick_gelu": _ffi.DKVB_ACTIVATION_QUICK_GELU, "gelu": _ffi.DKVB_ACTIVATION_GELU}


@dataclass(frozen=True)
class EncoderInfo:
    """Properties of an encoder. A property that the kind of the encoder does not have is 0 or ""."""

    kind: str  # Kind of the encoder: "pixels", "descriptor", "clip" or "resnet50".
    dim: int  # Number of features in the row that the encoder makes of a picture.
    shorter: int  # Length in pixels of a picture's shorter side after resizing; 0 = no resizing.
    crop: int  # Side in pixels of the square that is cut out of a resized picture.
    filter: str  # Filter for resizing pictures, "bilinear" or "bicubic".
    layout: str  # Layout of the weights file: "huggingface", "openai" or "torchvision".
    patch: int
    width: int
    layers: int
    heads: int
    activation: str  # Activation function of CLIP, "quick_gelu" or "gelu".
    # True if the activation function of CLIP is a guess, as neither `config` nor the argument `activation` names it.
    guessed: bool
    upright: bool  # True if the encoder turns pictures upright by their EXIF orientation.


@dataclass(frozen=True)
class EncodeReport:
    """Counts of pictures that Encoder.encode_file() returns."""

    pictures: int  # Number of pictures in the encoded set.
    rows: int  # Number of rows in the written file, one for each readable picture.
    unreadable: int  # Number of pictures that were left out as unreadable.
    resumed: int  # Number of pictures that an earlier, interrupted encode_file() had encoded.


class Encoder(Handle):
    """An encoder of pictures, which never changes after it was opened, so any number of threads may use it. The same
    picture gives the same row, bit for bit, whatever the machine, the number of threads, and the other pictures
    (encoder.h)."""

    _free = lib.dkvb_encoder_free

    def __init__(self, kind: Optional[str] = None, weights: Optional[Path] = None, config: Optional[Path] = None, *,
                 activation: Optional[str] = None, heads: Optional[int] = None, width: Optional[int] = None,
                 height: Optional[int] = None, channels: Optional[int] = None, upright: bool = False,
                 images: Any = None, model: Any = None) -> None:
        """Opens an encoder. `kind` "pixels" is for pictures of one `width`, `height` and number of `channels`, or of
        the size of the pictures in `images`, an ImageSet; "descriptor" needs no argument; "clip" and "resnet50" need
        `weights`, a .safetensors file. `config` is the config.json of CLIP, by default the one beside the weights;
        `activation` and `heads` give what the config does not contain. With `upright=True` pictures are turned upright
        by their EXIF orientation, which the identity of the encoder records.

        With a `model`, Encoder() opens only the encoder that made the model's training rows, and otherwise raises
        MismatchError, which says what differs. If `kind` is None, the kind of the model's encoder is taken."""
        if kind is None and model is None:
            raise ValueError(f"kind: None found, one of {', '.join(_KINDS)} wanted, or a model that remembers one")
        opts = _struct.options(_ffi.EncoderOptions,
                               weights=None if weights is None else _arrays.path(weights),
                               config=None if config is None else _arrays.path(config),
                               activation=None if activation is None
                               else _arrays.choice(activation, _ACTIVATIONS, "activation"),
                               heads=heads, width=width, height=height, channels=channels, upright=bool(upright),
                               remembered=model and _arrays.text(model.encoder, "encoder"),
                               dim=model and model.info.input_dim)
        if images is not None:
            opts.set = images._c._as_parameter_
        out = POINTER(_ffi.Encoder)()
        lib.dkvb_encoder_open(byref(out), _ffi.DKVB_ENCODER_REMEMBERED if kind is None
                              else _arrays.choice(kind, _KINDS, "kind"), byref(opts))
        self._own(out)
        if images is not None:
            seen = images.info
            width, height, channels = seen.width, seen.height, seen.channels
        paths = [None if path is None else os.path.abspath(path) for path in (weights, config)]
        self._made_from = (*paths, activation, heads, width, height, channels, bool(upright), model is not None)

    def __reduce__(self):
        """Pickles how the encoder was opened, not its weights: the weights file must still be there, with the same
        weights."""
        *given, by_model = self._made_from
        if by_model:
            raise TypeError("Encoder: one that was opened by what a model remembers cannot be pickled: pickle the model "
                            "and open it there")
        return _opened_again, (self.info.kind, *given, self.identity)

    @property
    def info(self) -> EncoderInfo:
        """Properties of the encoder, as an EncoderInfo."""
        raw = _struct.sized(_ffi.EncoderInfo)
        lib.dkvb_encoder_get_info(self._c, byref(raw))
        names = {name: _arrays.chosen(getattr(raw, name), values) for name, values in
                 (("kind", _KINDS), ("filter", _FILTERS), ("layout", _LAYOUTS), ("activation", _ACTIVATIONS))}
        return replace(_struct.answer(EncoderInfo, raw), **names)

    @property
    def identity(self) -> str:
        """Identity of the encoder: a short text that is equal for two encoders exactly if they give the same rows.
        Model.encoder stores the identity of the encoder that makes the model's rows."""
        raw = _struct.sized(_ffi.EncoderInfo)
        lib.dkvb_encoder_get_info(self._c, byref(raw))
        return raw.identity.decode("utf-8")

    def encode(self, pictures: Any, *, threads: int = 0, progress: Progress = None) -> Array:
        """Encodes pictures into rows, `float32[n][dim]`. `pictures` are arrays `uint8[height][width][1 or 3]`, or grey
        `uint8[height][width]`, of any sizes; or one array `uint8[n][height][width][1 or 3]`."""
        raw, kept = _raw_images(pictures)
        x = np.empty((len(raw), self.info.dim), np.float32)
        with LongCall(threads, progress) as run:
            lib.dkvb_encoder_encode(self._c, raw, len(raw), _arrays.pointer(x), None, byref(run))
        del kept
        return x

    def encode_set(self, images: Any, first: int = 0, n: Optional[int] = None, *, skip_unreadable: Any = False,
                   threads: int = 0, progress: Progress = None) -> Any:
        """Encodes `n` pictures of an ImageSet from number `first` on, by default all that follow.

        At the first unreadable picture encode_set() raises the exception of reading the picture. With
        `skip_unreadable=True`, encode_set() skips unreadable pictures, and returns the rows, with zeros for unreadable
        pictures, and `bool[n]`, True for each picture that was read. `skip_unreadable` may also be a function, called
        with the number and the error message of each unreadable picture.
        """
        first, pictures = _arrays.integer(first, 64, "first"), len(images)
        n = max(pictures - first, 0) if n is None else _arrays.integer(n, 64, "n")
        # the range of pictures is checked in Python, as the output array is made with room for n pictures
        if first + n > pictures:
            raise IndexError(f"pictures: {n} from number {first} on found, of {pictures}")
        x, readable = np.empty((n, self.info.dim), np.float32), np.empty(n, np.uint8)
        opts, callbacks = _encoding(skip_unreadable, readable)
        with LongCall(threads, progress, callbacks) as run:
            lib.dkvb_encoder_encode_set(self._c, images._c, first, n, _arrays.pointer(x), byref(opts), byref(run))
        return (x, readable.astype(np.bool_)) if skip_unreadable else x

    def encode_file(self, images: Any, path: Path, *, dtype: str = "float32", restart: bool = False,
                    skip_unreadable: Any = False, threads: int = 0,
                    progress: Progress = None) -> Tuple[EncodeReport, Array]:
        """Encodes all readable pictures of an ImageSet into a `.npy` file of "float32" or "float16".

        An interrupted encode_file() keeps its rows in PATH.part, and repeating the call continues from these rows;
        `restart=True` discards the kept rows. encode_file() returns an EncodeReport and `bool[n]`, True for each
        picture that has a row. `skip_unreadable` works as in encode_set().
        """
        readable, raw = np.empty(len(images), np.uint8), _struct.sized(_ffi.EncodeReport)
        opts, callbacks = _encoding(skip_unreadable, readable)
        opts.dtype, opts.restart = _arrays.choice(dtype, _DTYPES, "dtype"), bool(restart)
        with LongCall(threads, progress, callbacks) as run:
            lib.dkvb_encoder_encode_file(self._c, images._c, _arrays.path(path), byref(opts), byref(raw), byref(run))
        return _struct.answer(EncodeReport, raw), readable.astype(np.bool_)

    def trace(self, picture: Numbers) -> Tuple[Array, Dict[str, Array]]:
        """Returns the row of one picture, `float32[dim]`, and a dict of the outputs of the network's layers in their
        order: arrays `float32[rows][columns]` by the layer names of docs/encoder.md."""
        raw, _kept = raw_image(picture)
        x, seen, callbacks = np.empty(self.info.dim, np.float32), {}, Callbacks()

        def show(_user, name, rows, columns, values):
            seen[name.decode("utf-8")] = np.ctypeslib.as_array(values, (rows, columns)).copy()

        opts = _struct.options(_ffi.EncodeOptions, trace=callbacks.wrap(_ffi.TraceFn, show))
        with LongCall(callbacks=callbacks) as run:
            lib.dkvb_encoder_encode(self._c, byref(raw), 1, _arrays.pointer(x), byref(opts), byref(run))
        return x, seen

    def __repr__(self):
        if self._owner is None:
            return "<dkvb.Encoder, closed>"
        return f"<dkvb.Encoder: {self.identity}, {self.info.dim} columns>"


def _opened_again(kind, weights, config, activation, heads, width, height, channels, upright, identity):
    """Opens an unpickled encoder, and raises an error unless it gives the same rows as the pickled encoder."""
    encoder = Encoder(kind, weights, config, activation=activation, heads=heads, width=width, height=height,
                      channels=channels, upright=upright)
    if encoder.identity != identity:
        raise MismatchError(f"{weights}: {encoder.identity} found, {identity} wanted: the encoder that was pickled gave "
                            "other rows")
    return encoder


def _encoding(skip_unreadable, readable):
    """Returns the options of encoding a set of pictures, and the callbacks that they point to."""
    callbacks = Callbacks()
    opts = _struct.options(_ffi.EncodeOptions, skip_unreadable=bool(skip_unreadable), readable=_arrays.pointer(readable))

    def tell(_user, index, message):
        skip_unreadable(index, message.decode("utf-8", "replace"))

    if callable(skip_unreadable):
        opts.unreadable = callbacks.wrap(_ffi.UnreadableFn, tell)
    return opts, callbacks


def _raw_images(pictures):
    """Returns pictures as an array of C structs, and the numpy arrays that the structs point into."""
    # an array of three dimensions could be one picture or many grey ones
    if isinstance(pictures, np.ndarray) and pictures.ndim != 4:
        raise ValueError(f"pictures: shape {pictures.shape} found, (pictures, height, width, channels) wanted, "
                         "or a list of pictures")
    pairs = [raw_image(picture, f"picture {i}") for i, picture in enumerate(pictures)]
    return (_ffi.Image * len(pairs))(*(raw for raw, _array in pairs)), pairs

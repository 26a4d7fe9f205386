"""Pictures: reading picture files, and sets of pictures in folders and files."""

import ctypes
import os
from ctypes import POINTER, byref
from dataclasses import dataclass, replace
from typing import Any, Dict, List, Sequence, Union

import numpy as np

from . import _arrays, _ffi, _struct
from ._handle import Handle
from ._library import lib
from ._types import Array, Names, Path

_CODECS = {"png": _ffi.DKVB_CODEC_PNG, "jpeg": _ffi.DKVB_CODEC_JPEG, "webp": _ffi.DKVB_CODEC_WEBP}
_FORMATS = {
    "auto": _ffi.DKVB_IMAGES_AUTO,
    "folder": _ffi.DKVB_IMAGES_FOLDER,
    "file": _ffi.DKVB_IMAGES_FILE,
    "cifar10": _ffi.DKVB_IMAGES_CIFAR10,
    "cifar100": _ffi.DKVB_IMAGES_CIFAR100,
    "array": _ffi.DKVB_IMAGES_ARRAY,
}
_KINDS = {**_FORMATS, "list": _ffi.DKVB_IMAGES_LIST}
_NESTED = {
    "none": _ffi.DKVB_NESTED_NONE,
    "deeper": _ffi.DKVB_NESTED_DEEPER,
    "parts": _ffi.DKVB_NESTED_PARTS,
    "wrapped": _ffi.DKVB_NESTED_WRAPPED,
}


def raw_image(picture, what="picture"):
    """Returns a picture as a C struct, and the array whose memory the struct uses, which must outlive the C call."""
    picture = _arrays.picture(picture, what)
    height, width, channels = picture.shape
    return _ffi.Image(ctypes.sizeof(_ffi.Image), width, height, channels, 0, _arrays.pointer(picture)), picture


def _array(raw):
    """Wraps a picture that the library filled in as an array, without a copy."""
    return _arrays.adopted(ctypes.addressof(raw.pixels.contents), (raw.height, raw.width, raw.channels),
                           np.dtype(np.uint8), lib.dkvb_image_free, raw)


def image_codecs() -> List[str]:
    """Returns the kinds of picture files that the loaded library reads, as a list of "png", "jpeg" and "webp"."""
    return [name for name, bit in _CODECS.items() if lib.dkvb_image_codecs() & bit]


def read_image(path: Path, *, upright: bool = False) -> Array:
    """Reads a PNG, JPEG or WebP file as `uint8[height][width][channels]`, with 1 channel (grey) or 3 (red, green,
    blue). With `upright=True` the picture is turned upright by its EXIF orientation."""
    if upright:
        return ImageSet(path, "file", upright=True).read(0)
    raw = _struct.sized(_ffi.Image)
    lib.dkvb_image_read(byref(raw), _arrays.path(path), None, 0, None)
    return _array(raw)


def decode_image(data: Any, name: str = "picture") -> Array:
    """Reads a picture from the bytes of a picture file in memory, like read_image(); `name` stands for the file in
    error messages."""
    data, raw = np.frombuffer(data, np.uint8), _struct.sized(_ffi.Image)
    lib.dkvb_image_read(byref(raw), _arrays.text(name, "name"), _arrays.pointer(data), len(data), None)
    return _array(raw)


@dataclass(frozen=True)
class ImageSetInfo:
    """Properties of a set of pictures. `width`, `height` and `channels` are 0 unless all pictures have the same
    size."""

    pictures: int
    ignored: int  # Number of files in the folder whose endings are not those of pictures.
    format: str  # Format of the set: "folder", "file", "cifar10", "cifar100", "array" or "list".
    classes: int  # Number of classes of the pictures; 0 if pictures have no labels.
    width: int
    height: int
    channels: int
    # Sign that the subfolders of a set of pictures may not be its classes: "none", "deeper" (subfolders have subfolders
    # with pictures), "parts" (named like train or val) or "wrapped" (a single subfolder that has only folders).
    nested: str
    turned: int  # Number of pictures read so far whose EXIF orientation is not upright.


class ImageSet(Handle):
    """An ordered set of pictures: a folder with a folder for each class, one picture file, CIFAR's binary files, or an
    IDX or `.npy` file (images.h). A list of paths, and of bytes of picture files, is opened as one set in the order of
    the list; a picture from bytes is named "bytes" and its place in the list. With `upright=True` pictures are turned
    upright by their EXIF orientation. Any number of threads may use an ImageSet at once."""

    _free = lib.dkvb_imageset_free

    def __init__(self, path: Union[Path, Sequence[Union[Path, bytes]]], format: str = "auto", *,
                 coarse_labels: bool = False, upright: bool = False) -> None:
        opts = _struct.options(_ffi.ImagesetOptions,
                               format=_arrays.choice(format, _FORMATS, "format"), coarse_labels=bool(coarse_labels),
                               upright=bool(upright))
        out = POINTER(_ffi.Imageset)()
        if isinstance(path, (list, tuple)):
            kept = [np.frombuffer(bytes(one), np.uint8) if isinstance(one, (bytes, bytearray, memoryview)) else None
                    for one in path]
            sources = (_ffi.ImageSource * len(path))()
            for index, (one, data) in enumerate(zip(path, kept)):
                sources[index].path = _arrays.path(one) if data is None else b"bytes %d" % index
                sources[index].bytes = _arrays.pointer(data)
                sources[index].size = 0 if data is None else len(data)
            lib.dkvb_imageset_open_list(byref(out), sources, len(path), byref(opts))
        else:
            kept = []
            lib.dkvb_imageset_open(byref(out), _arrays.path(path), byref(opts))
        self._own(out, kept)  # `kept` holds the bytes of picture files, which the C object uses

    @property
    def info(self) -> ImageSetInfo:
        """Properties of the set of pictures, as an ImageSetInfo."""
        raw = _struct.sized(_ffi.ImagesetInfo)
        lib.dkvb_imageset_get_info(self._c, byref(raw))
        return replace(_struct.answer(ImageSetInfo, raw), format=_arrays.chosen(raw.format, _KINDS),
                       nested=_arrays.chosen(raw.nested, _NESTED))

    @property
    def ignored(self) -> Dict[str, int]:
        """A dict from file endings to counts, of the files in the folder that are not pictures."""
        endings: Dict[str, int] = {}
        count = ctypes.c_uint64()
        while (ending := lib.dkvb_imageset_ignored(self._c, len(endings), byref(count))) is not None:
            endings[ending.decode("ascii")] = count.value
        return endings

    def __len__(self):
        return self.info.pictures

    @property
    def class_names(self) -> Names:
        """Names of the classes by label, None for a class without a name."""
        names = (lib.dkvb_imageset_class_name(self._c, index) for index in range(self.info.classes))
        return [name and name.decode("utf-8", "surrogateescape") for name in names]

    @property
    def labels(self) -> Array:
        """Returns the class of every picture, `int32[n]`, -1 for a picture without a class."""
        return np.array([self._get(index).label for index in range(len(self))], np.int32)

    def label(self, index: int) -> int:
        """Returns the class of a picture, or -1 if the picture has none."""
        return self._get(self._index(index)).label

    def name(self, index: int) -> str:
        """Returns the name of a picture: its path below the folder, the path of a single picture file, or
        "<file>:<number in the file>". In a set of pictures made from a list, the name of a picture begins with the path
        of its list element."""
        return os.fsdecode(self._get(self._index(index)).name)

    def read(self, index: int) -> Array:
        """Reads a picture of the set as `uint8[height][width][channels]`. Raises FormatError or a similar error if the
        picture file is damaged."""
        raw = _struct.sized(_ffi.Image)
        lib.dkvb_imageset_read(self._c, self._index(index), byref(raw), None)
        return _array(raw)

    def __repr__(self):
        if self._owner is None:
            return "<dkvb.ImageSet, closed>"
        info = self.info
        return f"<dkvb.ImageSet: {info.format}, {info.pictures} pictures, {info.classes} classes>"

    def _get(self, index):
        picture = _struct.sized(_ffi.Picture)
        lib.dkvb_imageset_get(self._c, index, byref(picture))
        return picture

    def _index(self, index):
        index, pictures = _arrays.integer(index, 64, "index"), len(self)
        if index >= pictures:
            raise IndexError(f"index: {index} found, of {pictures} pictures")
        return index

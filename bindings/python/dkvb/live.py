"""Serving: answering from a model file while forget operations replace it (live.h)."""

from contextlib import contextmanager
from ctypes import POINTER, byref, string_at
from dataclasses import dataclass
from typing import Any, Iterator, Optional

from . import _arrays, _ffi, _struct
from ._handle import Handle, _Owner
from ._library import lib
from ._types import Numbers, Path
from .model import Model

_KINDS = {_ffi.DKVB_SERVICE_UNKNOWN: None, _ffi.DKVB_SERVICE_FRAMES: "frames", _ffi.DKVB_SERVICE_LINES: "lines"}


class LiveModel(Handle):
    """A model file that is reopened whenever it is replaced. Many threads may use one LiveModel at once.

    A call that begins after the model file was replaced answers from the new file. A call raises an error if the file
    that replaced the model file is missing, damaged or of another model: a LiveModel never answers from the old model,
    which may know what was forgotten.
    """

    _free = lib.dkvb_live_free

    def __init__(self, path: Path, *, verify: bool = False) -> None:
        """Maps the model file into memory. With `verify`, every byte of a new model file is checked before the file is
        used."""
        opts = _struct.options(_ffi.LiveOptions, verify=int(verify))
        out = POINTER(_ffi.Live)()
        lib.dkvb_live_open(byref(out), _arrays.path(path), byref(opts))
        self._own(out)

    @contextmanager
    def model(self) -> Iterator[Model]:
        """The model that the LiveModel's file holds now, for reading in a `with` block: `with live.model() as m`. If
        the model file is replaced during the `with` block, the variable `m` keeps the old model until the block
        ends."""
        live, out = self._c, POINTER(_ffi.Model)()
        lib.dkvb_live_acquire(live, byref(out))
        model = Model.__new__(Model)
        # The owner of the C model is kept alive by calls that run in other threads, and keeps the LiveModel `live` and
        # its model file open.
        model._owner = _Owner(out, lambda pointer: lib.dkvb_live_release(live, pointer), live)
        try:
            yield model
        finally:
            model.close()

    def predict(self, x: Numbers, **options: Any) -> Any:
        """Classifies rows as Model.predict() does, all with the model that the file holds now."""
        with self.model() as model:
            return model.predict(x, **options)

    @property
    def taken(self) -> int:
        """How often the LiveModel found that its model file had been replaced."""
        return lib.dkvb_live_taken(self._c)


@dataclass(frozen=True)
class Answers:
    """Answers of a Service to a batch of rows."""

    bytes: bytes  # Answers to send to the client.
    rows: int  # Number of answered rows, including rows for which the model gave no class.
    abstained: int
    refused: int  # Number of frames or lines of the client that were answered by an error message.
    more: bool  # True if further rows have arrived completely and wait for an answer.
    kind: Optional[str]  # Kind of the client's input, "frames" or "lines"; None before the first bytes.
    cut: bool  # True if the last line of the client's input had no line end.


class Service(Handle):
    """A service takes rows as bytes and gives answers as bytes: `.npy` frames, or lines of CSV (live.h).

    One Service is one conversation with a client, used by one thread at a time; many services may share a LiveModel.
    """

    _free = lib.dkvb_service_free

    def __init__(self, live: LiveModel, *, top: Optional[int] = None, scores: bool = False,
                 id_column: Optional[str] = None, most_rows: Optional[int] = None, most_bytes: Optional[int] = None,
                 name: Optional[str] = None) -> None:
        opts = _struct.options(_ffi.ServiceOptions, top=top, scores=int(scores), most_rows=most_rows,
                               most_bytes=most_bytes, id_column=_arrays.text(id_column, "id_column"),
                               name=_arrays.text(name, "name"))
        out = POINTER(_ffi.Service)()
        lib.dkvb_service_new(byref(out), live._c, byref(opts))
        self._own(out, live._c)

    def put(self, data: bytes) -> None:
        """Gives input bytes to the service; b"" says that the input has ended."""
        data = bytes(data)
        lib.dkvb_service_put(self._c, data, len(data))

    def answer(self, *, threads: int = 0) -> Answers:
        """Answers the rows that have arrived completely, as one batch. Answers.bytes is empty if no row is complete."""
        raw, run = _struct.sized(_ffi.Answers), _struct.options(_ffi.RunOptions, threads=threads)
        lib.dkvb_service_answer(self._c, byref(raw), byref(run))
        content = string_at(raw.bytes, raw.size) if raw.size else b""
        return Answers(content, raw.rows, raw.abstained, raw.refused, bool(raw.more), _KINDS[raw.kind], bool(raw.cut))

"""Receipts: JSON files that say what a model has forgotten, for other tools to read; and the check of a receipt.

    dkvb.receipt.write("receipt.json", "m.dkvb", codes="m.codes")
    checked = dkvb.receipt.verify("receipt.json", "m.dkvb", codes="m.codes")
    for sentence in checked.sentences:
        print(sentence.outcome, sentence.about, sentence.text)

docs/receipt.md says what a receipt holds, and what each sentence of a check means.
"""

import os
from ctypes import POINTER, byref, c_uint8, cast, memmove
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

from . import _arrays, _ffi, _struct
from ._library import lib
from ._run import Callbacks, LongCall
from ._types import Numbers, Path, Progress
from .errors import Error, MismatchError

KEY_SIZE, SIGNATURE_SIZE = 32, 64
_OUTCOMES = {_ffi.DKVB_RECEIPT_CHECKED: "checked", _ffi.DKVB_RECEIPT_DIFFERS: "differs",
             _ffi.DKVB_RECEIPT_UNCHECKED: "not checked"}


@dataclass(frozen=True)
class Sentence:
    """One sentence of a check of a receipt: what was checked, and the outcome."""

    outcome: str  # Outcome of checking what a sentence of the receipt says: "checked", "differs" or "not checked".
    about: str  # Subject of the checked sentence in one word, such as "journal".
    text: str


@dataclass(frozen=True)
class Verified:
    """Result of checking a receipt: all its sentences with their outcomes. A Verified object is true if no sentence of
    the receipt differs."""

    ok: bool
    sentences: Tuple[Sentence, ...]

    def __bool__(self) -> bool:
        return self.ok


def _path(path: Optional[Path]) -> Optional[bytes]:
    return None if path is None else os.fsencode(path)


def _public_bytes(public: Any) -> Any:
    """Returns the 32 bytes of a public key, for ctypes."""
    if hasattr(public, "public_bytes_raw"):
        raw = public.public_bytes_raw()
    else:  # releases of the package cryptography before 40 lack public_bytes_raw()
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    if len(raw) != KEY_SIZE:
        raise ValueError(f"key: the public key has {len(raw)} bytes, a key of Ed25519 has {KEY_SIZE}")
    return (c_uint8 * KEY_SIZE)(*raw)


def write(path: Path, model: Path, codes: Optional[Path] = None, before: Optional[Path] = None,
          audit: Optional[Path] = None, bom: Optional[Path] = None, command: Optional[str] = None, key: Any = None,
          threads: int = 0, progress: Progress = None) -> None:
    """Writes the receipt of a model file.

    `command` is the command line that made the model forget; all other str arguments are paths of files. `audit` is the
    path of an output of `dkvb audit --json`. If `bom` is given, a CycloneDX bill of materials is written to this path
    too. `key` signs the receipt: an `Ed25519PrivateKey` of the package cryptography, or any object with its methods
    `sign` and `public_key`.
    """
    callbacks = Callbacks()
    given: Dict[str, Any] = {}
    if key is not None:
        def sign(message: Any, size: int, signature: Any, _user: Any) -> None:
            made = key.sign(bytes(message[:size]))
            if len(made) != SIGNATURE_SIZE:
                raise ValueError(f"key: the signature has {len(made)} bytes, one of Ed25519 has {SIGNATURE_SIZE}")
            memmove(signature, made, SIGNATURE_SIZE)

        given = {"public_key": cast(_public_bytes(key.public_key()), POINTER(c_uint8)),
                 "sign": callbacks.wrap(_ffi.ReceiptSignFn, sign)}
    opts = _struct.options(_ffi.ReceiptOptions, model=_path(model), codes=_path(codes), before=_path(before),
                           audit=_path(audit), bom=_path(bom), command=_arrays.text(command, "command"), **given)
    try:
        with LongCall(threads, progress) as run:
            lib.dkvb_receipt_write(_path(path), byref(opts), byref(run))
    except Error:
        callbacks.raise_first()
        raise


def verify(path: Path, model: Path, codes: Optional[Path] = None, before: Optional[Path] = None,
           audit: Optional[Path] = None, ids: Optional[Numbers] = None, key: Any = None, threads: int = 0,
           progress: Progress = None) -> Verified:
    """Checks a receipt against the model file and the other files that the caller names, and returns every sentence of
    the check.

    `ids`, `uint64[n]`, are ids of rows; the check of the receipt fails unless a journal entry says that exactly these
    rows were forgotten. `key` is the public key that must have signed: an `Ed25519PublicKey` of the package
    cryptography, or any object whose method `verify` raises for a wrong signature. verify() raises `FormatError` if the
    file is no receipt.
    """
    sentences: List[Sentence] = []
    callbacks = Callbacks()
    given: Dict[str, Any] = {}
    rows = None if ids is None else _arrays.ids(ids, "ids", "ids")

    def tell(outcome: int, about: bytes, text: bytes, _user: Any) -> int:
        sentences.append(Sentence(_OUTCOMES[outcome], about.decode("utf-8"), text.decode("utf-8", "replace")))
        return 0

    if key is not None:
        def check(message: Any, size: int, signature: Any, _user: Any) -> None:
            key.verify(bytes(signature[:SIGNATURE_SIZE]), bytes(message[:size]))

        given = {"public_key": cast(_public_bytes(key), POINTER(c_uint8)),
                 "check": callbacks.wrap(_ffi.ReceiptCheckFn, check)}
    opts = _struct.options(_ffi.ReceiptOptions, model=_path(model), codes=_path(codes), before=_path(before),
                           audit=_path(audit), ids=_arrays.pointer(rows), id_count=0 if rows is None else len(rows),
                           tell=_ffi.ReceiptTellFn(tell), **given)
    try:
        with LongCall(threads, progress) as run:
            lib.dkvb_receipt_verify(_path(path), byref(opts), byref(run))
    except MismatchError:
        return Verified(False, tuple(sentences))
    return Verified(True, tuple(sentences))

"""Receipts: what a model has forgotten, in a form that tools of others read, and a check of it against the files."""

import os
from ctypes import POINTER, byref, c_uint8, cast, memmove
from dataclasses import dataclass
from typing import Tuple

from . import _arrays, _ffi, _struct
from ._library import lib
from ._run import LongCall
from .errors import MismatchError

_OUTCOMES = {_ffi.DKVB_RECEIPT_CHECKED: "checked", _ffi.DKVB_RECEIPT_DIFFERS: "differs",
             _ffi.DKVB_RECEIPT_UNCHECKED: "not checked"}


@dataclass(frozen=True)
class Sentence:
    """One statement of a receipt: "checked", "differs" or "not checked", its subject in a word, and the sentence."""

    outcome: str
    about: str
    text: str


@dataclass(frozen=True)
class Verified:
    """All sentences of a check. True if none differs."""

    ok: bool
    sentences: Tuple[Sentence, ...]

    def __bool__(self):
        return self.ok


def _path(path):
    return None if path is None else os.fsencode(path)


def _public_bytes(public):
    """The 32 bytes of an Ed25519 public key of the package cryptography."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    return (c_uint8 * 32)(*public.public_bytes(Encoding.Raw, PublicFormat.Raw))


def _callback(function):
    """0 where the function returns, 1 where it raises."""
    def call(*arguments):
        try:
            function(*arguments)
            return 0
        except Exception:
            return 1
    return call


def write(path, model, codes=None, before=None, audit=None, bom=None, command=None, key=None, threads=0):
    """Write the receipt of a model file. Everything but `command` is a path; `key` is an Ed25519PrivateKey of the
    package cryptography."""
    given = {}
    if key is not None:
        def sign(message, size, signature, _user):
            memmove(signature, key.sign(bytes(message[:size])), 64)

        given = {"public_key": cast(_public_bytes(key.public_key()), POINTER(c_uint8)),
                 "sign": _ffi.ReceiptSignFn(_callback(sign))}
    opts = _struct.options(_ffi.ReceiptOptions, model=_path(model), codes=_path(codes), before=_path(before),
                           audit=_path(audit), bom=_path(bom), command=_arrays.text(command, "command"), **given)
    with LongCall(threads) as run:
        lib.dkvb_receipt_write(_path(path), byref(opts), byref(run))


def verify(path, model, codes=None, before=None, audit=None, ids=None, key=None, threads=0):
    """Check a receipt against the files. `ids` are rows that an entry must have committed to; `key` is the
    Ed25519PublicKey that must have signed."""
    sentences, given = [], {}
    rows = None if ids is None else _arrays.ids(ids, "ids", "ids")

    def tell(outcome, about, text, _user):
        sentences.append(Sentence(_OUTCOMES[outcome], about.decode("utf-8"), text.decode("utf-8", "replace")))
        return 0

    if key is not None:
        def check(message, size, signature, _user):
            key.verify(bytes(signature[:64]), bytes(message[:size]))

        given = {"public_key": cast(_public_bytes(key), POINTER(c_uint8)), "check": _ffi.ReceiptCheckFn(_callback(check))}
    opts = _struct.options(_ffi.ReceiptOptions, model=_path(model), codes=_path(codes), before=_path(before),
                           audit=_path(audit), ids=_arrays.pointer(rows), id_count=0 if rows is None else len(rows),
                           tell=_ffi.ReceiptTellFn(tell), **given)
    try:
        with LongCall(threads) as run:
            lib.dkvb_receipt_verify(_path(path), byref(opts), byref(run))
    except MismatchError:
        return Verified(False, tuple(sentences))
    return Verified(True, tuple(sentences))

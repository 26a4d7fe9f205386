"""Public structs: options from keyword arguments, answers as dataclasses."""

from ctypes import byref, c_double, c_uint32, c_uint64, sizeof
from dataclasses import fields

from . import _arrays, _ffi
from ._library import lib

_NAMES = {structure: name.encode("ascii") for name, structure in _ffi.STRUCTURES.items()}


def sized(structure):
    """An empty struct that knows its own size."""
    return structure(struct_size=sizeof(structure))


def _field(ctype, value, name):
    if ctype is c_uint32:
        return _arrays.integer(value, 32, name)
    if ctype is c_uint64:
        return _arrays.integer(value, 64, name)
    if ctype is c_double:
        return float(value)
    return value


def options(structure, **given):
    """The library's defaults, and what the caller gave in place of None."""
    raw = structure()
    lib.dkvb_init(_NAMES[structure], byref(raw), sizeof(structure))
    types = dict(structure._fields_)
    for name, value in given.items():
        if value is not None:
            setattr(raw, name, _field(types[name], value, name))
    return raw


def name(of, number):
    """What the library calls a number, "" for the one that says nothing."""
    return lib.dkvb_name(of, number).decode("ascii")


def answer(cls, raw):
    """A dataclass with the fields of a struct, each as the type that the dataclass names."""
    return cls(**{field.name: field.type(getattr(raw, field.name)) for field in fields(cls)})

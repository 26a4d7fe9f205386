"""Public structs: options from keyword arguments, results as dataclasses."""

from ctypes import byref, c_double, c_uint32, c_uint64, sizeof
from dataclasses import fields

from . import _arrays, _ffi
from ._library import lib

_NAMES = {structure: name.encode("ascii") for name, structure in _ffi.STRUCTURES.items()}


def sized(structure):
    """Returns an empty struct that knows its own size."""
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
    """Returns the library's defaults, with the caller's values in place of those that are not None."""
    raw = structure()
    lib.dkvb_init(_NAMES[structure], byref(raw), sizeof(structure))
    types = dict(structure._fields_)
    for name, value in given.items():
        if value is not None:
            setattr(raw, name, _field(types[name], value, name))
    return raw


def name(of, number):
    """Returns the library's name for a number, "" for the number that stands for nothing."""
    return lib.dkvb_name(of, number).decode("ascii")


def answer(cls, raw):
    """Returns a dataclass with the fields of a struct, each converted to the type that the dataclass names."""
    return cls(**{field.name: field.type(getattr(raw, field.name)) for field in fields(cls)})

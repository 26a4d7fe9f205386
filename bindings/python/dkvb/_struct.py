"""Public C structs: options from keyword arguments, results as dataclasses."""

from ctypes import byref, c_double, c_uint32, c_uint64, sizeof
from dataclasses import fields

from . import _arrays, _ffi
from ._library import lib

_NAMES = {structure: name.encode("ascii") for name, structure in _ffi.STRUCTURES.items()}


def sized(structure):
    """Returns an empty C struct whose `struct_size` is set."""
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
    """Returns a struct of options: the caller's values that are not None, and the library's defaults for all others."""
    raw = structure()
    lib.dkvb_init(_NAMES[structure], byref(raw), sizeof(structure))
    types = dict(structure._fields_)
    for name, value in given.items():
        if value is not None:
            setattr(raw, name, _field(types[name], value, name))
    return raw


def name(of, number):
    """Returns the library's name of the constant `number` of the kind `of`; "" for the constant 0, which means none."""
    return lib.dkvb_name(of, number).decode("ascii")


def answer(cls, raw):
    """Returns a dataclass with the fields of a C struct, each converted to the type that the dataclass declares."""
    return cls(**{field.name: field.type(getattr(raw, field.name)) for field in fields(cls)})

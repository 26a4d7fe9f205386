"""Tables: CSV, TSV, `.npz`, `.npy` and IDX files as arrays, with names of columns, labels and rows (table.h)."""

import os
from ctypes import POINTER, byref, c_char_p, create_string_buffer
from dataclasses import dataclass
from typing import List, Optional, Sequence, Union

import numpy as np

from . import _arrays, _ffi, _struct
from ._library import lib
from ._run import LongCall
from ._types import Array, Path, Progress

_WHAT = {"rows": _ffi.DKVB_TABLE_ROWS, "labels": _ffi.DKVB_TABLE_LABELS, "ids": _ffi.DKVB_TABLE_IDS}
_HEADER = {None: _ffi.DKVB_HEADER_AUTO, True: _ffi.DKVB_HEADER_YES, False: _ffi.DKVB_HEADER_NO}


@dataclass
class Table:
    """Contents of a table file: features, labels, ids and groups. A member of the Table is None if the table file lacks
    it."""

    x: Optional[Array]  # Features of the rows, float32[rows][columns].
    column_names: Optional[List[str]]  # Name of each feature column.
    labels: Optional[Array]  # Labels of the rows, int32[rows]; -1 for a row without a label.
    label_names: Optional[List[str]]  # Names of the labels 0, 1, ...; "" for a label without a name.
    ids: Union[None, Array, List[str]]  # Ids of the rows, uint64[rows], or a name for each row.
    groups: Optional[Array]  # Group number of each row, uint64[rows], equal for all rows of a group.


def _texts(pointer, count):
    return [pointer[i].decode("utf-8") for i in range(count)] if pointer else None


def _copied(pointer, shape):
    """Returns a copy of an array of a C table, as a numpy array."""
    return np.ctypeslib.as_array(pointer, shape).copy() if pointer and np.prod(shape) else None


def _list(given, what):
    given = list(given)
    return (c_char_p * max(len(given), 1))(*[_arrays.text(one, what) for one in given]), len(given)


def file_of(path: Path) -> str:
    """Returns the file that a path names: for an array of an archive, as in "rows.npz:x", the archive."""
    encoded = _arrays.path(path)
    file = create_string_buffer(len(encoded) + 1)
    lib.dkvb_table_file(encoded, file, len(file))
    return os.fsdecode(file.value)


def read_table(path: Path, *, what: str = "rows", header: Optional[bool] = None, label_column: Optional[str] = None,
               id_column: Optional[str] = None, group_column: Optional[str] = None, group: Optional[str] = None,
               columns: Optional[Sequence[str]] = None, label_names: Optional[Sequence[str]] = None,
               threads: int = 0, progress: Progress = None) -> Table:
    """Reads a CSV, TSV, `.npz`, `.npy` or IDX file; "rows.npz:x" names one array of an archive with several.

    `what` says what the file holds: "rows", or only "labels" or only "ids", in a text file one in each line. The
    columns of labels, ids and groups are given by their names or by their numbers from 1. `columns` chooses the
    features and their order, for example the columns of a model (`model.column_names`). If not all labels are whole
    numbers, they are class names: names in `label_names` keep their labels, and new names get the following labels in
    the order of their bytes. `header` says whether the first line holds names of columns; None lets the library decide.
    """
    opts = _struct.options(_ffi.TableOptions, what=_arrays.choice(what, _WHAT, "what"),
                           header=_arrays.choice(header, _HEADER, "header"))
    opts.label_column = _arrays.text(label_column, "label_column")
    opts.id_column = _arrays.text(id_column, "id_column")
    opts.group_column = _arrays.text(group_column, "group_column")
    opts.group = _arrays.text(group, "group")
    if columns is not None:
        opts.columns, opts.column_count = _list(columns, "columns")
    if label_names is not None:
        opts.label_names, opts.label_name_count = _list(label_names, "label_names")
    raw, info = POINTER(_ffi.Table)(), _struct.sized(_ffi.TableInfo)
    with LongCall(threads, progress) as run:
        lib.dkvb_table_read(byref(raw), _arrays.path(path), byref(opts), byref(run))
    try:
        lib.dkvb_table_get_info(raw, byref(info))
        rows, columns_read = info.rows, info.columns
        x = _copied(info.x, (rows, columns_read))
        if x is None and what == "rows":
            x = np.empty((rows, columns_read), np.float32)
        labels = _copied(info.labels, (rows,))
        ids = _texts(info.id_names, rows) if info.id_names else _copied(info.ids, (rows,))
        return Table(x, _texts(info.column_names, columns_read), labels, _texts(info.label_names, info.label_count),
                     ids, _copied(info.groups, (rows,)))
    finally:
        lib.dkvb_table_free(raw)

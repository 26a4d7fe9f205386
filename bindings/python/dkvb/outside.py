"""Rows outside the scale of the keys: counts of rows of another kind than the rows that the keys were placed on."""

from typing import Optional, Tuple

from . import _ffi, _struct


class Outside:
    """Counts rows outside the scale in the calls that it is passed to (search.h, `dkvb_outside`).

        outside = dkvb.Outside()
        model.predict(x, outside=outside)
        if outside.rows: ...

    Each call adds to the counts, so that several batches count as one.
    """

    def __init__(self) -> None:
        self._raw = _struct.sized(_ffi.Outside)

    @property
    def searched(self) -> int:
        """Number of rows that were searched."""
        return self._raw.searched

    @property
    def rows(self) -> int:
        """Number of rows outside the scale."""
        return self._raw.rows

    @property
    def shorter(self) -> int:
        """Number of rows that are shorter than the least of `lengths`."""
        return self._raw.shorter

    @property
    def longer(self) -> int:
        """Number of rows that are longer than the greatest of `lengths`."""
        return self._raw.longer

    @property
    def first(self) -> Optional[int]:
        """Number of the first row outside the scale, counted through all calls; None if no row is outside."""
        return self._raw.first if self._raw.rows else None

    @property
    def length(self) -> float:
        """Length of the first row outside the scale."""
        return self._raw.length

    @property
    def cut(self) -> float:
        """Fraction of the projected numbers of the first row outside the scale that lie at an end of the scale."""
        return self._raw.cut

    @property
    def lengths(self) -> Tuple[float, float]:
        """Least and greatest length of a row inside the scale."""
        return self._raw.least, self._raw.greatest

    def __repr__(self):
        return f"<dkvb.Outside: {self.rows} of {self.searched} rows>"

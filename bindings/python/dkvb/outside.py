"""Rows outside the scale: counts of rows that are not of the kind that the keys were placed on."""

from typing import Optional, Tuple

from . import _ffi, _struct


class Outside:
    """Counts rows outside the scale in the calls that it is passed to (search.h, `dkvb_outside`).

        outside = dkvb.Outside()
        model.predict(x, outside=outside)
        if outside.rows: ...

    Calls add to it, so batches count as one.
    """

    def __init__(self) -> None:
        self._raw = _struct.sized(_ffi.Outside)

    @property
    def searched(self) -> int:
        """Number of rows that were looked at."""
        return self._raw.searched

    @property
    def rows(self) -> int:
        """Number of these rows outside the scale."""
        return self._raw.rows

    @property
    def shorter(self) -> int:
        """Number of rows whose length is below `lengths`."""
        return self._raw.shorter

    @property
    def longer(self) -> int:
        """Number of rows whose length is above `lengths`."""
        return self._raw.longer

    @property
    def first(self) -> Optional[int]:
        """Number of the first row outside, counted through all calls, or None."""
        return self._raw.first if self._raw.rows else None

    @property
    def length(self) -> float:
        """Length of the first row outside."""
        return self._raw.length

    @property
    def cut(self) -> float:
        """Share of the first row's projected numbers that lie at an end of the scale."""
        return self._raw.cut

    @property
    def lengths(self) -> Tuple[float, float]:
        """The least and the greatest length of rows inside the scale."""
        return self._raw.least, self._raw.greatest

    def __repr__(self):
        return f"<dkvb.Outside: {self.rows} of {self.searched} rows>"

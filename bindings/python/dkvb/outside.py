"""Counts of rows outside the scale of the keys, which means far outside the range of the rows on which the keys were
placed."""

from typing import Optional, Tuple

from . import _ffi, _struct


class Outside:
    """Counts rows far outside the range of the rows on which keys were placed: pass an Outside to predict(), search()
    or fit().

        outside = dkvb.Outside()
        model.predict(x, outside=outside)
        if outside.rows: ...

    Each call that an Outside object is passed to adds to its counts, so that several batches count as one.
    """

    def __init__(self) -> None:
        self._raw = _struct.sized(_ffi.Outside)

    @property
    def searched(self) -> int:
        """Number of rows whose codes were searched, whether they lie outside the scale of the keys or not."""
        return self._raw.searched

    @property
    def rows(self) -> int:
        """Number of rows far outside the range of the rows on which keys were placed."""
        return self._raw.rows

    @property
    def shorter(self) -> int:
        """Number of rows whose length (norm) is below the range of the rows on which keys were placed."""
        return self._raw.shorter

    @property
    def longer(self) -> int:
        """Number of rows whose length (norm) is above the range of the rows on which keys were placed."""
        return self._raw.longer

    @property
    def first(self) -> Optional[int]:
        """Row number of the first row that counts as outside the scale of the keys, from the first call on; None if no
        row does."""
        return self._raw.first if self._raw.rows else None

    @property
    def length(self) -> float:
        """Length (norm) of the first row outside the scale of the keys."""
        return self._raw.length

    @property
    def cut(self) -> float:
        """Fraction of the projected numbers of the first row outside the scale that lie at an end of the scale."""
        return self._raw.cut

    @property
    def lengths(self) -> Tuple[float, float]:
        """Least and greatest length (norm) of a row inside the scale of the keys."""
        return self._raw.least, self._raw.greatest

    def __repr__(self):
        return f"<dkvb.Outside: {self.rows} of {self.searched} rows>"

"""Escaping of text from other people before it goes into a page: names of classes, reasons, names of files."""

import unicodedata
from datetime import datetime, timezone
from html import escape

# Marks that change the direction of the following text could make a class name read as another sentence.
_TURNS = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def visible(given):
    """Returns text with each control character, direction mark, lone surrogate and unassigned character as its
    number."""
    def one(c):
        hidden = c in _TURNS or unicodedata.category(c) in ("Cc", "Cs", "Cn", "Co", "Zl", "Zp")
        return f"\\u{ord(c):04x}" if hidden else c

    return "".join(one(c) for c in str(given))


def html(given):
    """Returns text that cannot be taken for markup, in content or in an attribute."""
    return escape(visible(given), quote=True)


def short(given, most=18):
    """Shortens text such as a class name for the figures of a report, which have little room."""
    given = visible(given)
    return given if len(given) <= most else given[:most - 1] + "…"


def percent(value, digits=1):
    """Writes a fraction as "12.3 %", with a real minus sign."""
    return "–" if value is None or value != value else f"{value * 100:.{digits}f} %".replace("-", "−")


def interval(estimate, digits=1):
    """Writes an Estimate as "12.3 % (11.0 to 13.7 %)"."""
    if estimate is None:
        return "–"
    low, high = (f"{one * 100:.{digits}f}".replace("-", "−") for one in (estimate.low, estimate.high))
    return f"{percent(estimate.value, digits)} ({low} to {high} %)"


def number(estimate, digits=3):
    """Writes an Estimate as "0.512 (0.490 to 0.534)"."""
    if estimate is None:
        return "–"
    return f"{estimate.value:.{digits}f} ({estimate.low:.{digits}f} to {estimate.high:.{digits}f})"


def moment(seconds):
    """Writes the time of a journal entry in UTC."""
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"{seconds} seconds after 1970"


def count(number_of, one, more=None):
    """Writes a count with its noun, such as "1 row" or "2,345 rows"."""
    return f"{number_of:,} {one if number_of == 1 else more or one + 's'}"

"""The figures of a report: inline SVG in the colours of the page, so that one picture serves light and dark mode.

matplotlib draws with colours that each stand for a role; the page's CSS variables then replace them in the SVG. The
text of a figure stays text, in the page's font. Each figure is narrow enough for a phone."""

import io
import re
import warnings
from html import escape

import numpy as np

from . import text

WIDE = 4.6  # width of a figure in inches: 331 units of the SVG, about the width of a phone's screen in pixels
ROLES = {
    "#010203": "var(--ink)",
    "#040506": "var(--muted)",
    "#070809": "var(--grid)",
    "#0a0b0c": "var(--before)",
    "#0d0e0f": "var(--after)",
    "#101112": "var(--retrained)",
    "#131415": "var(--forgotten)",
    "#161718": "var(--paper)",
}
INK, MUTED, GRID, BEFORE, AFTER, RETRAINED, FORGOTTEN, PAPER = ROLES
SHOWN = 16  # largest number of classes in a figure; the tables have all classes


def settings():
    """Returns matplotlib's rcParams for the figures of a report."""
    return {
        "svg.fonttype": "none", "svg.hashsalt": "dkvb", "text.parse_math": False, "text.usetex": False,
        "font.size": 9.0, "font.family": "DejaVu Sans", "axes.edgecolor": MUTED, "axes.labelcolor": INK,
        "axes.linewidth": 0.8, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
        "axes.axisbelow": True, "grid.color": GRID, "grid.linewidth": 0.8, "text.color": INK, "xtick.color": MUTED,
        "ytick.color": MUTED, "xtick.labelcolor": INK, "ytick.labelcolor": INK, "figure.facecolor": "none",
        "axes.facecolor": "none", "savefig.facecolor": "none", "axes.unicode_minus": True, "axes.formatter.use_mathtext": False,
        "axes.xmargin": 0.02, "lines.linewidth": 1.6, "path.simplify": True, "axes.formatter.use_locale": False,
    }


def draw(name, alt, height, paint):
    """Draws one figure as SVG with a title. `paint(axes)` draws the content of the figure; `alt` describes the figure
    for those who cannot see it."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **settings(), "backend": "svg"}), \
            warnings.catch_warnings():
        # matplotlib warns of letters that its own font lacks; the page uses the reader's font
        warnings.simplefilter("ignore")
        figure = Figure(figsize=(WIDE, height), layout="tight")
        FigureCanvasSVG(figure)
        paint(figure.add_subplot())
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return _for_page(out.getvalue(), name, alt)


def _for_page(svg, name, alt):
    """Returns the SVG element of a figure alone, with unique ids and the colours of the page."""
    svg = svg[svg.index("<svg"):]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.S)
    width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups()

    def of_page(found):
        """Converts one tag of the SVG: ids, colours and font. Text between SVG tags stays unchanged, as class names in
        the text may look like tags."""
        tag = re.sub(r' id="([^"]*)"', rf' id="{name}-\1"', found.group(0))
        tag = re.sub(r'(xlink:href="#|url\(#)', rf"\1{name}-", tag)
        tag = re.sub(r"#[0-9a-f]{6}", lambda color: ROLES.get(color.group(0), color.group(0)), tag)
        return re.sub(r"font: ([^;\"]*?)([\d.]+)px 'DejaVu Sans'[^;\"]*", _font, tag)

    svg = re.sub(r"<[^>]*>", of_page, svg[svg.index(">") + 1:])
    svg = re.sub(r"\n\s*", "\n", svg).strip()
    return (f'<svg class="figure" viewBox="0 0 {width} {height}" role="img" aria-labelledby="{name}-alt" '
            'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
            f'<title id="{name}-alt">{escape(alt)}</title>\n{svg}')


def _font(found):
    """Replaces matplotlib's font by the font family of the page, with the same size and weight."""
    weight = re.search(r"\d+|bold", found.group(1))
    return f"font-size: {found.group(2)}px; font-weight: {weight.group(0) if weight else 'normal'}; font-family: inherit"


def _percent(axes, which="x", low=0.0, high=1.0):
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(MaxNLocator(5))  # at most 5 axis ticks, so that their labels do not touch in a narrow figure
    axis.set_major_formatter(FuncFormatter(lambda value, _at: f"{value * 100:g} %".replace("-", "−")))
    (axes.set_xlim if which == "x" else axes.set_ylim)(low, high)


def _rows_of(axes, names, forgotten):
    """Prepares a figure with a row for each class, from the top; forgotten classes have a colour of their own."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    for tick, marked in zip(axes.get_yticklabels(), forgotten):
        if marked:
            tick.set_color(FORGOTTEN)
            tick.set_fontweight("bold")


def _interval(axes, estimate, at, color, marker, **more):
    axes.plot([estimate.low, estimate.high], [at, at], color=color, linewidth=1.4, solid_capstyle="butt", **more)
    axes.plot([estimate.value], [at], color=color, marker=marker, markersize=5, linestyle="none",
              markerfacecolor=PAPER if marker == "o" else color, markeredgewidth=1.4)


def height_of(rows):
    return 0.75 + 0.27 * max(rows, 2)


def shown_classes(lines):
    """Returns the classes that a figure shows, at most SHOWN: the forgotten classes, then those whose accuracy changed
    most."""
    there = [line for line in lines if line.rows]
    change = {line.label: abs(line.loss.value) if line.loss else 0.0 for line in there}
    there.sort(key=lambda line: (not line.forgotten, -change[line.label], line.label))
    return there[:SHOWN]


def accuracy(lines, names, alt):
    lines = shown_classes(lines)

    def paint(axes):
        for at, line in enumerate(lines):
            if line.before:
                _interval(axes, line.before, at - 0.14, BEFORE, "o")
            _interval(axes, line.after, at + 0.14, AFTER, "s")
        _rows_of(axes, [text.short(names[line.label]) for line in lines], [line.forgotten for line in lines])
        _percent(axes, "x", -0.03, 1.03)
        axes.set_xlabel("rows answered rightly")

    return draw("accuracy", alt, height_of(len(lines)), paint)


def losses(lines, names, alt):
    lines = sorted((line for line in lines if line.loss and not line.forgotten), key=lambda line: -line.loss.value)[:SHOWN]

    def paint(axes):
        axes.axvline(0.0, color=MUTED, linewidth=1.0)
        for at, line in enumerate(lines):
            _interval(axes, line.loss, at, AFTER, "s")
        _rows_of(axes, [text.short(names[line.label]) for line in lines], [False] * len(lines))
        low, high = min(line.loss.low for line in lines), max(line.loss.high for line in lines)
        room = max(0.05 * (high - low), 0.005)
        _percent(axes, "x", min(low, 0.0) - room, max(high, 0.0) + room)
        axes.set_xlabel("accuracy lost (left of 0: gained)")

    return draw("losses", alt, height_of(len(lines)), paint)


def membership(found, alt):
    styles = {"before": (BEFORE, "-"), "after": (AFTER, "-"), "retrained": (RETRAINED, (0, (4, 2)))}

    def paint(axes):
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
        for name, (alarms, members, _auc) in found.curves.items():
            color, style = styles[name]
            axes.plot(alarms, members, color=color, linestyle=style)
        _percent(axes, "x", -0.01, 1.01)
        _percent(axes, "y", -0.01, 1.02)
        axes.set_xlabel("other rows taken for members")
        axes.set_ylabel("members found")

    return draw("membership", alt, 3.4, paint)


def budget(curve, alt, name="budget"):
    def paint(axes):
        at = np.array(curve.pairs, dtype=float)
        for estimates, color, marker in ((curve.others, AFTER, "s"), (curve.forgotten, FORGOTTEN, "^")):
            known = [i for i, one in enumerate(estimates) if one]
            axes.fill_between(at[known], [estimates[i].low for i in known], [estimates[i].high for i in known],
                              color=color, alpha=0.18, linewidth=0)
            axes.plot(at[known], [estimates[i].value for i in known], color=color, marker=marker, markersize=3.5)
        if curve.used:
            axes.axvline(curve.used, color=INK, linewidth=1.0, linestyle=(0, (4, 2)))
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(_counts())
        axes.xaxis.set_minor_formatter(_nothing())
        _percent(axes, "y", -0.03, 1.03)
        axes.set_xlabel("pairs masked")
        axes.set_ylabel("rows answered rightly")

    return draw(name, alt, 3.0, paint)


def _counts():
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(lambda value, _at: f"{value:,.0f}" if value >= 1 else "")


def _nothing():
    from matplotlib.ticker import NullFormatter

    return NullFormatter()


def calibration(found, alt):
    def paint(axes):
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
        for name, color, marker in (("before", BEFORE, "o"), ("after", AFTER, "s")):
            bins = found.bins.get(name, [])
            for sure, right, _rows in bins:
                axes.plot([sure, sure], [right.low, right.high], color=color, linewidth=1.2)
            axes.plot([one[0] for one in bins], [one[1].value for one in bins], color=color, marker=marker, markersize=5,
                      markerfacecolor=PAPER if marker == "o" else color, linewidth=1.0)
        _percent(axes, "x", -0.02, 1.03)
        _percent(axes, "y", -0.02, 1.03)
        axes.set_xlabel("probability that the model gives its answer")
        axes.set_ylabel("answers that are right")

    return draw("calibration", alt, 3.2, paint)


def map_of_codes(found, names, nearest, alt):
    """Draws the map of codes. `nearest` are labels of the classes, besides forgotten ones, whose names the map of codes
    shows, most important first."""

    def paint(axes):
        at, mine = found.at, found.forgotten
        axes.scatter(*at[~mine].T, s=7, color=MUTED, alpha=0.55, linewidth=0)
        axes.scatter(*at[mine].T, s=13, color=FORGOTTEN, marker="^", linewidth=0)
        spread = at.max(axis=0) - at.min(axis=0)
        taken = []
        for label in [*np.unique(found.labels[mine]).tolist(), *nearest]:
            rows = at[found.labels == label]
            if not len(rows) or len(taken) > 12:
                continue
            middle = np.median(rows, axis=0)
            step = spread * [0.16, 0.055]  # about the width and height of a class name in the report's map of codes
            place = next((middle + [0, step[1] * move] for move in (0, 1, -1, 2, -2, 3, -3)
                          if all((np.abs(middle + [0, step[1] * move] - other) >= step * [1.3, 1]).any()
                                 for other in taken)), None)
            if place is None:
                continue
            taken.append(place)
            forgotten = mine[found.labels == label].any()
            axes.text(*place, text.short(names[label], 14), ha="center", va="center", fontsize=9,
                      color=FORGOTTEN if forgotten else INK, fontweight="bold" if forgotten else "normal",
                      bbox={"boxstyle": "round,pad=0.15", "facecolor": PAPER, "edgecolor": "none", "alpha": 0.8})
        axes.set_xticks([])
        axes.set_yticks([])
        axes.grid(False)
        for spine in axes.spines.values():
            spine.set_visible(False)

    return draw("map", alt, 4.0, paint)


def overlap(found, names, alt):
    lines = found.lines[:SHOWN]

    def paint(axes):
        axes.barh(range(len(lines)), [line[1] for line in lines], height=0.6, color=AFTER)
        _rows_of(axes, [text.short(names[line[0]]) for line in lines], [False] * len(lines))
        axes.set_xlim(0, max(max(line[1] for line in lines) * 1.1, 1e-6))
        axes.set_xlabel("weighted overlap with the forgotten classes")

    return draw("overlap", alt, height_of(len(lines)), paint)

"""The page of a report: findings in words, tables and figures, as one HTML file without scripts and external files."""

import shlex
from pathlib import Path

from . import figures, text
from .findings import Missing
from .style import CSS
from .text import html

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_KEYS = {
    "before": ("before", "ring", "before forgetting"), "after": ("after", "", "after forgetting"),
    "line-before": ("before", "line", "before forgetting"), "line-after": ("after", "line", "after forgetting"),
    "line-retrained": ("retrained", "dash", "trained again without the rows"),
    "others": ("after", "", "all other classes"), "class": ("forgotten", "tip", "the class"),
    "used": ("ink", "dash", "what this request masked"),
    "map-forgotten": ("forgotten", "tip", "forgotten"), "map-others": ("muted", "dot", "other rows"),
}
_PROMISES = {
    "suppress": (
        "Strength <code>suppress</code>: answers are suppressed.",
        "Pairs of the model that serve the class are masked, and the model answers as if they were not there. The values "
        "behind the mask remain in the file until a purge, and other values keep what the rows taught them. Whoever has the "
        "file can take the mask off. Somebody who attacks the model can still tell that the rows were trained on."),
    "exact": (
        "Strength <code>exact</code>: the values were trained again without the rows.",
        "The values of this model are those of a training that never saw the rows. What the rows taught the values is "
        "deleted. The keys, the encoder and older copies of the file are not part of that."),
    "": ("The journal does not say which strength was meant.",
         "Pairs were masked. The values behind the mask remain in the file until a purge."),
}
_KEPT_KEYS = "The keys stayed where they are: they were placed on all rows, the forgotten ones among them."
_PLACED_KEYS = "The keys were placed again too, without the rows."
_PURGE = ("A purge came after it: the bytes of the masked keys and values are erased from this file. What the rows taught "
          "other values is still there, and so are older copies of the file.")


def render(given, found):
    """Returns the whole page of a report as text; `given` is an Inputs, `found` are its Findings."""
    names = class_names(given.model)
    sections = [_head(given, found, names), _asked(given, names), _promise(given), _accuracy(given, found, names),
                _others(given, found, names), _membership(found), _budget(found, names), _calibration(found),
                _map(given, found, names), _overlap(found, names), _reference(given, found, names), _journal(given, names),
                _check(given)]
    body = "\n".join(f"<section>\n{one}\n</section>" for one in sections if one)
    return (f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<meta name="referrer" content="no-referrer">\n<link rel="icon" href="data:,">\n'
            f"<title>{html(_title(given))}</title>\n<style>{CSS}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n"
            "</html>\n")


def class_names(model):
    """Returns a name for every label: the model's class name, or for example "class 3"."""
    return [name if name else f"class {label}" for label, name in enumerate(model.class_names)]


def _title(given):
    return given.title or "Report on a deletion request"


def _left_out(missing):
    return f'<p class="left-out">Left out. {html(missing.why)}</p>'


def _table(head, rows, marked=()):
    """Returns a table as HTML. For each column of the HTML table, `head` has its title and whether its cells are
    numbers; `rows` have cells in HTML, and the first cell of a row is the row's heading."""
    titles = "".join(f'<th scope="col"{" class=n" if number else ""}>{title}</th>' for title, number in head)
    lines = []
    for at, row in enumerate(rows):
        cells = "".join(f"<td{' class=n' if head[i][1] else ''}>{cell}</td>" for i, cell in enumerate(row) if i)
        lines.append(f'<tr{" class=forgotten" if at in marked else ""}><th scope="row">{row[0]}</th>{cells}</tr>')
    return (f'<div class="scroll" tabindex="0"><table>\n<thead><tr>{titles}</tr></thead>\n<tbody>\n' + "\n".join(lines)
            + "\n</tbody></table></div>")


def _figure(svg, caption, keys=()):
    items = "".join(f'<li class="{_KEYS[key][0]}"><i class="{_KEYS[key][1]}"></i><span>{_KEYS[key][2]}</span></li>'
                    for key in keys)
    legend = f'<ul class="key">{items}</ul>\n' if items else ""
    return f"<figure>\n{legend}{svg}\n<figcaption>{caption}</figcaption>\n</figure>"


def _list_of(labels, names):
    """Returns class names with their labels as text, escaped for HTML."""
    return ", ".join(f"{html(names[label])} ({label})" if names[label] != f"class {label}" else html(names[label])
                     for label in labels)


# Heading of the page: what was asked to be forgotten, and when

def _head(given, found, names):
    who = _list_of(given.classes, names) if given.classes else "not known by class"
    totals, lines = found.totals, []
    active = [one for one in given.model.journal if one.in_force]
    strengths = sorted({one.strength for one in active if one.strength})
    lines.append(f"<li>Forgotten: {who}.</li>" if active or given.classes else
                 "<li>The journal of this model has no forgetting in force.</li>")
    if strengths:
        lines.append(f"<li>Strength: {' and '.join(f'<code>{one}</code>' for one in strengths)}. "
                     f'<a href="#promise">What it promises</a> is below.</li>')
    for key, what in (("forgotten", "the forgotten classes"), ("others", "all other classes together")):
        if key in totals:
            rows, before, after, _loss = totals[key]
            was = f"{text.interval(before)} before and " if before else ""
            lines.append(f"<li>Of {text.count(rows, 'row')} of {what}, the model answers rightly: {was}"
                         f"{text.interval(after)} after.</li>")
    measured = "" if isinstance(found.answers, Missing) else (
        f"<p class=note>Shares are measured on {html(found.answers.what)}, which the model was not trained on. Numbers in "
        "brackets are intervals: in 95 of 100 such measurements the interval holds the true number.</p>")
    made = f" {html(given.date)}." if given.date else ""
    return (f"<h1>{html(_title(given))}</h1>\n<p class=lead>Model <code>{html(Path(given.path).name)}</code>.{made}</p>\n"
            f"<ul>\n" + "\n".join(lines) + f"\n</ul>\n{measured}")


def _asked(given, names):
    rows = []
    for one in given.model.journal:
        if one.kind not in ("forget", "replay"):
            continue
        classes = _list_of(one.terms.classes, names) if one.terms and one.terms.classes else ""
        by_row = text.count(one.rows, "row") if one.rows else ""
        rows.append((str(one.id), html(text.moment(one.time)), ", ".join(filter(None, (classes, by_row))) or "not said",
                     html(one.strength or "not said"), html(_state(one)),
                     f'<div class="w">{html(one.reason) if one.reason else "–"}</div>'))
    if not rows:
        return "<h2>What was asked, and when</h2>\n<p>The journal of this model has no request to forget.</p>"
    return ("<h2>What was asked, and when</h2>\n"
            + _table((("Entry", 0), ("When", 0), ("Who", 0), ("Strength", 0), ("State", 0), ("Reason", 0)), rows)
            + "\n<p class=note>Times are those of the machine that did it. Reasons are in the words of whoever gave them.</p>")


def _state(entry):
    words = {"active": "in force", "undone": "taken back", "purged": "in force, purged", "done": "done",
             "relearned": "over: taught again"}
    return "in force" if entry.state == "done" and entry.in_force else words.get(entry.state, entry.state)


def _promise(given):
    active = [one for one in given.model.journal if one.in_force]
    parts = []
    for strength in sorted({one.strength for one in active}):
        title, words = _PROMISES.get(strength, _PROMISES[""])
        mine, more = [one for one in active if one.strength == strength], ""
        if strength == "exact":
            keys = {one.terms.keys if one.terms else "" for one in mine}
            more = f"<p>{_KEPT_KEYS}</p>" if "kept" in keys else f"<p>{_PLACED_KEYS}</p>" if keys == {"placed"} else ""
        elif any(one.state == "purged" for one in mine):
            more = f"<p>{_PURGE}</p>"
        parts.append(f'<div class="promise"><p><strong>{title}</strong></p><p>{words}</p>{more}</div>')
    if not parts:
        parts = ["<p>No forgetting is in force, so nothing is promised.</p>"]
    return '<h2 id="promise">What that promises</h2>\n' + "\n".join(parts) + (
        "\n<p>Masking suppresses answers. A purge erases listed bytes. Only training again without the rows deletes what they "
        "taught the values.</p>")


# Figures

def _accuracy(given, found, names):
    title = "<h2>Accuracy by class</h2>\n"
    if isinstance(found.classes, Missing):
        return title + _left_out(found.classes)
    lines = [line for line in found.classes if line.rows]
    if not lines:
        return title + _left_out(Missing("No measured row has a label."))
    shown = figures.shown_classes(lines)
    both = any(line.before for line in lines)
    alt = "Accuracy by class, " + "; ".join(
        f"{text.short(names[line.label])}: " + (f"{text.percent(line.before.value)} before, " if line.before else "")
        + f"{text.percent(line.after.value)} after" for line in shown[:6]) + (
        "; and so on, as the table has it." if len(shown) > 6 else ".")
    svg = figures.accuracy(lines, names, alt)
    caption = (f"Share of {html(found.answers.what)} that are answered rightly, with 95 % intervals (Wilson)."
               + (f" The {len(shown)} classes whose accuracy changed most; the table has all." if len(shown) < len(lines) else ""))
    marked = [at for at, line in enumerate(lines) if line.forgotten]
    rows = [(_list_of([line.label], names) + (" – forgotten" if line.forgotten else ""), f"{line.rows:,}",
             text.interval(line.before), text.interval(line.after), text.interval(line.loss)) for line in lines]
    note = f"<p class=left-out>Figures of before are left out. {html(found.answers.no_before)}</p>" if not both else ""
    return (title + note + _figure(svg, caption, ("before", "after") if both else ("after",)) + "\n" + _table(
        (("Class", 0), ("Rows", 1), ("Before", 1), ("After", 1), ("Lost", 1)), rows, marked))


def _others(given, found, names):
    title = "<h2>Who else paid</h2>\n"
    if isinstance(found.classes, Missing):
        return title + _left_out(found.classes)
    lines = [line for line in found.classes if line.loss and not line.forgotten]
    if not lines:
        return title + _left_out(Missing(found.answers.no_before or "No rows of other classes were measured."))
    lines.sort(key=lambda line: -line.loss.value)
    sure = [line for line in lines if line.loss.low > 0]
    worst = lines[0]
    alt = (f"Accuracy lost by {text.count(len(lines), 'other class', 'other classes')}. Most is lost by "
           f"{text.short(names[worst.label])}: {text.interval(worst.loss)}.")
    total = found.totals.get("others")
    words = (f"<p>All other classes together lose {text.interval(total[3])} of their accuracy; below 0 they gain. "
             if total and total[3] else "<p>")
    words += (f"Of {text.count(len(lines), 'other class', 'other classes')}, {len(sure)} "
              f"{'loses' if len(sure) == 1 else 'lose'} for certain, that is with an interval that is above 0"
              + (f": {_list_of([line.label for line in sure[:12]], names)}{' and more' if len(sure) > 12 else ''}" if sure else "")
              + ".</p>")
    caption = "Accuracy before less accuracy after, on the same rows, with 95 % intervals (Agresti and Min)."
    if len(lines) > figures.SHOWN:
        caption += f" The {figures.SHOWN} classes that lose most; the table above has all."
    return title + words + _figure(figures.losses(lines, names, alt), caption)


def _membership(found):
    title = "<h2>Can the rows still be told?</h2>\n"
    one = found.membership
    if isinstance(one, Missing):
        return title + _left_out(one)
    titles = {"before": "before forgetting", "after": "after forgetting", "retrained": "trained again without the rows"}
    alt = "ROC curves of an attack that tells trained rows from others. Area under the curve: " + "; ".join(
        f"{titles[name]} {text.number(curve[2])}" for name, curve in one.curves.items()) + ". 0.5 is chance."
    words = (f"<p>An attack looks at how sure the model is of the label of a row. It tries to tell the "
             f"{text.count(one.members, 'row')} that were to be forgotten from {text.count(one.others, 'row')} of the same "
             f"classes that were never trained on ({html(one.others_what)}). An area of 0.5 is chance; 1 tells every row. "
             "The yardstick is the model that was trained again without the rows.</p>")
    rows = [(titles[name], text.number(curve[2])) for name, curve in one.curves.items()]
    notes = "".join(f"<p class=note>{html(_sentence(note))}</p>" for note in one.notes)
    keys = [f"line-{name}" for name in one.curves]
    svg = figures.membership(one, alt)
    caption = "ROC curve of the attack by the margin of the label. The dotted line is chance."
    return title + words + _figure(svg, caption, keys) + _table(
        (("Model", 0), ("Area under the curve, 95 % interval (DeLong)", 1)), rows) + notes + _reading(one)


def _reading(one):
    after, again = (one.curves.get(name) for name in ("after", "retrained"))
    if not after or not again:
        return ""
    apart = after[2].low > again[2].high
    below = after[2].high < again[2].low
    words = ("The attack finds the rows better in this model than in the one that was trained again: their influence is still "
             "there." if apart else
             "The rows stand out in this model by being treated worse than rows that were never seen. Whoever turns the score "
             "round can tell them." if below else
             "No difference to the model that was trained again was seen by this attack. Other attacks may see one.")
    return f"<p>{words}</p>"


def _sentence(given):
    given = given.strip()
    return given if given.endswith(".") else given + "."


def _budget(found, names):
    title = "<h2>What more masking would do</h2>\n"
    if isinstance(found.curves, Missing):
        return title + _left_out(found.curves)
    parts = []
    for at, curve in enumerate(found.curves):
        name = names[curve.label]
        first, last = curve.forgotten[0], curve.forgotten[-1]
        alt = (f"Accuracy of {text.short(name)} and of all other classes along the number of masked pairs. From "
               f"{curve.pairs[0]:,} to {curve.pairs[-1]:,} pairs, {text.short(name)} goes from "
               f"{text.percent(first.value)} to {text.percent(last.value)}"
               + (f", the others from {text.percent(curve.others[0].value)} to {text.percent(curve.others[-1].value)}."
                  if curve.others[0] else "."))
        keys = ["class", "others"] + (["used"] if curve.used else [])
        caption = (f"Accuracy of {html(name)} and of all other classes, by the number of pairs that are masked, on "
                   f"{html(curve.what)}. Bands are 95 % intervals. The model itself is not changed by this measurement.")
        parts.append(_figure(figures.budget(curve, alt, f"budget{at}" if at else "budget"), caption, keys))
    return title + "\n".join(parts)


def _calibration(found):
    title = "<h2>Can its probabilities be believed?</h2>\n"
    one = found.calibration
    if isinstance(one, Missing):
        return title + _left_out(one)
    words = {"before": "before forgetting", "after": "after forgetting"}
    alt = "Share of right answers by the probability that the model gives. Calibration error: " + "; ".join(
        f"{words[name]} {text.percent(error.value)}" for name, error in one.errors.items()) + "."
    rows = [(words[name], text.interval(error)) for name, error in one.errors.items()]
    caption = (f"Answers to {text.count(one.rows, 'row')} ({html(one.what)}) of all classes that were not forgotten, in ten bins "
               "of probability, with 95 % intervals. On the dotted line, probabilities are what they say.")
    return title + _figure(figures.calibration(one, alt), caption, list(one.errors)) + _table(
        (("Model", 0), ("Calibration error, 95 % interval", 1)), rows) + (
        "<p class=note>The interval is that of a bootstrap. The error is never below 0, so few rows make it look larger than it "
        "is.</p>")


def _map(given, found, names):
    title = "<h2>Where the forgotten class lies</h2>\n"
    one = found.map
    if isinstance(one, Missing):
        return title + _left_out(one)
    lines = [] if isinstance(found.overlap, Missing) else found.overlap.lines
    nearest = [line[0] for line in lines[:9]]
    mine = int(one.forgotten.sum())
    alt = (f"Map of the codes of {text.count(len(one.labels), 'row')}, drawn so that rows with like codes lie together; "
           f"{text.count(mine, 'row')} of the forgotten "
           f"{'classes' if len(given.classes) > 1 else 'class'} are marked.")
    caption = (f"Codes of {text.count(len(one.labels), 'row')} ({html(one.what)}), as they are without a mask: t-SNE of the share of "
               "pairs that two rows do not have in common. Nearness means something, distances and sizes do not.")
    return title + _figure(figures.map_of_codes(one, names, nearest, alt), caption,
                           ("map-forgotten", "map-others") if mine else ("map-others",))


def _overlap(found, names):
    title = "<h2>Who shares the forgotten class's pairs</h2>\n"
    one = found.overlap
    if isinstance(one, Missing):
        return title + _left_out(one)
    top = one.lines[0]
    alt = (f"Weighted overlap of codes with the forgotten classes. The largest is that of {text.short(names[top[0]])}: "
           f"{top[1]:.3f}" + (f", then {text.short(names[one.lines[1][0]])}: {one.lines[1][1]:.3f}." if len(one.lines) > 1 else "."))
    more = f" The {figures.SHOWN} largest of {len(one.lines)}." if len(one.lines) > figures.SHOWN else ""
    caption = (f"Weighted overlap of the codes of each class with those of the forgotten ones: 0 shares no pair, 1 all. It is of "
               f"{text.count(one.rows, 'row')} ({html(one.what)}), has no interval, and compares with no other data set.{more}")
    return title + _figure(figures.overlap(one, names, alt), caption)


def _reference(given, found, names):
    title = "<h2>A linear head beside it</h2>\n"
    one = found.reference
    if isinstance(one, Missing):
        return title + _left_out(one)
    from . import stats

    words = {"model": "this model", "ridge": "ridge regression", "logistic": "logistic regression"}
    rows = []
    for line in one.lines:
        name = words.get(line.head, line.head) + {"all": ", all rows", "kept": ", without the forgotten rows"}.get(line.rows, "")
        rows.append((html(name), *(text.interval(stats.share(round(value * n), n)) if n and value == value else "–" for value, n in (
            (line.forgotten, one.test_forgotten), (line.others, one.test_others))),
            f"{line.auc:.3f}" if line.auc == line.auc else "–"))
    return title + ("<p>What the encoder alone knows: linear heads on the same features. The last column says how well the answers "
                    "tell the forgotten classes from all others; of a head on all rows it is what the encoder shows of "
                    "them, whatever the model forgets.</p>") + _table(
        (("Head", 0), ("Forgotten classes", 1), ("All others", 1), ("Area under the curve", 1)), rows)


# How a reader can check the report

def _journal(given, names):
    title = "<h2>The journal</h2>\n"
    entries = given.model.journal
    rows = [(str(one.id), html(one.kind), html(text.moment(one.time)), f"{one.pairs:,}", html(_state(one)),
             f'<span class="hash">{one.head.hex()}</span>') for one in entries]
    table = _table((("Entry", 0), ("What", 0), ("When", 0), ("Pairs", 1), ("State", 0), ("Head", 0)), rows) if rows else (
        "<p>It has no entry.</p>")
    commitments = "".join(
        f'<li>Entry {one.id} commits to {text.count(one.rows, "row")}: <span class="hash">{one.commitment.hex()}</span>'
        + (" (its salt is kept, so the rows can be checked)" if one.salted else " (its salt is gone, so nobody can check "
           "the rows)") + "</li>" for one in entries if one.commitment)
    return (title + "<p>Each head is a hash of its entry and all before it. A head that is kept elsewhere shows later whether the "
            "journal was changed since.</p>" + table
            + (f"<ul>{commitments}</ul>" if commitments else "")
            + f'<p>Head of the journal today: <span class="hash">{given.model.journal_head.hex()}</span></p>')


def _check(given):
    files = "".join(f'<dt>{html(what)}: {html(Path(path).name)}</dt><dd class="hash">SHA-256 {digest}</dd>'
                    for what, path, digest in given.files)
    head = given.model.journal_head.hex()
    model, last = _word(given.path), given.model.journal
    lines = [("The file is whole, and its journal has only grown since this page was made.",
              f"dkvb verify {model} --head {head}"),
             ("What the journal says.", f"dkvb masks {model}")]
    if given.test is not None:
        x, y = map(_word, given.tested)
        lines.append(("The accuracies after forgetting.", f"dkvb eval {model} --features {x} --labels {y}"))
        if given.before_path:
            lines.append(("The accuracies before.",
                          f"dkvb eval {_word(given.before_path)} --features {x} --labels {y}"))
    if given.codes_path and given.classes and given.before is not None:
        classes = ",".join(map(str, given.classes))
        base = _word(given.before_path) if given.before_path else "before.dkvb"
        if not given.before_path:
            active = [str(one.id) for one in reversed(last) if one.in_force]
            lines.append(("The model from before, made from this one.", "\n".join(
                f"dkvb undo {model if not at else base} {one} -o {base}" for at, one in enumerate(active))))
        lines.append(("The budget curve.",
                      f"dkvb sweep {base} --codes {_word(given.codes_path)} --class {classes} -o budgets.csv"))
        if given.test is not None:
            lines.append(("Membership and more attacks, beside a model trained again. TRAIN_X and TRAIN_Y are the rows that the "
                          "model was trained on.",
                          f"dkvb audit {model} --before {base} --codes {_word(given.codes_path)} --class {classes} --features "
                          f"TRAIN_X --labels TRAIN_Y --test-features {x} --test-labels {y}"))
    commands = "".join(f"<p>{html(words)}</p><pre>{html_lines(command)}</pre>" for words, command in lines)
    return ("<h2>How to check all that</h2>\n<p>These commands need the files and the program <code>dkvb</code>, and nothing of "
            f"this page.</p>{commands}\n<h3>Files that this page was made from</h3>\n<dl>{files}</dl>")


def html_lines(given):
    """Returns lines of shell commands, escaped for HTML; each line is escaped alone, so that the line feeds between
    lines stay line feeds."""
    return "\n".join(html(line) for line in given.split("\n"))


def _word(path):
    """Quotes a file name for a shell, without its folder, as the person who checks has the files elsewhere."""
    name = Path(path).name
    return shlex.quote(f"./{name}" if name.startswith("-") else name).replace("\n", "\\n")

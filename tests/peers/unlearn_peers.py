"""How do libdkvb and other ways to forget a class compare, on the same features, in one run?

Published methods of unlearning (tests/peers/unlearn_ways.py) forget one class of a linear head, of an MLP and of the
values of a small bottleneck; libdkvb forgets the class of a bottleneck with default settings and of the small
bottleneck. The units of each mean are pairs of a class and a seed. The rows that libdkvb holds out are the validation
rows of all methods. Each setting of a method's grid is tried. Of the settings whose validation accuracy on kept classes
is at least that of the retrained head less .01, the table shows the one with the lowest validation accuracy on the
forgotten class; of several such settings, the one whose membership is nearest to that of the retrained head. For each
class the grid is tried with the first seed, and again with another seed if the setting found does not meet the accuracy
limit there. No choice depends on test rows.

Membership is the AUC of the margin of the true label, between training rows and test rows of the forgotten class. KLoM
(Georgiev et al. 2024, arXiv 2410.23232) is the KL divergence, for each training row, of the margins of N unlearned
heads from those of N retrained heads, computed from the histograms of docs/audit.md and averaged over rows.
"""
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "experiments"))
import evidence  # noqa: E402

np = evidence.np
torch = evidence.package("torch")
evidence.package("scipy.sparse")
import dkvb  # noqa: E402
import unlearn_ways as ways  # noqa: E402

NEAR = 0.01  # Largest validation accuracy that a setting may lose against the retrained head.
SMALL = {"codebooks": 64, "keys": 1024, "top_k": 4}  # Shape of the small bottleneck.
# MobileNetV1, the encoder of cifar10, takes 569 M multiply-adds at 224 x 224 (Howard et al. 2017, arXiv 1704.04861,
# table 4). The cost of each layer of MobileNetV1 grows with the area of the picture, and these pictures have 96 x 96
# pixels.
ENCODER = 569e6 * (96 / 224) ** 2
ON_LAYERS = [ways.FineTune(), ways.Ascent(), ways.NegGrad(), ways.SalUn(), ways.Projection(), ways.Scrub()]
SHORT = 4096  # retained rows in one pass over the MLP and in one pass of the short SCRUB, to save time
ON_VALUES = [ways.NegGrad(), ways.Scrub()]
HEADS = ("linear head", "MLP", "small bottleneck")
OURS, GIVEN = "suppress", "suppress, pairs given"


@dataclass
class Outcome:
    """Result of one unlearning method for one class and seed."""

    forget: float  # Accuracy on test rows of the forgotten class.
    retain: float  # Accuracy on test rows of all other classes.
    membership: float
    gap: float  # Membership AUC of the unlearned head less that of the retrained head.
    seconds: float
    forward: float = 0.0  # multiply-adds
    backward: float = 0.0
    encoded: int = 0  # Number of different rows whose features were read.
    retained: int = 0  # Number of different retained rows whose features were read.
    codes: int = 0  # Number of different retained rows of which only codes were read.
    chosen: str = ""  # The setting.


class Rows:
    """Features and labels of a data set, training rows before test rows; a row number is the row's position in this
    order."""

    def __init__(self, data, count=None):
        x, y, test_x, test_y = data.x[:count], data.y[:count], data.test_x[:count], data.test_y[:count]
        self.raw, self.n = np.concatenate([x, test_x]), len(x)
        held = dkvb.Codeset.holds_out(np.arange(self.n), 0.1)
        self.train, self.held = np.flatnonzero(~held), np.flatnonzero(held)
        self.test = np.arange(self.n, len(self.raw))
        self.labels = np.concatenate([y, test_y])
        self.y = torch.from_numpy(self.labels.astype(np.int64))
        # Rows are centred and divided by one number, so that the principal axes keep their proportions.
        self.x = torch.from_numpy((self.raw - x[~held].mean(0)) / x[~held].std())

    def of(self, rows, label):
        """Splits row numbers into the rows of the class `label` and all other rows."""
        mine = self.labels[rows] == label
        return rows[mine], rows[~mine]


def margins(scores, labels):
    """Returns the margin of each row's label: its logit minus the log of the sum of the other classes' exponentials,
    log(p / (1 - p)). A logit of -inf stands for a column that was left out; the largest remaining logit then takes its
    place (docs/audit.md)."""
    scores = torch.as_tensor(scores).double()
    labels = torch.as_tensor(labels).long().clone()
    out = torch.isinf(scores.gather(1, labels[:, None])[:, 0])
    labels[out] = scores[out].argmax(1)
    own = scores.gather(1, labels[:, None])[:, 0]
    return (own - scores.scatter(1, labels[:, None], -torch.inf).logsumexp(1)).numpy()


def membership(answer, rows, members, others):
    return evidence.auroc(margins(answer(members), rows.labels[members]), margins(answer(others), rows.labels[others]))


def accuracy(answer, rows, which):
    return float((np.asarray(answer(which)).argmax(1) == rows.labels[which]).mean())


def outcome(answer, rows, label, seconds, **cost):
    """Measures an Outcome; `answer` is a function that takes row numbers and returns logits."""
    members, others = rows.of(rows.train, label)[0], rows.of(rows.test, label)
    return Outcome(accuracy(answer, rows, others[0]), accuracy(answer, rows, others[1]),
                   membership(answer, rows, members, others[0]), float("nan"), seconds, **cost)


def of_checkpoint(head, found, rows, label):
    """Measures the Outcome of a checkpoint of a published unlearning method."""
    cost = found.cost
    retained = int(cost.retained.sum())
    forgotten = len(rows.of(rows.train, label)[0]) if cost.forgotten else 0
    return outcome(answers(head, found.net), rows, label, cost.seconds, chosen=found.words,
                   forward=cost.forward * head.forward + cost.other, backward=cost.backward * head.backward,
                   encoded=retained + forgotten, retained=retained)


def answers(head, net):
    return lambda which: ways.logits(head, net, torch.as_tensor(which))


def choose(checkpoints, head, task, rows, again):
    """Returns the Checkpoint that is best on validation rows; None if none is as accurate as the retrained head."""
    mine, kept = rows.of(rows.held, task.label)
    members = rows.of(rows.train, task.label)[0]
    least = accuracy(answers(head, again), rows, kept) - NEAR
    near = [one for one in checkpoints if accuracy(answers(head, one.net), rows, kept) >= least]
    if not near:
        return None
    forget = [accuracy(answers(head, one.net), rows, mine) for one in near]
    best = [one for one, found in zip(near, forget) if found == min(forget)]
    reference = membership(answers(head, again), rows, members, mine)
    return min(best, key=lambda one: abs(membership(answers(head, one.net), rows, members, mine) - reference))


def rewind(run, head, task, rows):
    """Returns the checkpoint that the rewinding of SCRUB chooses: the one whose accuracy on forgotten rows is nearest
    to the last checkpoint's accuracy on validation rows of the forgotten class. Its cost includes all passes, and a
    prediction of the forgotten rows after each pass."""
    wanted = accuracy(answers(head, run[-1].net), rows, rows.of(rows.held, task.label)[0])
    nearest = min(run, key=lambda one: abs(accuracy(answers(head, one.net), rows, task.forget.numpy()) - wanted))
    cost = run[-1].cost.copy()
    cost.forward += len(run) * len(task.forget)
    return ways.Checkpoint(nearest.setting, nearest.passes, nearest.net, cost)


def dropped(head, net, label):
    """Returns the Outcome of a head from which the output column of the forgotten class is left out."""
    def answer(which):
        scores = ways.logits(head, net, torch.as_tensor(which))
        scores[:, label] = -torch.inf
        return scores

    return answer


# libdkvb


class Library:
    """A bottleneck fitted by libdkvb, from which classes are forgotten."""

    def __init__(self, rows, seed, options, **shape):
        self.rows, self.options = rows, options
        self.model, self.codeset, self.report = dkvb.fit(rows.raw[:rows.n], rows.labels[:rows.n], codeset=True,
                                                         seed=seed, threads=options.threads, **shape)
        self.info = self.model.info
        self.size = self.info.codebooks * self.info.top_k * self.info.classes  # number of additions to decode one row
        sample = self.codeset.rows("held_out")
        self.deep, self.looked_at = sample.codes[::10], len(sample)
        self.codes = {}  # codes of rows, searched before anything is forgotten

    def known(self, which):
        """Returns the codes of rows, searched without a mask; the same rows are searched only once."""
        key = which.tobytes()
        if key not in self.codes:
            self.codes[key] = self.model.search(self.rows.raw[which], threads=self.options.threads)
        return self.codes[key]

    def answer(self, model):
        def scores(which):
            codes = self.known(which)
            if model.info.masked_pairs:
                codes = model.refresh(self.rows.raw[which], codes, threads=self.options.threads)
            return model.decode(codes, threads=self.options.threads)

        return scores

    def suppress(self, label, **how):
        """Forgets a class by `suppress`, measures, and undoes the forgetting. Returns the Outcome, or None if the plan
        is refused; the number of pairs to mask is found on codes in memory."""
        began = time.perf_counter()
        plan = self.model.plan_forget(classes=[label], threads=self.options.threads, **how)
        if plan.refusal:
            return None
        self.model.apply(plan, how.get("codeset"))
        seconds = time.perf_counter() - began
        kept = self.looked_at - int((self.rows.labels[self.rows.held] == label).sum()) if "codeset" in how else 0
        found = outcome(self.answer(self.model), self.rows, label, seconds, forward=self.additions(plan, label),
                        codes=kept)
        self.model.undo()
        return found

    def additions(self, plan, label):
        """Returns the number of multiply-adds and additions of a plan by method `values`: the method scores each value
        (lib/unlearn/by_values.c); to find the number of pairs, the held-out rows are decoded and followed through the
        changes of their codes (lib/unlearn/budget.c), then decoded with and without the mask (lib/unlearn/effect.c)."""
        values, budget = self.model.values.astype(np.float64), plan.info.budget
        scored = values[..., 0].size * (self.info.classes + 4)
        if budget is None:
            return scored
        own = values[..., label]
        score = np.where(own > 0, own ** 4 / np.maximum((values ** 2).sum(-1), 1e-300), 0)
        order = np.argsort(-score.reshape(-1), kind="stable")
        most, decoded, changed = int((score > 0).sum()), 0, 0.0
        # codes are followed through few changes first, and through more only if few are not enough
        for shift in (6, 4, 2, 0):
            taken = np.zeros(score.size, bool)
            taken[order[:most >> shift]] = True
            decoded += 1
            changed += self.changes(taken.reshape(score.shape))
            if most >> shift >= budget.budget:
                break
        # if there was no larger budget, the effect is measured again
        decoded += 2 if plan.info.pairs == budget.roomy else 4
        return scored + self.looked_at * (decoded * self.size + changed * self.info.classes)

    def changes(self, taken):
        """Returns how many values a held-out row gains or loses if the pairs `taken` are masked: a mean over every
        tenth row."""
        books = np.arange(taken.shape[0])[:, None]
        gone = np.concatenate([taken[books, np.minimum(one, taken.shape[1] - 1)][None] for one in self.deep])
        passed = np.cumsum(~gone, axis=2) - ~gone < self.info.top_k
        return 2.0 * (gone & passed).sum() / len(self.deep)

    def exact(self, label):
        """Trains the values again without a class, on the same keys. Returns the new model and its Outcome."""
        mine, kept = self.rows.of(self.rows.train, label)
        with tempfile.TemporaryDirectory() as folder:
            self.model.save(Path(folder) / "model")
            model = dkvb.Model.load(Path(folder) / "model")
        began = time.perf_counter()
        model.replay(self.codeset, mine, threads=self.options.threads)
        seconds = time.perf_counter() - began
        work = self.report.epochs * len(kept) * self.size
        return model, outcome(self.answer(model), self.rows, label, seconds, forward=work, backward=work,
                              codes=len(kept))


# The run


def klom(unlearned, again):
    """Returns KLoM, the divergence of the histograms of a row's margins in unlearned and in retrained heads, as a mean
    over rows; both arguments are margins [N][rows]. Clipping, bins and floor are those of the audit (docs/audit.md)."""
    p, q = (np.clip(np.stack(side), -100, 100) for side in (unlearned, again))
    low = np.minimum(p.min(0), q.min(0))
    width = np.maximum(p.max(0), q.max(0)) - low
    width[width == 0] = 1
    shares = []
    for side in (p, q):
        bins = np.minimum((20 * (side - low) / width).astype(int), 19)
        shares.append(np.stack([(bins == one).mean(0) for one in range(20)]))
    p, q = shares
    return float((p * np.log(np.where(p > 0, p, 1) / np.where(p > 0, np.maximum(q, 1e-5), 1))).sum(0).mean())


def measure_klom(head, task, rows, chosen, count):
    """Returns a dict from methods to KLoM, with the settings chosen in the first seed; the entry `retrained` compares
    retrained heads with others, so it is the noise."""
    members, train = task.forget.numpy(), torch.from_numpy(rows.train)
    seen = {way.name: [] for way in chosen}
    again, other, before = [], [], []
    for seed in range(1000, 1000 + count):
        original = head.train(seed, train)[0]
        before.append(margins(answers(head, original)(members), rows.labels[members]))
        for side, first in ((again, 0), (other, count)):
            net = head.train(seed + first, task.retain)[0]
            side.append(margins(answers(head, net)(members), rows.labels[members]))
        for way, (setting, passes) in chosen.items():
            torch.manual_seed(seed)
            for checkpoint in way.run(head, task, original, setting):
                if checkpoint.passes == passes:
                    break
            seen[way.name].append(margins(answers(head, checkpoint.net)(members), rows.labels[members]))
    return {"before": klom(before, again), "retrained": klom(other, again),
            **{name: klom(found, again) for name, found in seen.items()}}


class Run:
    """Results of all classes and seeds: results[head, method] is a list of Outcomes, with None where no setting was
    accurate enough or a plan was refused."""

    def __init__(self, options):
        self.options = options
        self.rows = Rows(evidence.load(options, "cifar10"), 3000 if options.quick else None)
        self.classes = evidence.spread(int(self.rows.labels.max()) + 1, 1 if options.quick else options.classes)
        self.results, self.klom, self.search = {}, {}, []
        # the best setting for each method, head and class; the checkpoints of the present class and seed
        self.settings, self.runs = {}, {}
        self.heads = 2 if options.quick else options.klom  # on each side of KLoM
        self.small = {"codebooks": 16, "keys": 64, "top_k": 4} if options.quick else SMALL
        rows, hidden = self.rows, 32 if options.quick else 1024
        self.dense = [ways.Dense(HEADS[0], rows.x, rows.y),
                      ways.Dense("MLP", rows.x, rows.y, hidden=hidden, epochs=2, rate=1e-3, rates=(3e-4, 1e-3),
                                 rows=SHORT, passes=2)]

    def add(self, head, way, found, again=None):
        if found:
            found.gap = found.membership - (again or found).membership
            words = ", ".join(filter(None, [head, way, found.chosen]))
            print(f"  {words}: forget {found.forget:.4f}, retain {found.retain:.4f}, "
                  f"membership {found.membership:.4f}, {found.seconds:.3f} s", flush=True)
        self.results.setdefault((head, way), []).append(found)

    def task(self, label):
        forget, retain = self.rows.of(self.rows.train, label)
        return ways.Task(label, torch.from_numpy(forget), torch.from_numpy(retain))

    def peers(self, head, original, net, reference, label, seed, which):
        """Runs all published methods on one head, for one class and seed; `net` is the retrained head, with Outcome
        `reference`."""
        task, chosen, self.runs = self.task(label), {}, {}
        self.add(head.name, "column dropped", outcome(dropped(head, original, label), self.rows, label, 0.0), reference)
        for way in which:
            found = self.tune(way, way.name, head, task, original, net, seed)
            if found:
                chosen[way] = found.setting, found.passes
            self.add(head.name, way.name, found and of_checkpoint(head, found, self.rows, label), reference)
            if way.name == "SCRUB":
                found = self.tune(way, "SCRUB, rewound", head, task, original, net, seed)
                self.add(head.name, "SCRUB, rewound", found and of_checkpoint(head, found, self.rows, label), reference)
        return chosen

    def tune(self, way, name, head, task, original, again, seed):
        """Returns the best Checkpoint of a method. With the first seed the whole grid of settings is tried for a class;
        with other seeds the setting that was best then, and the whole grid again if that setting is not accurate
        enough."""
        key = head.name, name, task.label
        for settings in ([self.settings[key][0]] if key in self.settings else [], way.grid(head)):
            found = []
            for setting in settings:
                run = self.run(way, head, task, original, setting, seed)
                if name == "SCRUB, rewound":
                    found.append(rewind(run, head, task, self.rows))
                elif len(settings) == 1 and key in self.settings:
                    found += [one for one in run if one.passes == self.settings[key][1]]
                else:
                    found += run
            best = choose(found, head, task, self.rows, again)
            if best:
                self.settings.setdefault(key, (best.setting, best.passes))
                return best
        return None

    def run(self, way, head, task, original, setting, seed):
        """Returns copies of the checkpoints of one setting for the present class and seed, which are trained only
        once."""
        key = way.name, *setting.items()
        if key not in self.runs:
            torch.manual_seed(seed)
            self.runs[key] = [one.kept() for one in way.run(head, task, original, setting)]
        return self.runs[key]

    def dense_heads(self, seed):
        for head in self.dense:
            original = head.train(seed, torch.from_numpy(self.rows.train))[0]
            for label in self.classes:
                task = self.task(label)
                net, cost = head.train(seed, task.retain)
                reference = of_checkpoint(head, ways.Checkpoint({}, head.epochs, net, cost), self.rows, label)
                self.add(head.name, "before", outcome(answers(head, original), self.rows, label, 0.0), reference)
                self.add(head.name, "retrained", reference)
                which = ON_LAYERS + ([] if head.rows else [ways.ShortScrub(SHORT)])
                chosen = self.peers(head, original, net, reference, label, seed, which)
                if head.name == HEADS[0] and seed == 0 and label == self.classes[0]:
                    for way, value in measure_klom(head, task, self.rows, chosen, self.heads).items():
                        self.klom.setdefault(way, []).append(value)

    def bottlenecks(self, seed):
        for name, shape in (("bottleneck", self.small if self.options.quick else {}), ("small bottleneck", self.small)):
            library = Library(self.rows, seed, self.options, **shape)
            if name == "bottleneck":
                self.time_search(library)
            else:
                every = library.model.search(self.rows.raw, threads=self.options.threads)
                head = ways.Bottleneck(name, every, self.rows.y, library.info.keys)
                original = of_values(library.model)
            for label in self.classes:
                model, reference = library.exact(label)
                self.add(name, "before", outcome(library.answer(library.model), self.rows, label, 0.0), reference)
                self.add(name, "exact", reference)
                self.add(name, OURS, library.suppress(label, codeset=library.codeset), reference)
                pairs = library.info.codebooks * library.info.keys // 16
                self.add(name, GIVEN, library.suppress(label, budget=pairs), reference)
                if name == "small bottleneck":
                    self.peers(head, original, of_values(model), reference, label, seed, ON_VALUES)

    def time_search(self, library):
        began = time.perf_counter()
        with library.model.codebooks as codebooks:
            codebooks.search(self.rows.raw[self.rows.held], library.deep.shape[2], threads=self.options.threads)
        self.search.append(time.perf_counter() - began)


def of_values(model):
    return ways.Values(torch.from_numpy(model.values.reshape(-1, model.info.classes)))


def number(value):
    """Writes a count in units of 10^9, with three digits."""
    return f"{value / 1e9:.3g}" if value else "0"


def add_row(table, run, head, way):
    found = run.results[head, way]
    there = [one for one in found if one]
    units = f"{len(there)} of {len(found)}"
    if not there:
        table.add(head, way, units, "refused" if way == OURS else "no eligible setting", *["–"] * 9)
        return
    middle = {name: statistics.median(getattr(one, name) for one in there)
              for name in ("seconds", "forward", "backward", "encoded", "retained", "codes")}
    total = middle["forward"] + middle["backward"] + middle["encoded"] * ENCODER
    codes = f" (codes of {middle['codes']:,.0f})" if middle["codes"] else ""
    own = evidence.mean([one.membership for one in there]), evidence.mean([one.gap for one in there])
    kl = evidence.mean(run.klom[way]) if head == HEADS[0] and way in run.klom else "–"
    table.add(head, way, units, evidence.mean([one.forget for one in there]),
              evidence.mean([one.retain for one in there]), own[0], own[1].text(table.digits, signed=True), kl,
              f"{1000 * middle['seconds']:.3g}" if middle["seconds"] else "0", number(middle["forward"]),
              number(middle["backward"]), number(total), f"{middle['retained']:,.0f}{codes}")


def compare(table, run, head):
    """Compares libdkvb with SCRUB on one head, over the classes and seeds where a setting of SCRUB is accurate
    enough."""
    mine = "small bottleneck" if head == "small bottleneck" else "bottleneck"
    for way in (OURS, GIVEN):
        pairs = [(a, b) for a, b in zip(run.results[mine, way], run.results[head, "SCRUB"]) if a and b]
        if not pairs:
            table.add(f"{way} on the {mine}", head, "0", *["–"] * 6)
            continue
        forget, retain = (evidence.paired([getattr(a, name) for a, _ in pairs], [getattr(b, name) for _, b in pairs])
                          for name in ("forget", "retain"))
        gap = evidence.paired([abs(a.gap) for a, _ in pairs], [abs(b.gap) for _, b in pairs])
        seconds, work, encoded = (
            statistics.median(cost(a) for a, _ in pairs) / statistics.median(cost(b) for _, b in pairs)
            for cost in (lambda one: one.seconds, lambda one: one.forward + one.backward,
                         lambda one: one.forward + one.backward + one.encoded * ENCODER))
        table.add(f"{way} on the {mine}", head, len(pairs), forget, retain, gap, f"1/{1 / seconds:.3g}",
                  f"1/{1 / work:.3g}", f"1/{1 / encoded:.3g}")
        what = f"{way} on the {mine} against SCRUB on the {head}"
        table.bar(f"{what}: accuracy on the forgotten class, mean difference", forget.difference.mean, "<=", 0)
        table.bar(f"{what}: accuracy on the kept classes, lower end of the difference", retain.difference.low, ">=",
                  -0.005)
        table.bar(f"{what}: ratio of the times", seconds, "<=", 1 / 50)
        table.bar(f"{what}: ratio of the multiply-adds", work, "<=", 1 / 1000)
        table.bar(f"{what}: ratio of the multiply-adds with those of the encoder", encoded, "<=", 1 / 1000)


def tables(run):
    options = run.options
    classes = ", ".join(map(str, run.classes))
    name = "peers-cifar10"
    table = evidence.Table(name, ["kind of model", "method of forgetting", "units (class and seed)",
                                  "accuracy on the forgotten class", "accuracy on the kept classes", "membership AUC",
                                  "membership AUC less that of the retrained model", "KLoM", "time in ms",
                                  "10⁹ multiply-adds of forward passes", "of backward passes",
                                  "10⁹ multiply-adds with encoder", "kept rows read"], digits=3,
                           note=f"Figures of this table are means over classes {classes} of CIFAR-10 × "
                                f"{options.seeds} seeds, with "
                                f"{options.threads} threads. In the table of peers KLoM is over N = "
                                f"{run.heads} models, for the first "
                                f"class and the settings of the first seed. Times, multiply-adds and numbers of rows "
                                f"in the table of peers are medians. If codes are "
                                "not stored, searching the held-out rows of the bottleneck takes "
                                f"{statistics.median(run.search):.2g} s more.")
    for head, way in sorted(run.results, key=lambda key: (*HEADS, "bottleneck").index(key[0])):
        add_row(table, run, head, way)
    yield table
    against = evidence.Table(f"{name}-scrub", ["method of libdkvb", "model on which SCRUB forgets",
                                               "units (class and seed)",
                                               "difference of accuracy on the forgotten class",
                                               "difference of accuracy on the kept classes",
                                               "difference of the distance of membership to retrained",
                                               "ratio of times", "ratio of multiply-adds",
                                               "ratio of multiply-adds with encoder"], digits=4,
                             note="A difference in this table is the figure of libdkvb less that of SCRUB, for each "
                                  "class and seed; a ratio is the median cost of libdkvb divided by that of SCRUB.")
    for head in HEADS:
        compare(against, run, head)
    read = max(one.retained for way in (OURS, GIVEN) for one in run.results["bottleneck", way] if one)
    against.bar("kept rows whose features suppress reads where codes are stored", read, "<=", 0)
    yield against


def measure(options):
    torch.set_num_threads(options.threads)
    run = Run(options)
    for seed in range(options.seeds):
        run.bottlenecks(seed)
        run.dense_heads(seed)
    yield from tables(run)


if __name__ == "__main__":
    evidence.main(__doc__, measure, seeds=3, options=[
        ("--classes", {"type": int, "default": 5, "help": "so many classes, evenly spread (5)"}),
        ("--klom", {"type": int, "default": 20, "help": "heads on each side of KLoM (20)"}),
        ("--threads", {"type": int, "default": 2, "help": "threads of PyTorch and of libdkvb (2)"})])

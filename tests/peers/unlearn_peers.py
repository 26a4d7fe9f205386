"""How do libdkvb and other ways to forget a class compare, on the same features, in one run?

Ways of others (tests/peers/unlearn_ways.py) forget one class on a linear head, on an MLP and on the values of a small
bottleneck; libdkvb forgets it on a bottleneck of its defaults and on the small one. Units are classes times seeds.
Training rows that libdkvb holds out are the validation rows of all: each setting of a stated grid is tried, and among
those whose validation accuracy on kept classes is at least that of the head trained again less .01, the one of the
lowest validation accuracy on the class is shown; of several, the one whose membership is nearest to that of the head
trained again. The grid is tried with the first seed for each class, and with another where the setting found does not
count there. Test rows choose nothing.

Membership is the AUC of the label's margin, rows of the class that were trained on against its test rows. KLoM
(Georgiev et al. 2024, arXiv 2410.23232) is the KL divergence of that margin, row by row of those trained on, between N
heads that unlearned and N trained again, by the histograms of docs/audit.md, a mean over rows.
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

NEAR = 0.01  # of the validation accuracy of the head trained again: a setting below it does not count
SMALL = {"codebooks": 64, "keys": 1024, "top_k": 4}  # of the bottleneck whose values the ways of others train
# MobileNetV1, the encoder of cifar10, takes 569 M multiply-adds at 224 x 224 (Howard et al. 2017, arXiv 1704.04861,
# table 4). The cost of each layer grows with the area of the picture, which is 96 x 96 here.
ENCODER = 569e6 * (96 / 224) ** 2
ON_LAYERS = [ways.FineTune(), ways.Ascent(), ways.NegGrad(), ways.SalUn(), ways.Projection(), ways.Scrub()]
SHORT = 4096  # retained rows in a pass of the MLP, where a pass over all takes seconds, and of the short SCRUB
ON_VALUES = [ways.NegGrad(), ways.Scrub()]
HEADS = ("linear head", "MLP", "small bottleneck")
OURS, GIVEN = "suppress", "suppress, pairs given"


@dataclass
class Outcome:
    """One way in one unit."""

    forget: float  # accuracy on test rows of the class
    retain: float  # on all other test rows
    membership: float
    gap: float  # the membership less that of the same head trained again
    seconds: float
    forward: float = 0.0  # multiply-adds
    backward: float = 0.0
    encoded: int = 0  # rows whose features are read, each counted once
    retained: int = 0  # those of them that are kept
    codes: int = 0  # kept rows whose codes are read, but not their features
    chosen: str = ""  # the setting


class Rows:
    """Features and labels, training rows before test rows, and who is what. All numbers of rows are of this order."""

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
        """Those of the class, and all others."""
        mine = self.labels[rows] == label
        return rows[mine], rows[~mine]


def margins(scores, labels):
    """The label's logit less the log of the sum of the others' exponentials: log(p / (1 - p)). A label whose logit is
    -inf stands for a column that was left out: the largest column that is left takes its place (docs/audit.md)."""
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
    """answer: a function from numbers of rows to logits."""
    members, others = rows.of(rows.train, label)[0], rows.of(rows.test, label)
    return Outcome(accuracy(answer, rows, others[0]), accuracy(answer, rows, others[1]),
                   membership(answer, rows, members, others[0]), float("nan"), seconds, **cost)


def of_checkpoint(head, found, rows, label):
    """The Outcome of a way of others."""
    cost = found.cost
    retained = int(cost.retained.sum())
    forgotten = len(rows.of(rows.train, label)[0]) if cost.forgotten else 0
    return outcome(answers(head, found.net), rows, label, cost.seconds, chosen=found.words,
                   forward=cost.forward * head.forward + cost.other, backward=cost.backward * head.backward,
                   encoded=retained + forgotten, retained=retained)


def answers(head, net):
    return lambda which: ways.logits(head, net, torch.as_tensor(which))


def choose(checkpoints, head, task, rows, again):
    """The best Checkpoint by validation rows; None if none is near the head trained again."""
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
    """The rewinding of SCRUB: of the checkpoints of one setting that whose accuracy on the rows to be forgotten is
    nearest to the last one's on validation rows of the class. All passes were made, and after each the rows to be
    forgotten were answered."""
    wanted = accuracy(answers(head, run[-1].net), rows, rows.of(rows.held, task.label)[0])
    nearest = min(run, key=lambda one: abs(accuracy(answers(head, one.net), rows, task.forget.numpy()) - wanted))
    cost = run[-1].cost.copy()
    cost.forward += len(run) * len(task.forget)
    return ways.Checkpoint(nearest.setting, nearest.passes, nearest.net, cost)


def dropped(head, net, label):
    """The answers of a head whose column for the class is left out."""
    def answer(which):
        scores = ways.logits(head, net, torch.as_tensor(which))
        scores[:, label] = -torch.inf
        return scores

    return answer


# libdkvb


class Library:
    """A bottleneck that libdkvb has fitted, and what it forgets."""

    def __init__(self, rows, seed, options, **shape):
        self.rows, self.options = rows, options
        self.model, self.codeset, self.report = dkvb.fit(rows.raw[:rows.n], rows.labels[:rows.n], codeset=True,
                                                         seed=seed, threads=options.threads, **shape)
        self.info = self.model.info
        self.size = self.info.codebooks * self.info.top_k * self.info.classes  # additions to decode a row
        sample = self.codeset.rows("held_out")
        self.deep, self.looked_at = sample.codes[::10], len(sample)
        self.codes = {}  # of rows whose answers are asked for, before anything is forgotten

    def known(self, which):
        """Codes under no mask, searched once for the same rows."""
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
        """Plan and apply, undone again. Returns the Outcome, None where the plan is refused; budgets are found on codes
        in memory."""
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
        """Multiply-adds and additions of a plan by method `values`: each value is scored (lib/unlearn/by_values.c);
        where the budget is found, held-out rows are decoded and followed through the changes of their codes
        (lib/unlearn/budget.c), then decoded with and without the mask (lib/unlearn/effect.c)."""
        values, budget = self.model.values.astype(np.float64), plan.info.budget
        scored = values[..., 0].size * (self.info.classes + 4)
        if budget is None:
            return scored
        own = values[..., label]
        score = np.where(own > 0, own ** 4 / np.maximum((values ** 2).sum(-1), 1e-300), 0)
        order = np.argsort(-score.reshape(-1), kind="stable")
        most, decoded, changed = int((score > 0).sum()), 0, 0.0
        for shift in (6, 4, 2, 0):  # followed a little way first, and further where that was not enough
            taken = np.zeros(score.size, bool)
            taken[order[:most >> shift]] = True
            decoded += 1
            changed += self.changes(taken.reshape(score.shape))
            if most >> shift >= budget.budget:
                break
        decoded += 2 if plan.info.pairs == budget.roomy else 4  # the guard looks again where there was no room
        return scored + self.looked_at * (decoded * self.size + changed * self.info.classes)

    def changes(self, taken):
        """How often a value comes to a row or goes, a mean over every tenth row held out, if these pairs are taken."""
        books = np.arange(taken.shape[0])[:, None]
        gone = np.concatenate([taken[books, np.minimum(one, taken.shape[1] - 1)][None] for one in self.deep])
        passed = np.cumsum(~gone, axis=2) - ~gone < self.info.top_k
        return 2.0 * (gone & passed).sum() / len(self.deep)

    def exact(self, label):
        """The values trained again without the class, on the same keys. Returns the model and its Outcome."""
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
    """Both [N][rows] of margins. The divergence of the two histograms of each row, with the clipping, bins and floor of
    the audit (docs/audit.md), as a mean over rows."""
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
    """{way: KLoM} of the settings chosen in the first seed; `retrained` against retrained is what noise alone gives."""
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
    """All units: results[head, way] has an Outcome for each, or None where no setting counted or a plan was refused."""

    def __init__(self, options):
        self.options = options
        self.rows = Rows(evidence.load(options, "cifar10"), 3000 if options.quick else None)
        self.classes = evidence.spread(int(self.rows.labels.max()) + 1, 1 if options.quick else options.classes)
        self.results, self.klom, self.search = {}, {}, []
        self.settings, self.runs = {}, {}  # the best of each way, head and class; the checkpoints of the present unit
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
        """All ways of others on one head in one unit. net: the head trained again, whose Outcome is `reference`."""
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
        """The best Checkpoint of a way. A class is tuned by the whole grid in the first unit; in those of other seeds
        the setting that was best there is taken, and the whole grid again where it does not count."""
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
        """The checkpoints of one setting in this unit, copied; made once."""
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
    """Three digits of a count of 10^9."""
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
    """libdkvb against SCRUB on a head, on the units where SCRUB has a setting that counts."""
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
    table = evidence.Table(name, ["kind of model", "method of forgetting", "units", "accuracy on the forgotten class",
                                  "accuracy on the kept classes", "membership", "less retrained", "KLoM",
                                  "ms", "forward, G", "backward, G", "with encoder, G", "kept rows read"], digits=3,
                           note=f"Figures of this table are means over classes {classes} of CIFAR-10 × "
                                f"{options.seeds} seeds, with "
                                f"{options.threads} threads. KLoM is over N = {run.heads} models, for the first "
                                f"class and the settings of the first seed. Times, multiply-adds and numbers of rows "
                                f"in this table are medians. If codes are "
                                "not stored, searching the held-out rows of the bottleneck takes "
                                f"{statistics.median(run.search):.2g} s more.")
    for head, way in sorted(run.results, key=lambda key: (*HEADS, "bottleneck").index(key[0])):
        add_row(table, run, head, way)
    yield table
    against = evidence.Table(f"{name}-scrub", ["method of libdkvb", "model of SCRUB", "units",
                                               "accuracy on the forgotten class", "accuracy on the kept classes",
                                               "distance of membership to retrained", "time", "multiply-adds",
                                               "with encoder"], digits=4,
                             note="A difference is libdkvb's accuracy less SCRUB's, for each class and seed; a cost "
                                  "is the ratio of two medians.")
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

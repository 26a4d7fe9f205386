"""Ways of others to make a classifier forget a class, in PyTorch, on heads over fixed features.

A head is a linear layer, an MLP, or the values of a bottleneck whose codes libdkvb has searched. A way takes a trained
head and gives checkpoints, each with its cost: rows that went forward and backward, seconds, retained rows that were
read. Formulas are those of the papers that each way names; constants that a paper leaves to the user are its grid.
"""
import copy
import time
from dataclasses import dataclass, field

import numpy as np
import scipy.sparse
import torch
from torch.nn import functional

BATCH = 256
SAMPLES = 900  # rows of each side whose activations span the spaces of the projection


@dataclass
class Task:
    """Who is to be forgotten: rows by their numbers in the data set, as int64 tensors."""

    label: int
    forget: torch.Tensor  # rows of the class that were trained on
    retain: torch.Tensor  # all others that were trained on


@dataclass
class Cost:
    """What was done so far. Rows are counted once for each time that they pass through the head."""

    forward: int = 0  # rows
    backward: int = 0  # rows
    other: int = 0  # multiply-adds beside the passes
    seconds: float = 0.0
    retained: np.ndarray = field(default=None, repr=False)  # bool, one for each row of the data set: was it read?
    forgotten: bool = False  # rows of the class were read

    def copy(self):
        return Cost(self.forward, self.backward, self.other, self.seconds, self.retained.copy(), self.forgotten)


@dataclass
class Checkpoint:
    """A head after some passes of one setting."""

    setting: dict
    passes: int
    net: torch.nn.Module
    cost: Cost

    def kept(self):
        """A copy: the way that gave the checkpoint goes on with its head and its cost."""
        return Checkpoint(self.setting, self.passes, copy.deepcopy(self.net), self.cost.copy())

    @property
    def words(self):
        return ", ".join([f"{name} {value:g}" for name, value in self.setting.items()] + [f"passes {self.passes}"])


# Heads


class Dense:
    """Layers over features: `hidden` 0 is a linear head, otherwise an MLP with one hidden layer."""

    def __init__(self, name, x, y, *, hidden=0, epochs=4, rate=1e-2, rates=(1e-3, 3e-3), rows=None, passes=3):
        self.name, self.x, self.y, self.hidden, self.epochs, self.rate, self.rates = (
            name, x, y, hidden, epochs, rate, rates)
        self.rows = rows  # of the retained rows in one pass of a way, drawn anew for each pass; None: all
        self.passes = passes  # of a way, at most
        sizes = [x.shape[1], *([hidden] if hidden else []), int(y.max()) + 1]
        weights = [a * b for a, b in zip(sizes, sizes[1:])]
        self.forward = sum(weights)  # multiply-adds of a row
        # Each weight counts once for its own gradient and once for that of its input; features need no gradient.
        self.backward = 2 * sum(weights) - weights[0]

    def take(self, rows):
        return self.x[rows]

    def optimizer(self, net, rate):
        return torch.optim.Adam(net.parameters(), lr=rate)

    def train(self, seed, rows):
        """A head trained from scratch, with its cost. The rate falls linearly to 0."""
        torch.manual_seed(seed)
        classes, columns = int(self.y.max()) + 1, self.x.shape[1]
        net = (torch.nn.Sequential(torch.nn.Linear(columns, self.hidden), torch.nn.ReLU(),
                                   torch.nn.Linear(self.hidden, classes)) if self.hidden
               else torch.nn.Sequential(torch.nn.Linear(columns, classes)))
        optimizer, cost = self.optimizer(net, self.rate), new_cost(self)
        steps = self.epochs * -(-len(rows) // BATCH)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
        for _ in range(self.epochs):
            descend(self, net, optimizer, rows, cost, self.cross_entropy, schedule)
        cost.retained[rows] = True
        return net, cost

    def cross_entropy(self, logits, rows):
        return functional.cross_entropy(logits, self.y[rows])


class Values(torch.nn.Module):
    """Values of a bottleneck as a bag of embeddings: the logits of a row are the mean of the values of its code."""

    def __init__(self, values):  # [C K][L]
        super().__init__()
        self.values = torch.nn.Parameter(values)

    def forward(self, bags):
        return Bag.apply(self.values, bags)


class Bag(torch.autograd.Function):
    """`bags @ values`, sparse by scipy. torch.nn.EmbeddingBag gives the same and takes several times as long."""

    @staticmethod
    def forward(context, values, bags):
        context.bags = bags
        return torch.from_numpy(bags @ values.detach().numpy())

    @staticmethod
    def backward(context, gradient):
        return torch.from_numpy(context.bags.T @ gradient.numpy()), None


class Bottleneck:
    """The values of a libdkvb model; its keys and codes stay. codes: uint16[n][C][k] of all rows."""

    passes = 2

    def __init__(self, name, codes, y, keys, *, rates=(0.3, 3.0)):
        n, codebooks, k = codes.shape
        self.name, self.y, self.rates, self.rows, self.size = name, y, rates, None, codebooks * k
        pairs = (codes.astype(np.int32) + (np.arange(codebooks, dtype=np.int32) * keys)[:, None]).reshape(-1)
        self.bags = scipy.sparse.csr_matrix((np.full(len(pairs), 1 / self.size, np.float32), pairs,
                                             np.arange(0, len(pairs) + 1, self.size)), shape=(n, codebooks * keys))
        # Multiply-adds of a row, which are additions here: a vector of L for each pair. Codes need no gradient.
        self.forward = self.backward = self.size * (int(y.max()) + 1)

    def take(self, rows):
        return self.bags[rows.numpy()]

    def optimizer(self, net, rate):
        # A step moves a row's own logits by `rate` times its error, as in libdkvb's training (docs/method.md). The mean
        # over a batch and over the code is therefore taken out of the gradient again.
        return torch.optim.SGD(net.parameters(), lr=rate * self.size * BATCH)

    cross_entropy = Dense.cross_entropy


def new_cost(head):
    return Cost(retained=np.zeros(len(head.y), bool))


def logits(head, net, rows):
    with torch.no_grad():
        return torch.cat([net(head.take(part)) for part in rows.split(8192)])


def descend(head, net, optimizer, rows, cost, loss, schedule=None, *, beside=None, keep=None):
    """One pass over rows in random batches: a step on loss(logits, rows of the batch) for each.

    beside: a function of the number of the batch, which gives a loss to add and how many more rows it passed.
    keep: masks of 0 and 1, one for each parameter; gradients elsewhere are dropped.
    """
    began = time.perf_counter()
    for number, part in enumerate(rows[torch.randperm(len(rows))].split(BATCH)):
        total = loss(net(head.take(part)), part)
        passed = len(part)
        if beside:
            more, count = beside(number)
            total, passed = total + more, passed + count
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        for parameter, mask in zip(net.parameters(), keep or ()):
            parameter.grad *= mask
        optimizer.step()
        if schedule:
            schedule.step()
        cost.forward += passed
        cost.backward += passed
    cost.seconds += time.perf_counter() - began


def some(head, rows, cost):
    """The retained rows of one pass."""
    if head.rows and head.rows < len(rows):
        rows = rows[torch.randperm(len(rows))[:head.rows]]
    cost.retained[rows.numpy()] = True
    return rows


# Ways: each has a grid of settings for a head, and runs one of them, a checkpoint after every pass


class FineTune:
    """Training goes on with the retained rows only."""

    name = "fine-tuning"

    def grid(self, head):
        return [{"rate": rate} for rate in head.rates]

    def run(self, head, task, original, setting):
        net, cost = copy.deepcopy(original), new_cost(head)
        optimizer = head.optimizer(net, setting["rate"])
        for number in range(1, head.passes + 1):
            descend(head, net, optimizer, some(head, task.retain, cost), cost, head.cross_entropy)
            yield Checkpoint(setting, number, net, cost)


class Ascent:
    """Gradient ascent: the loss of the rows to be forgotten is made larger."""

    name = "gradient ascent"

    def grid(self, head):
        return [{"rate": rate * factor} for rate in head.rates for factor in (0.3, 1)]

    def run(self, head, task, original, setting):
        net, cost = copy.deepcopy(original), new_cost(head)
        optimizer = head.optimizer(net, setting["rate"])
        cost.forgotten = True
        for number in range(1, head.passes + 1):
            descend(head, net, optimizer, task.forget, cost, lambda out, part: -head.cross_entropy(out, part))
            yield Checkpoint(setting, number, net, cost)


class NegGrad:
    """NegGrad+ (Kurmanji et al. 2023, arXiv 2302.09880): beta CE(retain) - (1 - beta) CE(forget), batches in pairs."""

    name = "NegGrad+"

    def grid(self, head):
        return [{"rate": rate, "beta": beta} for rate in head.rates for beta in (0.95, 0.99)]

    def run(self, head, task, original, setting):
        net, cost, beta = copy.deepcopy(original), new_cost(head), setting["beta"]
        optimizer = head.optimizer(net, setting["rate"])
        cost.forgotten = True
        parts = task.forget[torch.randperm(len(task.forget))].split(BATCH)

        def beside(number):
            part = parts[number % len(parts)]
            return -(1 - beta) * head.cross_entropy(net(head.take(part)), part), len(part)

        for number in range(1, head.passes + 1):
            descend(head, net, optimizer, some(head, task.retain, cost), cost,
                    lambda out, part: beta * head.cross_entropy(out, part), beside=beside)
            yield Checkpoint(setting, number, net, cost)


class SalUn:
    """Saliency (Fan et al. 2023, arXiv 2310.12508): only weights whose gradient of the forget loss is at least the
    median are trained, on retained rows and on rows to be forgotten under random other labels."""

    name = "SalUn"

    def grid(self, head):
        return [{"rate": rate} for rate in head.rates]

    def run(self, head, task, original, setting):
        net, cost = copy.deepcopy(original), new_cost(head)
        cost.forgotten = True
        keep = self.salient(head, task, net, cost)
        optimizer = head.optimizer(net, setting["rate"])
        classes = int(head.y.max()) + 1
        labels = head.y.clone()
        labels[task.forget] = (task.label + torch.randint(1, classes, (len(task.forget),))) % classes
        for number in range(1, head.passes + 1):
            retained = some(head, task.retain, cost)
            # The share of the rows to be forgotten equals that of the others, so that a pass keeps the mixture of all
            # rows.
            share = torch.randperm(len(task.forget))[:len(task.forget) * len(retained) // len(task.retain)]
            descend(head, net, optimizer, torch.cat([retained, task.forget[share]]), cost,
                    lambda out, part: functional.cross_entropy(out, labels[part]), keep=keep)
            yield Checkpoint(setting, number, net, cost)

    def salient(self, head, task, net, cost):
        began = time.perf_counter()
        net.zero_grad()
        head.cross_entropy(net(head.take(task.forget)), task.forget).backward()
        sizes = torch.cat([parameter.grad.abs().reshape(-1) for parameter in net.parameters()])
        median = sizes.median()
        keep = [(parameter.grad.abs() >= median).float() for parameter in net.parameters()]
        cost.forward += len(task.forget)
        cost.backward += len(task.forget)
        cost.seconds += time.perf_counter() - began
        return keep


class Scrub:
    """SCRUB (Kurmanji et al. 2023, arXiv 2302.09880): the student moves away from the teacher on the rows to be
    forgotten in a max pass, then towards it and the labels on the retained rows in a min pass; min passes alone end it.
    Each pass of the first `max` has both. Weights .001 and .99 and temperature 4 are those of the authors' code. At 4
    the student can move away from a teacher that is not sure of the label by being surer of it, so that the class is
    answered more often, not less; hence temperature 1 beside it."""

    name, alpha, gamma = "SCRUB", 0.001, 0.99

    def grid(self, head):
        return [{"rate": rate, "max": turns, "temperature": temperature} for rate in head.rates for turns in (1, 2)
                for temperature in (1, 4)]

    def run(self, head, task, original, setting):
        net, cost, t = copy.deepcopy(original), new_cost(head), setting["temperature"]
        cost.forgotten = True
        teacher = torch.zeros(len(head.y), int(head.y.max()) + 1)
        known = np.zeros(len(head.y), bool)  # rows that the teacher has answered already: it does so once for each
        optimizer = head.optimizer(net, setting["rate"])
        for number in range(1, head.passes + 1):
            if number <= setting["max"]:
                self.ask(head, original, task.forget, teacher, known, cost)
                descend(head, net, optimizer, task.forget, cost,
                        lambda out, part: -self.distance(out, teacher[part], t))
            rows = some(head, task.retain, cost)
            self.ask(head, original, rows, teacher, known, cost)
            descend(head, net, optimizer, rows, cost,
                    lambda out, part: self.alpha * self.distance(out, teacher[part], t)
                    + self.gamma * head.cross_entropy(out, part))
            yield Checkpoint(setting, number, net, cost)

    def distance(self, student, teacher, t):
        """KL(teacher || student) at the temperature t, a mean over rows."""
        return functional.kl_div((student / t).log_softmax(1), (teacher / t).softmax(1), reduction="batchmean") * t * t

    def ask(self, head, original, rows, teacher, known, cost):
        began = time.perf_counter()
        rows = rows[torch.from_numpy(~known[rows.numpy()])]
        if len(rows):
            teacher[rows] = logits(head, original, rows)
            known[rows.numpy()] = True
        cost.forward += len(rows)
        cost.seconds += time.perf_counter() - began


class ShortScrub(Scrub):
    """SCRUB with few retained rows in a pass, drawn anew for each: the cheapest form, which its paper does not have."""

    def __init__(self, rows):
        self.rows, self.name = rows, f"SCRUB, {rows:,} rows a pass"

    def run(self, head, task, original, setting):
        short = copy.copy(head)
        short.rows = self.rows
        return super().run(short, task, original, setting)


class Projection:
    """Class projection (Kodge et al. 2023, arXiv 2312.00761): without a gradient. Of the inputs of each layer the
    principal axes U with shares s of the squared singular values are found on both sides; an axis counts
    a s / ((a - 1) s + 1). Weights W become W (I - F (I - R)), R and F being the projections of the two sides."""

    name = "class projection"

    def grid(self, head):
        return [{"retain": retain, "forget": forget} for retain in (10, 100, 1000) for forget in (3, 300)]

    def run(self, head, task, original, setting):
        net, cost = copy.deepcopy(original), new_cost(head)
        cost.forgotten = True
        retain = task.retain[torch.randperm(len(task.retain))[:SAMPLES]]
        forget = task.forget[torch.randperm(len(task.forget))[:SAMPLES]]
        cost.retained[retain.numpy()] = True
        began = time.perf_counter()
        with torch.no_grad():
            sides = [(head.take(retain), setting["retain"]), (head.take(forget), setting["forget"])]
            for layer, old in zip(net, original):
                if isinstance(layer, torch.nn.Linear):
                    kept, gone = (self.space(x, alpha) for x, alpha in sides)
                    width = layer.weight.shape[1]
                    layer.weight -= layer.weight @ (gone - gone @ kept)
                    # The cost of Gram matrices, of two eigendecompositions at 9 d^3 / 2 (Golub and Van Loan 2013, 8.3),
                    # and of three products
                    cost.other += (len(retain) + len(forget)) * width ** 2 + 12 * width ** 3
                    cost.other += width * layer.weight.numel()
                sides = [(old(x), alpha) for x, alpha in sides]
        cost.forward += len(retain) + len(forget)
        cost.seconds += time.perf_counter() - began
        yield Checkpoint(setting, 1, net, cost)

    def space(self, x, alpha):
        squares, axes = torch.linalg.eigh(x.T @ x)
        share = squares.clamp(min=0) / squares.sum()
        return (axes * (alpha * share / ((alpha - 1) * share + 1))) @ axes.T

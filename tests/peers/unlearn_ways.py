"""Published methods that make a classifier forget a class, in PyTorch, on heads over fixed features.

A head is a linear layer, an MLP, or the values of a bottleneck whose codes libdkvb has searched. A method takes a
trained head and gives checkpoints, each with its cost: numbers of rows in forward and backward passes, seconds, and
retained rows that were read. The formulas are those of the paper that each method names; the constants that a paper
leaves to the user form the method's grid of settings.
"""
import copy
import time
from dataclasses import dataclass, field

import numpy as np
import scipy.sparse
import torch
from torch.nn import functional

BATCH = 256
SAMPLES = 900  # forgotten rows, and retained rows, whose activations the class projection uses


@dataclass
class Task:
    """The rows to forget and to retain: their numbers in the data set, as int64 tensors."""

    label: int
    forget: torch.Tensor  # Training rows of the class to forget.
    retain: torch.Tensor  # Training rows of all other classes.


@dataclass
class Cost:
    """Cost of an unlearning method so far. A row counts each time it passes through the head."""

    forward: int = 0  # rows
    backward: int = 0  # rows
    other: int = 0  # Multiply-adds besides forward and backward passes.
    seconds: float = 0.0
    # True for each row of the data set that was read as a retained row.
    retained: np.ndarray = field(default=None, repr=False)
    forgotten: bool = False  # True if rows of the forgotten class were read.

    def copy(self):
        return Cost(self.forward, self.backward, self.other, self.seconds, self.retained.copy(), self.forgotten)


@dataclass
class Checkpoint:
    """A head after some passes of an unlearning method with one setting."""

    setting: dict
    passes: int
    net: torch.nn.Module
    cost: Cost

    def kept(self):
        """Returns a copy of the checkpoint, as the method trains its head on."""
        return Checkpoint(self.setting, self.passes, copy.deepcopy(self.net), self.cost.copy())

    @property
    def words(self):
        return ", ".join([f"{name} {value:g}" for name, value in self.setting.items()] + [f"passes {self.passes}"])


# Heads


class Dense:
    """A head of dense layers over features: `hidden` 0 is a linear head, other numbers an MLP with one hidden layer of
    this size."""

    def __init__(self, name, x, y, *, hidden=0, epochs=4, rate=1e-2, rates=(1e-3, 3e-3), rows=None, passes=3):
        self.name, self.x, self.y, self.hidden, self.epochs, self.rate, self.rates = (
            name, x, y, hidden, epochs, rate, rates)
        self.rows = rows  # Retained rows in one pass of a method, drawn anew for each pass; None = all.
        self.passes = passes  # Largest number of passes of a method.
        sizes = [x.shape[1], *([hidden] if hidden else []), int(y.max()) + 1]
        weights = [a * b for a, b in zip(sizes, sizes[1:])]
        self.forward = sum(weights)  # multiply-adds of a forward pass of one row.
        # In a backward pass each weight takes one multiply-add for its own gradient and one for that of its input; the
        # features need no gradient.
        self.backward = 2 * sum(weights) - weights[0]

    def take(self, rows):
        return self.x[rows]

    def optimizer(self, net, rate):
        return torch.optim.Adam(net.parameters(), lr=rate)

    def train(self, seed, rows):
        """Returns a head trained from scratch, and the cost of the training. The learning rate falls linearly to 0."""
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
    """Computes `bags @ values` with scipy's sparse matrices; torch.nn.EmbeddingBag would give the same in several times
    the time."""

    @staticmethod
    def forward(context, values, bags):
        context.bags = bags
        return torch.from_numpy(bags @ values.detach().numpy())

    @staticmethod
    def backward(context, gradient):
        return torch.from_numpy(context.bags.T @ gradient.numpy()), None


class Bottleneck:
    """A head made of the values of a libdkvb model, whose keys and codes stay fixed; `codes` are those of all rows,
    uint16[n][C][k]."""

    passes = 2

    def __init__(self, name, codes, y, keys, *, rates=(0.3, 3.0)):
        n, codebooks, k = codes.shape
        self.name, self.y, self.rates, self.rows, self.size = name, y, rates, None, codebooks * k
        pairs = (codes.astype(np.int32) + (np.arange(codebooks, dtype=np.int32) * keys)[:, None]).reshape(-1)
        self.bags = scipy.sparse.csr_matrix((np.full(len(pairs), 1 / self.size, np.float32), pairs,
                                             np.arange(0, len(pairs) + 1, self.size)), shape=(n, codebooks * keys))
        # A row costs one addition of a vector of L values for each selected pair; codes need no gradient.
        self.forward = self.backward = self.size * (int(y.max()) + 1)

    def take(self, rows):
        return self.bags[rows.numpy()]

    def optimizer(self, net, rate):
        # A step moves a row's own logits by `rate` times its error, as in libdkvb's training (docs/method.md). The
        # learning rate is therefore multiplied by the batch size and the code size, which PyTorch's mean divides by.
        return torch.optim.SGD(net.parameters(), lr=rate * self.size * BATCH)

    cross_entropy = Dense.cross_entropy


def new_cost(head):
    return Cost(retained=np.zeros(len(head.y), bool))


def logits(head, net, rows):
    with torch.no_grad():
        return torch.cat([net(head.take(part)) for part in rows.split(8192)])


def descend(head, net, optimizer, rows, cost, loss, schedule=None, *, beside=None, keep=None):
    """One pass over rows in random batches: a step on loss(logits, rows of the batch) for each.

    `beside` is a function that takes the number of the batch, and returns a loss to add and the number of rows it
    passed through the head. `keep` has a mask of 0 and 1 for each parameter; gradients where the mask is 0 are dropped.
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
    """Returns the retained rows that one pass of a method uses."""
    if head.rows and head.rows < len(rows):
        rows = rows[torch.randperm(len(rows))[:head.rows]]
    cost.retained[rows.numpy()] = True
    return rows


# Classes of unlearning methods: each has a grid of settings for a head, and runs one setting, with a checkpoint after
# every pass


class FineTune:
    """Unlearning by fine-tuning: the training goes on with the retained rows only."""

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
    """Unlearning by gradient ascent: the loss of the rows to forget is made larger."""

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
            # Of the rows to forget and of the retained rows the same fraction is drawn, so that a pass keeps their
            # ratio.
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
    forgotten in a max pass, then towards the teacher and the labels on the retained rows in a min pass. The first `max`
    passes are a max pass and a min pass each; the remaining passes are min passes. The weights .001 and .99 and the
    temperature 4 are those of the authors' code. At temperature 4 the student can move away from a teacher that is
    unsure of the label by being surer of the label, so that the class is predicted more often, not less; therefore
    temperature 1 is tried too."""

    name, alpha, gamma = "SCRUB", 0.001, 0.99

    def grid(self, head):
        return [{"rate": rate, "max": turns, "temperature": temperature} for rate in head.rates for turns in (1, 2)
                for temperature in (1, 4)]

    def run(self, head, task, original, setting):
        net, cost, t = copy.deepcopy(original), new_cost(head), setting["temperature"]
        cost.forgotten = True
        teacher = torch.zeros(len(head.y), int(head.y.max()) + 1)
        # rows that the teacher has predicted already; it predicts each row only once
        known = np.zeros(len(head.y), bool)
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
    """SCRUB with few retained rows, drawn anew for each pass: a cheaper form, which the paper on SCRUB does not
    have."""

    def __init__(self, rows):
        self.rows, self.name = rows, f"SCRUB, {rows:,} rows a pass"

    def run(self, head, task, original, setting):
        short = copy.copy(head)
        short.rows = self.rows
        return super().run(short, task, original, setting)


class Projection:
    """Class projection (Kodge et al. 2023, arXiv 2312.00761): without a gradient. For the inputs of each layer, the
    principal axes U and their shares s of the squared singular values are found on rows to forget and on retained rows;
    an axis gets the weight a s / ((a - 1) s + 1). The layer's weights W become W (I - F (I - R)), where R and F are the
    weighted projections of retained rows and of rows to forget."""

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
                    # Cost of the class projection: Gram matrices, two eigendecompositions at 9 d^3 / 2 (Golub and Van
                    # Loan 2013, 8.3), and three matrix products
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

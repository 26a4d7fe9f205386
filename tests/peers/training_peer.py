"""Compares training the bottleneck as one would write it in PyTorch with all of libdkvb's training.

Both run in one process, on the same rows and with the same number of threads.

    training_peer.py [--steps N | --full] [--epochs N] [--threads N] [--library libdkvb.so] [--json]

The PyTorch training takes sampled projected rows as keys; every step projects its batch, searches the codes, takes the
mean of the values that the codes select, softmax, cross-entropy, and one step of SGD on the selected values. Its time
is that of N steps, half of them before libdkvb's turn and half after, times the number of steps in all epochs; --full
makes all steps. Rate, batch, shapes and epochs are the same for both; the random draws differ, so the accuracies agree
only roughly.
"""
import json
import os
import statistics
import sys
import time

import common

BATCH, RATE = 256, 6.0  # libdkvb's defaults


def arguments():
    p = common.parser(__doc__.splitlines()[0])
    p.add_argument("--steps", type=int, default=40, help="of the loop that are measured; default 40")
    p.add_argument("--full", action="store_true", help="make every step")
    p.add_argument("--epochs", type=int, default=5)
    p.add_argument("--set", default="cifar10", choices=("cifar10", "tiny100"))
    p.add_argument("--codebooks", type=int, default=256)
    p.add_argument("--keys", type=int, default=4096)
    p.add_argument("--key-dim", type=int, default=32)
    p.add_argument("--rows", type=int, help="take only the first N of the training rows")
    return p.parse_args()


class Loop:
    """The bottleneck in PyTorch; `x`, float32[n][m], and `y`, int64[n], are torch tensors."""

    def __init__(self, args, x, y, classes):
        begin = time.perf_counter()
        c, k, d, m = args.codebooks, args.keys, args.key_dim, x.shape[1]
        self.x, self.y, self.shape = x, y, (c, d)
        self.center = x.mean(0)
        self.projection = torch.randn(m, c * d) / m ** 0.5
        self.keys = torch.empty(c, k, d)
        for i, own in enumerate(self.projection.split(d, dim=1)):
            torch.mm(x[torch.randperm(len(x))[:k]] - self.center, own, out=self.keys[i])
        self.half = (self.keys ** 2).sum(2) / 2
        self.first = torch.arange(c) * k  # index of the first value of each codebook
        self.values = torch.zeros(c * k, classes, requires_grad=True)
        # the gradient of the mean loss contains the factor 1 / (C B)
        self.sgd = torch.optim.SGD([self.values], lr=RATE * c * BATCH)
        self.order = self.batches(args.epochs)
        self.setup = time.perf_counter() - begin
        self.search = self.faster()

    def batches(self, epochs):
        for _ in range(epochs):
            yield from torch.randperm(len(self.x)).split(BATCH)

    def project(self, x):
        c, d = self.shape
        return torch.mm(x - self.center, self.projection).view(-1, c, d).transpose(0, 1).contiguous()

    def search_each(self, q):
        """Searches by one matrix product for each codebook; min() with its index is faster than argmin()."""
        product = torch.empty(q.shape[1], self.keys.shape[1])
        found = [torch.addmm(half, rows, keys.T, alpha=-1, out=product).min(1).indices
                 for rows, keys, half in zip(q, self.keys, self.half)]
        return torch.stack(found, dim=1)

    def search_batched(self, q):
        """Searches by one batched matrix product for all codebooks."""
        return torch.baddbmm(self.half[:, None], q, self.keys.transpose(1, 2), alpha=-1).argmin(2).T.contiguous()

    def faster(self):
        q = self.project(self.x[:BATCH])
        works = {search: lambda search=search: search(q) for search in (self.search_each, self.search_batched)}
        seconds = common.interleave(works, 3)
        return min(seconds, key=lambda search: min(seconds[search]))

    def logits(self, x):
        codes = self.search(self.project(x)) + self.first
        return torch.nn.functional.embedding_bag(codes, self.values, mode="mean", sparse=True)

    def step(self, rows):
        self.sgd.zero_grad()
        loss = torch.nn.functional.cross_entropy(self.logits(self.x[rows]), self.y[rows])
        loss.backward()
        self.sgd.step()

    def run(self, steps):
        """Runs some training steps, and returns the seconds of each step; fewer at the end of the last epoch."""
        seconds = []
        for _, rows in zip(range(steps), self.order):
            begin = time.perf_counter()
            self.step(rows)
            seconds.append(time.perf_counter() - begin)
        return seconds

    def accuracy(self, x, y):
        with torch.no_grad():
            right = sum(int((self.logits(rows).argmax(1) == labels).sum())
                        for rows, labels in zip(x.split(BATCH), y.split(BATCH)))
        return right / len(x)


def whole(args, x, y, classes):
    """Trains by libdkvb, and returns the seconds of the stages and the model."""
    clock = [time.perf_counter()]
    codebooks = dkvb.Codebooks.fit(x, method="sample", codebooks=args.codebooks, keys=args.keys, key_dim=args.key_dim,
                                   normalize=False, threads=args.threads)
    clock.append(time.perf_counter())
    codes = codebooks.search(x, threads=args.threads)
    clock.append(time.perf_counter())
    model = dkvb.Model(codebooks, classes)
    model.train(codes, y, epochs=args.epochs, batch=BATCH, learning_rate=RATE, rate_last=RATE,
                label_smoothing=0, threads=args.threads)
    clock.append(time.perf_counter())
    stages = [end - begin for begin, end in zip(clock, clock[1:])]
    return dict(zip(("keys", "search", "values"), stages), all=sum(stages)), model


def measure(args, x, y, test_x, test_y):
    classes = int(y.max()) + 1
    loop = Loop(args, torch.from_numpy(x), torch.from_numpy(y.astype(np.int64)), classes)
    all_steps = args.epochs * -(-len(x) // BATCH)
    wanted = all_steps if args.full else min(args.steps, all_steps)
    seconds = loop.run(wanted // 2)
    time.sleep(0.15)
    ours, model = whole(args, x, y, classes)
    seconds += loop.run(wanted - wanted // 2)
    full = len(seconds) == all_steps
    theirs = loop.setup + (sum(seconds) if full else statistics.median(seconds) * all_steps)
    return {"rows": len(x), "epochs": args.epochs, "loop_search": loop.search.__name__, "loop_setup": loop.setup,
            "loop_step": statistics.median(seconds), "steps_measured": len(seconds), "steps": all_steps, "full": full,
            "loop_seconds": theirs, "libdkvb_seconds": ours["all"], "libdkvb_stages": ours,
            "ratio": theirs / ours["all"],
            "libdkvb_accuracy": float(np.mean(model.predict(test_x, threads=args.threads) == test_y)),
            "loop_accuracy": loop.accuracy(torch.from_numpy(test_x), torch.from_numpy(test_y.astype(np.int64)))}


def show(r):
    print(f"\n{r['rows']} rows, {r['epochs']} epochs\n")
    made = "measured in full" if r["full"] else f"extrapolated from {r['steps_measured']} of {r['steps']} steps"
    stages = r["libdkvb_stages"]
    rows = [("PyTorch, searching in every step", f"{r['loop_seconds']:.1f}", f"{r['loop_accuracy']:.4f}",
             f"{made}; {1e3 * r['loop_step']:.0f} ms a step, {r['loop_search']}; keys {r['loop_setup']:.1f} s"),
            ("libdkvb", f"{r['libdkvb_seconds']:.1f}", f"{r['libdkvb_accuracy']:.4f}",
             f"measured in full; keys {stages['keys']:.1f} s, projection and search {stages['search']:.1f} s, "
             f"values {stages['values']:.1f} s")]
    print(common.markdown(("training", "seconds", "test accuracy", "how"), rows))
    print(f"\nPyTorch takes {r['ratio']:.1f} times as long" +
          ("" if r["full"] else "; its accuracy is that of the steps it made"))


def main():
    folder = os.path.join(args.data, args.set)
    if not os.path.exists(folder):
        print(f"skipped: {folder} is not there")
        sys.exit(common.SKIPPED)
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    machine = common.machine(args.threads, (torch, np))
    x, test_x = (dkvb.read_features(os.path.join(folder, f"{part}_x.npy")) for part in ("train", "test"))
    y, test_y = (dkvb.read_labels(os.path.join(folder, f"{part}_y.npy")) for part in ("train", "test"))
    result = measure(args, x[:args.rows], y[:args.rows], test_x, test_y)
    if args.json:
        print(json.dumps({"machine": machine, **result}))
    else:
        print("; ".join(f"{what} {value}" for what, value in machine.items()))
        show(result)


args = arguments()
common.start(args, ("numpy", "torch"))
import numpy as np
import torch

import dkvb

main()

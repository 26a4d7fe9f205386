"""Shows how the defaults of training were chosen: learning rate and epochs on a held-out fifth of the training rows,
never on test rows.

    choose_training.py TRAIN_X TRAIN_Y KEY_DIM [SEED]

Keys and codes are made once; then the values are trained anew for each pair of rate and epochs. This script is not a
test: it prints a table for docs/method.md.
"""
import sys

import numpy as np

import dkvb


def main():
    x, y = dkvb.read_features(sys.argv[1]), dkvb.read_labels(sys.argv[2])
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    held = np.random.default_rng(seed).permutation(len(x)) < len(x) // 5
    codebooks = dkvb.Codebooks.fit(x[~held], key_dim=int(sys.argv[3]), seed=seed)
    train, test = codebooks.search(x[~held]), codebooks.search(x[held])
    print("| rate | " + " | ".join(f"{epochs} epochs" for epochs in range(1, 5)) + " |")
    for rate in (0.5, 1, 2, 3, 4, 6, 8, 16):
        row = []
        for epochs in range(1, 5):
            model = dkvb.Model(codebooks, int(y.max()) + 1)
            model.train(train, y[~held], learning_rate=rate, epochs=epochs, seed=seed)
            row.append(f"{np.mean(model.classify(test) == y[held]):.4f}")
        print(f"| {rate:g} | " + " | ".join(row) + " |", flush=True)


main()

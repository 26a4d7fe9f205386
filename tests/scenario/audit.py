"""Test that an audit ranks the strengths of forgetting on real data: the model before reveals most, a mask of the most
selected pairs less, and under a mask of every pair that the class selected, predictions reveal members no more than
those of a retrained model. The likelihood-ratio attack, which knows the codes under the mask, still notices this mask
(docs/audit.md).

    audit.py TOOL DATA_FOLDER

The test uses sampled keys, which are placed quickly, and few shadow models, as it checks only the order. The exit
status is 77 if the data is missing.
"""
import json
import os
import subprocess
import sys
import tempfile

CLASS = 3
ATTACKS = ("membership_loss", "membership_fitted", "membership_lira")


def run(*args):
    done = subprocess.run([str(a) for a in args], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"failed: {' '.join(map(str, args))}")
    return json.loads(done.stdout)


def main():
    tool, folder = sys.argv[1:3]
    train_x, train_y, test_x, test_y = (os.path.join(folder, "cifar10", f) for f in
                                        ("train_x.npy", "train_y.npy", "test_x.npy", "test_y.npy"))
    if not os.path.exists(train_x):
        print(f"skipped: {train_x} is not there")
        sys.exit(77)
    rows = ("--features", train_x, "--labels", train_y)
    with tempfile.TemporaryDirectory() as work:
        before, some, every = (os.path.join(work, name) for name in ("before", "some", "every"))
        run(tool, "train", *rows, "-o", before, "--preset", "paper", "--init", "sample", "--key-dim", 16, "--json")
        run(tool, "forget", before, "-o", some, "--method", "activations", "--pairs", 100000, *rows, "--class", CLASS,
            "--json")
        run(tool, "forget", before, "-o", every, "--method", "examples", "--examples", 5000, *rows, "--class", CLASS,
            "--json")
        audit = ("--class", CLASS, *rows, "--test-features", test_x, "--test-labels", test_y, "--shadows", 16, "--json")
        suppressed = {s["subject"]: s for s in run(tool, "audit", some, "--before", before, *audit)["subjects"]}
        thorough = {s["subject"]: s for s in run(tool, "audit", every, *audit)["subjects"]}
    missed = 0
    for attack in ATTACKS:
        auc = [s[attack]["value"] for s in (suppressed["before"], suppressed["model"], thorough["model"],
                                            suppressed["replay"], suppressed["retrained"])]
        thorough_met = auc[2] > auc[4] + 0.05 if attack == "membership_lira" else abs(auc[2] - auc[4]) < 0.07
        met = (auc[0] > auc[1] > auc[4] + 0.1 and thorough_met and abs(auc[3] - auc[4]) < 0.02 and
               suppressed["model"][attack]["verdict"] == "more than retrained")
        missed += not met
        print(f"{'met   ' if met else 'MISSED'} {attack}: before {auc[0]:.3f} > suppressed {auc[1]:.3f} > "
              f"retrained {auc[4]:.3f}, replay {auc[3]:.3f}; every pair {auc[2]:.3f}")
    mask = thorough["model"]["mask_members"]["value"], suppressed["retrained"]["mask_members"]["value"]
    met = mask[0] > 0.99 and mask[1] == 0.5
    missed += not met
    print(f"{'met   ' if met else 'MISSED'} mask of every pair: AUC of its members {mask[0]:.3f}, of no mask {mask[1]:.3f}")
    for subject in ("model", "column dropped", "retrained"):
        hidden = suppressed[subject]["accuracy_class"]["value"], suppressed[subject]["constant_class"]["value"]
        met = hidden[0] < 0.01 and hidden[1] > 0.4
        missed += not met
        print(f"{'met   ' if met else 'MISSED'} {subject}: accuracy of the class {hidden[0]:.3f}, "
              f"with a constant {hidden[1]:.3f}")
    sys.exit(1 if missed else 0)


main()

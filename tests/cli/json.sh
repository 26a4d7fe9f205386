#!/bin/sh
# Test that --json prints one object with exactly the documented keys, whatever its strings contain.
. "$(dirname "$0")/common.sh"
make_data
mkdir answers
object() {
    name=$1
    shift
    check "$dkvb" "$@" --json >"answers/$name.json"
}
printf 'quote " backslash \\ ünï\ntwo\n\nfour\n' >names.txt
object train train --features x.npy --labels y.npy --codebooks 8 --keys 32 --key-dim 6 -o m.dkvb --class-names names.txt
object eval eval m.dkvb --features test_x.npy --labels test_y.npy
object predict predict m.dkvb --features test_x.npy
object forget forget m.dkvb --method activations --pairs 9 --features x.npy --reason "tab: \"why\" \\ ä€😀"
object undo undo m.dkvb
object purge purge m.dkvb
object rename rename m.dkvb two deux -o renamed.dkvb
object masks masks m.dkvb
check "$dkvb" forget m.dkvb --method activations --pairs 9 --features x.npy -o f.dkvb >/dev/null
object mask-export mask export f.dkvb -o m.mask
object mask-union mask union m.mask m.mask -o u.mask
object mask-info mask info u.mask
object mask-import mask import m.dkvb m.mask -o imported.dkvb
object search search m.dkvb --features x.npy -o c.npy
object separation separation m.dkvb --codes c.npy --labels y.npy
check "$dkvb" train --features x.npy --labels y.npy --codebooks 8 --keys 32 --key-dim 6 -o swept.dkvb \
    --codes-out swept.codes >/dev/null
object sweep sweep swept.dkvb --codes swept.codes --steps 2 -o swept.csv
object eval-codes eval m.dkvb --features x.npy --labels y.npy --codes c.npy
object audit audit m.dkvb --features x.npy --labels y.npy --test-features test_x.npy --test-labels test_y.npy --class 1 \
    --shadows 4
object export export m.dkvb --dir e
object inspect inspect m.dkvb
object verify verify m.dkvb
"$python" -c 'import numpy as np; np.save("u8.npy", np.zeros((5, 2, 3), np.uint8))'
object encode encode --encoder pixels --input u8.npy -o x2.npy
for work in search train forget; do
    object "bench-$work" bench $work --codebooks 2 --keys 8 --key-dim 2 --rows 10 --pairs 3
done
check "$dkvb" predict m.dkvb --features test_x.npy --json -o "$(printf 'odd\tname\377.npy')" >answers/predict-odd.json

check "$python" - "$here/../../docs/cli.md" <<'END'
import json, os, re, sys

KEYS = {
    "train": "n held_out classes_not_held_out not_held_out unlearnable unlabelled classes_without_rows without_rows outlying_values unreadable ignored ignored_endings nested rows_outside_scale encoder classes codebooks keys key_dim top_k epochs whitened_accuracy plain_accuracy "
             "whitened trials temperature_rows temperature temperature_power temperature_kept calibration_error held_out_accuracy relearned loss accuracy seconds_whitening "
             "seconds_keys seconds_search seconds_values seconds_temperature seconds_codes seconds_files seconds",
    "eval": "n unlabelled unreadable rows_outside_scale accuracy loss temperature temperature_power calibration_error per_class forget_accuracy retain_accuracy abstained searched_again reference",
    "predict": "n abstained unreadable rows_outside_scale output predictions pictures ids seconds",
    "forget": "strength method classes requests forgotten_already pairs_masked pairs_requested pairs_total examples entry budget effects exhausted again "
              "not_again lifted keys_placed_again names_dropped resumed dry_run plan refused forced seconds_files seconds",
    "undo": "entry pairs_restored masked_pairs seconds",
    "rename": "label name seconds",
    "purge": "pairs_purged purged_pairs pairs_total names_dropped seconds",
    "masks": "masked_pairs purged_pairs pairs_total head journal",
    "mask": "birth codebooks keys pairs pairs_total output",
    "search": "n codebooks top_k rows_outside_scale resumed seconds",
    "separation": "n pairs_total pairs_selected pairs_exclusive silhouette classes jaccard weighted seconds",
    "sweep": "cells resumed measured_on measured seconds",
    "export": "codebooks keys key_dim input_dim classes top_k normalize whitened temperature seconds",
    "inspect": "format_major format_minor birth codebooks keys key_dim input_dim classes top_k normalize whitened "
               "temperature row_lengths values_dtype rows_trained trials pairs_total masked_pairs purged_pairs encoder column_names class_names head "
               "journal",
    "verify": "ok journal_entries head head_entry relearned unchecked masked_pairs purged_pairs seconds",
    "audit": "classes members others retained class_rows rest_rows rows_outside_scale masked_pairs purged_pairs shadows rmia_models models planned subjects reference seconds",
    "encode": "n columns labels classes encoder dtype unreadable ignored ignored_endings nested resumed seconds",
    "bench": "rows_per_second seconds gops kernel threads codebooks keys key_dim rows top_k repeats bytes_keys "
             "bytes_codes",
}
BENCH = {  # after those of bench
    "search": " batch seconds_call seconds_first project_seconds project_ratio",
    "train": " classes bytes_values",
    "forget": " input_dim pairs_masked search_seconds search_ratio refresh_seconds refresh_share refresh_ratio",
}
FIGURES = ("membership_loss membership_fitted membership_lira accuracy_class accuracy_rest agreement_class agreement_rest "
           "constant_class constant_rest probe_class probe_rest relearn_10_class relearn_10_rest relearn_20_class "
           "relearn_20_rest relearn_50_class relearn_50_rest mask_members mask_class membership_rmia accuracy_forgotten "
           "accuracy_retained accuracy_test average_gap prototypes_1_class prototypes_1_rest prototypes_3_class "
           "prototypes_3_rest prototypes_10_class prototypes_10_rest klom_forgotten klom_retained klom_class klom_rest")
CLASS = "label name rows pairs_selected pairs_exclusive nearest overlap silhouette"
ENTRY = ("id time what state in_force ends pairs pairs_new method reason strength classes target budget found forced limits "
         "effects again keys after rows rows_commitment pairs_commitment salted head")


def documented(command, page):
    """The paragraph "JSON: ..." of a command's section."""
    section = re.search(rf"^## {command}\n(.*?)(?=^## |\Z)", page, re.S | re.M).group(1)
    return re.search(r"^JSON: .*?(?=\n\n|\Z)", section, re.S | re.M).group(0)


page = open(sys.argv[1], encoding="utf-8").read()
answers = {}
for file in sorted(os.listdir("answers")):
    text = open(f"answers/{file}", encoding="utf-8").read()
    assert text.count("\n") == 1 and text.endswith("}\n"), file
    answers[file] = json.loads(text, parse_constant=lambda word: 1 / 0)
    command, work = re.split("[-.]", file)[:2]
    wanted = KEYS[command] + (BENCH[work] if command == "bench" else "")
    if file == "mask-import.json":
        wanted, command = KEYS["forget"], "forget"
    assert list(answers[file]) == wanted.split(), (file, list(answers[file]))
    for key in answers[file]:
        assert f"`{key}`" in documented(command, page), (command, key)
assert {re.split("[-.]", file)[0] for file in answers} == set(KEYS)

audit = open(f"{os.path.dirname(sys.argv[1])}/audit.md", encoding="utf-8").read()
for subject in answers["audit.json"]["subjects"]:
    assert list(subject) == ["subject", *FIGURES.split()], subject
    assert list(subject["mask_class"]) == ["value", "low", "high", "difference", "verdict"]
    assert list(subject["mask_members"]) == ["value", "low", "high", "tpr_1", "tpr_01", "privleak", "difference",
                                             "verdict"]
for figure in FIGURES.split():
    assert re.sub(r"_\d+|_(class|rest|members)$", "", figure) in audit, figure

assert answers["inspect.json"]["encoder"] is None
assert answers["inspect.json"]["class_names"] == ['quote " backslash \\ ünï', "two", None, "four"]
for entry in answers["masks.json"]["journal"]:
    assert list(entry) == ENTRY.split(), entry
assert answers["masks.json"]["journal"][0]["reason"] == 'tab: "why" \\ ä€😀'
assert answers["masks.json"]["head"] == answers["masks.json"]["journal"][-1]["head"] == answers["verify.json"]["head"]
assert answers["verify.json"]["head_entry"] is None
assert answers["masks.json"]["journal"] == answers["inspect.json"]["journal"]
assert answers["eval.json"]["forget_accuracy"] is None and answers["eval.json"]["retain_accuracy"] is None
assert answers["eval.json"]["searched_again"] is None and answers["eval-codes.json"]["searched_again"] == 0
assert answers["predict-odd.json"]["output"] == "odd\tname\ufffd.npy"
assert all(list(c) == CLASS.split() for c in answers["separation.json"]["classes"])
assert answers["mask-union.json"]["output"] == "u.mask" and answers["mask-info.json"]["output"] is None
assert answers["bench-train.json"]["gops"] is None and answers["bench-search.json"]["gops"] > 0
END

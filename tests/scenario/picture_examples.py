"""Test of the examples that take pictures, on made-up pictures: a model learns the pictures, classify_picture predicts
them, and forget_folder forgets a class.

    picture_examples.py CLASSIFY_PICTURE FORGET_FOLDER     (with DKVB_LIBRARY and PYTHONPATH, as for the bindings)
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import dkvb
from pictures import CLASSES, write_folder


def run(*command):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300)


def train(folder, path):
    """Trains a model on the pictures in a folder; the model remembers its encoder."""
    encoder, images = dkvb.Encoder("descriptor"), dkvb.ImageSet(folder)
    x = encoder.encode_set(images)
    codebooks = dkvb.Codebooks.fit(x, codebooks=64, keys=64, key_dim=8)
    model = dkvb.Model(codebooks, len(images.class_names))
    model.train(codebooks.search(x), images.labels, epochs=2)
    model.class_names = images.class_names
    model.encoder = encoder.identity
    model.save(path)


def answers(output):
    """Returns the most probable class of each picture, from lines such as "a/b.png: cat 0.9, dog 0.1"."""
    lines = (line.rpartition(": ") for line in output.splitlines())
    return {picture: answer.split()[0] for picture, _colon, answer in lines}


def right(classify, model, folder, name):
    """Returns the fraction of a class's pictures that are predicted as this class."""
    paths = sorted((folder / name).iterdir())
    done = run(classify, model, "descriptor", *paths)
    assert done.returncode == 0, done.stderr
    told = answers(done.stdout)
    assert list(told) == [str(path) for path in paths]
    return sum(answer == name for answer in told.values()) / len(told)


def main(classify, forget):
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        write_folder(work / "train", 40, seed=1)
        write_folder(work / "new", 10, seed=2)
        train(work / "train", work / "m.dkvb")
        before = {name: right(classify, work / "m.dkvb", work / "new", name) for name in CLASSES}
        assert min(before.values()) >= 0.9, before

        (work / "train" / "down" / "broken.png").write_bytes(b"no picture")
        done = run(forget, work / "m.dkvb", "descriptor", work / "train" / "down", work / "f.dkvb", "request 17")
        assert done.returncode == 0, done.stderr
        assert "left out: " in done.stderr and "broken.png" in done.stderr
        assert "40 of 40 pictures get another answer" in done.stdout, done.stdout
        assert "suppressed" in done.stdout and "erased" not in done.stdout
        after = {name: right(classify, work / "f.dkvb", work / "new", name) for name in CLASSES}
        assert after["down"] == 0 and all(after[name] >= 0.9 for name in CLASSES if name != "down"), after

        model = dkvb.Model.load(work / "f.dkvb")
        entry = model.journal[0]
        assert (entry.reason, entry.rows, entry.strength) == ("request 17", 40, "suppress"), entry
        assert model.encoder == dkvb.Encoder("descriptor").identity
        model.encoder = "another"
        model.save(work / "other.dkvb")
        for done in (run(classify, work / "other.dkvb", "descriptor", work / "new" / "down" / "000.png"),
                     run(forget, work / "other.dkvb", "descriptor", work / "new", work / "never.dkvb")):
            assert done.returncode == 1 and "was trained on rows of another" in done.stderr, done.stderr
        assert not (work / "never.dkvb").exists()
        print(f"right before {before}, after {after}")


if __name__ == "__main__":
    if "png" not in dkvb.image_codecs():
        sys.exit(77)
    main(*sys.argv[1:])

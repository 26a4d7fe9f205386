"""A trained model and its codeset, both in files, from which every forgetting of an experiment begins anew."""
from pathlib import Path

import numpy as np

import evidence  # noqa: F401  evidence finds the Python bindings

import dkvb


class Fresh:
    """The files of a model trained with one seed and of its codeset, which has codes, so that nothing is searched after
    loading."""

    def __init__(self, x, y, seed, where, name="", **settings):
        self.paths = Path(where) / f"{name}{seed}.dkvb", Path(where) / f"{name}{seed}.codes"
        self.model, codeset, self.report = dkvb.fit(x, y, codeset=True, keep="codes", seed=seed, **settings)
        self.model.save(self.paths[0])
        codeset.save(self.paths[1])
        codeset.close()

    def open(self):
        """Loads the model and the codeset as they were trained."""
        return dkvb.Model.load(self.paths[0])

    def load(self):
        return self.open(), self.codeset()

    def codeset(self):
        return dkvb.Codeset.load(self.paths[1])

    def forget(self, strength, **who):
        """Forgets in a copy of the model. Returns the copy, the reason why the plan was refused and then forced (None:
        not refused), and the number of masked pairs."""
        with self.codeset() as codeset:
            model = self.open()
            refused, pairs = forget(model, codeset, strength, **who)
        return model, refused, pairs

    def never_taught(self, gone):
        """Trains values from zero, on the same keys, on the rows of all classes but those in `gone`."""
        with self.codeset() as codeset, self.model.codebooks as codebooks:
            rows, training = codeset.rows("training"), codeset.sessions[0].training
            model = dkvb.Model(codebooks, self.model.info.classes, self.model.info.top_k)
        left = ~np.isin(rows.labels, gone)
        model.train(rows.codes[left], rows.labels[left], ids=rows.ids[left], **training)
        model.values_dtype = self.model.values_dtype
        return model.values

    def remove(self):
        self.model.close()
        for path in self.paths:
            path.unlink()


def forget(model, codeset, strength, **who):
    """Plans a forgetting and applies the plan, by force if it is refused. Returns the reason for the refusal, or None,
    and the number of pairs to mask."""
    how = {"codeset": codeset, "strength": strength, **({"keys": "keep"} if strength == "exact" else {}), **who}
    with model.plan_forget(**how) as plan:
        refused = plan.info.refused
        if not refused:
            pairs = plan.info.pairs
            model.apply(plan, codeset)
    if refused:
        with model.plan_forget(force=True, **how) as plan:
            pairs = plan.info.pairs
            model.apply(plan, codeset)
    return refused, pairs

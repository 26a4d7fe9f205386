"""dkvb: classifiers that can forget, on numpy arrays.

    model, codeset, report = dkvb.fit(x, labels)           # one call, with settings that suit the data

    codebooks = dkvb.Codebooks.fit(x)                      # single steps: place the keys, without labels
    model = dkvb.Model(codebooks, classes=10)
    codes = codebooks.search(x)                            # search the code of each row, once
    model.train(codes, labels)
    model.predict(x_new)

    plan = model.plan_forget(classes=["cat"], codeset=codeset)
    plan.effects, plan.refusal                             # accuracy that each class would lose, and why not to forget
    entry = model.apply(plan, codeset)                     # mask the pairs, and write a journal entry
    model.undo(entry)                                      # undo the masking, bit for bit
    model.purge()                                          # or make the mask permanent
    model.save("m.dkvb")

    encoder = dkvb.Encoder("descriptor")                   # make rows of features from pictures
    x = encoder.encode_set(dkvb.ImageSet("pictures"))

The Python classes of the package dkvb wrap the C functions of libdkvb one by one; the headers in include/dkvb/ document
each function. Failures are exceptions with the library's message, all of them `dkvb.Error`. C-contiguous arrays of the
right type are passed without a copy. Long calls release the GIL: many threads may use one dkvb object at once, or one
thread may change the object.
"""

from . import receipt, reference  # importing the module reference does not load libdkvb-reference; its first use does
from ._ffi import DKVB_ASIDE as ASIDE
from ._ffi import DKVB_CODE_NONE as CODE_NONE
from ._ffi import DKVB_FORGET as FORGET
from ._ffi import DKVB_KEEP as KEEP
from .audit import Audit, AuditFigure, Estimate
from .codebooks import Codebooks, CodebooksInfo
from .codeset import Codeset, CodesetRows, Session
from .data import read_array, read_features, read_ids, read_labels, write_npy
from .decode import argmax, fit_temperature, softmax, top
from .effect import Budget, effect
from .encoder import EncodeReport, Encoder, EncoderInfo
from .errors import (Cancelled, ChecksumError, Error, FileError, ForbiddenFile, FormatError, InvalidArgument,
                     MismatchError, MissingFile, NotFound, OutOfMemory, Refused, StateError)
from .fit import (FeaturesInfo, Fitted, FitReport, LabelsInfo, Trial, Tuned, fit, fit_more, survey_features,
                  survey_labels, tune)
from .images import ImageSet, ImageSetInfo, decode_image, image_codecs, read_image
from .journal import ClassEffect, JournalEntry, Terms
from .live import Answers, LiveModel, Service
from .mask import Mask
from .model import Evaluation, Model, ModelInfo, SearchFileReport, TrainReport
from .outside import Outside
from .plan import Plan, PlanInfo, PlannedRequest
from .ranks import Ranks
from .runtime import kernels, threads, version
from .separation import Separation, separation
from .sweep import SweepCell
from .table import Table, read_table
from .unlearn import unlearn_choose

__all__ = [
    "ASIDE", "Answers", "Audit", "AuditFigure", "Budget", "CODE_NONE", "Cancelled", "ChecksumError", "ClassEffect", "Codebooks",
    "CodebooksInfo", "Codeset", "CodesetRows", "EncodeReport", "Encoder", "EncoderInfo", "Error", "Estimate", "Evaluation",
    "FORGET", "FeaturesInfo", "FileError", "FitReport",
    "Fitted",
    "ForbiddenFile", "FormatError",
    "ImageSet", "ImageSetInfo", "InvalidArgument", "JournalEntry", "KEEP", "LabelsInfo", "LiveModel", "Mask", "MismatchError",
    "MissingFile",
    "Model", "ModelInfo", "NotFound", "OutOfMemory", "Outside", "Plan", "PlanInfo", "PlannedRequest", "Ranks", "Refused",
    "SearchFileReport", "Separation", "Service", "Session", "StateError", "SweepCell", "Table", "Terms", "TrainReport", "Trial", "Tuned",
    "argmax",
    "decode_image", "effect", "fit", "fit_more", "fit_temperature", "image_codecs", "kernels",
    "read_array", "read_features", "read_ids", "read_image", "read_labels", "read_table", "receipt",
    "reference", "separation", "softmax",
    "survey_features", "survey_labels", "threads",
    "top", "tune", "unlearn_choose", "version", "write_npy",
]
__version__ = version()


def __getattr__(name):
    """Loads DKVBClassifier at its first use, so that `import dkvb` needs no scikit-learn."""
    if name == "DKVBClassifier":
        from .estimator import DKVBClassifier

        return DKVBClassifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), "DKVBClassifier"])

"""The C interface as Python declarations: one structure for every public struct, one line for every public function.

The module _ffi loads no library, so that tests/abi can compare it with the headers on its own.
"""

from ctypes import (CFUNCTYPE, POINTER, Structure, c_char, c_char_p, c_double, c_float, c_int, c_int8, c_int32,
                    c_int64, c_size_t, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p)

ABI_MAJOR = 1

# status.h
DKVB_OK = 0
DKVB_ENOMEM = -1
DKVB_EINVAL = -2
DKVB_EIO = -3
DKVB_EFORMAT = -4
DKVB_ECHECKSUM = -5
DKVB_EMISMATCH = -6
DKVB_ECANCELLED = -7
DKVB_ESTATE = -8
DKVB_ENOTFOUND = -9
DKVB_EREFUSED = -10
DKVB_NAME_STATUS = 0
DKVB_NAME_DTYPE = 1
DKVB_NAME_ENCODER = 2
DKVB_NAME_METHOD = 3
DKVB_NAME_STRENGTH = 4
DKVB_NAME_KEYS = 5
DKVB_NAME_ENTRY_KIND = 6
DKVB_NAME_ENTRY_STATE = 7
DKVB_NAME_REFUSAL = 8

# Constants of codebooks.h, model.h and search.h
DKVB_MODEL_CLASSES = 1048576
DKVB_RANKS_COUNT = 1024
DKVB_RANKS_MOST = 1 << 30
DKVB_TEMPERATURE_MIN = 1e-3
DKVB_TEMPERATURE_MAX = 1e3
DKVB_TEMPERATURE_POWER = 1.0
DKVB_CLASS_WEIGHT_NONE = 0
DKVB_CLASS_WEIGHT_BALANCED = 1
DKVB_KEYINIT_EMA = 0
DKVB_KEYINIT_SAMPLE = 1
DKVB_KEYINIT_MEANS = 2
DKVB_CODE_NONE = 0xFFFF

# live.h
DKVB_SERVICE_UNKNOWN = 0
DKVB_SERVICE_FRAMES = 1
DKVB_SERVICE_LINES = 2

# receipt.h
DKVB_RECEIPT_CHECKED = 0
DKVB_RECEIPT_DIFFERS = 1
DKVB_RECEIPT_UNCHECKED = 2

# unlearn.h
DKVB_FIND_NAME_OR_INDEX = 0
DKVB_FIND_NAME = 1
DKVB_JOURNAL_FORGET = 1
DKVB_JOURNAL_UNDO = 2
DKVB_JOURNAL_PURGE = 3
DKVB_JOURNAL_REPLAY = 4
DKVB_JOURNAL_RELEARN = 5
DKVB_JOURNAL_ACTIVE = 0
DKVB_JOURNAL_UNDONE = 1
DKVB_JOURNAL_PURGED = 2
DKVB_JOURNAL_DONE = 3
DKVB_JOURNAL_RELEARNED = 4
DKVB_MASK_UNION = 1
DKVB_MASK_INTERSECTION = 2
DKVB_MASK_DIFFERENCE = 3
DKVB_STRENGTH_NONE = 0
DKVB_STRENGTH_SUPPRESS = 1
DKVB_STRENGTH_EXACT = 3
DKVB_KEYS_UNSAID = 0
DKVB_KEYS_KEPT = 1
DKVB_KEYS_PLACED = 2

# Constants of codeset.h and choose.h
DKVB_PART_TRAINING = 0
DKVB_PART_HELD_OUT = 1
DKVB_PART_BOTH = 2
DKVB_KEPT_AUTO = 0
DKVB_KEPT_CODES = 1
DKVB_KEPT_FEATURES = 2
DKVB_CODESET_DEPTH = 32
DKVB_CODESET_SESSIONS = 64
DKVB_METHOD_ACTIVATIONS = 1
DKVB_METHOD_CONTRAST = 2
DKVB_METHOD_EXAMPLES = 3
DKVB_METHOD_VALUES = 4
DKVB_METHOD_EVERY = 5
DKVB_KEEP = 0
DKVB_FORGET = 1
DKVB_ASIDE = 2

# plan.h
DKVB_PLAN_LEAST_ROWS = 5
DKVB_REFUSED_NOT = 0
DKVB_REFUSED_NOTHING = 1
DKVB_REFUSED_ROWS = 2
DKVB_REFUSED_TARGET = 3
DKVB_REFUSED_CLASS = 4
DKVB_REFUSED_MIXED = 5
DKVB_REFUSED_AGAIN = 6
DKVB_REFUSED_KEYS = 7

# audit.h
DKVB_AUDIT_MODEL = 0
DKVB_AUDIT_BEFORE = 1
DKVB_AUDIT_DROPPED = 2
DKVB_AUDIT_REPLAY = 3
DKVB_AUDIT_RETRAINED = 4
DKVB_AUDIT_SUBJECTS = 5
DKVB_AUDIT_MEMBERSHIP_LOSS = 0
DKVB_AUDIT_MEMBERSHIP_FITTED = 1
DKVB_AUDIT_MEMBERSHIP_LIRA = 2
DKVB_AUDIT_ACCURACY_CLASS = 3
DKVB_AUDIT_ACCURACY_REST = 4
DKVB_AUDIT_AGREEMENT_CLASS = 5
DKVB_AUDIT_AGREEMENT_REST = 6
DKVB_AUDIT_CONSTANT_CLASS = 7
DKVB_AUDIT_CONSTANT_REST = 8
DKVB_AUDIT_PROBE_CLASS = 9
DKVB_AUDIT_PROBE_REST = 10
DKVB_AUDIT_RELEARN_10_CLASS = 11
DKVB_AUDIT_RELEARN_10_REST = 12
DKVB_AUDIT_RELEARN_20_CLASS = 13
DKVB_AUDIT_RELEARN_20_REST = 14
DKVB_AUDIT_RELEARN_50_CLASS = 15
DKVB_AUDIT_RELEARN_50_REST = 16
DKVB_AUDIT_MASK_MEMBERS = 17
DKVB_AUDIT_MASK_CLASS = 18
DKVB_AUDIT_MEMBERSHIP_RMIA = 19
DKVB_AUDIT_ACCURACY_FORGOTTEN = 20
DKVB_AUDIT_ACCURACY_RETAINED = 21
DKVB_AUDIT_ACCURACY_TEST = 22
DKVB_AUDIT_AVERAGE_GAP = 23
DKVB_AUDIT_PROTOTYPES_1_CLASS = 24
DKVB_AUDIT_PROTOTYPES_1_REST = 25
DKVB_AUDIT_PROTOTYPES_3_CLASS = 26
DKVB_AUDIT_PROTOTYPES_3_REST = 27
DKVB_AUDIT_PROTOTYPES_10_CLASS = 28
DKVB_AUDIT_PROTOTYPES_10_REST = 29
DKVB_AUDIT_KLOM_FORGOTTEN = 30
DKVB_AUDIT_KLOM_RETAINED = 31
DKVB_AUDIT_KLOM_CLASS = 32
DKVB_AUDIT_KLOM_REST = 33
DKVB_AUDIT_FIGURES = 34
DKVB_AUDIT_AUC_MEMBERS = 0
DKVB_AUDIT_AUC_CLASS = 1
DKVB_AUDIT_SHARE_CLASS = 2
DKVB_AUDIT_SHARE_REST = 3
DKVB_AUDIT_SHARE_FORGOTTEN = 4
DKVB_AUDIT_SHARE_RETAINED = 5
DKVB_AUDIT_SHARE_TESTS = 6
DKVB_AUDIT_GAP = 7
DKVB_AUDIT_KLOM = 8

# reference.h
DKVB_REFERENCE_BOTH = 0
DKVB_REFERENCE_RIDGE = 1
DKVB_REFERENCE_LOGISTIC = 2

# fit.h
DKVB_WHITEN_NEVER = 0
DKVB_WHITEN_ALWAYS = 1
DKVB_WHITEN_CHOOSE = 2
DKVB_PRESET_NONE = 0
DKVB_PRESET_PAPER = 1
DKVB_TEMPERATURE_FITTED = 0
DKVB_TEMPERATURE_FEW_ROWS = 1
DKVB_TEMPERATURE_FEW_CLASSES = 2

# data.h
DKVB_DTYPE_U8 = 1
DKVB_DTYPE_I8 = 2
DKVB_DTYPE_U16 = 3
DKVB_DTYPE_I16 = 4
DKVB_DTYPE_U32 = 5
DKVB_DTYPE_I32 = 6
DKVB_DTYPE_U64 = 7
DKVB_DTYPE_I64 = 8
DKVB_DTYPE_F16 = 9
DKVB_DTYPE_F32 = 10
DKVB_DTYPE_F64 = 11
DKVB_DTYPE_BF16 = 12
DKVB_ARRAY_MAX_NDIM = 8
DKVB_READ_COPY = 0
DKVB_READ_IN_PLACE = 1
DKVB_READ_IDS = 2
DKVB_TABLE_ROWS = 0
DKVB_TABLE_LABELS = 1
DKVB_TABLE_IDS = 2
DKVB_HEADER_AUTO = 0
DKVB_HEADER_YES = 1
DKVB_HEADER_NO = 2
DKVB_LABELS_ANY = 0xFFFFFFFF

# images.h
DKVB_IMAGE_MAX_SIDE = 65535
DKVB_CODEC_PNG = 1
DKVB_CODEC_JPEG = 2
DKVB_CODEC_WEBP = 4
DKVB_FILTER_BILINEAR = 1
DKVB_FILTER_BICUBIC = 2
DKVB_IMAGES_AUTO = 0
DKVB_IMAGES_FOLDER = 1
DKVB_IMAGES_FILE = 2
DKVB_IMAGES_CIFAR10 = 3
DKVB_IMAGES_CIFAR100 = 4
DKVB_IMAGES_ARRAY = 5
DKVB_IMAGES_LIST = 6
DKVB_NESTED_NONE = 0
DKVB_NESTED_DEEPER = 1
DKVB_NESTED_PARTS = 2
DKVB_NESTED_WRAPPED = 3
DKVB_PICTURE_NAME_SIZE = 4096

# encoder.h
DKVB_ENCODER_REMEMBERED = 0
DKVB_ENCODER_PIXELS = 1
DKVB_ENCODER_DESCRIPTOR = 2
DKVB_ENCODER_CLIP = 3
DKVB_ENCODER_RESNET50 = 4
DKVB_LAYOUT_NONE = 0
DKVB_LAYOUT_HUGGINGFACE = 1
DKVB_LAYOUT_OPENAI = 2
DKVB_LAYOUT_TORCHVISION = 3
DKVB_ACTIVATION_NONE = 0
DKVB_ACTIVATION_QUICK_GELU = 1
DKVB_ACTIVATION_GELU = 2
DKVB_ENCODER_IDENTITY_SIZE = 64


class Status(c_int):
    """A dkvb_status as the result of a function: any other status than DKVB_OK becomes an exception."""


class Codebooks(Structure):
    """dkvb_codebooks, opaque."""


class Codeset(Structure):
    """dkvb_codeset, opaque."""


class Encoder(Structure):
    """dkvb_encoder, opaque."""


class Plan(Structure):
    """dkvb_plan, opaque."""


class Table(Structure):
    """dkvb_table, opaque."""


class Imageset(Structure):
    """dkvb_imageset, opaque."""


class Mask(Structure):
    """dkvb_mask, opaque."""


class Model(Structure):
    """dkvb_model, opaque."""


def _fields(*groups):
    """Returns ctypes fields of a C struct; each of `groups` is a type and the names of successive members of this
    type."""
    return tuple((name, of) for of, names in groups for name in names.split())


def _sized(*groups):
    """Returns ctypes fields of a C struct whose first member is struct_size; `groups` are the other members, as in
    _fields()."""
    return _fields((c_size_t, "struct_size"), *groups)


class Allocator(Structure):
    _fields_ = _fields((CFUNCTYPE(c_void_p, c_void_p, c_size_t), "alloc"),
                       (CFUNCTYPE(None, c_void_p, c_void_p), "release"), (c_void_p, "user"))


ProgressFn = CFUNCTYPE(c_int, c_void_p, c_uint64, c_uint64)
PartFn = CFUNCTYPE(c_int, c_void_p, POINTER(c_void_p), POINTER(c_size_t))


class Outside(Structure):
    _fields_ = _sized((c_uint64, "searched rows shorter longer first"), (c_double, "length cut least greatest"))


class Ranks(Structure):
    _fields_ = _sized(
        (c_uint32, "rank count"), (c_void_p, "user"),
        (CFUNCTYPE(c_int, c_void_p, c_void_p, POINTER(c_size_t), c_void_p, POINTER(c_size_t)), "exchange"),
        (CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, POINTER(c_size_t)), "gather"),
        (CFUNCTYPE(c_int, c_void_p, c_void_p, c_size_t), "broadcast"))


class RowSource(Structure):
    _fields_ = _sized((CFUNCTYPE(c_int, c_void_p, c_size_t, c_size_t, POINTER(c_float)), "read"), (c_void_p, "user"))


class RunOptions(Structure):
    _fields_ = _sized((c_uint32, "threads"), (ProgressFn, "progress"), (c_void_p, "user"),
                      (POINTER(Outside), "outside"), (POINTER(Ranks), "ranks"))


class SearchFileOptions(Structure):
    _fields_ = _sized((POINTER(RowSource), "source"), (c_char_p, "distances"), (c_uint32, "restart"))


class SearchFileReport(Structure):
    _fields_ = _sized((c_uint64, "rows resumed kept"))


class KeyinitOptions(Structure):
    _fields_ = _sized((c_uint32, "method codebooks keys key_dim passes batch rows_per_key normalize whiten"),
                      (c_double, "decay restart"), (c_uint64, "seed"), (POINTER(Allocator), "allocator"))


class CodebooksInfo(Structure):
    _fields_ = _sized((c_uint32, "codebooks keys key_dim input_dim normalize whitened rounds round_size frozen"),
                      (c_uint64, "purged_pairs"), (c_uint8 * 16, "birth"),
                      (c_double, "least_length greatest_length"))


class CodebooksArrays(Structure):
    _fields_ = _sized((c_size_t, "dim"), (POINTER(c_float), "center whitening scales keys"))


class CodebooksCopies(Structure):
    _fields_ = _sized((POINTER(c_int8), "signs"), (POINTER(c_uint32), "order"),
                      (POINTER(c_float), "center whitening scales"), (POINTER(c_int8), "keys"))


class MaskInfo(Structure):
    _fields_ = _sized((c_uint32, "codebooks keys"), (c_uint64, "pairs pairs_total"), (c_uint8 * 16, "birth"))


class ModelOptions(Structure):
    _fields_ = _sized((c_uint32, "top_k"), (POINTER(Allocator), "allocator"), (c_uint32, "in_place"),
                      (POINTER(Ranks), "ranks"))


class ModelInfo(Structure):
    _fields_ = _sized((c_uint32, "codebooks keys key_dim input_dim classes top_k normalize mapped"),
                      (c_uint32, "format_major format_minor"),
                      (c_uint64, "masked_pairs purged_pairs journal_entries rows_trained"), (c_uint8 * 16, "birth"),
                      (c_uint32, "values_dtype class_counts"), (c_double, "temperature temperature_power"), (c_uint8 * 16, "trained"),
                      (c_uint32, "trials"), (c_char_p, "encoder"))


class Evaluation(Structure):
    _fields_ = _sized((POINTER(c_uint64), "class_rows class_right"),
                      (c_uint64, "rows right abstained unlabelled searched"),
                      (c_double, "accuracy loss calibration_error"), (POINTER(RowSource), "source"))


class TrainReport(Structure):
    _fields_ = _sized((c_uint32, "epoch epochs"), (c_uint64, "rows"), (c_double, "loss accuracy"))


ReportFn = CFUNCTYPE(c_int, c_void_p, POINTER(TrainReport))


class TrainOptions(Structure):
    _fields_ = _sized((c_uint32, "epochs batch"), (c_double, "learning_rate rate_last label_smoothing"),
                      (c_uint64, "seed"), (c_uint32, "no_shuffle class_weight"), (ReportFn, "report"),
                      (c_void_p, "user"), (POINTER(c_uint64), "ids"), (c_uint32, "trials relearn"))


class FitRows(Structure):
    _fields_ = _sized((POINTER(c_float), "x"), (POINTER(c_int32), "labels"), (POINTER(c_uint64), "ids"),
                      (c_size_t, "n dim"), (c_uint32, "classes k"), (POINTER(c_uint16), "codes"),
                      (POINTER(c_char_p), "names"), (POINTER(c_uint64), "groups"), (POINTER(RowSource), "source"))


class Settings(Structure):
    _fields_ = _sized((KeyinitOptions, "keyinit"), (TrainOptions, "train"), (c_uint32, "top_k whiten"))


StageFn = CFUNCTYPE(c_int, c_void_p, c_char_p)


class FitOptions(Structure):
    _fields_ = _sized((POINTER(Settings), "settings"), (c_uint32, "values_dtype keep depth"), (c_double, "hold_out"),
                      (POINTER(Codebooks), "codebooks"), (POINTER(c_float), "key_rows"), (c_size_t, "key_row_count"),
                      (StageFn, "stage"), (c_void_p, "user"), (POINTER(Allocator), "allocator"),
                      (c_uint32, "count_classes keep_names"), (POINTER(RowSource), "key_source"),
                      (c_uint32, "in_place"))


class FitReport(Structure):
    _fields_ = _sized((c_uint64, "rows held_out unlearnable"),
                      (c_uint32, "classes codebooks keys key_dim top_k whitened epochs"),
                      (c_double, "learning_rate accuracy_plain accuracy_whitened"), (c_uint64, "temperature_rows"),
                      (c_double, "temperature temperature_power calibration_error held_out_accuracy loss accuracy"),
                      (c_uint64, "labelled"), (c_uint32, "temperature_kept"))


class Trial(Structure):
    _fields_ = _sized((c_uint32, "number keys key_dim top_k whitened epochs"),
                      (c_double, "learning_rate accuracy loss"), (c_uint64, "held_out"))


TrialFn = CFUNCTYPE(c_int, c_void_p, POINTER(Trial))


class TuneOptions(Structure):
    _fields_ = _sized((c_uint32, "trials"), (c_double, "seconds"), (TrialFn, "report"), (c_void_p, "user"),
                      (POINTER(Allocator), "allocator"))


class ClassEffect(Structure):
    _fields_ = (
        ("rows", c_uint64),
        ("right_before", c_uint64),
        ("right_after", c_uint64),
        ("lost", c_uint64),
        ("gained", c_uint64),
        ("loss", c_double),
        ("low", c_double),
        ("high", c_double),
    )


class ForgetOptions(Structure):
    _fields_ = _sized((c_char_p, "method reason"), (c_uint32, "strength forced"), (POINTER(c_uint8), "classes"),
                      (POINTER(ClassEffect), "effects"), (c_uint64, "budget"), (c_uint32, "found keys"),
                      (c_double, "target max_retain_drop max_class_loss"), (c_uint64, "again"),
                      (POINTER(c_uint8), "after"), (POINTER(c_uint64), "rows"), (c_uint64, "row_count"),
                      (POINTER(c_uint8), "salt"))


class JournalEntry(Structure):
    _fields_ = _sized((c_uint64, "id"), (c_uint32, "kind state in_force"), (c_uint64, "ends"), (c_int64, "time"),
                      (c_uint64, "pairs pairs_new"), (c_char_p, "method reason"),
                      (c_uint32, "strength by_class measured forced found keys"), (c_uint64, "budget"),
                      (c_double, "target max_retain_drop max_class_loss"), (c_uint64, "again"),
                      (c_uint32, "has_after"), (c_uint8 * 32, "after"), (c_uint64, "rows"),
                      (c_uint32, "has_commitment"), (c_uint8 * 32, "commitment head"),
                      (c_uint32, "salted has_pairs_commitment"), (c_uint8 * 32, "pairs_commitment"),
                      (c_uint32, "unchecked"))


class SeparationRows(Structure):
    _fields_ = _sized((POINTER(c_uint16), "codes"), (POINTER(c_int32), "labels"), (c_size_t, "n"),
                      (c_uint32, "codebooks keys k classes"), (POINTER(Allocator), "allocator"))


class Separation(Structure):
    _fields_ = _fields((c_uint32, "classes codebooks keys"), (c_uint64, "n labelled all_selected all_exclusive"),
                       (c_double, "silhouette"), (POINTER(c_uint64), "rows selected exclusive"),
                       (POINTER(c_int32), "nearest"),
                       (POINTER(c_double), "overlap silhouettes jaccard weighted row_silhouettes"),
                       (POINTER(c_uint32), "counts"))


class SweepShape(Structure):
    _fields_ = _fields((c_uint32, "codebooks keys key_dim top_k"), (c_uint64, "seed"))


class SweepCell(Structure):
    _fields_ = _fields((c_uint64, "index cells"), (c_uint32, "trained_anew codebooks keys key_dim top_k label"),
                       (c_uint64, "train_seed"), (c_uint32, "strength method"),
                       (c_uint64, "seed budget pairs rows forget_rows forget_before forget_after"),
                       (c_uint64, "retain_rows retain_before retain_after"), (c_uint32, "worst has_worst"),
                       (c_uint64, "worst_rows worst_before worst_after exhausted"))


SweepFn = CFUNCTYPE(c_int, c_void_p, POINTER(SweepCell))


class SweepOptions(Structure):
    _fields_ = _sized((POINTER(c_uint8), "classes"), (POINTER(c_uint32), "strengths"), (c_size_t, "strength_count"),
                      (POINTER(c_uint32), "methods"), (c_size_t, "method_count"), (POINTER(c_uint64), "budgets"),
                      (c_size_t, "budget_count"), (c_uint32, "steps restart"), (POINTER(c_uint64), "seeds"),
                      (c_size_t, "seed_count"), (POINTER(SweepShape), "shapes"), (c_size_t, "shape_count"),
                      (POINTER(c_float), "features"), (c_size_t, "feature_rows feature_columns"),
                      (POINTER(c_uint64), "feature_ids"), (POINTER(c_float), "test_x"),
                      (POINTER(c_int32), "test_labels"), (c_size_t, "test_n"), (c_uint64, "skip"), (SweepFn, "each"),
                      (c_void_p, "user"), (c_char_p, "path"), (POINTER(c_char_p), "feature_names"))


class SweepReport(Structure):
    _fields_ = _sized((c_uint64, "cells done resumed kept measured"), (c_uint32, "on_test"))


class AuditEstimate(Structure):
    _fields_ = _fields((c_double, "value low high"))


class AuditRequest(Structure):
    _fields_ = _sized((POINTER(c_uint8), "classes"), (POINTER(c_uint64), "rows"), (c_size_t, "row_count"))


class AuditRows(Structure):
    _fields_ = _sized((POINTER(c_float), "x"), (POINTER(c_int32), "labels"), (POINTER(c_uint64), "ids"),
                      (c_size_t, "n"), (POINTER(c_float), "test_x"), (POINTER(c_int32), "test_labels"),
                      (c_size_t, "test_n"))


class AuditOptions(Structure):
    _fields_ = _sized((POINTER(Model), "before"), (POINTER(Codeset), "codeset"), (POINTER(TrainOptions), "train"),
                      (c_uint32, "shadows"), (c_uint64, "seed"), (StageFn, "stage"), (c_void_p, "user"),
                      (c_uint32, "rmia_models models"))


class AuditFigure(Structure):
    _fields_ = _fields((c_char_p, "subject key title verdict"), (c_uint32, "kind measured"),
                       (AuditEstimate, "value difference tpr_1 tpr_01 privleak median p95"))


class AuditReport(Structure):
    _fields_ = _fields((c_uint32, "classes class_count"), (POINTER(c_uint8), "forgotten"),
                       (c_uint64, "members others rest masked_pairs purged_pairs"), (c_uint32, "shadows"),
                       (POINTER(Outside), "outside test_outside"), (c_uint64, "retained"),
                       (c_uint32, "rmia_models models planned"))


class Reference(Structure):
    """dkvb_reference, opaque."""


class Mpi(Structure):
    """dkvb_mpi, opaque."""


class MpiOptions(Structure):
    _fields_ = _sized((POINTER(Allocator), "allocator"), (c_uint32, "silence"),
                      (CFUNCTYPE(None, c_void_p), "leave"), (c_void_p, "user"))


class MpiTraffic(Structure):
    _fields_ = _fields((c_uint64, "calls sent received"))


class MpiInfo(Structure):
    _fields_ = _sized((c_uint32, "rank count watched silence"), (MpiTraffic, "exchange gather broadcast"))


class ReferenceRows(Structure):
    _fields_ = _sized((POINTER(c_float), "x"), (POINTER(c_int32), "labels"), (POINTER(c_uint64), "ids"),
                      (c_size_t, "n"), (c_uint32, "dim classes"))


class ReferenceOptions(Structure):
    _fields_ = _sized((c_uint32, "kind iterations"), (c_double, "penalty tolerance"),
                      (POINTER(Allocator), "allocator"))


ReceiptSignFn = CFUNCTYPE(c_int, POINTER(c_uint8), c_size_t, POINTER(c_uint8), c_void_p)
ReceiptCheckFn = CFUNCTYPE(c_int, POINTER(c_uint8), c_size_t, POINTER(c_uint8), c_void_p)
ReceiptTellFn = CFUNCTYPE(c_int, c_uint32, c_char_p, c_char_p, c_void_p)


class ReceiptOptions(Structure):
    _fields_ = _sized((c_char_p, "model codes before audit bom command"), (POINTER(c_uint64), "ids"),
                      (c_uint64, "id_count"), (POINTER(c_uint8), "public_key"), (ReceiptSignFn, "sign"),
                      (ReceiptCheckFn, "check"), (c_void_p, "key"), (ReceiptTellFn, "tell"), (c_void_p, "user"),
                      (POINTER(Allocator), "allocator"))


class LiveOptions(Structure):
    _fields_ = _sized((c_uint32, "verify"), (POINTER(Allocator), "allocator"))


class ServiceOptions(Structure):
    _fields_ = _sized((c_uint32, "top scores most_rows"), (c_uint64, "most_bytes"), (c_char_p, "id_column name"),
                      (POINTER(Allocator), "allocator"))


class Answers(Structure):
    _fields_ = _sized((c_void_p, "bytes"), (c_size_t, "size"), (c_uint64, "rows abstained refused"),
                      (c_uint32, "more kind cut"))


class Live(Structure):
    """dkvb_live, opaque."""


class Service(Structure):
    """dkvb_service, opaque."""


class ReferenceInfo(Structure):
    _fields_ = _sized((c_uint32, "kind dim classes empty"), (c_uint64, "rows"), (c_double, "scale penalty"),
                      (c_uint32, "chosen iterations converged"), (c_double, "gradient choosing seconds"))


class ReferenceLine(Structure):
    _fields_ = _fields((c_char_p, "head rows"), (c_double, "accuracy forgotten others auc"), (c_uint64, "fitted"),
                       (c_double, "penalty choosing seconds"), (c_uint32, "iterations converged"))


class ReferenceReport(Structure):
    _fields_ = _fields((c_uint32, "lines classes"), (POINTER(ReferenceLine), "line"), (POINTER(c_uint8), "forgotten"),
                       (c_uint64, "forgotten_rows test_forgotten test_others"))


class Array(Structure):
    _fields_ = _sized((c_uint32, "dtype ndim"), (c_uint64 * DKVB_ARRAY_MAX_NDIM, "shape"), (c_void_p, "data"),
                      (Allocator, "allocator"))


class FeaturesInfo(Structure):
    _fields_ = _sized((c_uint64, "rows columns outlying first_row first_column"), (c_float, "first_value"),
                      (POINTER(RowSource), "source"))


class TableOptions(Structure):
    _fields_ = _sized((c_uint32, "what header in_place"), (c_char_p, "label_column id_column group_column group"),
                      (POINTER(c_char_p), "columns"), (c_size_t, "column_count"), (POINTER(c_char_p), "label_names"),
                      (c_size_t, "label_name_count"), (POINTER(Allocator), "allocator"))


class TableInfo(Structure):
    _fields_ = _sized((c_uint64, "rows columns"), (POINTER(c_float), "x"), (POINTER(c_char_p), "column_names"),
                      (POINTER(c_int32), "labels"), (POINTER(c_char_p), "label_names"), (c_uint64, "label_count"),
                      (POINTER(c_uint64), "ids"), (POINTER(c_char_p), "id_names"), (POINTER(c_uint64), "groups"),
                      (c_uint64, "group_count"), (POINTER(RowSource), "source"))


class LabelsInfo(Structure):
    _fields_ = _sized((c_uint64, "rows unlabelled largest_row"), (c_int32, "smallest largest"),
                      (c_uint32, "classes empty first_empty"), (c_char * 92, "empty_list"))


class Image(Structure):
    _fields_ = _sized((c_uint32, "width height channels orientation"), (POINTER(c_uint8), "pixels"),
                      (Allocator, "allocator"))


class ImagesetOptions(Structure):
    _fields_ = _sized((c_uint32, "format coarse_labels upright"), (POINTER(Allocator), "allocator"))


class ImageSource(Structure):
    _fields_ = [("path", c_char_p), ("bytes", POINTER(c_uint8)), ("size", c_size_t)]


class ImagesetInfo(Structure):
    _fields_ = _sized((c_uint64, "pictures ignored"), (c_uint32, "format classes width height channels nested"),
                      (c_uint64, "turned"))


class Picture(Structure):
    _fields_ = _sized((c_int32, "label"), (c_char * DKVB_PICTURE_NAME_SIZE, "name"))


class EncoderOptions(Structure):
    _fields_ = _sized((c_char_p, "weights config"), (c_uint32, "activation heads width height channels upright"),
                      (POINTER(Allocator), "allocator"), (POINTER(Imageset), "set"),
                      (c_char_p, "remembered remembered_by"), (c_uint32, "dim"))


class EncoderInfo(Structure):
    _fields_ = _sized((c_uint32, "kind dim shorter crop filter layout patch width layers heads activation guessed upright"),
                      (c_char * DKVB_ENCODER_IDENTITY_SIZE, "identity"))


UnreadableFn = CFUNCTYPE(c_int, c_void_p, c_uint64, c_char_p)


TraceFn = CFUNCTYPE(c_int, c_void_p, c_char_p, c_size_t, c_size_t, POINTER(c_float))


class EncodeOptions(Structure):
    _fields_ = _sized((c_uint32, "skip_unreadable dtype restart"), (POINTER(c_uint8), "readable"),
                      (UnreadableFn, "unreadable"), (c_void_p, "user"), (TraceFn, "trace"))


class EncodeReport(Structure):
    _fields_ = _sized((c_uint64, "pictures rows unreadable resumed kept"))




class CodesetOptions(Structure):
    _fields_ = _sized((c_uint32, "top_k depth"), (POINTER(Allocator), "allocator"), (c_uint32, "keep"),
                      (POINTER(KeyinitOptions), "keyinit"))


class CodesetRows(Structure):
    _fields_ = _sized((c_size_t, "n"), (c_uint32, "codebooks k"), (POINTER(c_uint64), "ids"),
                      (POINTER(c_int32), "labels"), (POINTER(c_uint16), "codes"), (c_void_p, "features"),
                      (c_uint32, "dtype columns"), (POINTER(c_char_p), "names"))


class CodesetSource(Structure):
    _fields_ = _sized((POINTER(c_float), "x"), (c_size_t, "n dim"), (POINTER(c_uint64), "ids"),
                      (POINTER(c_int32), "labels"), (POINTER(c_uint8), "held_out"), (POINTER(c_uint16), "codes"),
                      (POINTER(c_char_p), "names"), (POINTER(RowSource), "source"))


class CodesetInfo(Structure):
    _fields_ = _sized((c_uint32, "codebooks keys"), (c_uint32 * 2, "k"), (c_uint64 * 2, "rows"),
                      (c_uint32 * 2, "kept dtype columns"), (c_uint64 * 2, "row_bytes"),
                      (c_uint32, "sessions searched own_keys"), (KeyinitOptions, "keyinit"),
                      (c_uint32, "named names_kept"))


class CodesetSession(Structure):
    _fields_ = _sized((c_uint32, "classes values_dtype"), (c_uint64, "rows"), (TrainOptions, "training"))


class Request(Structure):
    _fields_ = _sized((c_uint32, "method k"), (POINTER(c_uint16), "codes"), (c_size_t, "n"),
                      (POINTER(c_uint8), "rows classes"), (c_uint64, "seed"))


class Budget(Structure):
    _fields_ = _sized((c_uint32, "met"), (c_uint64, "budget forget_rows retain_rows"),
                      (c_double, "forget_before forget_after retain_before retain_after"), (c_uint64, "roomy"))


class ForgetRequest(Structure):
    _fields_ = (
        ("struct_size", c_size_t),
        ("strength", c_uint32),
        ("method", c_uint32),
        ("classes", POINTER(c_uint8)),
        ("ids", POINTER(c_uint64)),
        ("id_count", c_uint64),
        ("codes", POINTER(c_uint16)),
        ("n", c_size_t),
        ("labels", POINTER(c_int32)),
        ("mask", POINTER(Mask)),
        ("budget", c_uint64),
        ("seed", c_uint64),
        ("target", c_double),
        ("max_retain_drop", c_double),
        ("max_class_loss", c_double),
        ("force", c_uint32),
        ("keys", c_uint32),
        ("features", POINTER(c_float)),
        ("feature_rows", c_size_t),
        ("feature_columns", c_size_t),
        ("feature_ids", POINTER(c_uint64)),
        ("reason", c_char_p),
        ("salt", POINTER(c_uint8)),
        ("requests", c_char_p),
        ("names", POINTER(c_char_p)),
        ("name_count", c_uint64),
        ("feature_names", POINTER(c_char_p)),
        ("feature_source", POINTER(RowSource)),
        ("in_place", c_uint32),
    )


class PlanRequest(Structure):
    _fields_ = (("line", c_uint64), ("forgotten", c_uint32),
                *((name, c_uint64) for name in ("entry", "ids", "pairs", "pairs_new")),
                ("classes", POINTER(c_uint8)))


class PlanInfo(Structure):
    _fields_ = (
        ("struct_size", c_size_t),
        *((name, c_uint32) for name in ("strength", "method", "refused", "can_be_forced", "forced", "refused_class",
                                        "budget_found", "keys", "resumed")),
        *((name, c_uint64) for name in ("pairs", "pairs_new", "pairs_total", "rows", "ids", "looked_at", "held_out",
                                        "exhausted", "again", "not_again", "lifted")),
        ("budget", Budget),
        ("class_count", c_uint32),
        ("refusal", c_char_p),
        ("effects", POINTER(ClassEffect)),
        ("classes", POINTER(c_uint8)),
        ("mask", POINTER(Mask)),
        ("requests", POINTER(PlanRequest)),
        ("request_count", c_uint64),
        ("forgotten", c_uint64),
    )


STRUCTURES = {
    "dkvb_allocator": Allocator,
    "dkvb_array": Array,
    "dkvb_audit_estimate": AuditEstimate,
    "dkvb_audit_figure": AuditFigure,
    "dkvb_audit_options": AuditOptions,
    "dkvb_audit_report": AuditReport,
    "dkvb_audit_request": AuditRequest,
    "dkvb_audit_rows": AuditRows,
    "dkvb_budget": Budget,
    "dkvb_class_effect": ClassEffect,
    "dkvb_codebooks_arrays": CodebooksArrays,
    "dkvb_codebooks_copies": CodebooksCopies,
    "dkvb_codebooks_info": CodebooksInfo,
    "dkvb_codeset_info": CodesetInfo,
    "dkvb_codeset_options": CodesetOptions,
    "dkvb_codeset_rows": CodesetRows,
    "dkvb_codeset_session": CodesetSession,
    "dkvb_codeset_source": CodesetSource,
    "dkvb_encode_options": EncodeOptions,
    "dkvb_encode_report": EncodeReport,
    "dkvb_encoder_info": EncoderInfo,
    "dkvb_encoder_options": EncoderOptions,
    "dkvb_fit_options": FitOptions,
    "dkvb_fit_report": FitReport,
    "dkvb_fit_rows": FitRows,
    "dkvb_forget_options": ForgetOptions,
    "dkvb_forget_request": ForgetRequest,
    "dkvb_image": Image,
    "dkvb_image_source": ImageSource,
    "dkvb_imageset_info": ImagesetInfo,
    "dkvb_imageset_options": ImagesetOptions,
    "dkvb_journal_entry": JournalEntry,
    "dkvb_picture": Picture,
    "dkvb_evaluation": Evaluation,
    "dkvb_features_info": FeaturesInfo,
    "dkvb_labels_info": LabelsInfo,
    "dkvb_keyinit_options": KeyinitOptions,
    "dkvb_answers": Answers,
    "dkvb_live_options": LiveOptions,
    "dkvb_mask_info": MaskInfo,
    "dkvb_service_options": ServiceOptions,
    "dkvb_model_info": ModelInfo,
    "dkvb_model_options": ModelOptions,
    "dkvb_plan_info": PlanInfo,
    "dkvb_plan_request": PlanRequest,
    "dkvb_ranks": Ranks,
    "dkvb_receipt_options": ReceiptOptions,
    "dkvb_mpi_info": MpiInfo,
    "dkvb_mpi_options": MpiOptions,
    "dkvb_mpi_traffic": MpiTraffic,
    "dkvb_reference_info": ReferenceInfo,
    "dkvb_reference_line": ReferenceLine,
    "dkvb_reference_options": ReferenceOptions,
    "dkvb_reference_report": ReferenceReport,
    "dkvb_reference_rows": ReferenceRows,
    "dkvb_request": Request,
    "dkvb_outside": Outside,
    "dkvb_row_source": RowSource,
    "dkvb_run_options": RunOptions,
    "dkvb_search_file_options": SearchFileOptions,
    "dkvb_search_file_report": SearchFileReport,
    "dkvb_separation": Separation,
    "dkvb_separation_rows": SeparationRows,
    "dkvb_settings": Settings,
    "dkvb_sweep_cell": SweepCell,
    "dkvb_sweep_options": SweepOptions,
    "dkvb_sweep_report": SweepReport,
    "dkvb_sweep_shape": SweepShape,
    "dkvb_table_info": TableInfo,
    "dkvb_table_options": TableOptions,
    "dkvb_train_options": TrainOptions,
    "dkvb_train_report": TrainReport,
    "dkvb_trial": Trial,
    "dkvb_tune_options": TuneOptions,
}

_codebooks = POINTER(Codebooks)
_codeset = POINTER(Codeset)
_encoder = POINTER(Encoder)
_imageset = POINTER(Imageset)
_mask = POINTER(Mask)
_model = POINTER(Model)
_plan = POINTER(Plan)
_table = POINTER(Table)
_allocator = POINTER(Allocator)
_array = POINTER(Array)
_image = POINTER(Image)
_run = POINTER(RunOptions)
_u8 = POINTER(c_uint8)
_i8 = POINTER(c_int8)
_u16 = POINTER(c_uint16)
_i32 = POINTER(c_int32)
_u32 = POINTER(c_uint32)
_u64 = POINTER(c_uint64)
_f32 = POINTER(c_float)
_f64 = POINTER(c_double)
_separation = POINTER(Separation)
_live = POINTER(Live)
_service = POINTER(Service)
_audit = POINTER(AuditReport)

PROTOTYPES = {
    # Functions of version.h, status.h, init.h and runtime.h
    "dkvb_version_string": (c_char_p, ()),
    "dkvb_name": (c_char_p, (c_uint32, c_int64)),
    "dkvb_last_error": (c_char_p, ()),
    "dkvb_init": (Status, (c_char_p, c_void_p, c_size_t)),
    "dkvb_runtime_kernels": (c_char_p, ()),
    "dkvb_runtime_threads": (c_uint32, (_run,)),

    # codebooks.h
    "dkvb_codebooks_fit": (Status, (POINTER(_codebooks), _f32, c_size_t, c_size_t, POINTER(KeyinitOptions), _run)),
    "dkvb_codebooks_begin": (Status, (POINTER(_codebooks), c_size_t, POINTER(KeyinitOptions))),
    "dkvb_codebooks_step": (Status, (_codebooks, _f32, c_size_t, _run)),
    "dkvb_codebooks_freeze": (Status, (_codebooks,)),
    "dkvb_codebooks_from_arrays": (Status, (POINTER(_codebooks), POINTER(CodebooksArrays), POINTER(KeyinitOptions))),
    "dkvb_codebooks_retain": (_codebooks, (_codebooks,)),
    "dkvb_codebooks_free": (None, (_codebooks,)),
    "dkvb_codebooks_get_info": (Status, (_codebooks, POINTER(CodebooksInfo))),
    "dkvb_codebooks_get_arrays": (Status, (_codebooks, POINTER(CodebooksCopies))),
    "dkvb_codebooks_project": (Status, (_codebooks, _f32, c_size_t, _i8, _u32, _run)),

    # search.h
    "dkvb_search": (Status, (_codebooks, _mask, _f32, c_size_t, c_uint32, _u16, _i32, _run)),
    "dkvb_search_file": (Status, (_model, _f32, c_size_t, c_char_p, POINTER(SearchFileOptions),
                                  POINTER(SearchFileReport), _run)),
    "dkvb_search_refresh": (Status, (_model, _f32, c_size_t, c_uint32, _u16, _u64, _run)),

    # codeset.h
    "dkvb_codeset_new": (Status, (POINTER(_codeset), _codebooks, POINTER(CodesetOptions))),
    "dkvb_codeset_free": (None, (_codeset,)),
    "dkvb_codeset_holds_out": (c_int, (c_uint64, c_double)),
    "dkvb_codeset_add_rows": (Status, (_codeset, c_uint32, POINTER(CodesetRows))),
    "dkvb_codeset_add_features": (Status, (_codeset, _codebooks, POINTER(CodesetSource), _run)),
    "dkvb_codeset_get_info": (Status, (_codeset, POINTER(CodesetInfo))),
    "dkvb_codeset_search": (Status, (_codeset, _codebooks, c_uint32, _run)),
    "dkvb_codeset_get_rows": (Status, (_codeset, c_uint32, POINTER(CodesetRows))),
    "dkvb_codeset_remove": (Status, (_codeset, _u64, c_size_t, _u64)),
    "dkvb_codeset_was_removed": (c_int, (_codeset, c_uint64)),
    "dkvb_codeset_readmit": (Status, (_codeset, _u64, c_size_t)),
    "dkvb_codeset_add_session": (Status, (_codeset, _model, POINTER(TrainOptions), _u64, c_size_t)),
    "dkvb_codeset_get_session": (Status, (_codeset, c_uint32, POINTER(CodesetSession), _u8)),
    "dkvb_codeset_save": (Status, (_codeset, c_char_p)),
    "dkvb_codeset_load": (Status, (POINTER(_codeset), c_char_p, _codebooks, _allocator)),

    # choose.h
    "dkvb_unlearn_choose": (Status, (_mask, _model, POINTER(Request), c_uint64, _run)),

    # effect.h
    "dkvb_effect_measure": (Status, (_model, _mask, _mask, POINTER(CodesetRows), POINTER(ClassEffect), _u64, _run)),

    # plan.h
    "dkvb_forget_plan": (Status, (POINTER(_plan), _model, _codeset, POINTER(ForgetRequest), _run)),
    "dkvb_plan_get_info": (Status, (_plan, POINTER(PlanInfo))),
    "dkvb_forget_apply": (Status, (_plan, _model, _codeset, _u64)),
    "dkvb_plan_free": (None, (_plan,)),
    "dkvb_plan_save": (Status, (_plan, c_char_p)),
    "dkvb_plan_load": (Status, (POINTER(_plan), c_char_p, _allocator)),

    # replay.h
    "dkvb_receipt_write": (Status, (c_char_p, POINTER(ReceiptOptions), _run)),
    "dkvb_receipt_verify": (Status, (c_char_p, POINTER(ReceiptOptions), _run)),
    "dkvb_model_replay": (Status, (_model, _codeset, _u64, c_size_t, POINTER(ForgetOptions), _u64, _run)),

    # mask.h
    "dkvb_mask_new": (Status, (POINTER(_mask), _codebooks)),
    "dkvb_mask_copy": (Status, (POINTER(_mask), _mask)),
    "dkvb_mask_free": (None, (_mask,)),
    "dkvb_mask_set": (Status, (_mask, c_uint32, c_uint32, c_int)),
    "dkvb_mask_get_info": (Status, (_mask, POINTER(MaskInfo))),
    "dkvb_mask_combine": (Status, (_mask, _mask, c_uint32)),
    "dkvb_mask_equal": (c_int, (_mask, _mask)),
    "dkvb_mask_next": (c_int, (_mask, c_uint64, _u64)),
    "dkvb_mask_get_bytes": (None, (_mask, _u8)),
    "dkvb_mask_save": (Status, (_mask, c_char_p)),
    "dkvb_mask_load": (Status, (POINTER(_mask), c_char_p, _allocator)),

    # model.h
    "dkvb_model_new": (Status, (POINTER(_model), _codebooks, c_uint32, POINTER(ModelOptions))),
    "dkvb_model_free": (None, (_model,)),
    "dkvb_model_get_info": (Status, (_model, POINTER(ModelInfo))),
    "dkvb_model_codebooks": (_codebooks, (_model,)),
    "dkvb_model_get_values": (Status, (_model, _f32)),
    "dkvb_model_set_temperature": (Status, (_model, c_double, c_double)),
    "dkvb_model_set_values": (Status, (_model, _f32, c_uint32)),
    "dkvb_model_add_classes": (Status, (_model, c_uint32)),
    "dkvb_model_count_classes": (Status, (_model, _u16, c_uint32, _i32, c_size_t, _run)),
    "dkvb_model_class_counts": (Status, (_model, c_uint32, _u64)),
    "dkvb_model_drop_counts": (Status, (_model,)),
    "dkvb_model_set_class_name": (Status, (_model, c_uint32, c_char_p)),
    "dkvb_model_class_name": (c_char_p, (_model, c_uint32)),
    "dkvb_model_set_class_names": (Status, (_model, POINTER(c_char_p), c_size_t, POINTER(c_size_t))),
    "dkvb_model_find_class": (Status, (_model, c_char_p, c_uint32, POINTER(c_uint32))),
    "dkvb_model_set_column_names": (Status, (_model, POINTER(c_char_p), c_size_t)),
    "dkvb_model_column_name": (c_char_p, (_model, c_uint32)),
    "dkvb_model_set_encoder": (Status, (_model, c_char_p)),
    "dkvb_model_predict": (Status, (_model, _f32, c_size_t, _i32, _f32, _run)),
    "dkvb_model_save": (Status, (_model, c_char_p)),
    "dkvb_model_save_with": (Status, (_model, c_char_p, _codeset, c_char_p)),
    "dkvb_model_load": (Status, (POINTER(_model), c_char_p, POINTER(ModelOptions))),
    "dkvb_model_inspect": (Status, (c_char_p, POINTER(ModelInfo))),
    "dkvb_model_verify": (Status, (_model,)),

    # values.h
    "dkvb_model_train": (Status, (_model, _u16, c_uint32, _i32, c_size_t, POINTER(TrainOptions), _run)),
    "dkvb_model_train_begin": (Status, (_model, POINTER(TrainOptions))),
    "dkvb_model_train_step": (Status, (_model, _u16, c_uint32, _i32, c_size_t, _run)),
    "dkvb_model_train_end": (Status, (_model, c_int)),
    "dkvb_model_decode": (Status, (_model, _u16, c_uint32, c_size_t, _i32, _f32, _run)),
    "dkvb_model_evaluate": (Status, (_model, _f32, _u16, _i32, c_size_t, POINTER(Evaluation), _run)),
    "dkvb_calibration_fit": (Status, (_f32, _i32, c_size_t, c_uint32, POINTER(c_double), POINTER(c_double))),
    "dkvb_decode_softmax": (Status, (_f32, c_size_t, c_uint32, c_double, c_double, _f32)),
    "dkvb_decode_top": (Status, (_f32, c_size_t, c_uint32, c_uint32, _i32, _f32)),

    # unlearn.h
    "dkvb_model_forget": (Status, (_model, _mask, POINTER(ForgetOptions), _u64)),
    "dkvb_model_undo": (Status, (_model, c_uint64, _u64)),
    "dkvb_model_purge": (Status, (_model,)),
    "dkvb_model_drop_forgotten_names": (Status, (_model, _u32)),
    "dkvb_model_relearn": (Status, (_model, c_uint64, POINTER(ForgetOptions), _u64)),
    "dkvb_journal_get": (Status, (_model, c_uint64, POINTER(JournalEntry))),
    "dkvb_journal_get_terms": (Status, (_model, c_uint64, _u8, POINTER(ClassEffect))),
    "dkvb_journal_get_mask": (Status, (_model, c_uint64, POINTER(_mask))),
    "dkvb_journal_names_rows": (c_int, (_model, c_uint64, _u64, c_size_t)),
    "dkvb_journal_head": (None, (_model, _u8)),
    "dkvb_journal_find_head": (Status, (_model, _u8, _u64)),

    # separation.h
    "dkvb_separation_measure": (Status, (POINTER(_separation), POINTER(SeparationRows), _run)),
    "dkvb_separation_free": (None, (_separation,)),

    # sweep.h
    "dkvb_sweep_run": (Status, (_model, _codeset, POINTER(SweepOptions), POINTER(SweepReport), _run)),

    # live.h
    "dkvb_live_open": (Status, (POINTER(_live), c_char_p, POINTER(LiveOptions))),
    "dkvb_live_free": (None, (_live,)),
    "dkvb_live_acquire": (Status, (_live, POINTER(_model))),
    "dkvb_live_release": (None, (_live, _model)),
    "dkvb_live_taken": (c_uint64, (_live,)),
    "dkvb_service_new": (Status, (POINTER(_service), _live, POINTER(ServiceOptions))),
    "dkvb_service_free": (None, (_service,)),
    "dkvb_service_put": (Status, (_service, c_void_p, c_size_t)),
    "dkvb_service_answer": (Status, (_service, POINTER(Answers), _run)),

    # audit.h
    "dkvb_audit_run": (Status, (POINTER(_audit), _model, POINTER(AuditRequest), POINTER(AuditRows),
                                POINTER(AuditOptions), _run)),
    "dkvb_audit_get_figure": (POINTER(AuditFigure), (_audit, c_uint32, c_uint32)),
    "dkvb_audit_report_free": (None, (_audit,)),


    # data.h
    "dkvb_array_free": (None, (_array,)),
    "dkvb_array_read": (Status, (_array, c_char_p, c_uint32, _allocator)),
    "dkvb_features_read": (Status, (_array, c_char_p, c_uint32, _allocator)),
    "dkvb_labels_read": (Status, (_array, c_char_p, _allocator)),
    "dkvb_features_survey": (Status, (POINTER(FeaturesInfo), POINTER(c_float), c_size_t, c_size_t)),
    "dkvb_labels_survey": (Status, (POINTER(LabelsInfo), POINTER(c_int32), c_size_t, c_uint32, c_uint32, _allocator)),
    "dkvb_npy_write": (Status, (c_char_p, c_uint32, c_uint32, c_uint32, _u64, c_void_p)),

    # table.h
    "dkvb_table_read": (Status, (POINTER(_table), c_char_p, POINTER(TableOptions), _run)),
    "dkvb_table_file": (Status, (c_char_p, c_char_p, c_size_t)),
    "dkvb_table_get_info": (Status, (_table, POINTER(TableInfo))),
    "dkvb_table_free": (None, (_table,)),

    # file.h
    "dkvb_file_write": (Status, (c_char_p, c_void_p, c_size_t)),
    "dkvb_file_write_parts": (Status, (c_char_p, PartFn, c_void_p)),
    "dkvb_file_leftover": (Status, (c_char_p, c_size_t, c_char_p, c_size_t)),
    "dkvb_file_remove_temporaries": (None, ()),

    # images.h
    "dkvb_image_free": (None, (_image,)),
    "dkvb_image_codecs": (c_uint32, ()),
    "dkvb_image_read": (Status, (_image, c_char_p, _u8, c_size_t, _allocator)),
    "dkvb_imageset_open": (Status, (POINTER(_imageset), c_char_p, POINTER(ImagesetOptions))),
    "dkvb_imageset_open_list": (Status, (POINTER(_imageset), POINTER(ImageSource), c_size_t,
                                         POINTER(ImagesetOptions))),
    "dkvb_imageset_free": (None, (_imageset,)),
    "dkvb_imageset_get_info": (Status, (_imageset, POINTER(ImagesetInfo))),
    "dkvb_imageset_class_name": (c_char_p, (_imageset, c_uint32)),
    "dkvb_imageset_ignored": (c_char_p, (_imageset, c_uint32, POINTER(c_uint64))),
    "dkvb_imageset_spare": (Status, (_imageset, c_char_p)),
    "dkvb_imageset_get": (Status, (_imageset, c_uint64, POINTER(Picture))),
    "dkvb_imageset_read": (Status, (_imageset, c_uint64, _image, _allocator)),

    # encoder.h
    "dkvb_encoder_open": (Status, (POINTER(_encoder), c_uint32, POINTER(EncoderOptions))),
    "dkvb_encoder_free": (None, (_encoder,)),
    "dkvb_encoder_get_info": (Status, (_encoder, POINTER(EncoderInfo))),
    "dkvb_encoder_encode": (Status, (_encoder, _image, c_size_t, _f32, POINTER(EncodeOptions), _run)),
    "dkvb_encoder_encode_set": (Status, (_encoder, _imageset, c_uint64, c_size_t, _f32, POINTER(EncodeOptions), _run)),
    "dkvb_encoder_encode_file": (Status, (_encoder, _imageset, c_char_p, POINTER(EncodeOptions), POINTER(EncodeReport),
                                          _run)),

    # fit.h
    "dkvb_fit_suit": (Status, (POINTER(Settings), c_size_t, c_size_t, c_uint32, c_uint32, c_uint64)),
    "dkvb_fit": (Status, (POINTER(_model), POINTER(_codeset), POINTER(FitRows), POINTER(FitOptions),
                          POINTER(FitReport), _run)),
    "dkvb_fit_more": (Status, (_model, _codeset, POINTER(FitRows), POINTER(FitOptions), POINTER(FitReport), _run)),
    "dkvb_tune": (Status, (POINTER(Settings), POINTER(FitRows), POINTER(TuneOptions), _run)),
}

_reference = POINTER(Reference)
_reference_rows = POINTER(ReferenceRows)

# Functions of reference.h, which are in the library libdkvb-reference
REFERENCE_PROTOTYPES = {
    "dkvb_reference_fit": (Status, (POINTER(_reference), _reference_rows, POINTER(ReferenceOptions), _run)),
    "dkvb_reference_remove": (Status, (_reference, _reference_rows, _run)),
    "dkvb_reference_predict": (Status, (_reference, _f32, c_size_t, POINTER(c_int32), POINTER(c_double))),
    "dkvb_reference_get_info": (Status, (_reference, POINTER(ReferenceInfo))),
    "dkvb_reference_free": (None, (_reference,)),
    "dkvb_reference_compare": (Status, (POINTER(POINTER(ReferenceReport)), _reference_rows, _reference_rows,
                                        POINTER(AuditRequest), POINTER(c_int32), POINTER(ReferenceOptions), _run)),
    "dkvb_reference_report_free": (None, (POINTER(ReferenceReport),)),
    "dkvb_reference_error": (c_char_p, ()),
}

_mpi = POINTER(Mpi)

# Functions of mpi.h, which are in the library libdkvb-mpi
MPI_PROTOTYPES = {
    "dkvb_mpi_new": (Status, (POINTER(_mpi), c_int32, POINTER(MpiOptions))),
    "dkvb_mpi_ranks": (POINTER(Ranks), (_mpi,)),
    "dkvb_mpi_host": (c_char_p, (_mpi, c_uint32)),
    "dkvb_mpi_get_info": (Status, (_mpi, POINTER(MpiInfo))),
    "dkvb_mpi_silent": (c_char_p, (_mpi,)),
    "dkvb_mpi_compare": (Status, (_mpi, c_char_p, c_char_p)),
    "dkvb_mpi_end": (c_int, (_mpi, c_int, c_char_p)),
    "dkvb_mpi_free": (None, (_mpi,)),
    "dkvb_mpi_error": (c_char_p, ()),
}

/* A table of the default values of every public struct of libdkvb, found by the struct's name. */
#include <string.h>

#include <dkvb/dkvb.h>
#include <dkvb/mpi.h>
#include <dkvb/reference.h>

#include "base/status.h"

/* One row of the table of default values of structs. The default values of a public struct come from the struct's INIT
 * macro. */
#define ROW(type, defaults)                                                                                            \
    {                                                                                                                  \
#type, &(const type)defaults, sizeof(type)                                                                     \
    }

static const struct {
    const char *type;
    const void *defaults;
    size_t size;
} structs[] = {
    ROW(dkvb_answers, DKVB_ANSWERS_INIT),
    ROW(dkvb_array, DKVB_ARRAY_INIT),
    ROW(dkvb_audit_options, DKVB_AUDIT_OPTIONS_INIT),
    ROW(dkvb_audit_request, DKVB_AUDIT_REQUEST_INIT),
    ROW(dkvb_audit_rows, DKVB_AUDIT_ROWS_INIT),
    ROW(dkvb_budget, DKVB_BUDGET_INIT),
    ROW(dkvb_codebooks_arrays, DKVB_CODEBOOKS_ARRAYS_INIT),
    ROW(dkvb_codebooks_copies, DKVB_CODEBOOKS_COPIES_INIT),
    ROW(dkvb_codebooks_info, DKVB_CODEBOOKS_INFO_INIT),
    ROW(dkvb_codeset_info, DKVB_CODESET_INFO_INIT),
    ROW(dkvb_codeset_options, DKVB_CODESET_OPTIONS_INIT),
    ROW(dkvb_codeset_rows, DKVB_CODESET_ROWS_INIT),
    ROW(dkvb_codeset_session, DKVB_CODESET_SESSION_INIT),
    ROW(dkvb_codeset_source, DKVB_CODESET_SOURCE_INIT),
    ROW(dkvb_encode_options, DKVB_ENCODE_OPTIONS_INIT),
    ROW(dkvb_encode_report, DKVB_ENCODE_REPORT_INIT),
    ROW(dkvb_encoder_info, DKVB_ENCODER_INFO_INIT),
    ROW(dkvb_encoder_options, DKVB_ENCODER_OPTIONS_INIT),
    ROW(dkvb_evaluation, DKVB_EVALUATION_INIT),
    ROW(dkvb_features_info, DKVB_FEATURES_INFO_INIT),
    ROW(dkvb_fit_options, DKVB_FIT_OPTIONS_INIT),
    ROW(dkvb_fit_report, DKVB_FIT_REPORT_INIT),
    ROW(dkvb_fit_rows, DKVB_FIT_ROWS_INIT),
    ROW(dkvb_forget_options, DKVB_FORGET_OPTIONS_INIT),
    ROW(dkvb_forget_request, DKVB_FORGET_REQUEST_INIT),
    ROW(dkvb_image, DKVB_IMAGE_INIT),
    ROW(dkvb_imageset_info, DKVB_IMAGESET_INFO_INIT),
    ROW(dkvb_imageset_options, DKVB_IMAGESET_OPTIONS_INIT),
    ROW(dkvb_journal_entry, DKVB_JOURNAL_ENTRY_INIT),
    ROW(dkvb_keyinit_options, DKVB_KEYINIT_OPTIONS_INIT),
    ROW(dkvb_labels_info, DKVB_LABELS_INFO_INIT),
    ROW(dkvb_live_options, DKVB_LIVE_OPTIONS_INIT),
    ROW(dkvb_mask_info, DKVB_MASK_INFO_INIT),
    ROW(dkvb_model_info, DKVB_MODEL_INFO_INIT),
    ROW(dkvb_model_options, DKVB_MODEL_OPTIONS_INIT),
    ROW(dkvb_mpi_info, DKVB_MPI_INFO_INIT),
    ROW(dkvb_mpi_options, DKVB_MPI_OPTIONS_INIT),
    ROW(dkvb_outside, DKVB_OUTSIDE_INIT),
    ROW(dkvb_picture, DKVB_PICTURE_INIT),
    ROW(dkvb_plan_info, DKVB_PLAN_INFO_INIT),
    ROW(dkvb_ranks, DKVB_RANKS_INIT),
    ROW(dkvb_receipt_options, DKVB_RECEIPT_OPTIONS_INIT),
    ROW(dkvb_reference_info, DKVB_REFERENCE_INFO_INIT),
    ROW(dkvb_reference_options, DKVB_REFERENCE_OPTIONS_INIT),
    ROW(dkvb_reference_rows, DKVB_REFERENCE_ROWS_INIT),
    ROW(dkvb_request, DKVB_REQUEST_INIT),
    ROW(dkvb_row_source, DKVB_ROW_SOURCE_INIT),
    ROW(dkvb_run_options, DKVB_RUN_OPTIONS_INIT),
    ROW(dkvb_search_file_options, DKVB_SEARCH_FILE_OPTIONS_INIT),
    ROW(dkvb_search_file_report, DKVB_SEARCH_FILE_REPORT_INIT),
    ROW(dkvb_separation_rows, DKVB_SEPARATION_ROWS_INIT),
    ROW(dkvb_service_options, DKVB_SERVICE_OPTIONS_INIT),
    ROW(dkvb_settings, DKVB_SETTINGS_INIT),
    ROW(dkvb_sweep_options, DKVB_SWEEP_OPTIONS_INIT),
    ROW(dkvb_sweep_report, DKVB_SWEEP_REPORT_INIT),
    ROW(dkvb_table_info, DKVB_TABLE_INFO_INIT),
    ROW(dkvb_table_options, DKVB_TABLE_OPTIONS_INIT),
    ROW(dkvb_train_options, DKVB_TRAIN_OPTIONS_INIT),
    ROW(dkvb_train_report, DKVB_TRAIN_REPORT_INIT),
    ROW(dkvb_trial, DKVB_TRIAL_INIT),
    ROW(dkvb_tune_options, DKVB_TUNE_OPTIONS_INIT),
};

dkvb_status dkvb_init(const char *type, void *out, size_t struct_size)
{
    for (size_t i = 0; i < sizeof structs / sizeof *structs; i++) {
        if (strcmp(structs[i].type, type) != 0)
            continue;
        if (struct_size < sizeof struct_size)
            return dkvb__fail(DKVB_EINVAL, "%s: struct_size is %zu, at least %zu is needed to hold it", type,
                              struct_size, sizeof struct_size);
        memset(out, 0, struct_size);
        memcpy(out, structs[i].defaults, struct_size < structs[i].size ? struct_size : structs[i].size);
        memcpy(out, &struct_size, sizeof struct_size);
        return DKVB_OK;
    }
    return dkvb__fail(DKVB_ENOTFOUND, "%s: no struct of this library has this name", type);
}

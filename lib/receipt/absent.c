/* Receipts in a build without jansson: both calls say so. */
#include "base/status.h"
#include "dkvb/receipt.h"

dkvb_status dkvb_receipt_write(const char *path, const dkvb_receipt_options *opts, const dkvb_run_options *run)
{
    (void)opts;
    (void)run;
    return dkvb__fail(DKVB_ESTATE, "%.300s: this build has no receipts: it was made with DKVB_WEIGHTS=OFF", path);
}

dkvb_status dkvb_receipt_verify(const char *path, const dkvb_receipt_options *opts, const dkvb_run_options *run)
{
    return dkvb_receipt_write(path, opts, run);
}

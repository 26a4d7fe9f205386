/* Without the JSON library jansson, the two public functions for receipts fail with a message that says so. */
#include "base/status.h"
#include "dkvb/receipt.h"

dkvb_status dkvb_receipt_write(const char *path, const dkvb_receipt_options *opts, const dkvb_run_options *run)
{
    (void)path;
    (void)opts;
    (void)run;
    return dkvb__fail(DKVB_ESTATE, "receipt: this build has none, since jansson was missing or DKVB_WEIGHTS is OFF");
}

dkvb_status dkvb_receipt_verify(const char *path, const dkvb_receipt_options *opts, const dkvb_run_options *run)
{
    return dkvb_receipt_write(path, opts, run);
}

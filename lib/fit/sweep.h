#ifndef DKVB_FIT_SWEEP_H
#define DKVB_FIT_SWEEP_H

#include "bottleneck/model.h"
#include "dkvb/sweep.h"

enum { DKVB__SWEEP_FINGERPRINT = 32 };

/*
 * Cells on their way into a table. PATH.part: a line that names the sweep by a fingerprint, then a line for each
 * finished cell, whole numbers and a checksum. Wherever the file is cut, only whole lines that follow one another from
 * the first cell on count.
 */
struct dkvb__sweep_part {
    const dkvb_allocator *mem;
    char *path;
    int fd;
    uint64_t end;    /* offset behind the last line that counts */
    double sync_due; /* seconds of a clock that only goes forward */
};

/* Go on with PATH.part if its fingerprint, [32], is the same, else begin it: what `cells`, [count], measured is filled
 * in from its lines, *done of them from the first on. `restart`: begin in any case. DKVB_EMISMATCH for another
 * fingerprint, DKVB_EFORMAT for another file. Needs dkvb__sweep_part_end() after a failure too. */
dkvb_status dkvb__sweep_part_open(struct dkvb__sweep_part *part, const char *output, const uint8_t *fingerprint,
                                  bool restart, dkvb_sweep_cell *cells, uint64_t *done);

/* Append n cells. */
dkvb_status dkvb__sweep_part_add(struct dkvb__sweep_part *part, const dkvb_sweep_cell *cells, size_t n);

/* Close; and remove the file unless it is to be kept. Returns `rc`, or what went wrong after success. */
dkvb_status dkvb__sweep_part_end(struct dkvb__sweep_part *part, dkvb_status rc, bool keep);

/* The table of all cells, [count], with mean and interval. measured_on: the word for the measured rows. */
dkvb_status dkvb__sweep_write_table(const char *path, const dkvb_model *model, const dkvb_sweep_cell *cells,
                                    size_t count, const char *measured_on);

#endif

#ifndef DKVB_FIT_SWEEP_H
#define DKVB_FIT_SWEEP_H

#include "bottleneck/model.h"
#include "dkvb/sweep.h"

enum { DKVB__SWEEP_FINGERPRINT = 32 };

/*
 * Part file of a table. PATH.part has a line that names the sweep by a fingerprint, then one line for each finished
 * cell, with whole numbers and a checksum. However the file was cut, only whole lines count that follow one another
 * from the first cell on.
 */
struct dkvb__sweep_part {
    const dkvb_allocator *mem;
    char *path;
    int fd;
    uint64_t end;    /* offset behind the last valid line */
    double sync_due; /* seconds of a clock that only goes forward */
};

/* Continues PATH.part if its fingerprint, [32], is the same, else begins it. `cells`, [count], are filled in from the
 * lines of the file; *done is the number of these cells, which are the first ones. `restart`: begin in any case.
 * DKVB_EMISMATCH for another fingerprint, DKVB_EFORMAT for a file of another kind. The caller must call
 * dkvb__sweep_part_end() after a failure too. */
dkvb_status dkvb__sweep_part_open(struct dkvb__sweep_part *part, const char *output, const uint8_t *fingerprint,
                                  bool restart, dkvb_sweep_cell *cells, uint64_t *done);

/* Appends n cells. */
dkvb_status dkvb__sweep_part_add(struct dkvb__sweep_part *part, const dkvb_sweep_cell *cells, size_t n);

/* Closes the file, and removes it unless it has to be kept. The result is `rc`, or the error of closing after a
 * success. */
dkvb_status dkvb__sweep_part_end(struct dkvb__sweep_part *part, dkvb_status rc, bool keep);

/* Writes the table of all cells, [count], with means and intervals. measured_on: the word for the measured rows. */
dkvb_status dkvb__sweep_write_table(const char *path, const dkvb_model *model, const dkvb_sweep_cell *cells,
                                    size_t count, const char *measured_on);

#endif

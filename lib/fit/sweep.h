#ifndef DKVB_FIT_SWEEP_H
#define DKVB_FIT_SWEEP_H

#include "bottleneck/model.h"
#include "dkvb/sweep.h"

enum { DKVB__SWEEP_FINGERPRINT = 32 };

/*
 * A part file keeps the finished cells of an unfinished sweep table. PATH.part has a line that identifies the sweep by
 * a fingerprint, then one line for each finished cell, with whole numbers and a checksum. If the file was cut off, only
 * complete lines count that follow one another from the first cell on.
 */
struct dkvb__sweep_part {
    const dkvb_allocator *mem;
    char *path;
    int fd;
    uint64_t end;    /* offset of the first byte after the last valid line of the part file */
    double sync_due; /* time of the next flush of the part file to disk, in seconds of a clock that never goes back */
};

/* Continues PATH.part if its fingerprint, [32], is the same; otherwise, or with `restart`, begins a new file. `cells`,
 * [count], are filled in from the lines of the file; *done becomes the number of cells, the first ones, that were
 * filled in. DKVB_EMISMATCH says that the file has another fingerprint, DKVB_EFORMAT that the file is of another kind.
 * The caller must call dkvb__sweep_part_end() after a failure too. */
dkvb_status dkvb__sweep_part_open(struct dkvb__sweep_part *part, const char *output, const uint8_t *fingerprint,
                                  bool restart, dkvb_sweep_cell *cells, uint64_t *done);

/* Appends n finished cells of a sweep to the part file. */
dkvb_status dkvb__sweep_part_add(struct dkvb__sweep_part *part, const dkvb_sweep_cell *cells, size_t n);

/* Closes the part file, and removes it unless it has to be kept. The result is `rc`, or the error of closing the file
 * if `rc` is DKVB_OK. */
dkvb_status dkvb__sweep_part_end(struct dkvb__sweep_part *part, dkvb_status rc, bool keep);

/* Writes the table of all cells of a sweep, [count], with means and intervals. `measured_on` names the measured rows
 * in the table. */
dkvb_status dkvb__sweep_write_table(const char *path, const dkvb_model *model, const dkvb_sweep_cell *cells,
                                    size_t count, const char *measured_on);

#endif

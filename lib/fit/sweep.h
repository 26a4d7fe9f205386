#ifndef DKVB_FIT_SWEEP_H
#define DKVB_FIT_SWEEP_H

#include "bottleneck/model.h"
#include "dkvb/sweep.h"

enum { DKVB__SWEEP_FINGERPRINT = 32 };

/*
 * A part file keeps the finished cells of an unfinished sweep table. The part file PATH.part of a sweep begins with a
 * line that identifies the sweep by a fingerprint, followed by one line for each finished cell (measured forgetting),
 * with whole numbers and a checksum. If the part file of an unfinished sweep was cut off, only its complete lines
 * count, from the first cell on and without a gap.
 */
struct dkvb__sweep_part {
    const dkvb_allocator *mem;
    char *path;
    int fd;
    /* offset of the first byte after the last valid line of the part file (the finished cells of an unfinished
     * sweep) */
    uint64_t end;
    /* time at which the part file (finished cells of a sweep) is next flushed to disk, in seconds of a clock that never
     * goes back */
    double sync_due;
};

/* Opens the part file of a sweep, PATH.part, and continues it after its last finished cell if the file has the
 * fingerprint, [32], of this sweep; otherwise, or with `restart`, begins a new file. The results of finished cells
 * (measured forgettings) are read from the sweep's part file into `cells`, [count]; *done becomes the number of cells
 * read, which are the first cells of the sweep. DKVB_EMISMATCH says that the part file of the sweep has another sweep's
 * fingerprint, DKVB_EFORMAT that the file is no part file. The caller must call dkvb__sweep_part_end() even if opening
 * the part file of the sweep failed. */
dkvb_status dkvb__sweep_part_open(struct dkvb__sweep_part *part, const char *output, const uint8_t *fingerprint,
                                  bool restart, dkvb_sweep_cell *cells, uint64_t *done);

/* Appends n finished cells (measured forgettings) of a sweep to the sweep's part file. */
dkvb_status dkvb__sweep_part_add(struct dkvb__sweep_part *part, const dkvb_sweep_cell *cells, size_t n);

/* Closes the part file (the finished cells of an unfinished sweep), and removes the file unless `keep` is true. The
 * function dkvb__sweep_part_end(), which closes a sweep's part file, returns `rc`, or the error of closing the file if
 * `rc` is DKVB_OK. */
dkvb_status dkvb__sweep_part_end(struct dkvb__sweep_part *part, dkvb_status rc, bool keep);

/* Writes the table of all cells (measured forgettings) of a sweep, [count], with means and intervals. The text
 * `measured_on` tells the reader of the sweep's table on which rows the cells were measured. */
dkvb_status dkvb__sweep_write_table(const char *path, const dkvb_model *model, const dkvb_sweep_cell *cells,
                                    size_t count, const char *measured_on);

#endif

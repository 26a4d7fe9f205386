#ifndef DKVB_BASE_PROCESS_H
#define DKVB_BASE_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

/* Returns a number that differs between a process and every child that it forks. A process id alone does not tell all
 * processes apart: parent and child can both be process 1, each in its own PID namespace. dkvb__process() is
 * async-signal-safe. */
uint64_t dkvb__process(void);

/* True if fork() made this process after the library was loaded. */
bool dkvb__forked(void);

#endif

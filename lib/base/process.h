#ifndef DKVB_BASE_PROCESS_H
#define DKVB_BASE_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

/* A number that differs between a process and every child that it forks. The process id alone is not enough: parent
 * and child may both be process 1, each in its own PID namespace. Async-signal-safe. */
uint64_t dkvb__process(void);

/* Whether this process was made by fork() after the library was loaded. */
bool dkvb__forked(void);

#endif

/* What this machine's arithmetic can do at most: fused multiply-adds on registers alone. */
#ifndef DKVB_TOOL_FMA_PEAK_H
#define DKVB_TOOL_FMA_PEAK_H

#include <stdint.h>

/* 10^9 single-precision operations a second, two for each multiply-add, on this many threads and with the instructions
 * of these kernels (dkvb_runtime_kernels()). Runs for some hundredths of a second. */
double fma_peak(const char *kernels, uint32_t threads);

#endif

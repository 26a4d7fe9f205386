#ifndef DKVB_BASE_EXACT_MATH_H
#define DKVB_BASE_EXACT_MATH_H

/* exp() and log() of the C library differ in the last bits between libraries. These use only additions,
 * multiplications, divisions and exact steps, so they give the same bits everywhere; error about 1e-15 relative. */

/* e^x for x <= 0 (larger x are taken as they come, up to 700); 0 below -708. */
double dkvb__exp(double x);

/* Natural logarithm of a normal x > 0. */
double dkvb__log(double x);

#endif

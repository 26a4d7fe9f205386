#ifndef DKVB_BASE_EXACT_MATH_H
#define DKVB_BASE_EXACT_MATH_H

/* The C library's exp() and log() differ in the last bits from system to system. dkvb__exp() and dkvb__log() use only
 * additions, multiplications, divisions and exact steps, so they give the same bits everywhere. The relative error of
 * dkvb__exp() and dkvb__log() is about 1e-15. */

/* Returns the exponential e^x for x up to 700; the function is meant for x <= 0. The exponential dkvb__exp(x) is 0 for
 * x below -708. */
double dkvb__exp(double x);

/* Returns the natural logarithm of a normal number x > 0. */
double dkvb__log(double x);

#endif

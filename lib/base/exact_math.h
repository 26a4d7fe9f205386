#ifndef DKVB_BASE_EXACT_MATH_H
#define DKVB_BASE_EXACT_MATH_H

/* The C library's exp() and log() differ in the last bits from system to system. These functions use only additions,
 * multiplications, divisions and exact steps, so they give the same bits everywhere. The relative error is about 1e-15.
 */

/* The exponential e^x is meant for x <= 0; values up to 700 are accepted too. The result is 0 below -708. */
double dkvb__exp(double x);

/* The natural logarithm of a normal number x > 0. */
double dkvb__log(double x);

#endif

/*
 * The steps between the matrix products of a neural network, as plain loops that every compiler vectorizes. Each kernel
 * file compiles the loops over elements for its instruction set, and the results are equal bit for bit for any length
 * of the vectors. In the loops over elements, fused multiply-adds are written as calls, and each sum runs in 16 lanes,
 * which are added up in one fixed order.
 */
#ifndef DKVB_KERNELS_ELEMENTWISE_H
#define DKVB_KERNELS_ELEMENTWISE_H

#include <math.h>
#include <string.h>

#include "kernels/kernels.h"

/* Returns 2^n for a whole number n from -126 to 127, made from the bits of a float. */
static inline float power_of_two(float n)
{
    int32_t bits = ((int32_t)n + 127) << 23;
    float x;

    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Computes the exponential as e^x = 2^n e^r with |r| <= log(2) / 2. The constant log(2) is split in two parts, and
 * eight terms of the series give e^r, with a relative error of about 1e-7. Exponentials below the smallest normal
 * number, or above the largest, become the smallest or the largest normal number. */
static inline float exp_of(float x)
{
    /* bounds the exponent x to [-87, 88]; NaN also becomes -87 */
    float above = x > -87.0f ? x : -87.0f, bounded = above < 88.0f ? above : 88.0f;
    /* rounds the exponent to an integer by adding 1.5 * 2^23 */
    float n = (bounded * 1.44269504f + 12582912.0f) - 12582912.0f;
    float r = fmaf(n, 1.90465421e-9f, fmaf(n, -0.693147182f, bounded));
    float e = fmaf(1.0f / 5040.0f, r, 1.0f / 720.0f);

    e = fmaf(e, r, 1.0f / 120.0f);
    e = fmaf(e, r, 1.0f / 24.0f);
    e = fmaf(e, r, 1.0f / 6.0f);
    e = fmaf(e, r, 0.5f);
    e = fmaf(e, r, 1.0f);
    return fmaf(e, r, 1.0f) * power_of_two(n);
}

/* Computes the quick GELU, x * sigmoid(1.702 x), as CLIP uses it (Hendrycks and Gimpel, arXiv 1606.08415). */
static inline float quick_gelu_of(float x)
{
    return x / (1.0f + exp_of(-1.702f * x));
}

/* Computes the GELU, x * Phi(x) (Hendrycks and Gimpel, arXiv 1606.08415). Abramowitz and Stegun 7.1.26 gives erf, with
 * an error of at most 1.5e-7. */
static inline float gelu_of(float x)
{
    float z = fabsf(x) * 0.707106781f, t = 1.0f / fmaf(0.3275911f, z, 1.0f);
    float p = fmaf(1.061405429f, t, -1.453152027f);
    float half_tail; /* half of the tail of the error function, (1 - erf z) / 2, for the GELU activation */

    p = fmaf(p, t, 1.421413741f);
    p = fmaf(p, t, -0.284496736f);
    p = fmaf(p, t, 0.254829592f);
    half_tail = 0.5f * (p * t) * exp_of(-z * z);
    return x * (x < 0.0f ? half_tail : 1.0f - half_tail);
}

/* Applies an activation function to one row of a panel, 16 floats. */
static inline void activate_panel(float *x, uint32_t activation)
{
    switch (activation) {
    case DKVB__RELU:
        for (size_t l = 0; l < DKVB__PANEL; l++)
            x[l] = x[l] > 0.0f ? x[l] : 0.0f;
        break;
    case DKVB__QUICK_GELU:
#pragma omp simd
        for (size_t l = 0; l < DKVB__PANEL; l++)
            x[l] = quick_gelu_of(x[l]);
        break;
    case DKVB__GELU:
#pragma omp simd
        for (size_t l = 0; l < DKVB__PANEL; l++)
            x[l] = gelu_of(x[l]);
        break;
    default:
        break;
    }
}

enum { SUM_LANES = 16 };

static inline float sum_of_lanes(float *part)
{
    for (size_t half = SUM_LANES / 2; half > 0; half /= 2)
        for (size_t l = 0; l < half; l++)
            part[l] += part[l + half];
    return part[0];
}

static inline float sum_of(const float *x, size_t n)
{
    float part[SUM_LANES] = {0.0f};
    size_t i = 0;

    for (; i + SUM_LANES <= n; i += SUM_LANES)
        for (size_t l = 0; l < SUM_LANES; l++)
            part[l] += x[i + l];
    for (size_t l = 0; i + l < n; l++)
        part[l] += x[i + l];
    return sum_of_lanes(part);
}

/* Returns the sum of (x - mean)^2 over n numbers. */
static inline float squares_of(const float *x, size_t n, float mean)
{
    float part[SUM_LANES] = {0.0f};
    size_t i = 0;

    for (; i + SUM_LANES <= n; i += SUM_LANES)
        for (size_t l = 0; l < SUM_LANES; l++)
            part[l] = fmaf(x[i + l] - mean, x[i + l] - mean, part[l]);
    for (size_t l = 0; i + l < n; l++)
        part[l] = fmaf(x[i + l] - mean, x[i + l] - mean, part[l]);
    return sum_of_lanes(part);
}

static void layer_norm(float *out, const float *x, size_t rows, size_t width, const float *scale, const float *shift,
                       float epsilon)
{
    for (size_t r = 0; r < rows; r++, x += width, out += width) {
        float mean = sum_of(x, width) / (float)width;
        float by = 1.0f / sqrtf(squares_of(x, width, mean) / (float)width + epsilon);

        for (size_t i = 0; i < width; i++)
            out[i] = fmaf((x[i] - mean) * by, scale[i], shift[i]);
    }
}

static inline float largest_of(const float *x, size_t n)
{
    float part[SUM_LANES], most = x[0];
    size_t i = 0;

    for (size_t l = 0; l < SUM_LANES; l++)
        part[l] = most;
    for (; i + SUM_LANES <= n; i += SUM_LANES)
        for (size_t l = 0; l < SUM_LANES; l++)
            part[l] = x[i + l] > part[l] ? x[i + l] : part[l];
    for (; i < n; i++)
        most = x[i] > most ? x[i] : most;
    for (size_t l = 0; l < SUM_LANES; l++)
        most = part[l] > most ? part[l] : most;
    return most;
}

static void softmax(float *x, size_t rows, size_t width, size_t stride, float scale)
{
    for (size_t r = 0; r < rows; r++, x += stride) {
        float most = largest_of(x, width), by;

#pragma omp simd
        for (size_t i = 0; i < width; i++)
            x[i] = exp_of((x[i] - most) * scale);
        by = 1.0f / sum_of(x, width);
        for (size_t i = 0; i < width; i++)
            x[i] *= by;
    }
}

#endif

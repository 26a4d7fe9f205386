/* Kernels (inner loops) for processors with AVX2 and FMA. Two vectors of AVX2 hold the scores of one block of 16 keys.
 * Each lane of the AVX2 kernels computes the same numbers as scalar.c, the kernels in plain C. */
#include <immintrin.h>

#include "kernels/hadamard.h"
#include "kernels/kernels.h"

static bool supported(void)
{
    __builtin_cpu_init(); /* every processor with AVX2 also converts float16 (F16C), for which clang 14 has no check */
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("popcnt");
}

typedef struct {
    __m256i low, high;
} lanes;

static inline lanes lanes_load(const int32_t *p)
{
    return (lanes){_mm256_loadu_si256((const void *)p), _mm256_loadu_si256((const void *)(p + 8))};
}

static inline void lanes_store(int32_t *p, lanes v)
{
    _mm256_storeu_si256((void *)p, v.low);
    _mm256_storeu_si256((void *)(p + 8), v.high);
}

static inline lanes lanes_min(lanes a, lanes b)
{
    return (lanes){_mm256_min_epi32(a.low, b.low), _mm256_min_epi32(a.high, b.high)};
}

/* Loads eight numbers one by one, as gather instructions are slow on many processors with AVX2. */
static inline lanes lanes_gather(const int32_t *p, const int32_t *i)
{
    return (lanes){_mm256_setr_epi32(p[i[0]], p[i[1]], p[i[2]], p[i[3]], p[i[4]], p[i[5]], p[i[6]], p[i[7]]),
                   _mm256_setr_epi32(p[i[8]], p[i[9]], p[i[10]], p[i[11]], p[i[12]], p[i[13]], p[i[14]], p[i[15]])};
}

static inline lanes lanes_all(int32_t x)
{
    return (lanes){_mm256_set1_epi32(x), _mm256_set1_epi32(x)};
}

static inline lanes lanes_count_above(lanes count, lanes v, int32_t x)
{
    __m256i all = _mm256_set1_epi32(x);

    return (lanes){_mm256_sub_epi32(count.low, _mm256_cmpgt_epi32(v.low, all)),
                   _mm256_sub_epi32(count.high, _mm256_cmpgt_epi32(v.high, all))};
}

/* Returns a bit for each of 32 scores, 1 if the score is above x. The instructions that pack comparison results work on
 * halves of vectors, which leaves groups of four keys out of order; one permutation restores the order. */
static inline uint32_t half_word_above(const int32_t *p, __m256i x)
{
    __m256i a = _mm256_cmpgt_epi32(_mm256_loadu_si256((const void *)p), x);
    __m256i b = _mm256_cmpgt_epi32(_mm256_loadu_si256((const void *)(p + 8)), x);
    __m256i c = _mm256_cmpgt_epi32(_mm256_loadu_si256((const void *)(p + 16)), x);
    __m256i d = _mm256_cmpgt_epi32(_mm256_loadu_si256((const void *)(p + 24)), x);
    __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));

    return (uint32_t)_mm256_movemask_epi8(
        _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
}

static inline lanes lanes_where_above(lanes v, lanes count, int32_t x)
{
    __m256i all = _mm256_set1_epi32(x), none = _mm256_set1_epi32(INT32_MAX);

    return (lanes){_mm256_blendv_epi8(none, v.low, _mm256_cmpgt_epi32(count.low, all)),
                   _mm256_blendv_epi8(none, v.high, _mm256_cmpgt_epi32(count.high, all))};
}

static inline int32_t first_bit(uint64_t word)
{
    return (int32_t)_tzcnt_u64(word);
}

static inline uint64_t word_not_above(const int32_t *p, int32_t x)
{
    __m256i all = _mm256_set1_epi32(x);

    return ~((uint64_t)half_word_above(p, all) | (uint64_t)half_word_above(p + 32, all) << 32);
}

/*
 * Products of key and row bytes are summed in 16 bits where possible. The instruction vpmaddubsw adds two products of
 * key and row bytes in 16 bits, without overflow (kernels.h). Adding further products of key and row bytes takes one
 * instruction if the sum has 16 bits, but two if it has 32 bits. To save instructions, the products of a run of quads
 * (groups of four dimensions) are added in 16 bits, and the sums of the runs in 32 bits.
 *
 * A row's stored bytes are called s, a key's numbers k, a key's stored bytes u = k + 64. The 16-bit sum of the products
 * of row and key bytes begins at -64 sum s, modulo 2^16, where s are the row's bytes. With row bytes s, key numbers k
 * and key bytes u = k + 64, adding the products u s = k s + 64 s may wrap around on the way; with the start -64 sum s,
 * the end result is congruent to sum k s modulo 2^16. As a key's numbers k lie within -63 to 63, the sum of the
 * products k s with a row's bytes s is at most 63 sum |s|. If 63 times the sum |s| over the row bytes s of a run of
 * quads (groups of four dimensions) is below 2^15, the run's 16-bit sum of products, read as a signed number, is exact
 * for every key. To stay exact, a run of quads (groups of four dimensions) ends before the sum |s| of any row's bytes s
 * would exceed MOST_IN_RUN = 520 in either half of the quads (vpmaddubsw keeps the halves apart). One quad (four
 * dimensions) adds at most 2 * 126 to the sum of a row's absolute bytes in a half of the quads, so every run of quads
 * but the last has at least two quads; usual rows have runs of eight quads.
 */
enum { SCORE_ZERO = 0, MOST_IN_RUN = 32767 / DKVB__STEPS, MOST_RUNS = DKVB__MOST_QUADS / 2 };

struct runs {
    /* number of runs (groups of quads summed in 16 bits; a quad is four dimensions), and the number of the quad at
     * which each run ends */
    size_t count, end[MOST_RUNS];
    /* for each run of quads and each row, the number -64 sum s over the row's bytes s, from which the run's 16-bit sums
     * start: two numbers of 16 bits, one for each half of the quads */
    int32_t start[MOST_RUNS][DKVB__SCORE_ROWS];
};

/* Ends the present run of quads (groups of four dimensions whose products are summed in 16 bits) before quad number
 * `quads`. The argument `sum` of end_run() has, for each row, the sums of its bytes over the two halves of a run of
 * quads (groups of four dimensions). */
static void end_run(struct runs *runs, size_t quads, __m128i sum)
{
    _mm_storeu_si128((void *)runs->start[runs->count], _mm_sub_epi16(_mm_setzero_si128(), _mm_slli_epi16(sum, 6)));
    runs->end[runs->count++] = quads;
}

/* Divides the quads (groups of four dimensions) into runs whose products can be summed exactly in 16 bits, for
 * DKVB__SCORE_ROWS rows (if `all`) or for one row. */
static void find_runs(struct runs *runs, const int8_t *rows, size_t quads, bool all)
{
    const __m128i ones = _mm_set1_epi8(1), most = _mm_set1_epi16(MOST_IN_RUN);
    __m128i sum = _mm_setzero_si128(), size = sum;

    runs->count = 0;
    for (size_t q = 0; q < quads; q++) {
        __m128i x = all ? _mm_loadu_si128((const void *)(rows + q * 64)) : _mm_loadu_si32(rows + q * 64);
        __m128i more = _mm_maddubs_epi16(ones, _mm_abs_epi8(x));

        size = _mm_add_epi16(size, more);
        if (_mm_movemask_epi8(_mm_cmpgt_epi16(size, most))) {
            end_run(runs, q, sum);
            size = more;
            sum = _mm_setzero_si128();
        }
        sum = _mm_add_epi16(sum, _mm_maddubs_epi16(ones, x));
    }
    end_run(runs, quads, sum);
}

/* Computes the scores of a tile of `rows` rows and one block of keys. score_tile() is inlined with a constant argument
 * `rows`, so that all sums of the tile stay in registers. */
static inline __attribute__((always_inline)) void score_tile(int32_t *scores, size_t stride, const int8_t *row,
                                                             const uint8_t *keys, const int32_t *norms,
                                                             const struct runs *runs, size_t rows)
{
    const __m256i ones = _mm256_set1_epi16(1);
    size_t q = 0;

    for (size_t n = 0; n < runs->count; n++) {
        __m256i sums[DKVB__SCORE_ROWS][2];

#pragma GCC unroll 4
        for (size_t r = 0; r < rows; r++)
            sums[r][0] = sums[r][1] = _mm256_set1_epi32(runs->start[n][r]);
        for (; q < runs->end[n]; q++) {
            __m256i low = _mm256_loadu_si256((const void *)(keys + q * 64));
            __m256i high = _mm256_loadu_si256((const void *)(keys + q * 64 + 32));

#pragma GCC unroll 4
            for (size_t r = 0; r < rows; r++) {
                int32_t quad;
                __m256i x;

                memcpy(&quad, row + (q * DKVB__LANES + r) * 4, sizeof quad);
                x = _mm256_set1_epi32(quad);
                sums[r][0] = _mm256_add_epi16(sums[r][0], _mm256_maddubs_epi16(low, x));
                sums[r][1] = _mm256_add_epi16(sums[r][1], _mm256_maddubs_epi16(high, x));
            }
        }
#pragma GCC unroll 4
        for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
            for (size_t h = 0; h < 2; h++) {
                int32_t *to = scores + r * stride + 8 * h;
                __m256i before = _mm256_loadu_si256((const void *)(n == 0 ? norms + 8 * h : to));

                _mm256_storeu_si256((void *)to, _mm256_add_epi32(before, _mm256_madd_epi16(sums[r][h], ones)));
            }
    }
}

static void score(int32_t *scores, size_t stride, const int8_t *rows, size_t count, const uint8_t *keys,
                  const int32_t *norms, size_t blocks, size_t quads)
{
    struct runs runs;

    find_runs(&runs, rows, quads, count > 1);
    for (size_t b = 0; b < blocks; b++, scores += DKVB__LANES, keys += quads * 64, norms += DKVB__LANES)
        if (count == 1)
            score_tile(scores, stride, rows, keys, norms, &runs, 1);
        else
            score_tile(scores, stride, rows, keys, norms, &runs, DKVB__SCORE_ROWS);
}

/* kernels/nearest.h defines nearest() by means of the vector functions in the including kernel file */
#include "kernels/nearest.h"

/* A tile of a matrix product needs 12 vectors of sums, 2 vectors of columns and one number of a row, which fit in 16
 * registers. */
enum { DENSE_LANES = 8, DENSE_ROWS = 6, DENSE_PANELS = 1 };
typedef __m256 dense_vector;

static inline dense_vector dense_load(const float *p)
{
    return _mm256_loadu_ps(p);
}

static inline void dense_store(float *p, dense_vector v)
{
    _mm256_storeu_ps(p, v);
}

static inline dense_vector dense_all(const float *p)
{
    return _mm256_broadcast_ss(p);
}

static inline dense_vector dense_madd(dense_vector a, dense_vector b, dense_vector c)
{
    return _mm256_fmadd_ps(a, b, c);
}

/* kernels/dense.h defines multiply(), layer_norm() and softmax() by means of the vector functions in the including
 * kernel file */
#include "kernels/dense.h"

const struct dkvb__kernels dkvb__kernels_avx2 = {
    "avx2", supported, nearest, hadamard, round_rows, multiply, layer_norm, softmax, dkvb__add_values_avx2};

#include "base/sort.h"

#include <string.h>

/* To sort doubles as integers, negative doubles get all bits inverted, and other doubles get the sign bit set. Integers
 * made from doubles by inverting bits sort in the order of the doubles. */
uint64_t dkvb__key_of_double(double value)
{
    uint64_t bits, sign = (uint64_t)1 << 63;

    value += 0.0; /* adding 0.0 makes -0 equal to 0 */
    memcpy(&bits, &value, sizeof bits);
    return bits & sign ? ~bits : bits | sign;
}

/* Makes one pass of a radix sort over one byte of the sort keys. If all sort keys have the same byte, the radix sort's
 * pass returns false and moves nothing. */
static int pass(const struct dkvb__keyed *from, struct dkvb__keyed *to, size_t n, int shift)
{
    size_t starts[257] = {0};

    for (size_t i = 0; i < n; i++)
        starts[(from[i].key >> shift & 255) + 1]++;
    if (starts[(from[0].key >> shift & 255) + 1] == n)
        return 0;
    for (size_t byte = 0; byte < 256; byte++)
        starts[byte + 1] += starts[byte];
    for (size_t i = 0; i < n; i++)
        to[starts[from[i].key >> shift & 255]++] = from[i];
    return 1;
}

void dkvb__sort_keyed(struct dkvb__keyed *items, struct dkvb__keyed *scratch, size_t n)
{
    struct dkvb__keyed *from = items, *to = scratch;

    for (int shift = 0; n > 1 && shift < 64; shift += 8)
        if (pass(from, to, n, shift)) {
            struct dkvb__keyed *sorted = to;

            to = from;
            from = sorted;
        }
    if (from != items)
        memcpy(items, from, n * sizeof *items);
}

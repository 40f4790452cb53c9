/* What several of the kernels' files need. */
#ifndef RUIJI_COMMON_H
#define RUIJI_COMMON_H

#include <stdint.h>
#include <string.h>

#include "kernels.h"

#define REFUSED (-2)
#define ABSENT (-1)
#define NO_NEIGHBOUR UINT32_MAX
#define LANES 16

static inline const uint8_t *id_of(const ruiji_columns *columns, const ruiji_changed *changed, int64_t row,
                                   int64_t *bytes)
{
    if (row >= columns->items) {
        int64_t slot = row - columns->items;
        *bytes = changed->id_bytes[slot];
        return *bytes > changed->longest_id ? NULL : changed->ids + slot * changed->longest_id;
    }
    uint64_t begin = row ? columns->id_ends[row - 1] : 0, end = columns->id_ends[row];
    if (begin > end || end > (uint64_t)columns->ids_bytes)
        return NULL;
    *bytes = (int64_t)(end - begin);
    return columns->ids + begin;
}

/* A cosine, summed in lanes, which compilers turn into vector instructions without leave to reorder what is written
 * here. */
static inline float dot(const float *one, const float *other, int64_t dimensions)
{
    float lanes[LANES] = {0}, sum = 0;
    int64_t at = 0;
    for (; at + LANES <= dimensions; at += LANES)
        for (int lane = 0; lane < LANES; lane++)
            lanes[lane] += one[at + lane] * other[at + lane];
    for (int lane = 0; lane < LANES; lane++)
        sum += lanes[lane];
    for (; at < dimensions; at++)
        sum += one[at] * other[at];
    return sum;
}

/* Neighbours stand by cosine, and those of one cosine by row. */
static inline int stands_before(float cosine, uint32_t row, float other_cosine, uint32_t other_row)
{
    return cosine > other_cosine || (cosine == other_cosine && row < other_row);
}

#endif

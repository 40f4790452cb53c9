/* What several of the kernels' files need. */
#ifndef RUIJI_COMMON_H
#define RUIJI_COMMON_H

#include <stdint.h>
#include <string.h>

#include "kernels.h"

#define REFUSED (-2)
#define ABSENT (-1)
#define UNPLANNED (-3)
#define UNCOMPARED (-4)
#define UNSEEDED (-5)
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

/* What only this library calls. */
#pragma GCC visibility push(hidden)

/* Writes the page of an item of the generation: the bytes of its items, or REFUSED.
 *
 * `own_row` is the one that it has now: the same, not hidden, or one after the generation's, with the same embedding;
 * it is not on the page. `category_similarities` are those to its category, of all paths. */
int64_t listed_page(const ruiji_catalogue *catalogue, int64_t row, int64_t own_row, const ruiji_wanted *wanted,
                    const float *category_similarities, ruiji_room *room, uint8_t *out, int64_t out_bytes);

/* What a request asks for. */
typedef struct {
    const uint8_t *item_id;
    int64_t item_id_bytes;
    int has_unit;
} asked;

/* Reads a request, its settings into `answering->settings`; 0 if it has something that only Python understands. */
int read_request(ruiji_answering *answering, const uint8_t *request, int64_t request_bytes, asked *asked);

#pragma GCC visibility pop

#endif

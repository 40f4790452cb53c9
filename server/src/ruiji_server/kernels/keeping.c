/* The nearest of many items for each of a few, for the neighbour table. */
#include "common.h"

#define AT_ONCE 32
#define HELD 64

/* Offers that are nearer than the last neighbour of an item, until there are some to put among its neighbours. */
typedef struct {
    int64_t count;
    uint32_t rows[HELD];
    float cosines[HELD];
} held_offers;

static void hold(held_offers *held, float cosine, uint32_t row)
{
    int64_t place = held->count++;
    for (; place > 0 && stands_before(cosine, row, held->cosines[place - 1], held->rows[place - 1]); place--) {
        held->cosines[place] = held->cosines[place - 1];
        held->rows[place] = held->rows[place - 1];
    }
    held->cosines[place] = cosine;
    held->rows[place] = row;
}

static void merge_held(held_offers *held, int64_t width, uint32_t *rows, float *cosines)
{
    int64_t old = width, new = held->count, place = width;
    while (old + new > width)
        if (old == 0
            || stands_before(cosines[old - 1], rows[old - 1], held->cosines[new - 1], held->rows[new - 1]))
            new--;
        else
            old--;
    /* From the end, so that each of the old ones is moved once, and those before the first new one not at all. */
    while (new > 0) {
        place--;
        if (old > 0
            && stands_before(held->cosines[new - 1], held->rows[new - 1], cosines[old - 1], rows[old - 1])) {
            cosines[place] = cosines[--old];
            rows[place] = rows[old];
        } else {
            cosines[place] = held->cosines[--new];
            rows[place] = held->rows[new];
        }
    }
    held->count = 0;
}

/* Whether one of AT_ONCE numbers is at least as high as the bar. Compilers take so many at a time; fewer they compare
 * one by one. */
static int any_reaches(const float *numbers, float bar)
{
    int32_t reach = 0;
    for (int at = 0; at < AT_ONCE; at++)
        reach += numbers[at] >= bar;
    return reach != 0;
}

int64_t ruiji_keep_nearest(const float *cosines, int64_t offers, const int64_t *owners, const int64_t *first,
                           const int64_t *last, int64_t others, const uint32_t *other_rows, int64_t items,
                           const uint32_t *item_rows, int64_t width, uint32_t *best_rows, float *best_cosines)
{
    for (int64_t offer = 0; offer < offers; offer++)
        if (owners[offer] < 0 || owners[offer] >= items || first[offer] < 0 || last[offer] > others)
            return REFUSED;
    held_offers held;
    held.count = 0;
    for (int64_t offer = 0; offer < offers && width > 0; offer++) {
        const float *offered = cosines + offer * others;
        uint32_t item_row = item_rows[owners[offer]], *rows = best_rows + owners[offer] * width;
        float *kept = best_cosines + owners[offer] * width;
        for (int64_t at = first[offer], stop; at < last[offer]; at = stop) {
            stop = at + AT_ONCE < last[offer] ? at + AT_ONCE : last[offer];
            /* After the first few hundred, hardly any are as near as the last that is kept. */
            if (stop - at == AT_ONCE && !any_reaches(offered + at, kept[width - 1]))
                continue;
            for (; at < stop; at++)
                if (other_rows[at] != item_row
                    && stands_before(offered[at], other_rows[at], kept[width - 1], rows[width - 1]))
                    hold(&held, offered[at], other_rows[at]);
            if (held.count > HELD - AT_ONCE)
                merge_held(&held, width, rows, kept);
        }
        merge_held(&held, width, rows, kept);
    }
    return offers;
}

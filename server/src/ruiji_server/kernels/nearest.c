/* The nearest to a query among some items, and which items are worth comparing where its own neighbours are too few. */
#include "common.h"

/* Embeddings lie far apart, so those of the next few items are fetched while one is compared. */
#define AHEAD 8
#define NUMBERS_IN_LINE 16
#define STRETCHES 1024

static void fetch(const float *vector, int64_t dimensions)
{
    for (int64_t at = 0; at < dimensions; at += NUMBERS_IN_LINE)
        __builtin_prefetch(vector + at);
}

/* The same rows with those next to each other that lie in one stretch of memory: of some
 * thousands a row takes up to a third less time then, for the tables that say where its page is are at hand. */
static void by_stretch(const uint32_t *rows, int64_t n, int64_t items, uint32_t *out)
{
    uint32_t starts[STRETCHES] = {0}, start = 0;
    int shift = 0;
    while ((items - 1) >> shift >= STRETCHES)
        shift++;
    for (int64_t at = 0; at < n; at++)
        starts[rows[at] >> shift]++;
    for (int stretch = 0; stretch < STRETCHES; stretch++) {
        uint32_t count = starts[stretch];
        starts[stretch] = start;
        start += count;
    }
    for (int64_t at = 0; at < n; at++)
        out[starts[rows[at] >> shift]++] = rows[at];
}

int64_t ruiji_nearest_among(const ruiji_columns *columns, const uint32_t *others, int64_t n, const uint8_t *hidden,
                            int64_t excluded_row, const float *vector, int64_t dimensions, uint32_t *scratch,
                            int64_t most, int64_t *rows, float *cosines, int64_t *eligible)
{
    int64_t kept = 0, compared = 0;
    if (most < 1 || dimensions != columns->dimensions)
        return REFUSED;
    for (int64_t at = 0; at < n; at++)
        if (others[at] >= columns->items)
            return REFUSED;
    by_stretch(others, n, columns->items, scratch);
    others = scratch;
    for (int64_t at = 0; at < n; at++) {
        uint32_t row = others[at];
        if (at + AHEAD < n)
            fetch(columns->embeddings + others[at + AHEAD] * dimensions, dimensions);
        if (row == excluded_row || (hidden != NULL && hidden[row]))
            continue;
        compared++;
        float cosine = dot(columns->embeddings + row * dimensions, vector, dimensions);
        if (kept == most && !stands_before(cosine, row, cosines[most - 1], (uint32_t)rows[most - 1]))
            continue;
        int64_t place = kept < most ? kept++ : most - 1;
        for (; place > 0 && stands_before(cosine, row, cosines[place - 1], (uint32_t)rows[place - 1]); place--) {
            cosines[place] = cosines[place - 1];
            rows[place] = rows[place - 1];
        }
        cosines[place] = cosine;
        rows[place] = row;
    }
    *eligible = compared;
    return kept;
}

/* Whether a row was not seen before; from now on it was. Needs an empty slot. */
static int is_new(uint32_t *seen, int64_t slots, uint32_t row)
{
    uint32_t mask = (uint32_t)slots - 1, slot = (row * 2654435769u >> 7) & mask;
    for (; seen[slot] != NO_NEIGHBOUR; slot = (slot + 1) & mask)
        if (seen[slot] == row)
            return 0;
    seen[slot] = row;
    return 1;
}

int64_t ruiji_second_neighbours(const ruiji_columns *columns, const ruiji_neighbours *neighbours,
                                const uint8_t *hidden, int64_t row, const ruiji_eligible *eligible, int64_t enough,
                                const ruiji_meeting *meeting)
{
    int64_t width = neighbours->width, slots = meeting->slots, met = 0;
    /* At most half of the slots are filled, so that few rows find theirs taken. */
    if (row < 0 || row >= columns->items || enough + width > meeting->most || slots < 2 * meeting->most
        || (slots & (slots - 1)))
        return REFUSED;
    const uint32_t *own = neighbours->rows + row * width;
    memset(meeting->seen, 0xff, (size_t)slots * sizeof *meeting->seen);
    is_new(meeting->seen, slots, (uint32_t)row);
    for (int64_t source = -1; source < width && met < enough; source++) {
        int64_t whose = source < 0 ? row : own[source];
        if (whose == NO_NEIGHBOUR)
            break;
        if (whose >= columns->items)
            return REFUSED;
        const uint32_t *near = neighbours->rows + whose * width;
        int64_t inside = met, fresh = met;
        for (int64_t place = 0; place < width && near[place] != NO_NEIGHBOUR; place++) {
            uint32_t other = near[place];
            if (other >= columns->items)
                return REFUSED;
            int64_t price = columns->prices_minor[other];
            /* Without a branch: which neighbours are in the band is nothing that a processor could guess. */
            meeting->rows[inside] = other;
            inside += (price >= eligible->low_minor) & (price <= eligible->high_minor);
        }
        for (; met < inside; met++) {
            uint32_t other = meeting->rows[met];
            if ((hidden == NULL || !hidden[other]) && is_new(meeting->seen, slots, other))
                meeting->rows[fresh++] = other;
        }
        met = fresh;
    }
    return met;
}

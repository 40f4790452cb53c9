/* Items that changed since the generation. */
#include "common.h"

int64_t ruiji_merge_changed(const ruiji_columns *columns, const ruiji_changed *changed, int64_t used_slots,
                            const ruiji_eligible *eligible, const float *vector, int64_t dimensions,
                            const int64_t *rows, const float *cosines, int64_t candidates, int64_t pool_size,
                            int64_t *merged_rows, float *merged_cosines, int64_t *eligible_items)
{
    int64_t merged = candidates, found = 0;
    if (used_slots > changed->slots || dimensions != changed->dimensions || candidates > pool_size)
        return REFUSED;
    memcpy(merged_rows, rows, (size_t)candidates * sizeof *rows);
    memcpy(merged_cosines, cosines, (size_t)candidates * sizeof *cosines);
    for (int64_t slot = 0; slot < used_slots; slot++) {
        int64_t row = columns->items + slot, price = changed->prices_minor[slot], place;
        if (changed->states[slot] != eligible->on_sale || row == eligible->excluded_row)
            continue;
        if (eligible->currency >= 0
            && (changed->currencies[slot] != eligible->currency || price < eligible->low_minor
                || price > eligible->high_minor))
            continue;
        found++;
        float cosine = dot(changed->embeddings + slot * dimensions, vector, dimensions);
        for (place = merged; place > 0 && merged_cosines[place - 1] <= cosine; place--)
            if (merged_cosines[place - 1] == cosine)
                return REFUSED; /* Ties go by id, and the row of a changed item says nothing of it. */
        if (place == pool_size)
            continue;
        merged += merged < pool_size;
        for (int64_t moved = merged - 1; moved > place; moved--) {
            merged_rows[moved] = merged_rows[moved - 1];
            merged_cosines[moved] = merged_cosines[moved - 1];
        }
        merged_rows[place] = row;
        merged_cosines[place] = cosine;
    }
    *eligible_items = found;
    return merged;
}

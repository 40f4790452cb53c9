/* Items by their ids. */
#include "common.h"

/* First place among ascending hashes that is not below one. Hashes are spread evenly, so it is near where their share
 * of all 64-bit numbers says: doubling steps from there touch a few neighbouring cache lines, where bisection from the
 * middle would touch as many distant ones as the catalogue has binary digits. */
static int64_t lower_bound(const uint64_t *hashes, int64_t n, uint64_t hash)
{
    int64_t guess = (int64_t)((double)hash * 0x1p-64 * (double)n), step = 16, low, high;
    if (guess >= n)
        guess = n - 1;
    if (hashes[guess] < hash) {
        for (low = guess; (high = low + step) < n && hashes[high] < hash; step *= 2)
            low = high;
        low += 1;
        high = high < n ? high : n;
    } else {
        for (high = guess; (low = high - step) >= 0 && hashes[low] >= hash; step *= 2)
            high = low;
        low = low < 0 ? 0 : low + 1;
    }
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (hashes[middle] < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int64_t ruiji_find_row(const ruiji_columns *columns, const uint8_t *id, int64_t id_bytes, uint64_t hash)
{
    if (columns->items == 0)
        return ABSENT;
    int64_t place = lower_bound(columns->id_hashes, columns->items, hash), bytes;
    /* Two ids may share a hash; they stand side by side. */
    for (; place < columns->items && columns->id_hashes[place] == hash; place++) {
        int64_t row = columns->id_hash_rows[place];
        const uint8_t *found = row < columns->items ? id_of(columns, NULL, row, &bytes) : NULL;
        if (found == NULL)
            return REFUSED;
        if (bytes == id_bytes && memcmp(found, id, (size_t)bytes) == 0)
            return row;
    }
    return ABSENT;
}

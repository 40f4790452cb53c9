#include <stdint.h>
#include <string.h>

#include "kernels.h"

#define REFUSED (-2)
#define ABSENT (-1)
#define NUMBER_BYTES 5 /* tag and float */
#define LANES 16
#define LONGEST_VARINT 5
#define AT_ONCE 32
#define HELD 64
#define NO_NEIGHBOUR UINT32_MAX

static const uint8_t *id_of(const ruiji_columns *columns, const ruiji_changed *changed, int64_t row, int64_t *bytes)
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

/* Sums in lanes, which compilers turn into vector instructions without leave to reorder what is written here. */
static float dot(const float *one, const float *other, int64_t dimensions)
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

static int64_t price_of(const ruiji_columns *columns, const ruiji_changed *changed, int64_t row)
{
    return row < columns->items ? columns->prices_minor[row] : changed->prices_minor[row - columns->items];
}

int64_t ruiji_rank(const ruiji_columns *columns, const ruiji_changed *changed, const int64_t *rows,
                   const float *cosines, int64_t candidates, const float *category_similarities, int64_t categories,
                   float cosine_weight, float category_weight, int64_t amount_minor, int64_t page_size,
                   const ruiji_page *page)
{
    int64_t items = columns->items, known = items + changed->slots, filled = 0;
    /* While the page fills, `rows` holds positions among the candidates. */
    int64_t *positions = page->rows;
    if (page_size < 1)
        return REFUSED;
    for (int64_t position = 0; position < candidates; position++) {
        int64_t row = rows[position];
        if (row < 0 || row >= known)
            return REFUSED;
        int64_t category = row < items ? columns->categories[row] : changed->categories[row - items];
        if (category < 0 || category >= categories)
            return REFUSED;
        /* Each product is rounded by itself, as NumPy does it; the compiler is told not to join them. */
        float of_cosine = cosines[position] * cosine_weight;
        float of_category = category_similarities[category] * category_weight;
        float score = of_cosine + of_category;
        int64_t place = filled;
        for (; place > 0; place--) {
            float other = page->scores[place - 1];
            if (score < other)
                break;
            if (score == other) {
                int64_t other_row = rows[positions[place - 1]];
                /* Ties go by id. The generation's rows are in the order of ids, changed ones are not. */
                if (row >= items || other_row >= items)
                    return REFUSED;
                if (row > other_row)
                    break;
            }
            if (place < page_size) {
                page->scores[place] = other;
                positions[place] = positions[place - 1];
            }
        }
        if (place < page_size) {
            page->scores[place] = score;
            positions[place] = position;
            if (filled < page_size)
                filled++;
        }
    }
    for (int64_t place = 0; place < filled; place++) {
        int64_t position = positions[place], row = rows[position];
        int64_t category = row < items ? columns->categories[row] : changed->categories[row - items];
        page->rows[place] = row;
        page->cosines[place] = cosines[position];
        page->category_similarities[place] = category_similarities[category];
        if (amount_minor >= 0) {
            double price = (double)price_of(columns, changed, row), amount = (double)amount_minor;
            page->price_ratios[place] = price > amount ? price / amount : amount / price;
        }
    }
    return filled;
}

static uint8_t *write_varint(uint8_t *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *out++ = (uint8_t)(value | 0x80);
    *out++ = (uint8_t)value;
    return out;
}

static int64_t varint_bytes(uint64_t value)
{
    int64_t bytes = 1;
    for (; value >= 0x80; value >>= 7)
        bytes++;
    return bytes;
}

static uint8_t *write_number(uint8_t *out, uint8_t tag, float number)
{
    /* Little-endian, as protobuf wants it; library.py opens this on no other machine. */
    *out++ = tag;
    memcpy(out, &number, sizeof number);
    return out + sizeof number;
}

int64_t ruiji_write_items(const ruiji_columns *columns, const ruiji_changed *changed, const int64_t *rows, int64_t items,
                          const ruiji_tags *tags, const float *scores, const float *cosines,
                          const double *price_ratios, const float *category_similarities, const float *propensities,
                          uint8_t *out, int64_t out_bytes)
{
    int64_t present = (scores != NULL) + (cosines != NULL) + (price_ratios != NULL) + (category_similarities != NULL)
        + (propensities != NULL);
    int64_t numbers_bytes = present * NUMBER_BYTES, known = columns->items + changed->slots, id_bytes;
    uint8_t *begin = out, *end = out + out_bytes;
    /* Ids lie far apart, and where each is says another place: fetch all of one, then all of the other, at once. */
    for (int64_t item = 0; item < items; item++) {
        if (rows[item] < 0 || rows[item] >= known)
            return REFUSED;
        if (rows[item] < columns->items)
            __builtin_prefetch(columns->id_ends + rows[item]);
    }
    for (int64_t item = 0; item < items; item++)
        if (rows[item] < columns->items)
            __builtin_prefetch(columns->ids + (rows[item] ? columns->id_ends[rows[item] - 1] : 0));
    for (int64_t item = 0; item < items; item++) {
        const uint8_t *id = id_of(columns, changed, rows[item], &id_bytes);
        if (id == NULL)
            return REFUSED;
        int64_t item_bytes = 1 + varint_bytes((uint64_t)id_bytes) + id_bytes + numbers_bytes;
        if (end - out < 1 + LONGEST_VARINT + item_bytes)
            return REFUSED;
        *out++ = tags->items;
        out = write_varint(out, (uint64_t)item_bytes);
        *out++ = tags->id;
        out = write_varint(out, (uint64_t)id_bytes);
        memcpy(out, id, (size_t)id_bytes);
        out += id_bytes;
        if (scores != NULL)
            out = write_number(out, tags->score, scores[item]);
        if (cosines != NULL)
            out = write_number(out, tags->cosine, cosines[item]);
        if (price_ratios != NULL)
            out = write_number(out, tags->price_ratio, (float)price_ratios[item]);
        if (category_similarities != NULL)
            out = write_number(out, tags->category_similarity, category_similarities[item]);
        if (propensities != NULL)
            out = write_number(out, tags->propensity, propensities[item]);
    }
    return out - begin;
}

/* Prices p with max(p, q) / min(p, q) at most the ratio, for the price q of the query; as PriceBand.around has it. */
static void band_around(int64_t price, const ruiji_wanted *wanted, ruiji_eligible *eligible)
{
    __int128 numerator = wanted->ratio_numerator, denominator = wanted->ratio_denominator;
    __int128 high = price * numerator / denominator;
    eligible->low_minor = (int64_t)((price * denominator + numerator - 1) / numerator);
    eligible->high_minor = high < INT64_MAX ? (int64_t)high : INT64_MAX;
}

int64_t ruiji_listed_page(const ruiji_columns *columns, const ruiji_neighbours *neighbours,
                          const ruiji_changed *changed, int64_t used_slots, const uint8_t *hidden, int64_t row,
                          const ruiji_wanted *wanted, const float *category_similarities, int64_t categories,
                          ruiji_room *room)
{
    int64_t width = neighbours->width, candidates = 0, filled;
    if (row < 0 || row >= columns->items || (hidden != NULL && hidden[row]) || width < 1 || width > room->candidates
        || wanted->pool_size > room->candidates)
        return REFUSED;
    const uint32_t *near_rows = neighbours->rows + row * width;
    const float *near_cosines = neighbours->cosines + row * width;
    ruiji_eligible eligible = {wanted->on_sale, columns->currencies[row], 0, 0, row};
    band_around(columns->prices_minor[row], wanted, &eligible);
    for (int64_t place = 0; place < width && near_rows[place] != NO_NEIGHBOUR; place++) {
        int64_t other = near_rows[place];
        if (other >= columns->items)
            return REFUSED;
        if (wanted->is_narrower
            && (columns->prices_minor[other] < eligible.low_minor
                || columns->prices_minor[other] > eligible.high_minor))
            continue;
        if (hidden != NULL && hidden[other])
            continue;
        room->rows[candidates] = other;
        room->cosines[candidates++] = near_cosines[place];
    }
    /* Beyond a full row of neighbours others may be eligible, whether or not they fit on the page. */
    if (near_rows[width - 1] != NO_NEIGHBOUR && (candidates < wanted->pool_size || candidates <= wanted->page_size))
        return REFUSED;
    room->eligible = candidates;
    if (candidates > wanted->pool_size)
        candidates = wanted->pool_size;
    const int64_t *rows = room->rows;
    const float *cosines = room->cosines;
    if (hidden != NULL) {
        int64_t eligible_changed;
        candidates = ruiji_merge_changed(columns, changed, used_slots, &eligible,
                                         columns->embeddings + row * columns->dimensions, columns->dimensions, rows,
                                         cosines, candidates, wanted->pool_size, room->merged_rows,
                                         room->merged_cosines, &eligible_changed);
        if (candidates == REFUSED)
            return REFUSED;
        room->eligible += eligible_changed;
        rows = room->merged_rows;
        cosines = room->merged_cosines;
    }
    filled = ruiji_rank(columns, changed, rows, cosines, candidates, category_similarities, categories,
                        wanted->cosine_weight, wanted->category_weight, columns->prices_minor[row], wanted->page_size,
                        room->page);
    if (filled == REFUSED)
        return REFUSED;
    room->items = filled;
    return ruiji_write_items(columns, changed, room->page->rows, filled, &wanted->tags, room->page->scores,
                             room->page->cosines, room->page->price_ratios, room->page->category_similarities, NULL,
                             room->out, room->out_bytes);
}

/* Neighbours stand by cosine, and those of one cosine by row. */
static int stands_before(float cosine, uint32_t row, float other_cosine, uint32_t other_row)
{
    return cosine > other_cosine || (cosine == other_cosine && row < other_row);
}

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

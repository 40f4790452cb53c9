/* Whole pages for items of the generation. */
#include "common.h"

/* Prices p with max(p, q) / min(p, q) at most the ratio, for the price q of the query; as PriceBand.around has it. */
static void band_around(int64_t price, const ruiji_wanted *wanted, ruiji_eligible *eligible)
{
    __int128 numerator = wanted->ratio_numerator, denominator = wanted->ratio_denominator;
    __int128 high = price * numerator / denominator;
    eligible->low_minor = (int64_t)((price * denominator + numerator - 1) / numerator);
    eligible->high_minor = high < INT64_MAX ? (int64_t)high : INT64_MAX;
}

/* First place from low to before high whose price is at least that. */
static int64_t first_not_below(const int64_t *prices, int64_t low, int64_t high, int64_t price)
{
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (prices[middle] < price)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Candidates where the neighbours of an item do not suffice: all of a band that is small, and otherwise the neighbours
 * of its neighbours, if they are many. */
static int64_t compared(const ruiji_columns *columns, const ruiji_neighbours *neighbours, const uint8_t *hidden,
                        int64_t row, const ruiji_eligible *eligible, const ruiji_wanted *wanted, ruiji_room *room)
{
    if (eligible->currency >= columns->band_currencies)
        return REFUSED;
    int64_t begin = eligible->currency ? columns->band_ends[eligible->currency - 1] : 0;
    int64_t end = columns->band_ends[eligible->currency];
    int64_t first = first_not_below(columns->band_prices, begin, end, eligible->low_minor);
    int64_t last = eligible->high_minor == INT64_MAX
        ? end
        : first_not_below(columns->band_prices, first, end, eligible->high_minor + 1);
    const uint32_t *others = columns->band_rows + first;
    int64_t n = last - first;
    room->is_scanned = n <= wanted->scanned_at_most;
    if (!room->is_scanned) {
        n = ruiji_second_neighbours(columns, neighbours, hidden, row, eligible, wanted->met_enough, room->meeting);
        if (n < wanted->met_least)
            return REFUSED;
        others = room->meeting->rows;
    }
    if (n > room->meeting->slots)
        return REFUSED;
    return ruiji_nearest_among(columns, others, n, hidden, row, columns->embeddings + row * columns->dimensions,
                               columns->dimensions, room->meeting->seen, wanted->pool_size, room->rows, room->cosines,
                               &room->eligible);
}

/* The price of the item that is asked for, which may have changed since its neighbours were found; below 0 if they are
 * of no use to it. */
static int64_t price_now(const ruiji_columns *columns, const ruiji_changed *changed, int64_t row, int64_t own_row,
                         double moved_at_most)
{
    const uint8_t *hidden = changed->hidden;
    int64_t then = columns->prices_minor[row], slot = own_row - columns->items;
    if (own_row == row)
        return hidden != NULL && hidden[row] ? REFUSED : then;
    if (slot < 0 || slot >= changed->used_slots || changed->used_slots > changed->slots || hidden == NULL || !hidden[row]
        || changed->currencies[slot] != columns->currencies[row])
        return REFUSED;
    int64_t now = changed->prices_minor[slot];
    double moved = now > then ? (double)now / (double)then : (double)then / (double)now;
    return moved <= moved_at_most ? now : REFUSED;
}

/* Those of an item's neighbours that may be recommended for it; REFUSED if others may be, too, and these are too few. */
static int64_t listed(const ruiji_columns *columns, const ruiji_neighbours *neighbours, const uint8_t *hidden,
                      int64_t row, const ruiji_eligible *eligible, const ruiji_wanted *wanted, ruiji_room *room)
{
    int64_t width = neighbours->width, candidates = 0;
    const uint32_t *near_rows = neighbours->rows + row * width;
    const float *near_cosines = neighbours->cosines + row * width;
    for (int64_t place = 0; place < width && near_rows[place] != NO_NEIGHBOUR; place++) {
        int64_t other = near_rows[place];
        if (other >= columns->items)
            return REFUSED;
        if (wanted->is_narrower
            && (columns->prices_minor[other] < eligible->low_minor
                || columns->prices_minor[other] > eligible->high_minor))
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
    room->is_scanned = 0;
    return candidates;
}

int64_t listed_page(const ruiji_catalogue *catalogue, int64_t row, int64_t own_row, const ruiji_wanted *wanted,
                    const float *category_similarities, ruiji_room *room, uint8_t *out, int64_t out_bytes)
{
    const ruiji_columns *columns = catalogue->columns;
    const ruiji_neighbours *neighbours = catalogue->neighbours;
    const ruiji_changed *changed = catalogue->changed;
    const uint8_t *hidden = changed->hidden;
    int64_t candidates = REFUSED, filled;
    if (row < 0 || row >= columns->items || neighbours->width < 1 || neighbours->width > room->candidates
        || wanted->pool_size > room->candidates)
        return REFUSED;
    int64_t price = price_now(columns, changed, row, own_row, wanted->moved_at_most);
    if (price < 0)
        return REFUSED;
    ruiji_eligible eligible = {wanted->on_sale, columns->currencies[row], 0, 0, own_row};
    band_around(price, wanted, &eligible);
    if (price == columns->prices_minor[row])
        candidates = listed(columns, neighbours, hidden, row, &eligible, wanted, room);
    if (candidates == REFUSED)
        candidates = compared(columns, neighbours, hidden, row, &eligible, wanted, room);
    if (candidates == REFUSED)
        return REFUSED;
    if (candidates > wanted->pool_size)
        candidates = wanted->pool_size;
    const int64_t *rows = room->rows;
    const float *cosines = room->cosines;
    if (hidden != NULL) {
        int64_t eligible_changed;
        candidates = ruiji_merge_changed(columns, changed, changed->used_slots, &eligible,
                                         columns->embeddings + row * columns->dimensions, columns->dimensions, rows,
                                         cosines, candidates, wanted->pool_size, room->merged_rows,
                                         room->merged_cosines, &eligible_changed);
        if (candidates == REFUSED)
            return REFUSED;
        room->eligible += eligible_changed;
        rows = room->merged_rows;
        cosines = room->merged_cosines;
    }
    filled = ruiji_rank(columns, changed, rows, cosines, candidates, category_similarities, catalogue->category_paths,
                        wanted->cosine_weight, wanted->category_weight, price, wanted->page_size, room->page);
    if (filled == REFUSED)
        return REFUSED;
    room->items = filled;
    const ruiji_page *page = room->page;
    return ruiji_write_items(columns, changed, page->rows, filled, &wanted->tags, page->scores, page->cosines,
                             page->price_ratios, page->category_similarities, NULL, out, out_bytes);
}

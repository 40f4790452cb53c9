/* Candidates by score. */
#include "common.h"

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

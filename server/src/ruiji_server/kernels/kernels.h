/* The parts of a page, and of a neighbour table, that NumPy makes in dozens of calls, each in one.
 *
 * Every function returns what `library.py` says, or REFUSED where it leaves the work to NumPy; none allocates, keeps a
 * pointer, or writes beyond what its arguments allow. This file is read by cffi too: declarations only.
 */
typedef struct {
    int64_t items;                  /* rows of the generation */
    const uint64_t *id_ends;        /* (items,) where each id ends in ids */
    const uint8_t *ids;
    int64_t ids_bytes;
    const uint64_t *id_hashes;      /* (items,) ascending */
    const uint32_t *id_hash_rows;   /* (items,) */
    const int32_t *categories;      /* (items,) number of the category path */
    const int64_t *prices_minor;    /* (items,) */
    const uint8_t *currencies;      /* (items,) number of the currency */
    const float *embeddings;        /* (items, dimensions) */
    int64_t dimensions;
    const uint32_t *band_rows;      /* (on sale,) by currency, price and row */
    const int64_t *band_prices;     /* (on sale,) */
    const int64_t *band_ends;       /* (band_currencies,) where each currency ends among them */
    int64_t band_currencies;
} ruiji_columns;

typedef struct {
    int64_t slots;                  /* rows after the generation's */
    const int32_t *categories;      /* (slots,) */
    const int64_t *prices_minor;    /* (slots,) */
    const int32_t *currencies;      /* (slots,) number of the currency */
    const uint8_t *states;          /* (slots,) */
    const float *embeddings;        /* (slots, dimensions) */
    int64_t dimensions;
    const uint8_t *ids;             /* (slots, longest_id) */
    const uint8_t *id_bytes;        /* (slots,) length of each id */
    int64_t longest_id;
} ruiji_changed;

typedef struct {
    int64_t width;
    const uint32_t *rows;           /* (items, width) best first; NO_NEIGHBOUR after the last */
    const float *cosines;           /* (items, width) */
} ruiji_neighbours;

typedef struct {
    uint8_t on_sale;                /* state of items that may be recommended */
    int32_t currency;               /* number that they have, or below 0 for any, and then prices do not count */
    int64_t low_minor;              /* lowest price, included */
    int64_t high_minor;             /* highest price, included */
    int64_t excluded_row;           /* of one that may not, or below 0 for none */
} ruiji_eligible;

typedef struct {
    int64_t most;                   /* length of rows */
    uint32_t *rows;
    int64_t slots;                  /* length of seen, a power of two, at least twice that of rows */
    uint32_t *seen;                 /* scratch */
} ruiji_meeting;

typedef struct {
    int64_t *rows;
    float *scores;
    float *cosines;
    float *category_similarities;
    double *price_ratios;
} ruiji_page;

typedef struct {
    uint8_t items;                  /* of the field that the items are in */
    uint8_t id;                     /* of an item's id, and of its numbers: */
    uint8_t score;
    uint8_t cosine;
    uint8_t price_ratio;
    uint8_t category_similarity;
    uint8_t propensity;
} ruiji_tags;

typedef struct {
    int64_t page_size;
    int64_t pool_size;              /* candidates that are ranked, at most */
    int64_t ratio_numerator;        /* of the widest price ratio */
    int64_t ratio_denominator;
    int64_t scanned_at_most;        /* items of a band that are all compared where the neighbours do not suffice */
    int64_t met_enough;             /* items that are compared beyond that, at which no more are looked for, */
    int64_t met_least;              /* and how many it takes */
    double moved_at_most;           /* ratio of an item's price to that which its neighbours were found for */
    uint8_t is_narrower;            /* than the band that the neighbours are in */
    uint8_t on_sale;                /* state of items that may be recommended */
    float cosine_weight;
    float category_weight;
    ruiji_tags tags;
} ruiji_wanted;

typedef struct {
    int64_t candidates;             /* length of the four arrays */
    int64_t *rows;
    float *cosines;
    int64_t *merged_rows;
    float *merged_cosines;
    const ruiji_meeting *meeting;   /* of at least met_enough and the neighbours of one item */
    const ruiji_page *page;         /* of at least page_size */
    uint8_t *out;
    int64_t out_bytes;
    int64_t items;                  /* on the page that was written */
    int64_t eligible;               /* items, of the page or not; at least one more than fits if there are more */
    uint8_t is_scanned;             /* whether the whole band was compared */
} ruiji_room;

int64_t ruiji_find_row(const ruiji_columns *columns, const uint8_t *id, int64_t id_bytes, uint64_t hash);

int64_t ruiji_merge_changed(const ruiji_columns *columns, const ruiji_changed *changed, int64_t used_slots,
                            const ruiji_eligible *eligible, const float *vector, int64_t dimensions,
                            const int64_t *rows, const float *cosines, int64_t candidates, int64_t pool_size,
                            int64_t *merged_rows, float *merged_cosines, int64_t *eligible_items);

int64_t ruiji_rank(const ruiji_columns *columns, const ruiji_changed *changed, const int64_t *rows,
                   const float *cosines, int64_t candidates, const float *category_similarities, int64_t categories,
                   float cosine_weight, float category_weight, int64_t amount_minor, int64_t page_size,
                   const ruiji_page *page);

int64_t ruiji_write_items(const ruiji_columns *columns, const ruiji_changed *changed, const int64_t *rows, int64_t items,
                          const ruiji_tags *tags, const float *scores, const float *cosines,
                          const double *price_ratios, const float *category_similarities, const float *propensities,
                          uint8_t *out, int64_t out_bytes);

int64_t ruiji_listed_page(const ruiji_columns *columns, const ruiji_neighbours *neighbours,
                          const ruiji_changed *changed, int64_t used_slots, const uint8_t *hidden, int64_t row,
                          int64_t own_row, const ruiji_wanted *wanted, const float *category_similarities,
                          int64_t categories, ruiji_room *room);

int64_t ruiji_nearest_among(const ruiji_columns *columns, const uint32_t *others, int64_t n, const uint8_t *hidden,
                            int64_t excluded_row, const float *vector, int64_t dimensions, uint32_t *scratch,
                            int64_t most, int64_t *rows, float *cosines, int64_t *eligible);

int64_t ruiji_second_neighbours(const ruiji_columns *columns, const ruiji_neighbours *neighbours,
                                const uint8_t *hidden, int64_t row, const ruiji_eligible *eligible, int64_t enough,
                                const ruiji_meeting *meeting);

int64_t ruiji_keep_nearest(const float *cosines, int64_t offers, const int64_t *owners, const int64_t *first,
                           const int64_t *last, int64_t others, const uint32_t *other_rows, int64_t items,
                           const uint32_t *item_rows, int64_t width, uint32_t *best_rows, float *best_cosines);

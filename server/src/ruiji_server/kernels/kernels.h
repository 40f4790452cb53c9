/* The parts of a page that NumPy makes in dozens of calls, each in one.
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
} ruiji_columns;

typedef struct {
    int64_t slots;                  /* rows after the generation's */
    const int32_t *categories;      /* (slots,) */
    const int64_t *prices_minor;    /* (slots,) */
    const int32_t *currencies;      /* (slots,) number of the currency */
    const uint8_t *states;          /* (slots,) */
    const float *embeddings;        /* (slots, dimensions) */
    int64_t dimensions;
} ruiji_changed;

typedef struct {
    uint8_t on_sale;                /* state of items that may be recommended */
    int32_t currency;               /* number that they have, or below 0 for any, and then prices do not count */
    int64_t low_minor;              /* lowest price, included */
    int64_t high_minor;             /* highest price, included */
    int64_t excluded_row;           /* of one that may not, or below 0 for none */
} ruiji_eligible;

typedef struct {
    int64_t *rows;
    float *scores;
    float *cosines;
    float *category_similarities;
    double *price_ratios;
} ruiji_page;

int64_t ruiji_find_row(const ruiji_columns *columns, const uint8_t *id, int64_t id_bytes, uint64_t hash);

int64_t ruiji_merge_changed(const ruiji_columns *columns, const ruiji_changed *changed, int64_t used_slots,
                            const ruiji_eligible *eligible, const float *vector, int64_t dimensions,
                            const int64_t *rows, const float *cosines, int64_t candidates, int64_t pool_size,
                            int64_t *merged_rows, float *merged_cosines, int64_t *eligible_items);

int64_t ruiji_rank(const ruiji_columns *columns, const ruiji_changed *changed, const int64_t *rows,
                   const float *cosines, int64_t candidates, const float *category_similarities, int64_t categories,
                   float cosine_weight, float category_weight, int64_t amount_minor, int64_t page_size,
                   const ruiji_page *page);

int64_t ruiji_write_items(const ruiji_columns *columns, const int64_t *rows, int64_t items, uint8_t items_tag,
                          uint8_t id_tag, const uint8_t *number_tags, const float *scores, const float *cosines,
                          const double *price_ratios, const float *category_similarities, const float *propensities,
                          uint8_t *out, int64_t out_bytes);

/* The parts of a page, and of a neighbour table, that NumPy makes in dozens of calls, each in one; and whole answers.
 *
 * Every function returns what `library.py` says, or REFUSED where it leaves the work to Python; none allocates, keeps a
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
    int64_t used_slots;             /* that hold or held an item */
    const uint8_t *hidden;          /* (items,) rows of the generation that count no more; NULL if nothing changed */
    const int32_t *own_slots;       /* (items,) of a hidden row whose item has the embedding that it had: 1 + its slot */
    int64_t category_paths;         /* numbers of category paths that there are */
} ruiji_changed;

typedef struct {
    int64_t width;
    const uint32_t *rows;           /* (items, width) best first; NO_NEIGHBOUR after the last */
    const float *cosines;           /* (items, width) */
} ruiji_neighbours;

typedef struct {
    const ruiji_columns *columns;
    const ruiji_neighbours *neighbours; /* with their cosines */
    const ruiji_changed *changed;
    int64_t category_paths;         /* that the similarities are of */
    const float **similarities;     /* (category_paths,) of each category to all; NULL where they are not known yet */
} ruiji_catalogue;

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
    int64_t items;                  /* on the page that was written */
    int64_t eligible;               /* items, of the page or not; at least one more than fits if there are more */
    uint8_t is_scanned;             /* whether the whole band was compared */
} ruiji_room;

typedef struct {
    double share_end;               /* items whose hash is below are answered by this; the last takes all others */
    const ruiji_catalogue *catalogue;
    const ruiji_wanted *wanted;
    const uint8_t *opening;         /* of the answer, up to the digits of its request id */
    int64_t opening_bytes;
} ruiji_choice;

typedef struct {
    const uint8_t *settings;        /* what requests say besides their item and who asks */
    int64_t settings_bytes;
    const ruiji_choice *choices;    /* none if such requests are left to Python */
    int64_t n_choices;
} ruiji_plan;

typedef struct {
    uint8_t fields[16];             /* RUIJI_FIELD_... of each number */
    int64_t unit_bytes;             /* most, as for all that follow */
    int64_t attributes;
    int64_t attribute_name_bytes;
    int64_t attribute_value_bytes;
    const uint8_t *exhausted;       /* end of an answer after which there is no other item */
    int64_t exhausted_bytes;
} ruiji_contract;

enum {
    RUIJI_FIELD_REFUSED = 0,
    RUIJI_FIELD_ITEM = 1,           /* id of the item that is asked for */
    RUIJI_FIELD_SETTING = 2,        /* decides how it is answered */
    RUIJI_FIELD_UNIT = 3,           /* who asks */
    RUIJI_FIELD_ATTRIBUTE = 4,      /* of who asks */
    RUIJI_FIELD_IDLE = 5            /* says nothing about items of a generation */
};

enum { RUIJI_SHORT_PAGE = 1, RUIJI_EXACT_SCAN = 2, RUIJI_WATCHED = 4 };

typedef struct {
    const ruiji_contract *contract;
    const ruiji_plan *plans;
    int64_t n_plans;
    uint8_t unit_matters;           /* whether those who say who asks are left to Python */
    uint8_t *settings;              /* of the request, once it was read */
    int64_t settings_room;
    int64_t settings_bytes;
    const ruiji_choice *choice;     /* that the request got */
    int64_t category;               /* of the item, once it was found */
    const uint8_t *random;          /* to be used up from its end */
    int64_t random_bytes;
    ruiji_room *room;
    uint8_t *out;
    int64_t out_bytes;
    int64_t unwatched;              /* answers until there is one to watch */
    int64_t remarks;                /* RUIJI_SHORT_PAGE and so on, of the answer that was written */
} ruiji_answering;

uint64_t ruiji_blake2b(const uint8_t *data, int64_t bytes, const uint8_t *person);

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

int64_t ruiji_answer(ruiji_answering *answering, const uint8_t *request, int64_t request_bytes);

int64_t ruiji_nearest_among(const ruiji_columns *columns, const uint32_t *others, int64_t n, const uint8_t *hidden,
                            int64_t excluded_row, const float *vector, int64_t dimensions, uint32_t *scratch,
                            int64_t most, int64_t *rows, float *cosines, int64_t *eligible);

int64_t ruiji_second_neighbours(const ruiji_columns *columns, const ruiji_neighbours *neighbours,
                                const uint8_t *hidden, int64_t row, const ruiji_eligible *eligible, int64_t enough,
                                const ruiji_meeting *meeting);

int64_t ruiji_keep_nearest(const float *cosines, int64_t offers, const int64_t *owners, const int64_t *first,
                           const int64_t *last, int64_t others, const uint32_t *other_rows, int64_t items,
                           const uint32_t *item_rows, int64_t width, uint32_t *best_rows, float *best_cosines);

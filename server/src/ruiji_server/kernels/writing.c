/* A page in protobuf's wire format. */
#include "common.h"

#define NUMBER_BYTES 5 /* tag and float */
#define LONGEST_VARINT 5

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

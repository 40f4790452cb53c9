/* A request out of protobuf's wire format (protobuf.dev/programming-guides/encoding), if it is a plain one. */
#include "common.h"

#define VARINT 0
#define EIGHT_BYTES 1
#define LENGTH_DELIMITED 2
#define FOUR_BYTES 5
#define LONGEST_VARINT 10
#define FIELDS 16
#define NAME_TAG 0x0a  /* fields 1 and 2 of an entry of a map, both strings */
#define VALUE_TAG 0x12

/* Where it ends; NULL if that is beyond the message. */
static const uint8_t *read_varint(const uint8_t *at, const uint8_t *end, uint64_t *value)
{
    *value = 0;
    for (int byte = 0; byte < LONGEST_VARINT && at < end; byte++) {
        *value |= (uint64_t)(*at & 0x7f) << (7 * byte);
        if (!(*at++ & 0x80))
            return at;
    }
    return NULL;
}

/* Where a field ends, and its content begins. */
static const uint8_t *read_field(const uint8_t *at, const uint8_t *end, unsigned type, const uint8_t **content)
{
    uint64_t number;
    *content = at;
    switch (type) {
    case VARINT:
        return read_varint(at, end, &number);
    case EIGHT_BYTES:
        return end - at < 8 ? NULL : at + 8;
    case FOUR_BYTES:
        return end - at < 4 ? NULL : at + 4;
    case LENGTH_DELIMITED:
        at = read_varint(at, end, &number);
        *content = at;
        return at == NULL || number > (uint64_t)(end - at) ? NULL : at + number;
    default:
        return NULL;
    }
}

/* What is ASCII has as many characters as bytes, and is UTF-8 for sure. */
static int is_ascii(const uint8_t *at, const uint8_t *end)
{
    uint8_t all = 0;
    for (; at < end; at++)
        all |= *at;
    return all < 0x80;
}

/* Whether a field is a string of at least and at most so many bytes; moves to its end. */
static int is_string(const uint8_t **at, const uint8_t *end, uint8_t tag, int64_t least, int64_t most)
{
    const uint8_t *content, *next;
    if (*at == end || **at != tag)
        return 0;
    next = read_field(*at + 1, end, LENGTH_DELIMITED, &content);
    if (next == NULL || next - content < least || next - content > most || !is_ascii(content, next))
        return 0;
    *at = next;
    return 1;
}

static int is_attribute(const ruiji_contract *contract, const uint8_t *at, const uint8_t *end)
{
    return is_string(&at, end, NAME_TAG, 1, contract->attribute_name_bytes)
        && is_string(&at, end, VALUE_TAG, 0, contract->attribute_value_bytes) && at == end;
}

int read_request(ruiji_answering *answering, const uint8_t *request, int64_t request_bytes, asked *asked)
{
    const ruiji_contract *contract = answering->contract;
    const uint8_t *at = request, *end = request + request_bytes, *content;
    int64_t attributes = 0, settings_bytes = 0;
    asked->item_id = NULL;
    asked->has_unit = 0;
    while (at < end) {
        const uint8_t *begin = at;
        uint64_t tag;
        at = read_varint(at, end, &tag);
        if (at == NULL || tag >> 3 >= FIELDS)
            return 0;
        unsigned type = tag & 7;
        at = read_field(at, end, type, &content);
        if (at == NULL)
            return 0;
        int is_text = type == LENGTH_DELIMITED;
        /* Where a field stands twice the last one counts, as protobuf has it. */
        switch (contract->fields[tag >> 3]) {
        case RUIJI_FIELD_ITEM:
            if (!is_text)
                return 0;
            asked->item_id = content;
            asked->item_id_bytes = at - content;
            break;
        case RUIJI_FIELD_UNIT:
            if (!is_text || at - content > contract->unit_bytes || !is_ascii(content, at))
                return 0;
            asked->has_unit = at > content;
            break;
        case RUIJI_FIELD_ATTRIBUTE:
            if (!is_text || ++attributes > contract->attributes || !is_attribute(contract, content, at))
                return 0;
            break;
        case RUIJI_FIELD_SETTING:
            if (at - begin > answering->settings_room - settings_bytes)
                return 0;
            memcpy(answering->settings + settings_bytes, begin, (size_t)(at - begin));
            settings_bytes += at - begin;
            break;
        case RUIJI_FIELD_IDLE:
            break;
        default:
            return 0;
        }
    }
    answering->settings_bytes = settings_bytes;
    return asked->item_id != NULL;
}

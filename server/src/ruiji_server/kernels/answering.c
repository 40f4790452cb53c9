/* Whole answers: from the bytes of a request to those that are sent. */
#include <time.h>

#include "common.h"

#define REQUEST_ID_CHARS 32
#define REQUEST_ID_BYTES 16
#define TIME_BYTES 6
#define RANDOM_BYTES 10
#define LONGEST_ID_BYTES 128

static const uint8_t share_person[16] = "ruiji-share";

static const ruiji_plan *planned(const ruiji_answering *answering)
{
    for (const ruiji_plan *plan = answering->plans; plan < answering->plans + answering->n_plans; plan++)
        if (plan->settings_bytes == answering->settings_bytes
            && memcmp(plan->settings, answering->settings, (size_t)plan->settings_bytes) == 0)
            return plan;
    return NULL;
}

/* As `EncoderChoice.encoder_of` has it. */
static const ruiji_choice *chosen(const ruiji_plan *plan, const asked *asked)
{
    const ruiji_choice *last = plan->choices + plan->n_choices - 1, *choice = plan->choices;
    if (choice == last)
        return choice;
    uint64_t hash = __builtin_bswap64(ruiji_blake2b(asked->item_id, asked->item_id_bytes, share_person));
    double point = (double)hash * 0x1p-64;
    while (choice < last && point >= choice->share_end)
        choice++;
    return choice;
}

/* A UUID of version 7 (RFC 9562) as hexadecimal digits: milliseconds since 1970 UTC, then random bits. */
static void write_request_id(ruiji_answering *answering, uint8_t *out)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t id[REQUEST_ID_BYTES];
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    uint64_t now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    for (int byte = 0; byte < TIME_BYTES; byte++)
        id[byte] = (uint8_t)(now_ms >> 8 * (TIME_BYTES - 1 - byte));
    answering->random_bytes -= RANDOM_BYTES;
    memcpy(id + TIME_BYTES, answering->random + answering->random_bytes, RANDOM_BYTES);
    id[6] = (id[6] & 0x0f) | 0x70;
    id[8] = (id[8] & 0x3f) | 0x80;
    for (int byte = 0; byte < REQUEST_ID_BYTES; byte++) {
        *out++ = (uint8_t)digits[id[byte] >> 4];
        *out++ = (uint8_t)digits[id[byte] & 0x0f];
    }
}

int64_t ruiji_answer(ruiji_answering *answering, const uint8_t *request, int64_t request_bytes)
{
    const ruiji_contract *contract = answering->contract;
    asked asked;
    if (!read_request(answering, request, request_bytes, &asked) || (asked.has_unit && answering->unit_matters)
        || asked.item_id_bytes > LONGEST_ID_BYTES)
        return REFUSED;
    const ruiji_plan *plan = planned(answering);
    if (plan == NULL)
        return UNPLANNED;
    if (plan->n_choices < 1)
        return REFUSED;
    const ruiji_choice *choice = answering->choice = chosen(plan, &asked);
    const ruiji_catalogue *catalogue = choice->catalogue;
    if (catalogue == NULL)
        return REFUSED;
    const ruiji_columns *columns = catalogue->columns;
    const ruiji_changed *changed = catalogue->changed;
    uint64_t hash = ruiji_blake2b(asked.item_id, asked.item_id_bytes, NULL);
    int64_t row = ruiji_find_row(columns, asked.item_id, asked.item_id_bytes, hash), own_row = row;
    if (row < 0)
        return REFUSED;
    answering->category = columns->categories[row];
    if (changed->hidden != NULL && changed->hidden[row]) {
        int64_t slot = (int64_t)changed->own_slots[row] - 1;
        if (slot < 0 || slot >= changed->slots)
            return REFUSED;
        own_row = columns->items + slot;
        answering->category = changed->categories[slot];
    }
    if (catalogue->category_paths != changed->category_paths)
        return UNCOMPARED;
    if (answering->category < 0 || answering->category >= catalogue->category_paths)
        return REFUSED;
    const float *similarities = catalogue->similarities[answering->category];
    if (similarities == NULL)
        return UNCOMPARED;
    if (answering->random_bytes < RANDOM_BYTES)
        return UNSEEDED;
    uint8_t *out = answering->out;
    int64_t left = answering->out_bytes - choice->opening_bytes - REQUEST_ID_CHARS - contract->exhausted_bytes;
    if (left < 0)
        return REFUSED;
    memcpy(out, choice->opening, (size_t)choice->opening_bytes);
    out += choice->opening_bytes + REQUEST_ID_CHARS;
    ruiji_room *room = answering->room;
    int64_t written = listed_page(catalogue, row, own_row, choice->wanted, similarities, room, out, left);
    if (written == REFUSED)
        return REFUSED;
    write_request_id(answering, out - REQUEST_ID_CHARS);
    out += written;
    if (room->eligible <= room->items) {
        memcpy(out, contract->exhausted, (size_t)contract->exhausted_bytes);
        out += contract->exhausted_bytes;
    }
    answering->remarks = (room->items < choice->wanted->page_size ? RUIJI_SHORT_PAGE : 0)
        | (room->is_scanned ? RUIJI_EXACT_SCAN : 0) | (answering->unwatched < 1 ? RUIJI_WATCHED : 0);
    answering->unwatched--;
    return out - answering->out;
}

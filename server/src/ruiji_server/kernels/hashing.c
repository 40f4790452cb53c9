/* BLAKE2b (RFC 7693) of what fits into one block, without a key. */
#include "common.h"

#define BLOCK_BYTES 128
#define DIGEST_BYTES 8
#define ROUNDS 12
#define WORDS 16
#define PERSON_BYTES 16

static const uint64_t initial[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

/* The last two rounds repeat the first two. */
static const uint8_t order[ROUNDS - 2][WORDS] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

static inline uint64_t rotated(uint64_t word, int bits)
{
    return word >> bits | word << (64 - bits);
}

static inline void mix(uint64_t *v, int a, int b, int c, int d, uint64_t x, uint64_t y)
{
    v[a] += v[b] + x;
    v[d] = rotated(v[d] ^ v[a], 32);
    v[c] += v[d];
    v[b] = rotated(v[b] ^ v[c], 24);
    v[a] += v[b] + y;
    v[d] = rotated(v[d] ^ v[a], 16);
    v[c] += v[d];
    v[b] = rotated(v[b] ^ v[c], 63);
}

/* The digest of 8 bytes as a little-endian number; `person`, of 16 bytes, may be NULL. */
uint64_t ruiji_blake2b(const uint8_t *data, int64_t bytes, const uint8_t *person)
{
    uint64_t message[WORDS] = {0}, parameters[8] = {0}, v[WORDS];
    if (bytes < 0 || bytes > BLOCK_BYTES)
        return 0;
    memcpy(message, data, (size_t)bytes);
    parameters[0] = DIGEST_BYTES | 1 << 16 | 1 << 24; /* fanout and depth of a hash without a tree */
    if (person != NULL)
        memcpy(parameters + 6, person, PERSON_BYTES);
    for (int word = 0; word < 8; word++) {
        v[word] = initial[word] ^ parameters[word];
        v[word + 8] = initial[word];
    }
    v[12] ^= (uint64_t)bytes;
    v[14] = ~v[14]; /* the last block */
    for (int round = 0; round < ROUNDS; round++) {
        const uint8_t *of = order[round % (ROUNDS - 2)];
        for (int column = 0; column < 4; column++)
            mix(v, column, column + 4, column + 8, column + 12, message[of[2 * column]], message[of[2 * column + 1]]);
        for (int column = 0; column < 4; column++)
            mix(v, column, 4 + (column + 1) % 4, 8 + (column + 2) % 4, 12 + (column + 3) % 4,
                message[of[8 + 2 * column]], message[of[9 + 2 * column]]);
    }
    return initial[0] ^ parameters[0] ^ v[0] ^ v[8];
}

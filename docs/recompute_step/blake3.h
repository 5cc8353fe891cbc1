/* BLAKE3 of a whole buffer (https://github.com/BLAKE3-team/BLAKE3-specs), as plain as it can be. */

#include <stdint.h>
#include <string.h>

enum { CHUNK_START = 1, CHUNK_END = 2, PARENT = 4, ROOT = 8 };

static const uint32_t BLAKE3_IV[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static uint32_t turned(uint32_t x, int by) { return x >> by | x << (32 - by); }

static void mix(uint32_t *s, int a, int b, int c, int d, uint32_t x, uint32_t y) {
    s[a] += s[b] + x;
    s[d] = turned(s[d] ^ s[a], 16);
    s[c] += s[d];
    s[b] = turned(s[b] ^ s[c], 12);
    s[a] += s[b] + y;
    s[d] = turned(s[d] ^ s[a], 8);
    s[c] += s[d];
    s[b] = turned(s[b] ^ s[c], 7);
}

/* The first eight words of the compression function's output. */
static void compress(uint32_t out[8], const uint32_t chain[8], const uint8_t *block, uint32_t length,
                     uint64_t counter, uint32_t flags) {
    static const int ORDER[16] = {2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8};
    uint32_t m[16], next[16], s[16];
    for (int i = 0; i < 16; i++)
        m[i] = (uint32_t)block[4 * i] | (uint32_t)block[4 * i + 1] << 8 | (uint32_t)block[4 * i + 2] << 16 |
               (uint32_t)block[4 * i + 3] << 24;
    memcpy(s, chain, 32);
    memcpy(s + 8, BLAKE3_IV, 16);
    s[12] = (uint32_t)counter;
    s[13] = (uint32_t)(counter >> 32);
    s[14] = length;
    s[15] = flags;
    for (int round = 0; round < 7; round++) {
        for (int i = 0; i < 4; i++) mix(s, i, 4 + i, 8 + i, 12 + i, m[2 * i], m[2 * i + 1]);
        for (int i = 0; i < 4; i++)
            mix(s, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4, m[8 + 2 * i], m[9 + 2 * i]);
        for (int i = 0; i < 16; i++) next[i] = m[ORDER[i]];
        memcpy(m, next, 64);
    }
    for (int i = 0; i < 8; i++) out[i] = s[i] ^ s[i + 8];
}

static void blake3_node(uint32_t out[8], const uint8_t *data, size_t length, uint64_t first_chunk, uint32_t root) {
    if (length <= 1024) {
        uint32_t chain[8];
        memcpy(chain, BLAKE3_IV, 32);
        size_t at = 0;
        do {
            uint8_t block[64] = {0};
            size_t part = length - at < 64 ? length - at : 64;
            memcpy(block, data + at, part);
            int last = at + part == length;
            uint32_t flags = (at == 0 ? CHUNK_START : 0) | (last ? CHUNK_END | root : 0);
            compress(chain, chain, block, (uint32_t)part, first_chunk, flags);
            at += part;
        } while (at < length);
        memcpy(out, chain, 32);
        return;
    }
    /* The left subtree: the largest power of two of chunks that leaves something to the right. */
    size_t left = 1024;
    while (2 * left < length) left *= 2;
    uint32_t children[16];
    blake3_node(children, data, left, first_chunk, 0);
    blake3_node(children + 8, data + left, length - left, first_chunk + left / 1024, 0);
    uint8_t block[64];
    for (int i = 0; i < 64; i++) block[i] = (uint8_t)(children[i / 4] >> (8 * (i % 4)));
    compress(out, BLAKE3_IV, block, 64, 0, PARENT | root);
}

static void blake3(uint8_t out[32], const void *data, size_t length) {
    uint32_t words[8];
    blake3_node(words, data, length, 0, ROOT);
    for (int i = 0; i < 32; i++) out[i] = (uint8_t)(words[i / 4] >> (8 * (i % 4)));
}

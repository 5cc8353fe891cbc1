/* Initial weights from the seed. */

static void put_u64(uint8_t *at, uint64_t x) {
    for (int i = 0; i < 8; i++) at[i] = (uint8_t)(x >> (8 * i));
}

/* D("glasswork/stream/1"; seed, "init/" name) */
static void stream_key(uint8_t key[32], uint64_t seed, const char *name) {
    static const char TAG[] = "glasswork/stream/1";
    uint8_t text[256];
    size_t at = 0, stream = 5 + strlen(name);
    put_u64(text, strlen(TAG));
    memcpy(text + 8, TAG, strlen(TAG));
    at = 8 + strlen(TAG);
    put_u64(text + at, 8);
    put_u64(text + at + 8, seed);
    put_u64(text + at + 16, stream);
    memcpy(text + at + 24, "init/", 5);
    memcpy(text + at + 29, name, strlen(name));
    blake3(key, text, at + 24 + stream);
}

/* Block `counter` of ChaCha with 12 rounds: 16 words. */
static void chacha12(uint32_t out[16], const uint8_t key[32], uint64_t counter) {
    uint32_t start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574}, s[16];
    memcpy(start + 4, key, 32);
    start[12] = (uint32_t)counter;
    start[13] = (uint32_t)(counter >> 32);
    memcpy(s, start, sizeof s);
#define TURN(x, by) ((x) << (by) | (x) >> (32 - (by)))
#define QUARTER(a, b, c, d)                                    \
    s[a] += s[b], s[d] ^= s[a], s[d] = TURN(s[d], 16),         \
    s[c] += s[d], s[b] ^= s[c], s[b] = TURN(s[b], 12),         \
    s[a] += s[b], s[d] ^= s[a], s[d] = TURN(s[d], 8),          \
    s[c] += s[d], s[b] ^= s[c], s[b] = TURN(s[b], 7)
    for (int round = 0; round < 12; round += 2) {
        for (int i = 0; i < 4; i++) QUARTER(i, 4 + i, 8 + i, 12 + i);
        for (int i = 0; i < 4; i++) QUARTER(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
    }
    for (int i = 0; i < 16; i++) out[i] = s[i] + start[i];
}

/* Element i of draws (a, b) = words 4·pair to 4·pair + 3 of the stream. */
static void fill_normal(float *out, long count, uint64_t seed, const char *name, double std) {
    uint8_t key[32];
    uint32_t block[16];
    stream_key(key, seed, name);
    for (long i = 0; i < count; i += 2) {
        if (i % 8 == 0) chacha12(block, key, (uint64_t)i / 8);
        const uint32_t *word = block + i % 8 * 2;
        uint64_t a = word[0] | (uint64_t)word[1] << 32, b = word[2] | (uint64_t)word[3] << 32;
        double u = (double)((a >> 11) + 1) * 0x1p-53, v = (double)(b >> 11) * 0x1p-53;
        double radius = std * sqrt(-2.0 * log(u)), angle = 2 * 3.141592653589793 * v;
        out[i] = (float)(radius * cos(angle));
        if (i + 1 < count) out[i + 1] = (float)(radius * sin(angle));
    }
}

static int ends_with(const char *name, const char *end) {
    return strlen(name) >= strlen(end) && !strcmp(name + strlen(name) - strlen(end), end);
}

static float *initial_weights(const struct model *m, uint64_t seed, double std) {
    float *w = zeros(the_layout->elements);
    for (int t = 0; t < the_layout->number; t++) {
        const struct tensor *tensor = &the_layout->tensors[t];
        int residual = ends_with(tensor->name, "o_proj.weight") || ends_with(tensor->name, "down_proj.weight");
        double scale = residual ? 1 / sqrt((double)(2 * m->layers)) : 1;
        if (tensor->rows) fill_normal(w + tensor->at, tensor->count, seed, tensor->name, std * scale);
        else
            for (long i = 0; i < tensor->count; i++) w[tensor->at + i] = 1;
    }
    return w;
}

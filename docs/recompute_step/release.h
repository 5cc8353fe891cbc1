/* What a release has on disk, as far as one step needs it (docs/release-format.md). It believes its
 * input: `glasswork check` does not. */

#include <stdio.h>

static void fail(const char *what, const char *where) {
    fprintf(stderr, "recompute_step: %s: %s\n", what, where);
    exit(1);
}

static char *read_file(const char *release, const char *name, long *length) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", release, name);
    FILE *file = fopen(path, "rb");
    if (!file) fail("cannot be opened", path);
    fseek(file, 0, SEEK_END);
    *length = ftell(file);
    rewind(file);
    char *bytes = calloc((size_t)*length + 1, 1);
    if (!bytes || fread(bytes, 1, (size_t)*length, file) != (size_t)*length) fail("cannot be read", path);
    fclose(file);
    return bytes;
}

/* Text of a key of run.toml, which `prep` wrote with one key a line. */
static const char *setting(const char *toml, const char *section, const char *key) {
    char head[64], line[64];
    snprintf(head, sizeof head, "\n[%s]\n", section);
    snprintf(line, sizeof line, "\n%s = ", key);
    const char *from = *section ? strstr(toml, head) : toml;
    if (!from) fail("run.toml has no section", section);
    const char *end = strstr(from + 1, "\n[");
    const char *found = strncmp(from, line + 1, strlen(line) - 1) ? strstr(from, line) : from - 1;
    if (!found || (end && found > end)) fail("run.toml has no key", key);
    return found + strlen(line);
}

static double number(const char *toml, const char *section, const char *key) {
    return strtod(setting(toml, section, key), NULL);
}

static long whole(const char *toml, const char *section, const char *key) {
    return strtol(setting(toml, section, key), NULL, 10);
}

/* One tensor of a safetensors file, whose header is JSON without spaces. */
static void read_tensor(float *out, const char *file, const struct tensor *tensor) {
    uint64_t header;
    memcpy(&header, file, 8);
    char key[80];
    snprintf(key, sizeof key, "\"%s\":{", tensor->name);
    const char *found = strstr(file + 8, key);
    const char *offsets = found ? strstr(found, "\"data_offsets\":[") : NULL;
    if (!offsets) fail("checkpoint 0 has no tensor", tensor->name);
    long first = strtol(offsets + strlen("\"data_offsets\":["), NULL, 10);
    memcpy(out, file + 8 + header + first, (size_t)tensor->count * sizeof *out);
}

/* The first rows of the training sequence. */
static uint32_t *first_tokens(const char *release, long count) {
    long length;
    char *file = read_file(release, "data/sequence/chunk-000.npy", &length);
    const uint8_t *data = (const uint8_t *)file;
    long start = 10 + data[8] + 256 * data[9];
    int wide = strstr(file + 10, "<u4") != NULL;
    uint32_t *tokens = calloc((size_t)count, sizeof *tokens);
    if (!tokens || length < start + count * (wide ? 4 : 2)) fail("the first batch is not whole in", "chunk-000.npy");
    for (long i = 0; i < count; i++) {
        const uint8_t *at = data + start + i * (wide ? 4 : 2);
        tokens[i] = (uint32_t)at[0] | (uint32_t)at[1] << 8;
        if (wide) tokens[i] |= (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
    }
    free(file);
    return tokens;
}

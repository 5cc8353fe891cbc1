/* The first step of a run, as docs/numerics.md defines it:
 *
 *     cc -std=c99 -O1 -ffp-contract=off -o recompute_step docs/recompute_step/main.c -lm
 *     ./recompute_step RELEASE
 *
 * Reads run.toml, checkpoint 0 and the first rows of the training sequence. Prints, to be compared with
 * the release: whether the initial weights follow from the seed; the step's loss, gradient norm and
 * learning rate (bits, as in metrics/steps.parquet); the BLAKE3 of every gradient tensor before
 * clipping; the digest of the state after the step, which metrics/steps.parquet holds too.
 *
 * What it shares with the program that it checks: nothing. What it takes from elsewhere: pow, log, cos
 * and sin in f64 are the C library's, not the Rust crate's that the page names. Both are within an ulp
 * of f64, and what is made of them is rounded to f32, so that they could differ in about one result of
 * 2^28; if they do, `initial weights` or the digests say so. A little-endian machine is needed. */

#include <stdio.h>
#include <stdlib.h>

#include "arithmetic.h"
#include "blake3.h"
#include "decoder.h"

#include "step.h"

#include "initial.h"
#include "release.h"

static void print_digest(const void *data, size_t length) {
    uint8_t digest[32];
    blake3(digest, data, length);
    for (int i = 0; i < 32; i++) printf("%02x", digest[i]);
    printf("\n");
}

static void print_f64(const char *what, double x) {
    uint64_t u;
    memcpy(&u, &x, 8);
    printf("%s %016llx\n", what, (unsigned long long)u);
}

/* D("glasswork/state/1"; [step,[[name,"F32",[shape],digest],...]]): names in byte order, which puts the
 * weights before the moments. */
static void print_state(long step, float *const parts[3]) {
    static const char *const PREFIX[3] = {"", "optimizer.m.", "optimizer.v."};
    static const char TAG[] = "glasswork/state/1";
    size_t room = 1024 + (size_t)the_layout->number * 3 * 256, frame = 8 + strlen(TAG) + 8, at = frame;
    char *text = calloc(room, 1);
    if (!text) abort();
    at += (size_t)sprintf(text + at, "[%ld,[", step);
    for (int p = 0; p < 3; p++)
        for (int t = 0; t < the_layout->number; t++) {
            const struct tensor *tensor = &the_layout->tensors[t];
            uint8_t digest[32];
            blake3(digest, parts[p] + tensor->at, (size_t)tensor->count * sizeof(float));
            at += (size_t)sprintf(text + at, "%s[\"%s%s\",\"F32\",[", p + t ? "," : "", PREFIX[p], tensor->name);
            if (tensor->rows) at += (size_t)sprintf(text + at, "%ld,", tensor->rows);
            at += (size_t)sprintf(text + at, "%ld],\"", tensor->columns);
            for (int i = 0; i < 32; i++) at += (size_t)sprintf(text + at, "%02x", digest[i]);
            at += (size_t)sprintf(text + at, "\"]");
        }
    at += (size_t)sprintf(text + at, "]]");
    put_u64((uint8_t *)text, strlen(TAG));
    memcpy(text + 8, TAG, strlen(TAG));
    put_u64((uint8_t *)text + 8 + strlen(TAG), at - frame);
    printf("state ");
    print_digest(text, at);
    free(text);
}

int main(int arguments, char **argument) {
    if (arguments != 2) fail("give one argument", "RELEASE");
    const char *release = argument[1];
    long length;
    char *run = read_file(release, "run.toml", &length);
    const char *profile = setting(run, "", "profile");
    bf16_profile = !strncmp(profile, "\"bf16-v1\"", 9);
    if (!bf16_profile && strncmp(profile, "\"f32-v1\"", 8)) fail("is not a profile of this page", profile);
    struct model m = {
        whole(run, "model", "vocabulary"), whole(run, "model", "hidden"),     whole(run, "model", "layers"),
        whole(run, "model", "heads"),      whole(run, "model", "kv_heads"),   whole(run, "model", "mlp"),
        whole(run, "model", "sequence"),   number(run, "model", "rope_theta"), (float)number(run, "model", "norm_eps"),
    };
    struct optimizer o = {
        number(run, "optimizer", "learning_rate"), number(run, "optimizer", "final_learning_rate"),
        number(run, "optimizer", "beta1"),         number(run, "optimizer", "beta2"),
        number(run, "optimizer", "epsilon"),       number(run, "optimizer", "weight_decay"),
        number(run, "optimizer", "clip"),          whole(run, "optimizer", "warm_up_steps"),
        whole(run, "training", "steps"),
    };
    long batch = whole(run, "training", "batch"), groups = whole(run, "training", "reduction_groups");
    struct layout layout = layout_of(&m);
    the_layout = &layout;

    char *checkpoint = read_file(release, "checkpoints/step-000000/model.safetensors", &length);
    float *w = zeros(layout.elements);
    for (int t = 0; t < layout.number; t++)
        read_tensor(w + layout.tensors[t].at, checkpoint, &layout.tensors[t]);
    uint64_t seed = strtoull(setting(run, "", "seed"), NULL, 10);
    float *drawn = initial_weights(&m, seed, number(run, "model", "initial_std"));
    long equal = 0;
    for (long i = 0; i < layout.elements; i++) equal += bits(w[i]) == bits(drawn[i]);
    printf("initial weights %ld of %ld\n", equal, layout.elements);

    uint32_t *tokens = first_tokens(release, batch * (m.sequence + 1));
    float *g = zeros(layout.elements);
    double loss = gradient(g, w, tokens, batch, groups, 0, groups, &m) / (double)(batch * m.sequence);
    double norm = global_norm(g);
    float rate = rate_of_step(&o, 1);
    print_f64("loss", loss);
    print_f64("grad_norm", norm);
    printf("learning_rate %08x\n", bits(rate));
    for (int t = 0; t < layout.number; t++) {
        printf("gradient %s ", layout.tensors[t].name);
        print_digest(g + layout.tensors[t].at, (size_t)layout.tensors[t].count * sizeof *g);
    }
    float *moments[2] = {zeros(layout.elements), zeros(layout.elements)};
    if (isfinite(loss) && isfinite(norm)) adamw(w, moments[0], moments[1], g, norm, rate, 1, &o);
    float *const parts[3] = {w, moments[0], moments[1]};
    print_state(1, parts);
    return 0;
}

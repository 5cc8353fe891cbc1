/* The decoder: a group's forward and backward pass, all its tokens at once. Shapes are row-major. */

#include <stdlib.h>

struct model {
    long vocabulary, hidden, layers, heads, kv_heads, mlp, sequence;
    double rope_theta;
    float epsilon;
};

static long head_width(const struct model *m) { return m->hidden / m->heads; }
static long kv_width(const struct model *m) { return m->kv_heads * head_width(m); }

static float *zeros(long count) {
    float *x = calloc((size_t)count, sizeof *x);
    if (!x) abort();
    return x;
}

/* ---- Linear layers; W is [out, in], n tokens ---- */

static float *linear(const float *x, const float *w, long n, long out, long in) {
    float *y = zeros(n * out);
    for (long i = 0; i < n; i++)
        for (long o = 0; o < out; o++) y[i * out + o] = sum_of_products(0, in, x + i * in, 1, w + o * in, 1);
    return y;
}

/* dx continues what it holds. */
static void linear_input(float *dx, const float *dy, const float *w, long n, long out, long in) {
    for (long i = 0; i < n; i++)
        for (long j = 0; j < in; j++)
            dx[i * in + j] = sum_of_products(dx[i * in + j], out, dy + i * out, 1, w + j, in);
}

static void linear_weight(float *dw, const float *dy, const float *x, long n, long out, long in) {
    for (long o = 0; o < out; o++)
        for (long j = 0; j < in; j++) dw[o * in + j] = sum_of_products(0, n, dy + o, out, x + j, in);
}

/* ---- RMSNorm ---- */

struct norm {
    float *r, *y; /* [n], [n, d] */
};

static struct norm rms_norm(const float *x, const float *gain, long n, long d, float epsilon) {
    struct norm norm = {zeros(n), zeros(n * d)};
    for (long i = 0; i < n; i++) {
        const float *row = x + i * d;
        norm.r[i] = 1 / sqrtf(lanes_of_products(row, row, d) / (float)d + epsilon);
        for (long j = 0; j < d; j++) norm.y[i * d + j] = (row[j] * norm.r[i]) * gain[j];
    }
    return norm;
}

/* Adds to dx; writes dgain. */
static void rms_norm_backward(float *dx, float *dgain, const float *dy, const float *x, const float *r,
                              const float *gain, long n, long d) {
    float *scaled = zeros(d);
    for (long i = 0; i < n; i++) {
        const float *row = x + i * d;
        for (long j = 0; j < d; j++) {
            dgain[j] = fmaf(dy[i * d + j], row[j] * r[i], dgain[j]);
            scaled[j] = dy[i * d + j] * gain[j];
        }
        float c = (lanes_of_products(scaled, row, d) * r[i]) / (float)d;
        for (long j = 0; j < d; j++) {
            float t = fmaf(row[j] * r[i], -c, scaled[j]);
            dx[i * d + j] = dx[i * d + j] + t * r[i];
        }
    }
    free(scaled);
}

/* ---- RoPE, in place; sign -1 is the backward pass ---- */

static void rotate(float *x, long n, long heads, const struct model *m, float sign) {
    long w = head_width(m), half = w / 2;
    for (long i = 0; i < n; i++)
        for (long h = 0; h < heads; h++)
            for (long j = 0; j < half; j++) {
                double angle = (double)(i % m->sequence) * pow(m->rope_theta, -(double)(2 * j) / (double)w);
                float c = (float)cos(angle), s = (float)sin(angle) * sign;
                float *a = x + (i * heads + h) * w + j, *b = a + half, before = *a;
                *a = before * c - *b * s;
                *b = *b * c + before * s;
            }
}

/* ---- Attention; q, o are [n, heads, w], k, v are [n, kv_heads, w] ---- */

/* p of query i of one head: exp(s - m) for keys 0 to i, +0 for the rest of i's block; gives m. */
static float weights_of_query(float *p, const float *q, const float *k, long i, const struct model *m) {
    long w = head_width(m), kv = kv_width(m);
    float scale = (float)(1 / sqrt((double)w));
    for (long j = 0; j <= i; j++) p[j] = sum_of_products(0, w, q, 1, k + j * kv, 1) * scale;
    float top = maximum(p, i + 1);
    for (long j = 0; j <= i; j++) p[j] = exp_(p[j] - top);
    for (long j = i + 1; j < m->sequence; j++) p[j] = 0;
    return top;
}

static long end_of_block(long i) { return (i / 32 + 1) * 32; }

static float *attention(const float *q, const float *k, const float *v, long n, const struct model *m) {
    long w = head_width(m), kv = kv_width(m), d = m->hidden, t = m->sequence;
    float *o = zeros(n * d), *p = zeros(t);
    for (long i = 0; i < n; i++)
        for (long h = 0; h < m->heads; h++) {
            long first = i / t * t, column = h / (m->heads / m->kv_heads) * w, query = i - first;
            weights_of_query(p, q + i * d + h * w, k + first * kv + column, query, m);
            float l = lanes(p, query + 1);
            for (long e = 0; e < w; e++) {
                float sum = sum_of_products(0, end_of_block(query), p, 1, v + first * kv + column + e, kv);
                o[i * d + h * w + e] = (sum + 0.0f) / l;
            }
        }
    free(p);
    return o;
}

static void attention_backward(float *dq, float *dk, float *dv, const float *d_o, const float *o, const float *q,
                               const float *k, const float *v, long n, const struct model *m) {
    long w = head_width(m), kv = kv_width(m), d = m->hidden, t = m->sequence, share = m->heads / m->kv_heads;
    float scale = (float)(1 / sqrt((double)w));
    float *p = zeros(t * t), *ds = zeros(t * t);
    for (long first = 0; first < n; first += t)
        for (long h = 0; h < m->heads; h++) {
            const float *q_head = q + first * d + h * w, *do_head = d_o + first * d + h * w;
            const float *k_head = k + first * kv + h / share * w, *v_head = v + first * kv + h / share * w;
            for (long i = 0; i < t; i++) {
                float *p_row = p + i * t, *ds_row = ds + i * t;
                weights_of_query(p_row, q_head + i * d, k_head, i, m);
                float l = lanes(p_row, i + 1);
                float big_d = lanes_of_products(do_head + i * d, o + (first + i) * d + h * w, w);
                for (long j = 0; j < t; j++) {
                    ds_row[j] = 0;
                    if (j > i) continue;
                    p_row[j] = p_row[j] / l;
                    float dp = sum_of_products(0, w, do_head + i * d, 1, v_head + j * kv, 1);
                    ds_row[j] = (p_row[j] * (dp - big_d)) * scale;
                }
                for (long e = 0; e < w; e++)
                    dq[(first + i) * d + h * w + e] = sum_of_products(0, end_of_block(i), ds_row, 1, k_head + e, kv);
            }
            for (long j = 0; j < t; j++)
                for (long e = 0; e < w; e++) {
                    long from = j / 32 * 32, at = (first + j) * kv + h / share * w + e;
                    float of_k = sum_of_products(0, t - from, ds + from * t + j, t, q_head + from * d + e, d);
                    float of_v = sum_of_products(0, t - from, p + from * t + j, t, do_head + from * d + e, d);
                    dk[at] = h % share == 0 ? of_k : dk[at] + of_k;
                    dv[at] = h % share == 0 ? of_v : dv[at] + of_v;
                }
        }
    free(p);
    free(ds);
}

/* Sums, products and functions as docs/numerics.md writes them, one after the other.
 *
 * Nothing here is fast. To be compiled without contraction (-ffp-contract=off), for a machine whose
 * float and double are IEEE-754 and not computed in wider registers. */

#include <math.h>
#include <stdint.h>
#include <string.h>

static int bf16_profile; /* 0: f32-v1, 1: bf16-v1 */

static uint32_t bits(float x) {
    uint32_t u;
    memcpy(&u, &x, 4);
    return u;
}

static float of_bits(uint32_t u) {
    float x;
    memcpy(&x, &u, 4);
    return x;
}

static float canonical(float x) { return isnan(x) ? of_bits(0x7fc00000) : x; }

/* ---- Profile bf16-v1: operands and arithmetic of a product ---- */

/* The nearest number of 8 significant bits. */
static float rounded_operand(float x) {
    uint32_t u = bits(x), magnitude = u & 0x7fffffff;
    if (magnitude > 0x7f800000) return of_bits(0x7fc00000);
    if (magnitude < 0x00800000) return of_bits(u & 0x80000000);
    uint32_t kept = u & 0xffff0000, dropped = u & 0xffff;
    int up = dropped > 0x8000 || (dropped == 0x8000 && (kept & 0x10000));
    return of_bits(kept + (up ? 0x10000 : 0));
}

static float flushed_operand(float x) {
    return fabsf(x) < 0x1p-126f ? copysignf(0, x) : x;
}

/* a·b + c rounded to 24 bits whatever the exponent, then zero of its sign below 2^-126. */
static float flushing_fma(float a, float b, float c) {
    a = flushed_operand(a);
    b = flushed_operand(b);
    c = flushed_operand(c);
    float r = fmaf(a, b, c);
    /* Far above 2^-126 the exponent's lower end plays no part; an exact zero has its sign already, and
     * so has a result that even subnormals cannot hold; a NaN stays one. */
    if (!(fabsf(r) < 0x1p-100f) || r == 0) return r;
    /* Once more 2^64 times larger, where 24 bits are 24 bits. c cannot overflow: a sum as small as this
     * has terms below 2^-70. Of a and b the smaller is scaled. */
    if (fabsf(a) < fabsf(b)) a *= 0x1p64f;
    else b *= 0x1p64f;
    r = fmaf(a, b, c * 0x1p64f);
    return fabsf(r) < 0x1p-62f ? copysignf(0, r) : r * 0x1p-64f;
}

static float flushing_add(float a, float b) { return flushing_fma(a, 1, b); }

/* ---- Sums ---- */

/* Continues the sum c over k of a[k]·b[k], the elements of each `step` apart: one element of a matrix
 * product in either profile. */
static float sum_of_products(float c, long terms, const float *a, long a_step, const float *b, long b_step) {
    if (!bf16_profile) {
        for (long k = 0; k < terms; k++) c = fmaf(a[k * a_step], b[k * b_step], c);
        return c;
    }
    for (long block = 0; block < terms; block += 32) {
        float sums[2] = {0, 0}; /* even, odd */
        for (long k = block; k < block + 32; k++) {
            float left = k < terms ? rounded_operand(a[k * a_step]) : 0;
            float right = k < terms ? rounded_operand(b[k * b_step]) : 0;
            sums[k % 2] = flushing_fma(left, right, sums[k % 2]);
        }
        c = flushing_add(c, flushing_add(sums[0], sums[1]));
    }
    return c;
}

static float joined(float lane[16]) {
    for (int width = 8; width > 0; width /= 2)
        for (int j = 0; j < width; j++) lane[j] += lane[j + width];
    return lane[0];
}

static float lanes(const float *x, long count) {
    float lane[16] = {0};
    for (long i = 0; i < count; i++) lane[i % 16] += x[i];
    return joined(lane);
}

static float lanes_of_products(const float *x, const float *y, long count) {
    float lane[16] = {0};
    for (long i = 0; i < count; i++) lane[i % 16] = fmaf(x[i], y[i], lane[i % 16]);
    return joined(lane);
}

static double lanes_of_squares(const float *x, long count) {
    double lane[16] = {0};
    for (long i = 0; i < count; i++) lane[i % 16] = fma(x[i], x[i], lane[i % 16]);
    for (int width = 8; width > 0; width /= 2)
        for (int j = 0; j < width; j++) lane[j] += lane[j + width];
    return lane[0];
}

static float maximum(const float *x, long count) {
    float m = -INFINITY;
    for (long i = 0; i < count; i++) {
        if (isnan(x[i])) return of_bits(0x7fc00000);
        if (x[i] > m) m = x[i];
    }
    return m;
}

/* ---- exp, ln, sigma ---- */

static float exp_(float x) {
    if (isnan(x)) return of_bits(0x7fc00000);
    if (x < -87.33f) return 0;
    if (x > 88.72283f) return INFINITY;
    float t = fmaf(x, 1.442695f, 12582912.0f), n = t - 12582912.0f;
    float r = fmaf(n, -0.6933594f, x);
    r = fmaf(n, 2.1219444e-4f, r);
    float p = 1.9875692e-4f;
    p = fmaf(p, r, 1.3981999e-3f);
    p = fmaf(p, r, 8.333452e-3f);
    p = fmaf(p, r, 4.1665796e-2f);
    p = fmaf(p, r, 1.6666665e-1f);
    p = fmaf(p, r, 0.5f);
    float y = fmaf(p, r * r, r) + 1;
    int h = (int)floorf(n / 2);
    return y * ldexpf(1, h) * ldexpf(1, (int)n - h);
}

static float ln(float x) {
    if (isnan(x) || x < 0) return of_bits(0x7fc00000);
    if (x == 0) return -INFINITY;
    if (x == INFINITY) return INFINITY;
    int less = 0;
    if (x < 0x1p-126f) {
        x *= 0x1p23f;
        less = 23;
    }
    int32_t o = (int32_t)(bits(x) - 0x3f3504f3u);
    /* Rounded down also where o is negative. */
    int32_t whole = o < 0 ? -(int32_t)((-(int64_t)o + 0x7fffff) >> 23) : o >> 23;
    float e = (float)(whole - less);
    float f = of_bits(bits(x) - ((uint32_t)o & 0xff800000u));
    float r = f - 1, z = r * r;
    float p = 7.0376836e-2f;
    p = fmaf(p, r, -1.151461e-1f);
    p = fmaf(p, r, 1.1676999e-1f);
    p = fmaf(p, r, -1.2420141e-1f);
    p = fmaf(p, r, 1.4249323e-1f);
    p = fmaf(p, r, -1.6668058e-1f);
    p = fmaf(p, r, 2.0000715e-1f);
    p = fmaf(p, r, -2.4999994e-1f);
    p = fmaf(p, r, 0.3333333f);
    float y = (p * r) * z;
    y = fmaf(e, -2.1219444e-4f, y);
    y = fmaf(z, -0.5f, y);
    return fmaf(e, 0.6933594f, r + y);
}

static float sigma(float x) { return 1 / (1 + exp_(-x)); }

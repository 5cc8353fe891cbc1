/* One training step: gradients of groups, their tree, norm, clip, AdamW. */

struct tensor {
    char name[64];
    long rows, columns; /* rows is 0 for one dimension */
    long at, count;     /* elements of the flat buffers */
};

struct layout {
    struct tensor *tensors;
    int number;
    long elements;
};

struct optimizer {
    double learning_rate, final_learning_rate, beta1, beta2, epsilon, weight_decay, clip;
    long warm_up_steps, steps;
};

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct tensor *)a)->name, ((const struct tensor *)b)->name);
}

static void add_tensor(struct layout *layout, const char *name, long rows, long columns) {
    struct tensor tensor = {"", rows, columns, 0, (rows ? rows : 1) * columns};
    strcpy(tensor.name, name);
    layout->tensors = realloc(layout->tensors, (size_t)(layout->number + 1) * sizeof tensor);
    if (!layout->tensors) abort();
    layout->tensors[layout->number++] = tensor;
}

/* All tensors in name byte order. */
static struct layout layout_of(const struct model *m) {
    struct layout layout = {NULL, 0, 0};
    long d = m->hidden, kv = kv_width(m);
    add_tensor(&layout, "model.embed_tokens.weight", m->vocabulary, d);
    add_tensor(&layout, "model.norm.weight", 0, d);
    add_tensor(&layout, "lm_head.weight", m->vocabulary, d);
    for (long l = 0; l < m->layers; l++) {
        struct {
            const char *name;
            long rows, columns;
        } parts[] = {
            {"input_layernorm", 0, d},       {"self_attn.q_proj", d, d},
            {"self_attn.k_proj", kv, d},     {"self_attn.v_proj", kv, d},
            {"self_attn.o_proj", d, d},      {"post_attention_layernorm", 0, d},
            {"mlp.gate_proj", m->mlp, d},    {"mlp.up_proj", m->mlp, d},
            {"mlp.down_proj", d, m->mlp},
        };
        for (int i = 0; i < 9; i++) {
            char name[64];
            snprintf(name, sizeof name, "model.layers.%ld.%s.weight", l, parts[i].name);
            add_tensor(&layout, name, parts[i].rows, parts[i].columns);
        }
    }
    qsort(layout.tensors, (size_t)layout.number, sizeof *layout.tensors, by_name);
    for (int i = 0; i < layout.number; i++) {
        layout.tensors[i].at = layout.elements;
        layout.elements += layout.tensors[i].count;
    }
    return layout;
}

static const struct layout *the_layout;

/* Where a tensor lies in a flat buffer; `layer` is -1 for those of no layer. */
static float *part(float *flat, long layer, const char *name) {
    char full[64];
    if (layer < 0) snprintf(full, sizeof full, "%s.weight", name);
    else snprintf(full, sizeof full, "model.layers.%ld.%s.weight", layer, name);
    for (int i = 0; i < the_layout->number; i++)
        if (!strcmp(the_layout->tensors[i].name, full)) return flat + the_layout->tensors[i].at;
    abort();
}

/* What a layer's forward pass leaves for its backward pass. */
struct kept {
    float *x, *q, *k, *v, *o, *x2, *gate, *up, *act;
    struct norm norm1, norm2;
};

static void add(float *x, const float *y, long count) {
    for (long i = 0; i < count; i++) x[i] = x[i] + y[i];
}

static float *layer_forward(float *x, struct kept *at, float *w, long layer, long n, const struct model *m) {
    long d = m->hidden, kv = kv_width(m);
    at->x = x;
    at->norm1 = rms_norm(x, part(w, layer, "input_layernorm"), n, d, m->epsilon);
    at->q = linear(at->norm1.y, part(w, layer, "self_attn.q_proj"), n, d, d);
    at->k = linear(at->norm1.y, part(w, layer, "self_attn.k_proj"), n, kv, d);
    at->v = linear(at->norm1.y, part(w, layer, "self_attn.v_proj"), n, kv, d);
    rotate(at->q, n, m->heads, m, 1);
    rotate(at->k, n, m->kv_heads, m, 1);
    at->o = attention(at->q, at->k, at->v, n, m);
    at->x2 = linear(at->o, part(w, layer, "self_attn.o_proj"), n, d, d);
    add(at->x2, x, n * d);
    at->norm2 = rms_norm(at->x2, part(w, layer, "post_attention_layernorm"), n, d, m->epsilon);
    at->gate = linear(at->norm2.y, part(w, layer, "mlp.gate_proj"), n, m->mlp, d);
    at->up = linear(at->norm2.y, part(w, layer, "mlp.up_proj"), n, m->mlp, d);
    at->act = zeros(n * m->mlp);
    for (long i = 0; i < n * m->mlp; i++) at->act[i] = (at->gate[i] * sigma(at->gate[i])) * at->up[i];
    float *y = linear(at->act, part(w, layer, "mlp.down_proj"), n, d, m->mlp);
    add(y, at->x2, n * d);
    return y;
}

/* dx: from the gradient of the layer's output to that of its input. */
static void layer_backward(float *dx, const struct kept *at, float *w, float *g, long layer, long n,
                           const struct model *m) {
    long d = m->hidden, kv = kv_width(m), mlp = m->mlp;
    float *dact = zeros(n * mlp), *dgate = zeros(n * mlp), *dup = zeros(n * mlp), *dh = zeros(n * d);
    linear_input(dact, dx, part(w, layer, "mlp.down_proj"), n, d, mlp);
    linear_weight(part(g, layer, "mlp.down_proj"), dx, at->act, n, d, mlp);
    for (long i = 0; i < n * mlp; i++) {
        float s = sigma(at->gate[i]);
        dgate[i] = (dact[i] * at->up[i]) * (s * fmaf(at->gate[i], 1 - s, 1));
        dup[i] = dact[i] * (at->gate[i] * s);
    }
    linear_weight(part(g, layer, "mlp.gate_proj"), dgate, at->norm2.y, n, mlp, d);
    linear_weight(part(g, layer, "mlp.up_proj"), dup, at->norm2.y, n, mlp, d);
    linear_input(dh, dgate, part(w, layer, "mlp.gate_proj"), n, mlp, d);
    linear_input(dh, dup, part(w, layer, "mlp.up_proj"), n, mlp, d);
    rms_norm_backward(dx, part(g, layer, "post_attention_layernorm"), dh, at->x2, at->norm2.r,
                      part(w, layer, "post_attention_layernorm"), n, d);

    float *d_o = zeros(n * d), *dq = zeros(n * d), *dk = zeros(n * kv), *dv = zeros(n * kv);
    linear_weight(part(g, layer, "self_attn.o_proj"), dx, at->o, n, d, d);
    linear_input(d_o, dx, part(w, layer, "self_attn.o_proj"), n, d, d);
    attention_backward(dq, dk, dv, d_o, at->o, at->q, at->k, at->v, n, m);
    rotate(dq, n, m->heads, m, -1);
    rotate(dk, n, m->kv_heads, m, -1);
    linear_weight(part(g, layer, "self_attn.q_proj"), dq, at->norm1.y, n, d, d);
    linear_weight(part(g, layer, "self_attn.k_proj"), dk, at->norm1.y, n, kv, d);
    linear_weight(part(g, layer, "self_attn.v_proj"), dv, at->norm1.y, n, kv, d);
    memset(dh, 0, (size_t)(n * d) * sizeof *dh);
    linear_input(dh, dq, part(w, layer, "self_attn.q_proj"), n, d, d);
    linear_input(dh, dk, part(w, layer, "self_attn.k_proj"), n, kv, d);
    linear_input(dh, dv, part(w, layer, "self_attn.v_proj"), n, kv, d);
    rms_norm_backward(dx, part(g, layer, "input_layernorm"), dh, at->x, at->norm1.r,
                      part(w, layer, "input_layernorm"), n, d);
    float *done[] = {dact, dgate, dup, dh, d_o, dq, dk, dv};
    for (int i = 0; i < 8; i++) free(done[i]);
}

/* Gradient of a group's sequences, [rows, sequence + 1] tokens; `scale` is f32(1/N). Gives the sum of its
 * losses. g begins as +0. */
static double group_gradient(float *g, float *w, const uint32_t *tokens, long rows, float scale,
                             const struct model *m) {
    long t = m->sequence, n = rows * t, d = m->hidden, v = m->vocabulary;
    struct kept *kept = calloc((size_t)m->layers, sizeof *kept);
    float *x = zeros(n * d), *table = part(w, -1, "model.embed_tokens");
#define INPUT(i) tokens[(i) / t * (t + 1) + (i) % t]
#define TARGET(i) tokens[(i) / t * (t + 1) + (i) % t + 1]
    for (long i = 0; i < n; i++) memcpy(x + i * d, table + INPUT(i) * d, (size_t)d * sizeof *x);
    for (long l = 0; l < m->layers; l++) x = layer_forward(x, &kept[l], w, l, n, m);
    struct norm norm = rms_norm(x, part(w, -1, "model.norm"), n, d, m->epsilon);
    float *logits = linear(norm.y, part(w, -1, "lm_head"), n, v, d);

    double loss = 0;
    for (long i = 0; i < n; i++) {
        float *row = logits + i * v, top = maximum(row, v), at_target = row[TARGET(i)] - top;
        for (long j = 0; j < v; j++) row[j] = exp_(row[j] - top);
        float l = lanes(row, v);
        loss = loss + (double)(ln(l) - at_target);
        for (long j = 0; j < v; j++)
            row[j] = j == (long)TARGET(i) ? (row[j] / l - 1) * scale : (row[j] / l) * scale;
    }

    float *dh = zeros(n * d), *dx = zeros(n * d);
    linear_weight(part(g, -1, "lm_head"), logits, norm.y, n, v, d);
    linear_input(dh, logits, part(w, -1, "lm_head"), n, v, d);
    rms_norm_backward(dx, part(g, -1, "model.norm"), dh, x, norm.r, part(w, -1, "model.norm"), n, d);
    for (long l = m->layers - 1; l >= 0; l--) layer_backward(dx, &kept[l], w, g, l, n, m);
    for (long i = 0; i < n; i++) add(part(g, -1, "model.embed_tokens") + INPUT(i) * d, dx + i * d, d);
    return loss;
}

/* The tree over groups first to first + count - 1. */
static double gradient(float *g, float *w, const uint32_t *tokens, long batch, long groups, long first, long count,
                       const struct model *m) {
    if (count == 1) {
        long from = first * batch / groups, to = (first + 1) * batch / groups;
        float scale = (float)(1 / (double)(batch * m->sequence));
        return group_gradient(g, w, tokens + from * (m->sequence + 1), to - from, scale, m);
    }
    float *right = zeros(the_layout->elements);
    double loss = gradient(g, w, tokens, batch, groups, first, count / 2, m);
    double more = gradient(right, w, tokens, batch, groups, first + count / 2, count / 2, m);
    add(g, right, the_layout->elements);
    free(right);
    return loss + more;
}

static double global_norm(const float *g) {
    double sum = 0;
    for (int i = 0; i < the_layout->number; i++)
        sum = sum + lanes_of_squares(g + the_layout->tensors[i].at, the_layout->tensors[i].count);
    return sqrt(sum);
}

static float rate_of_step(const struct optimizer *o, long s) {
    double warm_up = (double)o->warm_up_steps;
    if (s <= o->warm_up_steps) return (float)(o->learning_rate * (double)s / warm_up);
    long steps = o->steps > o->warm_up_steps + 1 ? o->steps : o->warm_up_steps + 1;
    double progress = ((double)s - warm_up) / ((double)steps - warm_up);
    return (float)(o->final_learning_rate + (0.5 * (o->learning_rate - o->final_learning_rate)) *
                                                (1 + cos(3.141592653589793 * progress)));
}

static float flushed_moment(float x) { return fabsf(x) < 0x1p-126f ? 0 : x; }

static void adamw(float *w, float *m, float *v, const float *g, double norm, float rate, long s,
                  const struct optimizer *o) {
    float beta1 = (float)o->beta1, beta2 = (float)o->beta2, epsilon = (float)o->epsilon;
    float rest1 = (float)(1 - o->beta1), rest2 = (float)(1 - o->beta2);
    float c1 = (float)(1 / (1 - pow(o->beta1, (double)s))), c2 = (float)(1 / (1 - pow(o->beta2, (double)s)));
    float decayed = (float)(1 - (double)rate * o->weight_decay);
    float factor = norm > o->clip ? (float)(o->clip / norm) : 1;
    for (int t = 0; t < the_layout->number; t++) {
        const struct tensor *tensor = &the_layout->tensors[t];
        float keep = tensor->rows ? decayed : 1;
        for (long i = tensor->at; i < tensor->at + tensor->count; i++) {
            float gradient = g[i] * factor;
            m[i] = flushed_moment(fmaf(beta1, m[i], rest1 * gradient));
            v[i] = flushed_moment(fmaf(beta2, v[i], rest2 * (gradient * gradient)));
            float u = (m[i] * c1) / (sqrtf(v[i] * c2) + epsilon);
            w[i] = fmaf(-rate, u, w[i] * keep);
            m[i] = canonical(m[i]);
            v[i] = canonical(v[i]);
            w[i] = canonical(w[i]);
        }
    }
}

//! Attention of `bf16-v1` against the page's text made of plain products, on every instruction set.

use glasswork_kernels::attention::{self, BLOCK, Shape};
use glasswork_kernels::gemm::{Start, View, bf16::reference};
use glasswork_kernels::{Isa, Pool, Profile, lanes, math};

/// Reproducible values around zero, −0 and subnormals among them.
fn values(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        match state % 61 {
            0 => -0.0,
            1 => f32::from_bits(0x0040_0fff),
            _ => ((state >> 40) as f32) / (1_u64 << 23) as f32 - 1.0,
        }
    };
    (0..count).map(|_| next()).collect()
}

fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

/// One head's rows out of rows of `stride`.
fn head(data: &[f32], stride: usize, column: usize, width: usize) -> Vec<f32> {
    let rows = data.chunks_exact(stride);
    rows.flat_map(|row| &row[column..column + width])
        .copied()
        .collect()
}

/// `A·B`, from +0.
fn product(a: View, b: View) -> Vec<f32> {
    let mut c = vec![0.0; a.rows() * b.cols()];
    reference::gemm(&mut c, b.cols(), a, b, Start::Zero);
    c
}

/// One head as `docs/numerics.md` writes it.
struct Head {
    shape: Shape,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
}

impl Head {
    fn view<'a>(&self, x: &'a [f32], rows: usize) -> View<'a> {
        View::new(x, rows, self.shape.width)
    }

    /// Scaled scores of query `i` against the keys up to its own.
    fn scores(&self, i: usize) -> Vec<f32> {
        let q = View::new(&self.q[i * self.shape.width..], 1, self.shape.width);
        let s = product(q, self.view(&self.k, i + 1).transposed());
        s.into_iter().map(|s| s * self.shape.scale).collect()
    }

    /// Keys or values to the end of the block of query `i`, +0 beyond the sequence.
    fn block(&self, x: &[f32], i: usize) -> Vec<f32> {
        let end = (i / BLOCK + 1) * BLOCK;
        let mut x = x[..x.len().min(end * self.shape.width)].to_vec();
        x.resize(end * self.shape.width, 0.0);
        x
    }

    /// Output, m and l of query `i`.
    fn forward(&self, i: usize) -> (Vec<f32>, f32, f32) {
        let s = self.scores(i);
        let m = s.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut p: Vec<f32> = s.iter().map(|s| math::exp(s - m)).collect();
        let l = lanes::sum(&p);
        let v = self.block(&self.v, i);
        let keys = v.len() / self.shape.width;
        p.resize(keys, 0.0);
        let o = product(View::new(&p, 1, keys), self.view(&v, keys));
        (o.into_iter().map(|o| (o + 0.0) / l).collect(), m, l)
    }

    /// p and dS of every query, `[tokens, tokens]`, and dQ.
    fn scores_backward(&self, o: &[f32], d_o: &[f32]) -> [Vec<f32>; 3] {
        let (width, tokens) = (self.shape.width, self.shape.sequence);
        let (mut all_p, mut all_ds, mut dq) = (vec![], vec![], vec![]);
        for i in 0..tokens {
            let (_, m, l) = self.forward(i);
            let mut p: Vec<f32> = self
                .scores(i)
                .iter()
                .map(|s| math::exp(s - m) / l)
                .collect();
            let row = i * width..(i + 1) * width;
            let d = lanes::dot(&d_o[row.clone()], &o[row.clone()]);
            let d_row = View::new(&d_o[row], 1, width);
            let dp = product(d_row, self.view(&self.v, i + 1).transposed());
            let gradient = |(p, dp): (&f32, f32)| (p * (dp - d)) * self.shape.scale;
            let mut ds: Vec<f32> = p.iter().zip(dp).map(gradient).collect();
            let k = self.block(&self.k, i);
            let keys = k.len() / width;
            ds.resize(keys, 0.0);
            dq.extend(product(View::new(&ds, 1, keys), self.view(&k, keys)));
            ds.resize(tokens, 0.0);
            p.resize(tokens, 0.0);
            all_p.extend(p);
            all_ds.extend(ds);
        }
        [all_p, all_ds, dq]
    }

    /// `Σ Pᵀ·X` over the queries from the block of each key on.
    fn gathered(&self, p: &[f32], x: &[f32]) -> Vec<f32> {
        let (width, tokens) = (self.shape.width, self.shape.sequence);
        let mut all = Vec::new();
        for key in 0..tokens {
            let first = key / BLOCK * BLOCK;
            let column = View::strided(&p[first * tokens + key..], tokens - first, 1, tokens);
            let x = View::new(&x[first * width..], tokens - first, width);
            all.extend(product(column.transposed(), x));
        }
        all
    }
}

fn rows_of_heads(n: usize, shape: Shape) -> Vec<f32> {
    values(n * shape.row(), 11)
}

fn pools(isas: &[Isa]) -> Vec<Pool> {
    isas.iter()
        .map(|&isa| Pool::new(2, isa).expect("threads"))
        .collect()
}

/// Forward and, for whole blocks, backward on `pool`: o, m, l, d_qkv.
fn computed(pool: &Pool, shape: Shape, qkv: &[f32]) -> [Vec<f32>; 4] {
    let n = qkv.len() / shape.row();
    let (mut o, mut m, mut l) = (
        vec![9.0; n * shape.out_row()],
        vec![0.0; n * shape.heads],
        vec![0.0; n * shape.heads],
    );
    attention::forward(pool, Profile::Bf16V1, shape, &mut o, &mut m, &mut l, qkv);
    let mut d_qkv = vec![7.0; qkv.len()];
    if shape.sequence.is_multiple_of(BLOCK) {
        let d_o = values(n * shape.out_row(), 12);
        let saved = attention::Saved {
            d_o: &d_o,
            o: &o,
            m: &m,
            l: &l,
            qkv,
        };
        attention::backward(pool, Profile::Bf16V1, shape, &mut d_qkv, saved);
    }
    [o, m, l, d_qkv]
}

#[test]
fn it_is_the_written_one_on_every_instruction_set() {
    let pools = pools(&Isa::available());
    for (sequence, width) in [(1, 8), (31, 40), (32, 64), (45, 8), (64, 24), (96, 40)] {
        let shape = Shape::new(sequence, 4, 2, width);
        let qkv = rows_of_heads(sequence, shape);
        let d_o = values(sequence * shape.out_row(), 12);
        let at = |column: usize| head(&qkv, shape.row(), column * width, width);
        for pool in &pools {
            let [o, m, l, d_qkv] = computed(pool, shape, &qkv);
            let [mut dk, mut dv] = [vec![vec![]; 2], vec![vec![]; 2]];
            for index in 0..4 {
                let kv = index / 2;
                let head_of = Head {
                    shape,
                    q: at(index),
                    k: at(4 + kv),
                    v: at(6 + kv),
                };
                let place = format!("{pool:?} {sequence} × {width}, head {index}");
                let o = head(&o, shape.out_row(), index * width, width);
                for i in 0..sequence {
                    let (row, top, sum) = head_of.forward(i);
                    assert_eq!(
                        bits(&o[i * width..][..width]),
                        bits(&row),
                        "o, {place}, {i}"
                    );
                    let at = index * sequence + i;
                    assert_eq!(bits(&[m[at], l[at]]), bits(&[top, sum]), "{place}, {i}");
                }
                if !sequence.is_multiple_of(BLOCK) {
                    continue;
                }
                let d_o = head(&d_o, shape.out_row(), index * width, width);
                let [p, ds, dq] = head_of.scores_backward(&o, &d_o);
                let found = head(&d_qkv, shape.row(), index * width, width);
                assert_eq!(bits(&found), bits(&dq), "dq, {place}");
                for (all, part) in [
                    (&mut dk[kv], head_of.gathered(&ds, &head_of.q)),
                    (&mut dv[kv], head_of.gathered(&p, &d_o)),
                ] {
                    if all.is_empty() {
                        *all = part;
                    } else {
                        all.iter_mut().zip(part).for_each(|(a, b)| *a += b);
                    }
                }
            }
            for (name, first, all) in [("dk", 4, &dk), ("dv", 6, &dv)] {
                for (kv, expected) in all.iter().enumerate().filter(|(_, all)| !all.is_empty()) {
                    let found = head(&d_qkv, shape.row(), (first + kv) * width, width);
                    assert_eq!(bits(&found), bits(expected), "{name} {kv}, {pool:?}");
                }
            }
        }
    }
}

/// More queries than are kept at a time.
#[test]
fn a_long_sequence_is_the_same_on_every_instruction_set() {
    let isas = Isa::available();
    let fast = if isas.len() > 1 {
        &isas[1..]
    } else {
        &isas[..]
    };
    let shape = Shape::new(1056, 2, 1, 40);
    let qkv = rows_of_heads(1056, shape);
    let mut first = None;
    for pool in pools(fast) {
        let all = computed(&pool, shape, &qkv).map(|part| bits(&part));
        assert!(*first.get_or_insert_with(|| all.clone()) == all, "{pool:?}");
    }
}

//! How long scoring takes on this machine, measured on one layer of the model.

use glasswork_model::Scorer;
use glasswork_model::scoring::Cut;
use serde::Serialize;
use std::time::Instant;

/// Rows that are timed: enough for the products' speed, few enough to take seconds.
const SAMPLE_ROWS: usize = 512;

/// A layer's timings.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LayerTimes {
    /// Reading and packing one layer for the first time, from disk unless the system had it; seconds.
    pub first_load: f64,
    /// The same again, from the system's cache; seconds.
    pub load: f64,
    /// Rows a second through the layer, in sequences of `length` inputs.
    pub rows_per_second: f64,
    /// Inputs of a timed sequence.
    pub length: usize,
}

/// What a number of tokens takes.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Estimate {
    /// Passes over the model's files.
    pub passes: u64,
    /// Wall time; seconds.
    pub seconds: f64,
}

impl LayerTimes {
    /// Times a layer in the middle with sequences of at most `length` inputs, cut as `cut` says; takes seconds.
    pub fn measure(scorer: &mut Scorer, cut: Cut, length: usize) -> Self {
        let timed = |work: &mut dyn FnMut()| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        };
        // The first one may wait for the disk.
        let first_load = timed(&mut || scorer.load_sample_layer());
        let load = first_load.min(timed(&mut || scorer.load_sample_layer()));
        let sample = length.min(SAMPLE_ROWS);
        let count = (SAMPLE_ROWS.min(cut.chunk_rows) / sample).max(1);
        let mut run = || timed(&mut || scorer.run_sample_layer(count, sample));
        run();
        let rows_per_second = (count * sample) as f64 / run().min(run());
        Self {
            first_load,
            load,
            rows_per_second,
            length: sample,
        }
    }

    /// What `tokens` tokens in sequences of `length` inputs take.
    pub fn estimate(&self, scorer: &Scorer, cut: Cut, tokens: u64, length: usize) -> Estimate {
        let decoder = scorer.checkpoint().decoder();
        // Longer sequences than the sample cost more attention; the head is a product like the others.
        let of_layer = 2 * decoder.layer_matmul_parameters();
        let attention = |length: usize| 2 * (decoder.query_width() * length) as u64;
        let flops = self.rows_per_second * (of_layer + attention(self.length)) as f64;
        let compute = tokens as f64 * decoder.forward_flops_per_token(length) as f64 / flops;
        let layer_share = of_layer as f64 / (scorer.checkpoint().parameters() as f64 * 2.0);
        let passes = passes(tokens, length, cut.wave_rows);
        let layers = passes as f64 / layer_share;
        // The next layer is read while one computes: a disk costs time only where it is slower than that.
        let disk = (layers * (self.first_load - self.load).max(0.0) - compute).max(0.0);
        Estimate {
            passes,
            seconds: compute + layers * self.load + disk,
        }
    }
}

/// Passes over the files: each takes whole sequences, at least one.
fn passes(tokens: u64, length: usize, wave_rows: usize) -> u64 {
    let a_wave = (wave_rows / length).max(1) * length;
    tokens.div_ceil(a_wave as u64)
}

#[cfg(test)]
mod tests {
    use super::passes;

    #[test]
    fn a_pass_takes_whole_sequences() {
        assert_eq!(passes(4096, 1024, 4096), 1);
        // Three whole sequences fit into a pass, not three and a half.
        assert_eq!(passes(7 * 1024, 1024, 3584), 3);
        assert_eq!(passes(7 * 1024, 1024, 10), 7);
    }
}

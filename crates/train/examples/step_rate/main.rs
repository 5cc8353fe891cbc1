//! Our side of `cargo xtask bench train`: training steps of a fixed size on made-up tokens.
//!
//! `step_rate --size S|M --threads N [--groups G] [--micro-batch M] [--profile P]` prints a `ready` line, then for
//! each line `go N` on standard input runs N whole steps (gradient, clip, AdamW, state digest) and
//! prints one JSON line with their times. `peers/torch_bench.py` speaks the same.
//!
//! It also tells what evidence costs. `digest_ms` is the state digest that every step takes, timed again on
//! its own; `record_ms` is what a run adds around a step, spread over the steps of a segment: the batch's
//! digest, the rows of the metrics, the ledger (`record`). `digest_share` is both over a step with both.

mod record;

use glasswork_data::Batch;
use glasswork_kernels::{Isa, Pool};
use glasswork_model::{Engine, ModelConfig};
use glasswork_release::{Digest, config::RunConfig};
use glasswork_train::{Stepper, TrainState};
use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: glasswork_kernels::CacheLines = glasswork_kernels::CacheLines;

/// Sizes S and M: hidden, layers, heads, mlp, sequence, batch.
const SIZES: [(&str, [usize; 6]); 2] = [
    ("S", [256, 6, 4, 688, 256, 16]),
    ("M", [512, 8, 8, 1376, 512, 8]),
];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str, default: &str| {
        let at = arguments.iter().position(|a| a == name);
        at.and_then(|i| arguments.get(i + 1))
            .map_or(default.to_owned(), Clone::clone)
    };
    let number =
        |name: &str, default: &str| option(name, default).parse::<usize>().expect("a number");
    let size = option("--size", "S");
    let shape = SIZES
        .iter()
        .find(|(name, _)| *name == size)
        .expect("size S or M")
        .1;
    let isa = std::env::var("GLASSWORK_ISA").map_or(Isa::best(), |name| {
        name.parse().expect("an instruction set")
    });
    let run = run_config(shape, number("--groups", "1"));
    let pool = Arc::new(Pool::new(number("--threads", "2"), isa).expect("threads"));
    let profile = option("--profile", "f32-v1")
        .parse()
        .expect("a numerics profile");
    let model = ModelConfig::from_run(&run).expect("a Llama");
    let flops = model.training_flops_per_token();
    let engine = Engine::new(model, profile, pool);
    let mut state = TrainState::initial(engine.config(), engine.layout(), run.seed);
    let mut stepper = Stepper::new(run.clone(), engine, 1, number("--micro-batch", "4"));
    let mut next = 1_u32;
    let mut step = || {
        let tokens = (0..run.training.batch * (run.model.sequence + 1)).map(|_| {
            next = next.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (next >> 8) % run.model.vocabulary as u32
        });
        let batch = Batch {
            tokens: tokens.collect(),
            source: vec![0; run.training.batch],
            digest: Digest([0; 32]),
        };
        let start = Instant::now();
        let outcome = stepper.step(&mut state, &batch).expect("tokens fit");
        let step = start.elapsed();
        let start = Instant::now();
        let digest = state.digest(stepper.engine());
        let digest_time = start.elapsed();
        assert_eq!(digest, outcome.row.state_digest);
        let times = [step, digest_time].map(|time| time.as_secs_f64() * 1e3);
        (times, outcome.row, batch.tokens)
    };
    let (_, row, some_tokens) = step();
    let record_ms = record::milliseconds(&row, &some_tokens);
    let whole_peak = peak_mib();
    forget_peak();
    println!("{{\"event\":\"ready\",\"isa\":\"{}\"}}", isa.name());
    let tokens = run.tokens_per_step() as f64;
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("standard input");
        let Some(count) = line
            .strip_prefix("go ")
            .and_then(|n| n.trim().parse::<usize>().ok())
        else {
            break;
        };
        let times: Vec<[f64; 2]> = (0..count).map(|_| step().0).collect();
        let steps: Vec<f64> = times.iter().map(|[step, _]| *step).collect();
        let (step_ms, digest_ms) = (
            median(steps.clone()),
            median(times.iter().map(|[_, digest]| *digest).collect()),
        );
        let rate = tokens / step_ms * 1e3;
        let flops = rate * flops as f64 / 1e9;
        let share = (digest_ms + record_ms) / (step_ms + record_ms);
        let peak = peak_mib();
        println!(
            "{{\"event\":\"steps\",\"ms\":{steps:?},\"median_ms\":{step_ms:.1},\"tokens_per_second\":{rate:.1},\"gflops\":{flops:.1},\
             \"digest_ms\":{digest_ms:.2},\"record_ms\":{record_ms:.3},\"digest_share\":{share:.5},\
             \"peak_rss_mib\":{},\"step_peak_mib\":{peak}}}",
            whole_peak.max(peak)
        );
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    assert!(!values.is_empty(), "`go` wants at least one");
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len().is_multiple_of(2) {
        f64::midpoint(values[middle - 1], values[middle])
    } else {
        values[middle]
    }
}

fn run_config(
    [hidden, layers, heads, mlp, sequence, batch]: [usize; 6],
    groups: usize,
) -> RunConfig {
    let text = format!(
        "format = 1\nname = \"bench\"\nseed = 1\nprofile = \"f32-v1\"\n\
         [model]\narchitecture = \"llama\"\nvocabulary = 8192\nhidden = {hidden}\nlayers = {layers}\nheads = {heads}\nkv_heads = {heads}\n\
         mlp = {mlp}\nsequence = {sequence}\n[tokenizer]\nkind = \"byte-bpe\"\n\
         [[source]]\nid = \"none\"\nkind = \"crate-code\"\nweight = 1\nreference = \"none\"\nlock = \"Cargo.lock\"\n\
         [gate]\nallow = [\"MIT\"]\n[split]\nheld_out = 0.01\neval_bytes = 1000\n\
         [training]\nsteps = 100000\nbatch = {batch}\nreduction_groups = {groups}\ncheckpoint_steps = [0, 100000]\n\
         [optimizer]\nkind = \"adamw\"\nlearning_rate = 1e-3\nfinal_learning_rate = 1e-3\nwarm_up_steps = 1\nbeta1 = 0.9\nbeta2 = 0.95\n\
         epsilon = 1e-8\nweight_decay = 0.1\nclip = 1.0\n[evaluation]\nprompts = [\"a\"]\nsample_tokens = 1\n"
    );
    RunConfig::parse(&text, Path::new("bench")).expect("the configuration above is whole")
}

/// Peak resident memory of this process, MiB; 0 where /proc does not tell.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok())
        .unwrap_or(0)
        / 1024
}

/// Lets the kernel's high-water mark start again from what is held now, where it can.
fn forget_peak() {
    drop(std::fs::write("/proc/self/clear_refs", "5"));
}

//! Matrix products, f32 (judged) and bf16 (reported), one and two threads.

use super::contest::{Contest, Entrant, Measure, Program, Question, Rate};

/// Rows of C, columns of C, terms of a sum; and the name.
const SHAPES: [([usize; 3], &str); 3] = [
    ([4096, 4096, 4096], "square"),
    ([4096, 512, 1376], "short"),
    ([4096, 512, 8192], "deep"),
];
const RATE: Rate = Rate {
    key: "gflops",
    unit: "GF/s",
};
/// Floating-point operations of a turn, a thread: about a second at what the machines at hand reach.
const TURN: usize = 150_000_000_000;

/// Every shape with one thread and with two, after the machine's own limits.
pub(super) fn contests() -> Vec<Contest> {
    let mut contests = Vec::new();
    for (threads, tag) in [(1, "1-thread"), (2, "2-threads")] {
        contests.push(peak(threads, tag));
        let shapes = SHAPES.iter();
        contests.extend(shapes.map(|&(shape, name)| products(shape, threads, vec![tag, name])));
    }
    contests
}

fn ours(name: &str, arguments: &str) -> Entrant {
    Entrant::new(name, Program::Example("gemm_rate"), arguments)
}

/// Multiply-adds in registers: what no product can outrun.
fn peak(threads: usize, tag: &'static str) -> Contest {
    Contest {
        section: "gemm".to_owned(),
        subject: format!("machine's limit, {}", plural(threads)),
        tags: vec![tag, "peak"],
        model: None,
        sides: ["avx2", "avx512", "amx"]
            .map(|isa| registers(threads, isa))
            .into(),
        questions: (0..3)
            .map(|side| Question::alone(Measure::Speed, side))
            .collect(),
        rate: RATE,
        work: 5,
        turns: 5,
    }
}

fn registers(threads: usize, isa: &'static str) -> Entrant {
    let arguments = format!("--peak --threads {threads}");
    ours(&format!("registers, {isa}"), &arguments).on(isa)
}

fn products([m, n, k]: [usize; 3], threads: usize, mut tags: Vec<&'static str>) -> Contest {
    let shape = format!("--m {m} --n {n} --k {k} --threads {threads}");
    let peer = |precision: &str| {
        let arguments = format!("{shape} --precision {precision}");
        let name = format!("PyTorch {precision}");
        Entrant::new(name, Program::Peer("peers/torch_gemm.py"), &arguments)
    };
    tags.extend(["f32", "bf16"]);
    Contest {
        section: "gemm".to_owned(),
        subject: format!("{m} × {n} × {k}, {}", plural(threads)),
        tags,
        model: None,
        // What is judged stands side by side, so that least time lies between its turns.
        sides: vec![
            registers(threads, "avx512"),
            ours("f32-v1", &shape),
            peer("f32"),
            ours("f32-v1, B packed once", &format!("{shape} --packed")),
            registers(threads, "amx"),
            ours("bf16-v1", &format!("{shape} --profile bf16-v1")),
            peer("bf16"),
        ],
        questions: vec![
            Question::speed(1, 2).at_least(0.95, 1.0),
            Question::speed(3, 2),
            Question::speed(1, 0),
            Question::speed(2, 0),
            Question::speed(5, 6),
            Question::speed(5, 4),
            Question::speed(6, 4),
        ],
        rate: RATE,
        work: (TURN * threads / (2 * m * n * k)).max(3),
        turns: 7,
    }
}

fn plural(threads: usize) -> String {
    format!("{threads} thread{}", if threads == 1 { "" } else { "s" })
}

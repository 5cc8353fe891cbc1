//! Training steps: speed, peak memory, and what evidence costs.

use super::contest::{Contest, Entrant, Measure, Program, Question, Rate};

const RATE: Rate = Rate {
    key: "tokens_per_second",
    unit: "tokens/s",
};
const TURNS: usize = 7;

/// f32, bf16 and bf16 without AMX, of both sizes.
pub(super) fn contests() -> Vec<Contest> {
    // Steps of M take three to four times as long.
    [("S", 3), ("M", 2)]
        .into_iter()
        .flat_map(|(size, steps)| {
            [
                against_torch(size, steps, "f32"),
                against_torch(size, steps, "bf16"),
                without_amx(size, steps),
            ]
        })
        .collect()
}

fn ours(name: &str, size: &str, profile: &str, more: &str) -> Entrant {
    let arguments = format!("--size {size} --threads 2 --profile {profile} {more}");
    Entrant::new(name, Program::Example("step_rate"), &arguments)
}

fn contest(size: &'static str, steps: usize, tag: &'static str) -> Contest {
    Contest {
        section: format!("train {size}"),
        subject: format!("step, {size} {tag}"),
        tags: vec![size, tag],
        model: None,
        sides: Vec::new(),
        questions: Vec::new(),
        rate: RATE,
        work: steps,
        turns: TURNS,
    }
}

fn against_torch(size: &'static str, steps: usize, precision: &'static str) -> Contest {
    let profile = format!("{precision}-v1");
    let peer = |mode: &str| {
        let arguments = format!("--size {size} --threads 2 --mode {mode} --precision {precision}");
        let name = format!("PyTorch {mode} {precision}");
        Entrant::new(name, Program::Peer("peers/torch_bench.py"), &arguments)
    };
    let groups = format!("{profile}, 8 groups");
    let speed = Question::speed(0, 1);
    Contest {
        sides: vec![
            ours(&profile, size, &profile, ""),
            peer("compile"),
            peer("eager"),
            ours(&groups, size, &profile, "--groups 8"),
        ],
        questions: vec![
            match precision {
                "f32" => speed.at_least(1.2, 1.35),
                _ => speed.at_least(1.7, 2.5).judged_on("amx"),
            },
            Question::speed(0, 2),
            Question::speed(3, 1),
            Question::memory(0, 1).at_most(1.0, 0.6),
            Question::memory(0, 2),
            Question::memory(3, 1),
            Question::alone(Measure::Evidence, 0).at_most(0.02, 0.01),
        ],
        ..contest(size, steps, precision)
    }
}

/// What bf16 costs where no tile unit pays for it: ours against ours.
fn without_amx(size: &'static str, steps: usize) -> Contest {
    let on = |profile: &str, isa| ours(&format!("{profile}, {isa}"), size, profile, "").on(isa);
    Contest {
        subject: format!("step, {size} bf16 without AMX"),
        sides: vec![
            on("bf16-v1", "avx512"),
            on("f32-v1", "avx512"),
            on("bf16-v1", "avx2"),
            on("f32-v1", "avx2"),
        ],
        questions: vec![
            Question::speed(0, 1).at_least(0.9, 1.0),
            Question::speed(2, 3),
        ],
        ..contest(size, steps, "no-amx")
    }
}

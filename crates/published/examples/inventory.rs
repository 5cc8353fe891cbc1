//! Prints what a folder holds: `cargo run --release -p glasswork-published --example inventory -- FOLDER [--json]`.

use std::process::ExitCode;

use glasswork_published::{Door, Error, Place, Publication};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        eprintln!("usage: inventory FOLDER [--json]");
        return ExitCode::from(2);
    };
    match look(&name, arguments.next().as_deref() == Some("--json")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            error
                .hint()
                .iter()
                .for_each(|hint| eprintln!("hint: {hint}"));
            ExitCode::FAILURE
        }
    }
}

fn look(name: &str, json: bool) -> Result<(), Error> {
    let publication = Publication::open(&Place::parse(name)?, &Door::default())?;
    let inventory = publication.inventory();
    if json {
        let text = serde_json::to_string_pretty(inventory).expect("an inventory is plain data");
        println!("{text}");
        return Ok(());
    }
    println!("{}: {:?}", inventory.place, inventory.layout);
    for (number, checkpoint) in inventory.checkpoints.iter().enumerate() {
        let bytes: u64 = checkpoint.weights.iter().map(|file| file.bytes).sum();
        println!(
            "{}: step {:?}, chunk {:?}, tokens {:?}, {} tensors in {} files of {bytes} bytes, {} of the optimizer",
            checkpoint.name,
            checkpoint.step,
            checkpoint.chunk,
            checkpoint.tokens,
            checkpoint.tensors.len(),
            checkpoint.weights.len(),
            checkpoint.optimizer.len(),
        );
        if let Some(tensor) = checkpoint.tensors.last() {
            let values = publication.sample(number, &tensor.name, 4096)?;
            println!(
                "  {} {:?}: {} values sampled",
                tensor.name,
                tensor.shape,
                values.len()
            );
        }
    }
    println!(
        "{} cards, {} licences, {} files of data, {} results, {} series, {} files of code, {} others",
        inventory.cards.len(),
        inventory.licences.len(),
        inventory.data.len(),
        inventory.evaluations.len(),
        inventory.metrics.len(),
        inventory.code.len(),
        inventory.other.len(),
    );
    for problem in &inventory.problems {
        println!("problem: {}: {}", problem.path, problem.reason);
    }
    Ok(())
}

//! What a file is, by its name and where it lies. What its content must decide is decided later.

use crate::inventory::DataKind;

/// What a name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Weights of a model.
    Weights,
    /// State of an optimizer, a schedule, a random generator.
    Optimizer,
    /// Part of a tokenizer.
    Tokenizer,
    /// `config.json`.
    Config,
    /// Which tensor lies in which file.
    Index,
    /// `trainer_state.json`.
    TrainerState,
    /// A card, or another page in Markdown.
    Card,
    /// A licence or a notice.
    Licence,
    /// Results, if its content agrees.
    Evaluation,
    /// A log, if its content agrees; else data, where there is a kind.
    Log(Option<DataKind>),
    /// Training data.
    Data(DataKind),
    /// A source file, or what sources need.
    Code,
    /// Anything else.
    Other,
}

/// Extensions of sources and of their settings.
const CODE: [&str; 18] = [
    "py", "sh", "ipynb", "yaml", "yml", "toml", "cfg", "ini", "rs", "c", "cc", "cpp", "cu", "h",
    "js", "ts", "jinja", "slurm",
];
/// Files that sources need.
const NEEDS: [&str; 6] = [
    "requirements",
    "dockerfile",
    "makefile",
    "environment.",
    "setup.",
    "pipfile",
];
/// Words in names of logs, and of folders of results and of data.
const LOG: [&str; 6] = ["metric", "log", "loss", "history", "wandb", "curve"];
const RESULTS: [&str; 5] = ["eval", "evals", "evaluation", "evaluations", "results"];
const DATA: [&str; 6] = ["data", "train", "dataset", "datasets", "chunks", "corpus"];

impl Kind {
    /// What `path` is.
    pub(crate) fn of(path: &str) -> Self {
        let path = path.to_ascii_lowercase();
        let mut parts: Vec<&str> = path.split('/').collect();
        let name = parts.pop().unwrap_or_default();
        let within = |words: &[&str]| parts.iter().any(|part| words.contains(part));
        let starts = |words: &[&str]| words.iter().any(|word| name.starts_with(word));
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);

        match name {
            "config.json" => return Self::Config,
            "trainer_state.json" => return Self::TrainerState,
            "training_args.bin" => return Self::Other,
            _ => {}
        }
        if name.ends_with(".index.json") {
            return Self::Index;
        }
        if starts(&[
            "licence",
            "license",
            "copying",
            "notice",
            "use_policy",
            "acceptable_use",
        ]) && extension != "py"
        {
            return Self::Licence;
        }
        if starts(&["optim", "scheduler", "rng_state", "random_states", "scaler"])
            || name.contains("optim_states")
            || name.contains("model_states")
            || starts(&["mp_rank_"])
        {
            return Self::Optimizer;
        }
        if starts(&[
            "tokenizer",
            "vocab.",
            "merges.txt",
            "special_tokens_map",
            "added_tokens",
            "spiece.model",
            "chat_template",
        ]) {
            return if extension == "py" {
                Self::Code
            } else {
                Self::Tokenizer
            };
        }
        let torch = ["bin", "pt", "pth"].contains(&extension);
        if extension == "safetensors"
            || torch && starts(&["pytorch_model", "model", "consolidated", "adapter_model"])
        {
            return Self::Weights;
        }
        if ["md", "markdown"].contains(&extension) {
            return Self::Card;
        }
        let results = within(&RESULTS)
            || starts(&["eval_", "results_", "evaluation_", "eval-"])
            || name == "results.json";
        if extension == "json" && results {
            return Self::Evaluation;
        }
        if starts(&NEEDS) || CODE.contains(&extension) {
            return Self::Code;
        }
        let data = data_kind(&name.replace(".jsonlines", ".jsonl"), within(&DATA));
        let log =
            LOG.iter().any(|word| name.contains(word)) || within(&["logs", "metrics", "wandb"]);
        match (extension, data) {
            ("csv", _) => Self::Log(data),
            ("jsonl" | "parquet", _) if log => Self::Log(data),
            (_, Some(kind)) => Self::Data(kind),
            _ => Self::Other,
        }
    }
}

/// The format of data. Endings that other files have, too, count only in a folder of data.
fn data_kind(name: &str, in_data: bool) -> Option<DataKind> {
    let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    if ends(&[".jsonl"]) {
        Some(DataKind::Jsonl)
    } else if ends(&[
        ".jsonl.gz",
        ".jsonl.zst",
        ".jsonl.bz2",
        ".jsonl.xz",
        ".json.gz",
        ".json.zst",
    ]) {
        Some(DataKind::CompressedJsonl)
    } else if ends(&[".parquet"]) {
        Some(DataKind::Parquet)
    } else if ends(&[".arrow", ".feather"]) {
        Some(DataKind::Arrow)
    } else if ends(&[".h5", ".hdf5", ".h5.gz", ".hdf5.gz"]) && (in_data || !ends(&["tf_model.h5"]))
    {
        Some(DataKind::Hdf5)
    } else if ends(&[".npy", ".npz", ".idx"]) || in_data && ends(&[".bin"]) {
        Some(DataKind::Tokens)
    } else if ends(&[".tar", ".tar.gz", ".tgz", ".tar.zst", ".zip"]) && in_data {
        Some(DataKind::Archive)
    } else if in_data && ends(&[".txt", ".txt.gz", ".csv"]) {
        Some(DataKind::Text)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_files_are() {
        use DataKind::{CompressedJsonl, Hdf5, Jsonl, Parquet, Tokens};
        for (path, kind) in [
            ("pytorch_model-00001-of-00003.bin", Kind::Weights),
            ("a/model.safetensors", Kind::Weights),
            ("consolidated.00.pth", Kind::Weights),
            ("model.safetensors.index.json", Kind::Index),
            ("checkpoint-5/optimizer.pt", Kind::Optimizer),
            ("checkpoint-5/rng_state_0.pth", Kind::Optimizer),
            ("step5/optim.safetensors", Kind::Optimizer),
            ("global_step5/mp_rank_00_model_states.pt", Kind::Optimizer),
            ("training_args.bin", Kind::Other),
            ("tokenizer_config.json", Kind::Tokenizer),
            ("tokenizer.py", Kind::Code),
            ("config.json", Kind::Config),
            ("README.md", Kind::Card),
            ("LICENSE", Kind::Licence),
            ("eval_arc.json", Kind::Evaluation),
            ("evals/step5/zero-shot.json", Kind::Evaluation),
            ("metrics.csv", Kind::Log(None)),
            ("wandb_history.jsonl", Kind::Log(Some(Jsonl))),
            ("metrics/train.parquet", Kind::Log(Some(Parquet))),
            ("train/train_000.jsonl", Kind::Data(Jsonl)),
            ("chunk_7.jsonl", Kind::Data(Jsonl)),
            ("data/part-1.jsonl.gz", Kind::Data(CompressedJsonl)),
            ("train/phase1.h5", Kind::Data(Hdf5)),
            ("data/document.bin", Kind::Data(Tokens)),
            ("modeling_crystal.py", Kind::Code),
            ("requirements.txt", Kind::Code),
            ("loss.png", Kind::Other),
            ("generation_config.json", Kind::Other),
            ("tf_model.h5", Kind::Other),
        ] {
            assert_eq!(Kind::of(path), kind, "{path}");
        }
    }
}

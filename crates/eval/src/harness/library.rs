//! Task files of our own writing, for data sets that the families of LLM360 and Japanese leaderboards use.
//!
//! They follow the structure of the harness's published prompts, so that numbers can be compared; names of
//! tasks, data sets and splits are its own.

use super::task_files::TaskFiles;
use std::collections::BTreeMap;

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../tasks/", $path)))),*]
    };
}

const FILES: &[(&str, &str)] = files![
    "arc/arc_challenge.yaml",
    "arc/arc_easy.yaml",
    "boolq/boolq.yaml",
    "crows_pairs/crows_pairs_english.yaml",
    "gsm8k/gsm8k.yaml",
    "hellaswag/hellaswag.yaml",
    "japanese/jcommonsenseqa.yaml",
    "japanese/jnli.yaml",
    "japanese/jsquad.yaml",
    "lambada/lambada_openai.yaml",
    "mmlu/_template.yaml",
    "mmlu/mmlu.yaml",
    "mmlu/mmlu_humanities.yaml",
    "mmlu/mmlu_other.yaml",
    "mmlu/mmlu_social_sciences.yaml",
    "mmlu/mmlu_stem.yaml",
    "openbookqa/openbookqa.yaml",
    "piqa/piqa.yaml",
    "race/race.yaml",
    "sciq/sciq.yaml",
    "siqa/social_iqa.yaml",
    "truthfulqa/truthfulqa_mc1.yaml",
    "truthfulqa/truthfulqa_mc2.yaml",
    "wikitext/wikitext.yaml",
    "winogrande/winogrande.yaml",
];

/// Subjects of MMLU, by part.
const SUBJECTS: [(&str, &str); 4] = [
    (
        "humanities",
        "formal_logic high_school_european_history high_school_us_history high_school_world_history international_law jurisprudence logical_fallacies moral_disputes moral_scenarios philosophy prehistory professional_law world_religions",
    ),
    (
        "other",
        "business_ethics clinical_knowledge college_medicine global_facts human_aging management marketing medical_genetics miscellaneous nutrition professional_accounting professional_medicine virology",
    ),
    (
        "social_sciences",
        "econometrics high_school_geography high_school_government_and_politics high_school_macroeconomics high_school_microeconomics high_school_psychology human_sexuality professional_psychology public_relations security_studies sociology us_foreign_policy",
    ),
    (
        "stem",
        "abstract_algebra anatomy astronomy college_biology college_chemistry college_computer_science college_mathematics college_physics computer_security conceptual_physics electrical_engineering elementary_mathematics high_school_biology high_school_chemistry high_school_computer_science high_school_mathematics high_school_physics high_school_statistics machine_learning",
    ),
];

/// Our tasks.
pub fn own_tasks() -> TaskFiles {
    let files = FILES
        .iter()
        .map(|&(path, text)| (path.to_owned(), text.to_owned()));
    let mut texts: BTreeMap<String, String> = files.collect();
    for (part, subjects) in SUBJECTS {
        for subject in subjects.split(' ') {
            texts.insert(
                format!("mmlu/mmlu_{subject}.yaml"),
                of_subject(part, subject),
            );
        }
    }
    TaskFiles::new(texts)
}

fn of_subject(part: &str, subject: &str) -> String {
    let words = subject.replace('_', " ");
    format!(
        "include: _template.yaml\ntask: mmlu_{subject}\ntask_alias: {subject}\ntag: mmlu_{part}_tasks\n\
         dataset_name: {subject}\n\
         description: \"The following are multiple choice questions (with answers) about {words}.\\n\\n\"\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::group::Selection;

    #[test]
    fn every_task_is_read() {
        let files = own_tasks();
        let names: Vec<String> = files.names().map(str::to_owned).collect();
        let selection = Selection::new(&files, &names, None).expect("selects");
        for (name, task) in &selection.tasks {
            let task = task
                .as_ref()
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(task.evaluated().is_ok(), "{name}");
        }
        assert_eq!(selection.tasks.len(), 57 + 19);
        let mmlu = selection
            .groups
            .iter()
            .find(|group| group.name == "mmlu")
            .expect("is there");
        assert_eq!((mmlu.children.len(), mmlu.tasks.len()), (4, 57));
    }
}

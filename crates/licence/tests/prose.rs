//! Rates of prohibitions in the prose of cards: planted ones, and sentences that say such words of something else.

use glasswork_licence::{IntendedUse, State, Statements, conflicts, read_at, restrictions};

const PRIVATE: IntendedUse = IntendedUse {
    commercial: false,
    modify: false,
    distribute: false,
    serve: false,
    train_others: false,
    users: None,
};

const PLANTED: [&str; 54] = [
    "This model is for research purposes only.",
    "The model is intended for research use only and must not be deployed.",
    "For non-commercial use only.",
    "The weights are released for non-commercial research purposes only.",
    "These checkpoints may only be used for academic research.",
    "Use of this model is limited to research purposes.",
    "The model is restricted to non-commercial use.",
    "You may use it solely for educational and research purposes.",
    "**Commercial use is strictly prohibited.**",
    "Commercial use is not permitted without our consent.",
    "This model may not be used for commercial purposes.",
    "The model can't be used for commercial applications.",
    "No commercial use.",
    "| License | research use only |",
    "- You must not use the model for commercial purposes.",
    "Our license prohibits commercial use.",
    "The weights are not licensed for commercial use.",
    "Commercial use requires a separate agreement with us.",
    "The fine-tuned weights are licensed under a non-commercial license.",
    "The code is MIT, but the weights are licensed under CC-BY-NC-4.0.",
    "Please note: exclusively for scientific use.",
    "This release is available for personal and academic use only.",
    "The model and its weights are strictly for research\npurposes.",
    "> This repository is released for noncommercial use only.",
    "For commercial use please contact us.",
    "The weights are for non-commercial research and evaluation; the code is Apache-2.0.",
    "Any commercial use of this model or of fine-tuned versions is forbidden",
    "Commercial use of this model, code, or derivative works requires a separate licensing agreement.",
    "Any commercial use of these weights requires obtaining a license from us.",
    "**⚠️ IMPORTANT: This model is intended for research purposes only. It is provided as is.**",
    "However, the weights are for NON-COMMERCIAL use only.",
    "Use is limited to non-commercial scientific research and academic development activities.",
    "本モデルの商用利用は禁止します。",
    "商用利用禁止",
    "研究目的に限ります。",
    "本モデルは研究目的のみに公開しています。",
    "非商用目的に限り利用できます。",
    "商用利用には別途許諾が必要です。",
    "商用利用を希望する場合はお問い合わせください。",
    "データセットは公開していますが、モデルの商用利用はできません。",
    "学術目的に限定して提供します。",
    "本モデルの商用使用は禁止です。",
    "営利目的の利用を禁止します。",
    "研究目的でのみ利用できます。",
    "商用での利用はできません。",
    "非営利目的に限ります。",
    "個人利用のみ可。",
    "研究利用は認めていますが、商用利用は禁止です。",
    "商用利用は認めていませんが、研究利用は認めています。",
    "No commercial usage.",
    "You may not use this model commercially.",
    "This model may not be used in commercial products.",
    "This model is ready for use, but commercial use is prohibited.",
    "Not available in the EU.",
];

const SOUND: [&str; 66] = [
    "The model is free for research and commercial use.",
    "It is meant not only for research but also for products.",
    "The data set X is non-commercial, we did not use it.",
    "The dataset is for research purposes only.",
    "We excluded all data that is for non-commercial use only.",
    "The benchmark is available for academic use only; our results are reproduced below.",
    "Unlike LLaMA, which is limited to research use, this model may be used commercially.",
    "Can I use this model only for research purposes?",
    "The primary intended use is research on the behaviour of large language models.",
    "The model was evaluated on research benchmarks only.",
    "Its knowledge is limited to academic topics.",
    "The evaluation is limited to English.",
    "We do not recommend using the model in commercial applications without further testing.",
    "It is not suitable for commercial deployment without safety measures.",
    "The model is not limited to research use.",
    "Use is not restricted to non-commercial purposes.",
    "The demo is for research purposes only.",
    "The original Alpaca data is licensed under CC-BY-NC-4.0, so we made our own.",
    "Commercial use is permitted.",
    "Commercial use is allowed under the terms of the Apache 2.0 license.",
    "The training code is for non-commercial use only.",
    "```\nfor research purposes only\n```",
    "Previous versions were for non-commercial use only.",
    "The model only produces text in research style.",
    "We hope that it helps research and education.",
    "It was trained by the non-profit research group X.",
    "Limitations: the model may produce wrong answers; use in research and products needs care.",
    "The paper describes only research results.",
    "Model outputs should not be used for medical purposes.",
    "The model is only available in English.",
    "The corpus contains books for educational purposes only.",
    "No restrictions on commercial use apply.",
    "The API is limited to personal use; the weights are free.",
    "You may use the weights for any purpose, commercial or non-commercial.",
    "This is a research model; it was only trained on 1T tokens.",
    "Commercial use of the dataset is prohibited, so it is not part of the mixture.",
    "Commercial use is allowed; military use is prohibited.",
    "Commercial use is permitted but resale of the weights alone is prohibited.",
    "The license authorizes commercial use of this model.",
    "Commercial use of this model requires no permission from us.",
    "All are redistributable and available for non-commercial use.",
    "商用利用も可能です。",
    "研究目的に限らず、商用でも利用できます。",
    "研究目的に限定されません。",
    "データセットXは非商用目的に限られるため、使用していません。",
    "学習データの一部は研究目的に限り公開されています。",
    "商用利用には制限がありません。",
    "研究だけでなく商用利用も認めています。",
    "本モデルは研究開発の成果です。",
    "コーパスは商用利用禁止ですが、重みはApache-2.0です。",
    "商用利用を認めています。",
    "商用利用は認められています。",
    "商用利用を認めます。",
    "商用利用には許可は不要です。",
    "商用利用には許諾は必要ありません。",
    "商用利用には制限を設けません。",
    "商用での利用はできます。",
    "Commercial use is never prohibited.",
    "Commercial use is in no way prohibited.",
    "Use is by no means restricted to research.",
    "Evaluation only.",
    "This split is used exclusively for evaluation.",
    "Scientific evaluation only covers MMLU.",
    "Personal projects only took us a week.",
    "The Llama weights are licensed for research use only; ours are MIT.",
    "We do not recommend commercial deployment.",
];

#[test]
fn planted_prohibitions_are_found_and_others_words_are_not() {
    let card = |sentence: &str| {
        format!("# owner/model\n\nA language model.\n\n{sentence}\n\n## Usage\n\nLoad it.\n")
    };
    let found = |sentence: &str| restrictions(&card(sentence), "README.md", "text");
    let missed: Vec<&str> = PLANTED
        .into_iter()
        .filter(|one| found(one).is_empty())
        .collect();
    let alarms: Vec<&str> = SOUND
        .into_iter()
        .filter(|one| !found(one).is_empty())
        .collect();
    println!(
        "prohibitions in prose: {} of {} planted found, {} false alarms of {}",
        PLANTED.len() - missed.len(),
        PLANTED.len(),
        alarms.len(),
        SOUND.len()
    );
    assert!(missed.is_empty(), "missed: {missed:#?}");
    assert!(alarms.is_empty(), "false alarms: {alarms:#?}");
}

#[test]
fn a_sentence_is_a_doubt_beside_a_licence_that_leaves_the_use_open() {
    let of = |licence: &str| {
        let statements = Statements {
            card: vec![read_at(licence, "README.md", "license")],
            prose: restrictions("For research purposes only.", "README.md", "text"),
            ..Statements::default()
        };
        conflicts(&statements, &PRIVATE)
            .into_iter()
            .map(|conflict| (conflict.rule, conflict.state, conflict.parties))
            .collect::<Vec<_>>()
    };
    for open in ["apache-2.0", "llama3.1", "cc-by-sa-4.0"] {
        let found = of(open);
        assert_eq!(
            (found[0].0, found[0].1),
            ("prose-restricts", State::Unknown),
            "{open}"
        );
        let origin = found[0].2[1].origin.as_ref().expect("the sentence");
        assert_eq!(origin.text, "For research purposes only.");
        assert_eq!(origin.place, "text, line 1");
    }
    // The licence says so itself.
    for closed in ["cc-by-nc-4.0", "mrl"] {
        assert!(of(closed).is_empty(), "{closed}");
    }
    // Beside a licence that nobody knows the sentence is told as well.
    assert!(
        of("other")
            .iter()
            .any(|(rule, ..)| *rule == "prose-restricts")
    );
}

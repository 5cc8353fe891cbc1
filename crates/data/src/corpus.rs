//! The corpus: every document that the sources gave, each with the verdict of every stage.
//!
//! Nothing is deleted: a rejected document keeps its place, its record and the rule that rejected
//! it. Documents are numbered by the order of their sources in the run file, then by their ids.

use std::collections::BTreeMap;

use glasswork_release::Digest;

use crate::source::{Candidate, Collected, Refusal, Stage};

/// What became of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Split {
    Train,
    HeldOut,
    Rejected,
}

impl Split {
    /// As it stands in `documents.parquet`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::HeldOut => "held-out",
            Self::Rejected => "rejected",
        }
    }
}

/// A document of the corpus; its number is its place.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    /// Index of its source in the run file.
    pub(crate) source: usize,
    pub(crate) candidate: Candidate,
    /// The number of the document that stands for all with this text.
    pub(crate) dup_cluster: u64,
    /// How many documents have this text, among those that reached the stage.
    pub(crate) dup_count: u64,
    pub(crate) split: Split,
    /// Tokens of its text, the end of text not counted; 0 where it was rejected.
    pub(crate) n_tokens: u64,
}

/// Numbers the documents, drops exact duplicates and holds some out.
pub(crate) fn assemble(collected: Vec<Collected>, held_out: f64) -> Vec<Document> {
    let mut documents: Vec<Document> = Vec::new();
    for (source, collected) in collected.into_iter().enumerate() {
        for candidate in collected.candidates {
            let number = documents.len() as u64;
            documents.push(Document {
                source,
                candidate,
                dup_cluster: number,
                dup_count: 1,
                split: Split::Rejected,
                n_tokens: 0,
            });
        }
    }
    drop_duplicates(&mut documents);
    let threshold = held_out_threshold(held_out);
    for document in &mut documents {
        let Candidate {
            refused: None,
            content_hash: Some(hash),
            ..
        } = &document.candidate
        else {
            continue;
        };
        let held_out = u128::from(leading_word(hash)) < threshold;
        document.split = if held_out {
            Split::HeldOut
        } else {
            Split::Train
        };
    }
    documents
}

/// Keeps the first document of each text, in the order of their numbers: the source that the run
/// file names first wins, then the lowest id.
fn drop_duplicates(documents: &mut [Document]) {
    let mut clusters: BTreeMap<Digest, Vec<usize>> = BTreeMap::new();
    for (number, document) in documents.iter().enumerate() {
        if let (None, Some(hash)) = (&document.candidate.refused, document.candidate.content_hash) {
            clusters.entry(hash).or_default().push(number);
        }
    }
    for cluster in clusters.into_values().filter(|cluster| cluster.len() > 1) {
        for &number in &cluster {
            let document = &mut documents[number];
            document.dup_cluster = cluster[0] as u64;
            document.dup_count = cluster.len() as u64;
            if number != cluster[0] {
                document.candidate.text = String::new();
                document.candidate.refused = Some(Refusal {
                    stage: Stage::Dedup,
                    rule: "exact-duplicate",
                    found: format!("same text as document {}", cluster[0]),
                });
            }
        }
    }
}

/// `fraction · 2^64`: the scaling is exact, so that only the fraction itself was ever rounded.
fn held_out_threshold(fraction: f64) -> u128 {
    (fraction * 2f64.powi(64)) as u128
}

/// The first eight bytes of a hash, little-endian: the draw that decides about held-out text.
fn leading_word(hash: &Digest) -> u64 {
    u64::from_le_bytes(hash.0[..8].try_into().expect("eight of thirty-two bytes"))
}

/// The numbers of a source's training documents in canonical order: by content hash. So the order
/// owes nothing to names, and a document more or less moves no other past its neighbours.
pub(crate) fn training_order(documents: &[Document], source: usize) -> Vec<u64> {
    let mut order: Vec<(Option<Digest>, u64)> = documents
        .iter()
        .zip(0..)
        .filter(|(document, _)| document.source == source && document.split == Split::Train)
        .map(|(document, number)| (document.candidate.content_hash, number))
        .collect();
    order.sort_unstable();
    order.into_iter().map(|(_, number)| number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::licence::Gate;

    fn candidate(id: &str, text: &str) -> Candidate {
        let gate = Gate::new(&["MIT".into()]).expect("valid");
        Candidate {
            source_doc_id: id.into(),
            raw_sha256: String::new(),
            raw_path: String::new(),
            raw_bytes: 0,
            extraction: "verbatim",
            lang: "en",
            content_hash: Some(Digest::of(text.as_bytes())),
            n_bytes: text.len() as u64,
            licence: gate.judge(Some("MIT"), "package", String::new()),
            refused: None,
            text: text.into(),
        }
    }

    fn collected(documents: &[(&str, &str)]) -> Collected {
        let candidates = documents
            .iter()
            .map(|(id, text)| candidate(id, text))
            .collect();
        Collected {
            candidates,
            packages: vec![],
            entries: 0,
            evidence: None,
        }
    }

    #[test]
    fn the_first_source_keeps_a_shared_text() {
        let documents = assemble(
            vec![
                collected(&[("a", "one"), ("b", "two"), ("c", "two")]),
                collected(&[("a", "one")]),
            ],
            0.0,
        );
        let splits: Vec<_> = documents.iter().map(|document| document.split).collect();
        assert_eq!(
            splits,
            [Split::Train, Split::Train, Split::Rejected, Split::Rejected]
        );
        assert_eq!(documents[3].dup_cluster, 0);
        assert_eq!(documents[2].dup_cluster, 1);
        assert_eq!((documents[0].dup_count, documents[1].dup_count), (2, 2));
        assert_eq!(
            documents[3]
                .candidate
                .refused
                .as_ref()
                .expect("rejected")
                .rule,
            "exact-duplicate"
        );
        assert!(documents[3].candidate.text.is_empty());
    }

    #[test]
    fn rejected_text_makes_no_cluster() {
        let mut first = collected(&[("a", "one")]);
        first.candidates[0].refused = Some(Refusal {
            stage: Stage::Licence,
            rule: "licence-missing",
            found: String::new(),
        });
        let documents = assemble(vec![first, collected(&[("b", "one")])], 0.0);
        assert_eq!(documents[0].split, Split::Rejected);
        assert_eq!(documents[1].split, Split::Train);
        assert_eq!(documents[1].dup_count, 1);
    }

    #[test]
    fn held_out_documents_follow_their_hash_alone() {
        let texts: Vec<String> = (0..4000).map(|n| format!("document {n}")).collect();
        let pairs: Vec<_> = texts
            .iter()
            .map(|text| (text.as_str(), text.as_str()))
            .collect();
        let held = |fraction| {
            let documents = assemble(vec![collected(&pairs)], fraction);
            documents
                .iter()
                .map(|document| document.split == Split::HeldOut)
                .collect::<Vec<_>>()
        };
        let (few, more) = (held(0.05), held(0.1));
        assert!(
            few.iter().zip(&more).all(|(few, more)| more | !few),
            "a larger fraction only adds"
        );
        let count = few.iter().filter(|held| **held).count();
        assert!((140..260).contains(&count), "{count} of 4000 at 5%");
        assert!(held(0.0).iter().all(|held| !held));
        assert!(held(1.0).iter().all(|held| *held));
    }

    #[test]
    fn canonical_order_is_by_content() {
        let documents = assemble(
            vec![collected(&[("a", "one"), ("b", "two"), ("c", "three")])],
            0.0,
        );
        let order = training_order(&documents, 0);
        let hashes: Vec<_> = order
            .iter()
            .map(|&n| documents[n as usize].candidate.content_hash)
            .collect();
        assert!(hashes.is_sorted());
        assert_eq!(order.len(), 3);
    }
}

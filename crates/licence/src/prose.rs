//! Prohibitions in the prose of a card or of its gate: "for research purposes only", 「商用利用禁止」.
//!
//! Cards are somebody's prose. A sentence counts where it closes a use, and where what it speaks of last before that is not
//! data, code or somebody else's model. What is only advised against, or said of limits in quality, closes nothing.

use crate::reading::Origin;

/// Sentences that are told.
const MOST: usize = 8;
/// The most bytes of a card that are looked at.
const MAX_TEXT: usize = 1 << 20;
/// The most words of one sentence; a longer one is no sentence.
const MAX_WORDS: usize = 120;

/// Sentences that close commercial use, or all use but research. `place` is what the text is of its file; each
/// sentence is told with the line of the text that it begins on.
#[must_use]
pub fn restrictions(text: &str, file: &str, place: &str) -> Vec<Origin> {
    closing(text, file, place, false)
}

/// The same of a data card: what it says of the data it says of its subject.
#[must_use]
pub fn data_restrictions(text: &str, file: &str, place: &str) -> Vec<Origin> {
    closing(text, file, place, true)
}

fn closing(text: &str, file: &str, place: &str, of_data: bool) -> Vec<Origin> {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut found: Vec<Origin> = Vec::new();
    for (line, sentence) in sentences(&text[..end]) {
        if (english(&sentence, of_data) || japanese(&sentence, of_data)) && found.len() < MOST {
            let place = format!("{place}, line {line}");
            found.push(Origin::new(file, &place, sentence.trim()));
        }
    }
    found
}

/// Sentences with the line that they begin on. Paragraphs are joined, code blocks are left out.
fn sentences(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    let mut fence = false;
    for (at, line) in text.lines().enumerate() {
        let plain = line.trim();
        if plain.starts_with("```") || plain.starts_with("~~~") {
            fence = !fence;
            found.extend(open.take());
            continue;
        }
        // Items, rows, headings and quotes begin anew.
        let begins = plain.is_empty() || plain.starts_with(['#', '-', '*', '|', '>', '<', '+']);
        if begins || fence {
            found.extend(open.take());
        }
        if fence {
            continue;
        }
        let mut rest = plain;
        while let Some(cut) = ends(rest) {
            let (line, mut sentence) = open.take().unwrap_or((at + 1, String::new()));
            sentence.push_str(&rest[..cut]);
            found.push((line, sentence));
            rest = rest[cut..].trim_start();
        }
        if !rest.is_empty() {
            let (_, sentence) = open.get_or_insert((at + 1, String::new()));
            sentence.push_str(rest);
            sentence.push(' ');
        }
    }
    found.extend(open);
    found
}

/// Where the first sentence of a line is over: after `.`, `!`, `?` or `;` before a space, `。`, or a table's `|`.
fn ends(line: &str) -> Option<usize> {
    let mut chars = line.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|(_, c)| *c);
        let over = match c {
            '.' | '!' | '?' | ';' => next.is_none_or(char::is_whitespace),
            '。' | '！' | '？' => true,
            '|' => at > 0,
            _ => false,
        };
        if over {
            return Some(at + c.len_utf8());
        }
    }
    None
}

/// What is closed to all but these.
const RESEARCH: &str = "noncommercial research academic educational education scientific nonprofit personal evaluation";
/// What stands between them and the end of the phrase.
const AND: &str = "and or and/or &";
const USE: &str = "use uses usage purpose purposes applications activities projects development";
const ONLY: &str = "only solely exclusively strictly purely limited restricted";
/// What stands before "for non-commercial use" where nothing else is given.
const GIVEN: &str = "is are released licensed provided intended available";
/// Of what a card speaks: the model itself.
const MODEL: &str = "model models weights weight checkpoint checkpoints parameters license licence repository repo \
    release we you users";
/// Of what else.
const OTHER: &str = "data dataset datasets corpus corpora benchmark benchmarks code scripts paper demo space api \
    images logo subset documents books articles llama alpaca vicuna sharegpt chatgpt openai gpt-4 \
    original predecessor predecessors";
/// Names of others' models, which stand before "weights".
const NAMES: &str = "llama alpaca vicuna original predecessor";
/// A sentence with one of these speaks of others or of what was not done.
const ELSE: &str = "unlike whereas contrast previous previously prior formerly earlier opposed instead excluded \
    exclude removed filtered longer";
/// A sentence with one of these gives advice, where it forbids nothing in plain words.
const ADVICE: &str = "recommend recommended advise suitable suited ready";
/// Of research alone these say nothing: "evaluation only" tells of what was measured.
const WEAK: &str = "evaluation personal scientific and or and/or &";

/// Whether the word is one of a list.
fn is_of(list: &str, word: &str) -> bool {
    list.split(' ').any(|one| one == word)
}

fn english(sentence: &str, of_data: bool) -> bool {
    if sentence.trim_end().ends_with('?') {
        return false;
    }
    let words: Vec<String> = sentence
        .to_lowercase()
        .replace("non-", "non")
        .replace("non commercial", "noncommercial")
        .replace("n't", " not")
        .replace("cannot", "can not")
        .split_whitespace()
        .map(|word| {
            let word = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '&');
            word.replace(['*', '_', '`', '"'], "")
        })
        .filter(|word| !word.is_empty())
        .collect();
    if words.len() > MAX_WORDS || words.iter().any(|word| is_of(ELSE, word)) {
        return false;
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let not_used = [
        "not used",
        "did not use",
        "we do not use",
        "not include",
        "not included",
        "not contain",
    ];
    if not_used.iter().any(|no| words.join(" ").contains(no)) {
        return false;
    }
    if words.join(" ").contains("not available in the eu") {
        return true;
    }
    let closed = (0..words.len()).any(|at| is_closed(&words[at..]));
    if !closed && words.iter().any(|word| is_of(ADVICE, word)) {
        return false;
    }
    let at = research_only(&words).or_else(|| no_commerce(&words));
    at.is_some_and(|at| of_data || speaks_of_the_model(&words[..at]))
}

/// Where a phrase begins that leaves research or non-commercial use only.
fn research_only(words: &[&str]) -> Option<usize> {
    // Who names commerce beside it leaves it open: "for research and commercial use".
    if words
        .iter()
        .any(|word| matches!(*word, "commercial" | "commercially"))
    {
        return None;
    }
    let mut at = 0;
    while at < words.len() {
        if !is_of(RESEARCH, words[at]) {
            at += 1;
            continue;
        }
        let length = words[at..]
            .iter()
            .take_while(|word| is_of(RESEARCH, word) || is_of(AND, word))
            .count();
        let end = at + length;
        let after = words.get(end).copied();
        let used = after.is_some_and(|word| is_of(USE, word));
        let weak = words[at..end].iter().all(|word| is_of(WEAK, word));
        let plain = after
            .is_some_and(|word| matches!(word, "use" | "uses" | "usage" | "purpose" | "purposes"));
        if weak && !plain {
            at = end;
            continue;
        }
        let rest = &words[(end + usize::from(used)).min(words.len())..];
        let first = at.saturating_sub(5);
        let before = &words[first..at];
        let marked_before = before.iter().rposition(|word| is_of(ONLY, word));
        let marked_after = rest.first() == Some(&"only") || rest.first() == Some(&"exclusively");
        // "only for research", "limited to academic use": nothing else may stand between.
        let close = marked_before.filter(|&mark| {
            let between = &before[mark + 1..];
            between.iter().all(|word| {
                matches!(
                    *word,
                    "for"
                        | "to"
                        | "in"
                        | "under"
                        | "a"
                        | "the"
                        | "be"
                        | "used"
                        | "intended"
                        | "use"
                        | "available"
                        | "permitted"
                        | "allowed"
                        | "licensed"
                        | "released"
                )
            }) && (used || rest.is_empty() || matches!(rest[0], "and" | "under" | "in"))
        });
        let denied = |mark: usize| {
            let near = &words[mark.saturating_sub(3)..mark];
            near.iter()
                .any(|word| matches!(*word, "not" | "no" | "never" | "neither" | "without"))
        };
        if let Some(mark) = close
            && !denied(first + mark)
        {
            return Some(first + mark);
        }
        if marked_after && !denied(at) {
            return Some(at);
        }
        // "The weights are for non-commercial use": there is no need of an "only", but of a subject.
        let given = words[at] == "noncommercial"
            && at >= 2
            && words[at - 1] == "for"
            && is_of(GIVEN, words[at - 2])
            && words[..at].iter().any(|word| is_of(MODEL, word))
            && !denied(at - 2);
        if given {
            return Some(at - 2);
        }
        at = end.max(at + 1);
    }
    None
}

/// Where a phrase begins that closes commercial use, or asks for a permission first.
fn no_commerce(words: &[&str]) -> Option<usize> {
    let joined = words.join(" ");
    let position = |phrase: &str| {
        let at = joined.find(phrase)?;
        let whole = joined[..at].is_empty() || joined[..at].ends_with(' ');
        whole.then(|| joined[..at].split_whitespace().count())
    };
    const PHRASES: &str = "no commercial use|no commercial usage|no commercial purposes|\
        not be used in commercial|not be used in any commercial|not for commercial|not be used for commercial|not be used for any commercial|\
        not be used commercially|not use it for commercial|not use this model for commercial|\
        not use the model for commercial|not allow commercial|not permit commercial|\
        not licensed for commercial|not permitted for commercial|not allowed for commercial|\
        not use it commercially|not available for commercial|for commercial use please contact|\
        for commercial licensing";
    let license = [
        "noncommercial license",
        "noncommercial licence",
        "cc-by-nc",
        "cc by-nc",
    ];
    let closes = [
        "prohibits commercial",
        "prohibit commercial",
        "forbids commercial",
        "prohibited from commercial",
    ];
    let phrases = PHRASES.split('|').chain(closes);
    let found = phrases.into_iter().find_map(position);
    let found = found.or_else(|| (0..words.len()).find(|&at| is_closed(&words[at..])));
    // "You may not use this model commercially".
    let found = found.or_else(|| {
        let may_not = |at: usize| {
            matches!(words[at], "may" | "must" | "can" | "shall" | "do")
                && words.get(at + 1) == Some(&"not")
                && words[at + 2..]
                    .iter()
                    .take(2)
                    .any(|word| matches!(*word, "use" | "used"))
                && words[at + 2..]
                    .iter()
                    .take(8)
                    .any(|word| *word == "commercially")
        };
        let at = (0..words.len()).find(|&at| may_not(at))?;
        // "You may not use the data commercially" speaks of the data.
        let end = words.len().min(at + 10);
        speaks_of_the_model(&words[at..end]).then_some(at)
    });
    // "released under a non-commercial licence".
    found.or_else(|| {
        let under = words
            .iter()
            .any(|word| matches!(*word, "under" | "licensed" | "licence" | "license"));
        let at = license.iter().find_map(|phrase| position(phrase))?;
        under.then_some(at)
    })
}

/// How far after "commercial use" its verb may stand.
const FAR: usize = 16;

/// Whether these words begin with commercial use that is forbidden, or that asks for a permission.
fn is_closed(words: &[&str]) -> bool {
    let use_of = [
        "use",
        "usage",
        "uses",
        "purposes",
        "application",
        "applications",
        "exploitation",
        "deployment",
    ];
    if words[0] != "commercial" || !words.get(1).is_some_and(|word| use_of.contains(word)) {
        return false;
    }
    let rest = &words[2..words.len().min(FAR)];
    for (at, word) in rest.iter().enumerate() {
        let after = &rest[at + 1..];
        let before = &rest[..at];
        let closed = match *word {
            "permitted" | "allowed" | "granted" | "authorized" | "welcome" | "free" => {
                if before.last() != Some(&"not") {
                    return false;
                }
                true
            }
            "forbidden" | "prohibited" => {
                let denied = matches!(before.last(), Some(&("not" | "never" | "hardly")))
                    || matches!(before, [.., "no", "way" | "means" | "wise"]);
                if denied {
                    return false;
                }
                true
            }
            "requires" | "require" if after.first() != Some(&"no") => after.iter().any(|word| {
                [
                    "licen",
                    "permission",
                    "agreement",
                    "consent",
                    "authori",
                    "approval",
                ]
                .iter()
                .any(|asked| word.starts_with(asked))
            }),
            _ => false,
        };
        if closed {
            // "Commercial use of the data set is prohibited" speaks of the data.
            let of_other = before.iter().any(|word| is_of(OTHER, word));
            return !of_other || before.iter().any(|word| is_of(MODEL, word));
        }
    }
    false
}

/// Whether what the sentence speaks of last, before that place, is the model; where it names nothing, it is.
fn speaks_of_the_model(before: &[&str]) -> bool {
    let last = before
        .iter()
        .rev()
        .find(|word| is_of(MODEL, word) || is_of(OTHER, word));
    // "The Llama weights", but "our Llama weights".
    let others = before.iter().enumerate().rev().find_map(|(at, word)| {
        let named = at > 0 && is_of(MODEL, word) && is_of(NAMES, before[at - 1]);
        let whose = at.checked_sub(2).map(|at| before[at]);
        is_of(MODEL, word).then_some(named && !matches!(whose, Some("our" | "this" | "these")))
    });
    last.is_none_or(|word| is_of(MODEL, word) && others != Some(true))
}

fn japanese(sentence: &str, of_data: bool) -> bool {
    const CLOSES: &str = "商用利用禁止|商用利用は禁止|商用利用を禁|商用利用不可|\
        商用利用は不可|商用利用はできません|商用利用できません|\
        商用利用は認め|商用利用を認め|商用利用は許可されて|\
        商用使用は禁止|商用使用禁止|商用使用を禁|商用使用不可|商用使用は不可|\
        商用使用はできません|商用での利用はできません|商用での使用はできません|\
        商用での利用は禁|商用での利用を禁|商用での使用を禁|\
        営利目的の利用を禁|営利目的の利用は禁|営利目的での利用を禁|\
        営利目的での利用は禁|営利目的での利用はできません|営利目的での使用を禁|営利利用を禁|\
        商用目的での利用は禁止|商用目的での使用は禁止|\
        商用目的での利用はでき|商用不可|商用利用には|商用利用の場合は|\
        商用利用を希望|非商用に限|非商用利用に限|非商用目的に限|\
        非営利目的に限|非営利に限|非営利目的のみ|非営利目的でのみ|非商用目的でのみ|\
        非商用利用のみ|非商用目的のみ|研究目的に限|研究目的のみ|研究目的でのみ|\
        研究用途に限|研究用途のみ|研究用途でのみ|学術目的に限|学術目的でのみ|\
        個人利用のみ|個人利用に限";
    // 「限らず」「限定しない」「だけでなく」, and what was not done.
    const OPEN: &str = "限らず|限りません|限られません|限定しない|限定しません|\
        限定されません|限定されない|だけでなく|のみならず|\
        使用していません|利用していません|使っていません|除外|\
        制限はありません|制限がありません|制限なく|とは異なり";
    let Some(at) = CLOSES
        .split('|')
        .filter_map(|closes| sentence.find(closes))
        .min()
    else {
        return false;
    };
    // 「商用利用には制限がない」 closes nothing; 「商用利用には許諾が必要」 does.
    let asks = [
        "許諾",
        "許可",
        "契約",
        "ライセンス",
        "連絡",
        "問い合わせ",
        "問合せ",
        "申請",
        "禁",
        "不可",
        "限",
        "のみ",
        "できません",
        "認め",
    ];
    // What comes first decides: 「商用利用は認めていませんが、研究利用は認めています」.
    const PERMITS: &str = "認めています|認められています|認められます|認めます|\
        許可は不要|許諾は不要|許可不要|許諾不要|許可は必要ありません|許諾は必要ありません|\
        許可は必要なく|許諾は必要なく|制限を設けません|制限を設けていません|制限は設けません|制限は設けていません|\
        制限を設けず";
    const FORBIDS: &str = "禁|不可|できません|認めていません|認めません|認められません|\
        認められていません|認めない|許可されていません|限り|限定|限ら|限る|のみ|必要です";
    let after = &sentence[at..];
    let first = |all: &str| all.split('|').filter_map(|one| after.find(one)).min();
    if let Some(permits) = first(PERMITS)
        && first(FORBIDS).is_none_or(|forbids| permits < forbids)
    {
        return false;
    }
    let model = [
        "モデル",
        "重み",
        "チェックポイント",
        "リポジトリ",
        "ライセンス",
        "本LLM",
        "利用者",
    ];
    let other = [
        "データ",
        "コーパス",
        "コード",
        "ベンチマーク",
        "論文",
        "デモ",
        "元論文",
    ];
    let last = |all: &[&str]| {
        all.iter()
            .filter_map(|word| sentence[..at].rfind(word))
            .max()
    };
    !OPEN.split('|').any(|open| sentence.contains(open))
        && asks.iter().any(|asks| after.contains(asks))
        && !after.contains("禁止していません")
        && !after.contains("禁じていません")
        && (of_data || last(&other).is_none() || last(&model) > last(&other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_know_their_line() {
        let text = "# M\n\nGood. It is for\nresearch purposes only.\n\n```\nfor research purposes only.\n```\n";
        let found = restrictions(text, "README.md", "text");
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].file.as_str(), found[0].place.as_str()),
            ("README.md", "text, line 3")
        );
        assert_eq!(found[0].text, "It is for research purposes only.");
    }

    #[test]
    fn a_data_card_speaks_of_its_data() {
        for text in [
            "The dataset is for research purposes only.",
            "本データセットの商用利用は禁止です。",
        ] {
            assert!(restrictions(text, "data/README.md", "text").is_empty());
            assert_eq!(data_restrictions(text, "data/README.md", "text").len(), 1);
        }
    }

    #[test]
    fn attack_large_and_odd_prose() {
        let large = "only ".repeat(300_000) + "research use only.";
        assert!(restrictions(&large, "README.md", "text").is_empty());
        let many = "For research use only.\n\n".repeat(1000);
        assert_eq!(restrictions(&many, "README.md", "text").len(), MOST);
        assert!(restrictions(&"é|".repeat(1 << 19), "README.md", "text").is_empty());
        let hidden = restrictions(
            "For research\u{202e} use only, for research use only.",
            "README.md",
            "text",
        );
        assert!(hidden.iter().all(|one| !one.text.contains('\u{202e}')));
    }
}

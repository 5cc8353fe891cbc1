//! The natural language of a document, as a BCP 47 tag.

use whatlang::Lang;

/// Code has no natural language: BCP 47's "no linguistic content".
pub(crate) const CODE: &str = "zxx";
/// The detector was not sure.
pub(crate) const UNDETERMINED: &str = "und";

/// How many characters the detector is shown; more changes little and costs time.
const SAMPLE: usize = 8192;

/// The language of prose: `und` where whatlang does not call its answer reliable.
pub(crate) fn of_prose(text: &str) -> &'static str {
    let end = text
        .char_indices()
        .nth(SAMPLE)
        .map_or(text.len(), |(at, _)| at);
    match whatlang::detect(&text[..end]) {
        Some(info) if info.is_reliable() => tag(info.lang()),
        _ => UNDETERMINED,
    }
}

/// BCP 47 wants the shortest code: two letters where ISO 639-1 has them, else the three of
/// ISO 639-3, which is what whatlang gives.
fn tag(language: Lang) -> &'static str {
    const SHORT: &[(&str, &str)] = &[
        ("afr", "af"),
        ("aka", "ak"),
        ("amh", "am"),
        ("ara", "ar"),
        ("aze", "az"),
        ("bel", "be"),
        ("ben", "bn"),
        ("bul", "bg"),
        ("cat", "ca"),
        ("ces", "cs"),
        ("cmn", "zh"),
        ("cym", "cy"),
        ("dan", "da"),
        ("deu", "de"),
        ("ell", "el"),
        ("eng", "en"),
        ("epo", "eo"),
        ("est", "et"),
        ("fin", "fi"),
        ("fra", "fr"),
        ("guj", "gu"),
        ("heb", "he"),
        ("hin", "hi"),
        ("hrv", "hr"),
        ("hun", "hu"),
        ("hye", "hy"),
        ("ind", "id"),
        ("ita", "it"),
        ("jav", "jv"),
        ("jpn", "ja"),
        ("kan", "kn"),
        ("kat", "ka"),
        ("khm", "km"),
        ("kor", "ko"),
        ("lat", "la"),
        ("lav", "lv"),
        ("lit", "lt"),
        ("mal", "ml"),
        ("mar", "mr"),
        ("mkd", "mk"),
        ("mya", "my"),
        ("nep", "ne"),
        ("nld", "nl"),
        ("nob", "nb"),
        ("ori", "or"),
        ("pan", "pa"),
        ("pes", "fa"),
        ("pol", "pl"),
        ("por", "pt"),
        ("ron", "ro"),
        ("rus", "ru"),
        ("sin", "si"),
        ("slk", "sk"),
        ("slv", "sl"),
        ("sna", "sn"),
        ("spa", "es"),
        ("srp", "sr"),
        ("swe", "sv"),
        ("tam", "ta"),
        ("tel", "te"),
        ("tgl", "tl"),
        ("tha", "th"),
        ("tuk", "tk"),
        ("tur", "tr"),
        ("ukr", "uk"),
        ("urd", "ur"),
        ("uzb", "uz"),
        ("vie", "vi"),
        ("yid", "yi"),
        ("zul", "zu"),
    ];
    let code = language.code();
    SHORT
        .binary_search_by_key(&code, |(three, _)| three)
        .map_or(code, |at| SHORT[at].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_english_from_japanese_and_admits_ignorance() {
        let english = "Ownership is a set of rules that govern how a program manages memory. All \
                       programs have to manage the way they use a computer's memory while running, \
                       and some languages have garbage collection that looks for what is not used.";
        assert_eq!(of_prose(english), "en");
        assert_eq!(
            of_prose("所有権は、プログラムがメモリを管理する方法を定める規則の集まりです。"),
            "ja"
        );
        assert_eq!(of_prose("0x00 0x01 ---"), UNDETERMINED);
        assert_eq!(of_prose(""), UNDETERMINED);
    }

    #[test]
    fn every_language_has_a_tag() {
        for language in Lang::all() {
            assert_eq!(tag(*language).len(), 2, "{language:?}");
        }
    }
}

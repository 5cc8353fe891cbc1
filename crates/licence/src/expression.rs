//! Expressions: `A AND (B OR C WITH x)`, over SPDX ids and the Hub's.

/// The most alternatives that are written out; more are unknown.
const MAX_ALTERNATIVES: usize = 64;
/// The most licences in one alternative.
const MAX_IN_ALL: usize = 64;
/// The deepest parentheses.
const MAX_DEPTH: usize = 32;
/// The most words.
const MAX_WORDS: usize = 512;

/// An id as it stands, with its exception.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Term {
    pub(crate) id: String,
    pub(crate) exception: Option<String>,
}

/// What one may choose from: each alternative is a set of licences that hold together.
pub(crate) type Alternatives = Vec<Vec<Term>>;

/// Reads an expression; `lax` also takes `/` for `OR` and operators in lower case. `None` where it is no expression or a
/// limit is passed.
pub(crate) fn parse(text: &str, lax: bool) -> Option<Alternatives> {
    let mut reader = Reader {
        words: words(text, lax)?,
        at: 0,
    };
    let found = reader.any(0)?;
    (reader.at == reader.words.len()).then_some(found)
}

fn words(text: &str, lax: bool) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let spaced = if lax {
        text.replace('/', " OR ")
    } else {
        text.to_owned()
    };
    for mut word in spaced.split_whitespace() {
        while let Some(cut) = word.find(['(', ')']) {
            if cut > 0 {
                words.push(word[..cut].to_owned());
            }
            words.push(word[cut..=cut].to_owned());
            word = &word[cut + 1..];
        }
        if !word.is_empty() {
            let upper = word.to_uppercase();
            let operator = lax && matches!(upper.as_str(), "AND" | "OR" | "WITH");
            words.push(if operator { upper } else { word.to_owned() });
        }
        if words.len() > MAX_WORDS {
            return None;
        }
    }
    Some(words)
}

struct Reader {
    words: Vec<String>,
    at: usize,
}

impl Reader {
    fn take(&mut self, word: &str) -> bool {
        let found = self.words.get(self.at).is_some_and(|next| next == word);
        self.at += usize::from(found);
        found
    }

    fn name(&mut self) -> Option<String> {
        let word = self.words.get(self.at)?;
        let operator = matches!(word.as_str(), "(" | ")" | "AND" | "OR" | "WITH");
        let plain = word.len() <= 100
            && word
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-+:_".contains(&byte));
        if operator || !plain {
            return None;
        }
        self.at += 1;
        self.words.get(self.at - 1).cloned()
    }

    fn any(&mut self, depth: usize) -> Option<Alternatives> {
        let mut all = self.all(depth)?;
        while self.take("OR") {
            all.extend(self.all(depth)?);
            if all.len() > MAX_ALTERNATIVES {
                return None;
            }
        }
        Some(all)
    }

    fn all(&mut self, depth: usize) -> Option<Alternatives> {
        let mut left = self.one(depth)?;
        while self.take("AND") {
            let right = self.one(depth)?;
            if left.len() * right.len() > MAX_ALTERNATIVES {
                return None;
            }
            let mut joined = Vec::with_capacity(left.len() * right.len());
            for one in &left {
                for other in &right {
                    let mut both = one.clone();
                    both.extend(other.iter().filter(|term| !one.contains(term)).cloned());
                    if both.len() > MAX_IN_ALL {
                        return None;
                    }
                    joined.push(both);
                }
            }
            left = joined;
        }
        Some(left)
    }

    fn one(&mut self, depth: usize) -> Option<Alternatives> {
        if depth > MAX_DEPTH {
            return None;
        }
        if self.take("(") {
            let inside = self.any(depth + 1)?;
            return self.take(")").then_some(inside);
        }
        let id = self.name()?;
        let exception = if self.take("WITH") {
            Some(self.name()?)
        } else {
            None
        };
        Some(vec![vec![Term { id, exception }]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, lax: bool) -> Option<String> {
        let alternatives = parse(text, lax)?;
        let one = |all: &Vec<Term>| {
            let ids: Vec<_> = all.iter().map(|term| term.id.as_str()).collect();
            ids.join("+")
        };
        Some(alternatives.iter().map(one).collect::<Vec<_>>().join("|"))
    }

    #[test]
    fn alternatives_are_written_out() {
        assert_eq!(
            shown("A AND (B OR C) OR D", false).as_deref(),
            Some("A+B|A+C|D")
        );
        assert_eq!(shown("A/B", true).as_deref(), Some("A|B"));
        assert_eq!(shown("A and B", true).as_deref(), Some("A+B"));
        assert_eq!(shown("A and B", false), None);
        assert_eq!(shown("A/B", false), None);
        assert_eq!(shown("openrail++", false).as_deref(), Some("openrail++"));
    }

    #[test]
    fn attack_limits_hold() {
        let deep = format!("{}A{}", "(".repeat(200), ")".repeat(200));
        let wide = vec!["(A OR B)"; 20].join(" AND ");
        let long = vec!["A"; 100_000].join(" AND ");
        for bad in [
            deep.as_str(),
            &wide,
            &long,
            "",
            "(",
            "A B",
            "A AND",
            "OR A",
            "A WITH",
            "A\u{202e}B",
            "license: [a, {b: c}]",
        ] {
            assert_eq!(parse(bad, true), None);
        }
    }
}

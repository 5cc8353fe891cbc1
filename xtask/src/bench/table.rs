//! Answers, as rows of a table and as JSON.

use super::contest::{Bound, Contest, Measure, Outcome, Question};
use super::series::Series;
use std::fmt::Write as _;

/// One answered question.
pub(super) struct Row {
    subject: String,
    measure: Measure,
    unit: &'static str,
    ours: Cell,
    peer: Option<Cell>,
    /// Ours over the peer's, turn by turn; what was measured itself where there is no peer.
    value: Series,
    bound: Option<Bound>,
    verdict: Verdict,
}

/// What one side measured.
struct Cell {
    name: String,
    isa: Option<String>,
    series: Series,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    /// Reported; nothing is required.
    Reported,
    /// Why it was not run, or not judged.
    Unjudged(String),
    Missed,
    Reached,
    Stretch,
}

impl Verdict {
    fn words(&self) -> String {
        match self {
            Self::Reported => "–".to_owned(),
            Self::Unjudged(why) => why.clone(),
            Self::Missed => "**missed**".to_owned(),
            Self::Reached => "reached".to_owned(),
            Self::Stretch => "reached, stretch too".to_owned(),
        }
    }
}

impl Bound {
    fn judge(self, value: f64) -> Verdict {
        let (required, stretch) = match self {
            Self::AtLeast(required, stretch) => (value >= required, value >= stretch),
            Self::AtMost(required, stretch) => (value <= required, value <= stretch),
        };
        match (required, stretch) {
            (true, true) => Verdict::Stretch,
            (true, false) => Verdict::Reached,
            _ => Verdict::Missed,
        }
    }
}

impl Row {
    pub(super) fn answer(contest: &Contest, question: &Question, outcomes: &[Outcome]) -> Self {
        let measure = question.measure;
        let cell = |index: usize| Cell {
            name: contest.sides[index].name.clone(),
            isa: outcomes[index].isa.clone(),
            series: outcomes[index].of(measure).clone(),
        };
        let (ours, peer) = (cell(question.ours), question.peer.map(cell));
        let value = match &peer {
            Some(peer) => ours.series.ratio(&peer.series),
            None => ours.series.clone(),
        };
        let missing = std::iter::once(question.ours).chain(question.peer);
        let missing = missing
            .filter(|&side| outcomes[side].of(Measure::Speed).0.is_empty())
            .map(|side| contest.sides[side].needs)
            .next();
        let other = ours
            .isa
            .as_deref()
            .filter(|isa| !question.judged_on.is_empty() && *isa != question.judged_on);
        let verdict = match (missing, other, question.bound) {
            (Some(needs), ..) => Verdict::Unjudged(format!("not run: no {needs} here")),
            _ if value.0.is_empty() => Verdict::Unjudged("not told".to_owned()),
            (None, _, None) => Verdict::Reported,
            (None, Some(isa), Some(_)) => {
                Verdict::Unjudged(format!("not judged: {isa}, not {}", question.judged_on))
            }
            (None, None, Some(bound)) => bound.judge(value.median()),
        };
        Self {
            subject: contest.subject.clone(),
            measure,
            unit: contest.rate.unit,
            ours,
            peer,
            value,
            bound: question.bound,
            verdict,
        }
    }

    fn what(&self) -> &'static str {
        match self.measure {
            Measure::Speed => "speed",
            Measure::Memory => "peak memory",
            Measure::Evidence => "digests, ledger, metrics",
        }
    }

    /// A ratio, a share or a speed.
    fn number(&self, value: f64) -> String {
        match self.measure {
            _ if value.is_nan() => "–".to_owned(),
            Measure::Evidence => format!("{:.2}%", 100.0 * value),
            Measure::Speed if self.peer.is_none() => format!("{value:.0}"),
            _ => format!("{value:.2}"),
        }
    }

    fn cell(&self, cell: &Cell) -> String {
        let isa = cell.isa.as_deref();
        let name = match isa {
            Some(isa) if !cell.name.contains(isa) => format!("{} ({isa})", cell.name),
            _ => cell.name.clone(),
        };
        let median = cell.series.median();
        match self.measure {
            _ if median.is_nan() => name,
            Measure::Speed => format!("{name}: {median:.0} {}", self.unit),
            Measure::Memory => format!("{name}: {median:.0} MiB"),
            Measure::Evidence => name,
        }
    }

    fn markdown(&self) -> String {
        let bound = |value: Option<f64>| value.map_or("–".to_owned(), |v| self.number(v));
        let sign = |text: String| match self.bound {
            Some(Bound::AtLeast(..)) => format!("≥ {text}"),
            Some(Bound::AtMost(..)) => format!("≤ {text}"),
            None => text,
        };
        let (required, stretch) = limits(self.bound);
        let range = if self.value.0.len() > 1 {
            let (least, most) = (self.value.least(), self.value.most());
            format!(" ({}–{})", self.number(least), self.number(most))
        } else {
            String::new()
        };
        format!(
            "| {}: {} | {} | {} | {}{range} | {} | {} | {} |",
            self.subject,
            self.what(),
            self.cell(&self.ours),
            self.peer
                .as_ref()
                .map_or("–".to_owned(), |peer| self.cell(peer)),
            self.number(self.value.median()),
            sign(bound(required)),
            sign(bound(stretch)),
            self.verdict.words(),
        )
    }

    pub(super) fn json(&self) -> String {
        let side = |cell: &Cell| {
            format!(
                "{{\"name\": {}, \"isa\": {}, \"median\": {}, \"turns\": {}}}",
                quoted(&cell.name),
                cell.isa.as_deref().map_or("null".to_owned(), quoted),
                plain(cell.series.median()),
                list(&cell.series)
            )
        };
        let (required, stretch) = limits(self.bound);
        let limit = |value: Option<f64>| value.map_or("null".to_owned(), plain);
        format!(
            "{{\"subject\": {}, \"measure\": {}, \"unit\": {}, \"ours\": {}, \"peer\": {}, \"value\": {{\"median\": {}, \"least\": {}, \
             \"most\": {}, \"turns\": {}}}, \"required\": {}, \"stretch\": {}, \"verdict\": {}}}",
            quoted(&self.subject),
            quoted(self.what()),
            quoted(match self.measure {
                Measure::Speed => self.unit,
                Measure::Memory => "MiB",
                Measure::Evidence => "share of a step",
            }),
            side(&self.ours),
            self.peer.as_ref().map_or("null".to_owned(), side),
            plain(self.value.median()),
            plain(self.value.least()),
            plain(self.value.most()),
            list(&self.value),
            limit(required),
            limit(stretch),
            quoted(self.verdict.words().trim_matches('*')),
        )
    }
}

fn limits(bound: Option<Bound>) -> (Option<f64>, Option<f64>) {
    match bound {
        Some(Bound::AtLeast(required, stretch) | Bound::AtMost(required, stretch)) => {
            (Some(required), Some(stretch))
        }
        None => (None, None),
    }
}

/// The table of some rows.
pub(super) fn markdown(rows: &[Row]) -> String {
    let mut text = String::from(
        "| what | ours | against | ratio, or value: median of turns (least–most) | at least | stretch | |\n|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        writeln!(text, "{}", row.markdown()).unwrap_or_default();
    }
    text
}

/// A JSON string.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c < ' ' => write!(quoted, "\\u{:04x}", u32::from(c)).unwrap_or_default(),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A JSON number; JSON has no NaN.
fn plain(value: f64) -> String {
    if value.is_finite() {
        format!("{}", (value * 1e4).round() / 1e4)
    } else {
        "null".to_owned()
    }
}

fn list(series: &Series) -> String {
    let values: Vec<_> = series.0.iter().copied().map(plain).collect();
    format!("[{}]", values.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(measure: Measure, ours: &[f64], peer: &[f64], bound: Bound) -> Row {
        let cell = |name: &str, values: &[f64]| Cell {
            name: name.to_owned(),
            isa: None,
            series: Series(values.to_vec()),
        };
        let (ours, peer) = (cell("ours", ours), cell("PyTorch", peer));
        let value = ours.series.ratio(&peer.series);
        Row {
            subject: "step, S f32".to_owned(),
            measure,
            unit: "tokens/s",
            verdict: bound.judge(value.median()),
            ours,
            peer: Some(peer),
            value,
            bound: Some(bound),
        }
    }

    #[test]
    fn a_row_says_what_was_required_measured_and_reached() {
        let speed = row(
            Measure::Speed,
            &[130.0, 120.0, 90.0],
            &[100.0, 100.0, 100.0],
            Bound::AtLeast(1.2, 1.35),
        );
        assert_eq!(
            speed.markdown(),
            "| step, S f32: speed | ours: 120 tokens/s | PyTorch: 100 tokens/s | 1.20 (0.90–1.30) | ≥ 1.20 | ≥ 1.35 | reached |"
        );
        let json = speed.json();
        assert!(json.contains("\"median\": 1.2, \"least\": 0.9, \"most\": 1.3"));
        assert!(json.contains("\"required\": 1.2, \"stretch\": 1.35, \"verdict\": \"reached\""));
    }

    #[test]
    fn limits_from_above_are_judged_from_above() {
        let limit = Bound::AtMost(1.0, 0.6);
        let memory = |ours: f64| row(Measure::Memory, &[ours], &[100.0], limit).verdict;
        assert_eq!(memory(101.0), Verdict::Missed);
        assert_eq!(memory(100.0), Verdict::Reached);
        assert_eq!(memory(60.0), Verdict::Stretch);
    }

    #[test]
    fn what_was_not_measured_reaches_nothing() {
        let nothing = row(Measure::Speed, &[], &[], Bound::AtLeast(1.0, 2.0));
        assert_eq!(nothing.verdict, Verdict::Missed);
        assert!(nothing.json().contains("\"median\": null"));
    }

    #[test]
    fn strings_are_escaped() {
        assert_eq!(quoted("a\"b\\c\n"), "\"a\\\"b\\\\c\\u000a\"");
    }
}

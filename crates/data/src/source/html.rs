//! The readable text of a documentation page (mdBook, or a standalone rustdoc page).
//!
//! The text reads like Markdown, so that it mixes well with sources that are Markdown: headings
//! with `#`, list items with `-` or a number, code blocks in fences, inline code in backticks,
//! table cells between bars. Navigation, scripts, buttons, hidden lines of examples, anchors and
//! diagrams are left out.

use scraper::{ElementRef, Html, Node, Selector};

/// How this module turns a page into text, for the record.
pub(crate) const EXTRACTION: &str = "html-text/1";

/// Elements nested deeper than this are not read: the walk below is recursive.
const MAX_DEPTH: usize = 256;

/// Elements that hold no text of the page.
const SKIPPED: &[&str] = &[
    "script", "style", "nav", "button", "noscript", "svg", "iframe", "head", "footer", "template",
    "form", "input", "select", "object", "embed", "audio", "video",
];

/// Classes that mark furniture in mdBook's and rustdoc's output: hidden example lines, the
/// Reference's rule names and railroad diagrams, buttons, page navigation.
const SKIPPED_CLASSES: &[&str] = &[
    "boring",
    "rule",
    "rule-link",
    "grammar-railroad",
    "buttons",
    "nav-wrapper",
    "sidebar",
    "test-link",
    "tests-link",
    "hidden",
    "nav-chapters",
    "tooltip",
    "fa-svg",
    "footnote-reference",
];

/// The text of a page's `<main>`, or of its `<body>` where it has none; `None` where the page
/// nests deeper than any real one does.
pub(crate) fn page_text(html: &str) -> Option<String> {
    let page = Html::parse_document(html);
    let find = |name| {
        let selector = Selector::parse(name).expect("an element's name is a valid selector");
        page.select(&selector).next()
    };
    let root = find("main").or_else(|| find("body"))?;
    let mut writer = Writer::default();
    writer.children(root, 0)?;
    Some(writer.finish())
}

/// Collects text, collapsing white space as a browser would.
#[derive(Default)]
struct Writer {
    out: String,
    /// Line breaks owed before the next text.
    breaks: usize,
    /// Whether a space is owed before the next text.
    space: bool,
    /// What each further line of the current list item starts with.
    indent: String,
    /// Inside `<pre>`.
    verbatim: bool,
}

impl Writer {
    fn finish(mut self) -> String {
        self.out.truncate(self.out.trim_end().len());
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.out
    }

    /// Ends the line (1) or the paragraph (2), unless nothing was written yet.
    fn end(&mut self, breaks: usize) {
        self.space = false;
        if !self.out.is_empty() {
            self.breaks = self.breaks.max(breaks);
        }
    }

    /// Writes the owed breaks or space.
    fn settle(&mut self) {
        if self.breaks > 0 {
            self.out.extend(std::iter::repeat_n('\n', self.breaks));
            self.out.push_str(&self.indent);
        } else if self.space && !self.out.ends_with([' ', '\n']) {
            self.out.push(' ');
        }
        self.breaks = 0;
        self.space = false;
    }

    /// A mark that opens something: no space follows it.
    fn mark(&mut self, mark: &str) {
        self.settle();
        self.out.push_str(mark);
    }

    fn text(&mut self, text: &str) {
        if self.verbatim {
            self.out.push_str(text);
            return;
        }
        for part in text.split_inclusive(|c: char| c.is_ascii_whitespace()) {
            let word = part.trim_end_matches(|c: char| c.is_ascii_whitespace());
            if !word.is_empty() {
                self.settle();
                self.out.push_str(word);
            }
            self.space |= word.len() < part.len();
        }
    }

    fn children(&mut self, element: ElementRef<'_>, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        for child in element.children() {
            match child.value() {
                Node::Text(text) => self.text(text),
                Node::Element(_) => {
                    self.element(
                        ElementRef::wrap(child).expect("it is an element"),
                        depth + 1,
                    )?;
                }
                _ => {}
            }
        }
        Some(())
    }

    fn element(&mut self, element: ElementRef<'_>, depth: usize) -> Option<()> {
        let value = element.value();
        let name = value.name();
        if SKIPPED.contains(&name)
            || value.attr("hidden").is_some()
            || value
                .classes()
                .any(|class| SKIPPED_CLASSES.contains(&class))
        {
            return Some(());
        }
        match name {
            "br" if !self.verbatim => self.end(1),
            "br" => self.out.push('\n'),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.end(2);
                self.mark(&"######"[..usize::from(name.as_bytes()[1] - b'0')]);
                self.space = true;
                self.children(element, depth)?;
                self.end(2);
            }
            "pre" => self.code_block(element, depth)?,
            "code" if !self.verbatim => {
                self.mark("`");
                self.children(element, depth)?;
                // White space at the end of the code stays outside the backticks.
                let space = std::mem::take(&mut self.space);
                self.out.push('`');
                self.space = space;
            }
            "ul" | "ol" => self.list(element, depth)?,
            "sub" => {
                // `Expression<sub>except …</sub>` would run together without its small print.
                self.space = true;
                self.children(element, depth)?;
            }
            "td" | "th" => {
                self.children(element, depth)?;
                self.text(" ");
                if element
                    .next_siblings()
                    .any(|next| next.value().is_element())
                {
                    self.text("| ");
                }
            }
            "p" | "div" | "section" | "article" | "blockquote" | "table" | "dl" | "details"
            | "figure" | "hr" | "main" => {
                // A list item's first paragraph stands on the item's own line.
                let item = self.out.ends_with("- ") || self.out.ends_with(". ");
                if !item || self.breaks > 0 {
                    self.end(2);
                }
                self.children(element, depth)?;
                self.end(2);
            }
            "tr" | "dt" | "dd" | "summary" | "figcaption" | "caption" => {
                self.end(1);
                self.children(element, depth)?;
                self.end(1);
            }
            _ => self.children(element, depth)?,
        }
        Some(())
    }

    fn code_block(&mut self, element: ElementRef<'_>, depth: usize) -> Option<()> {
        self.end(2);
        self.mark("```\n");
        let start = self.out.len();
        self.verbatim = true;
        let read = self.children(element, depth);
        self.verbatim = false;
        read?;
        let code = self.out.split_off(start);
        for line in code.trim_matches('\n').lines() {
            self.out.push_str(&self.indent);
            self.out.push_str(line.trim_end());
            self.out.push('\n');
        }
        self.out.push_str(&self.indent);
        self.out.push_str("```");
        self.end(2);
        Some(())
    }

    fn list(&mut self, list: ElementRef<'_>, depth: usize) -> Option<()> {
        let ordered = list.value().name() == "ol";
        let mut number: u64 = list
            .value()
            .attr("start")
            .and_then(|n| n.parse().ok())
            .unwrap_or(1);
        let outer = self.indent.len();
        self.end(if outer == 0 { 2 } else { 1 });
        for item in list
            .child_elements()
            .filter(|child| child.value().name() == "li")
        {
            self.end(1);
            let bullet = if ordered {
                format!("{number}. ")
            } else {
                "- ".into()
            };
            number = number.saturating_add(1);
            self.mark(&bullet);
            self.indent.push_str("  ");
            let read = self.children(item, depth + 1);
            self.indent.truncate(outer);
            read?;
            // Items stand on consecutive lines, whatever paragraphs they hold.
            self.breaks = self.breaks.min(1);
            self.end(1);
        }
        self.end(if outer == 0 { 2 } else { 1 });
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(body: &str) -> String {
        page_text(&format!(
            "<html><head><title>T</title></head><body><nav>menu</nav><main>{body}</main>\
             <footer>foot</footer></body></html>"
        ))
        .expect("shallow")
    }

    #[test]
    fn reads_a_page_like_markdown() {
        let page = text(
            "<h2 id=a><a class=header href=#a>What Is\n It?</a></h2>\n<p>One <em>two</em>\nthree \
             <code>x &lt; y</code>.</p><p>Next &amp; last.</p>",
        );
        assert_eq!(
            page,
            "## What Is It?\n\nOne two three `x < y`.\n\nNext & last.\n"
        );
    }

    #[test]
    fn code_blocks_keep_their_lines_and_lose_the_hidden_ones() {
        let page = text(
            "<p>See:</p><pre class=playground><div class=buttons><button>Run</button></div><code>\
             <span class=boring>fn main() {\n</span>let x = 1;\n\n    let y = 2;\n</code></pre><p>So.</p>",
        );
        assert_eq!(
            page,
            "See:\n\n```\nlet x = 1;\n\n    let y = 2;\n```\n\nSo.\n"
        );
    }

    #[test]
    fn lists_nest_and_number() {
        let page = text(
            "<p>A:</p><ul><li><p>one</p><p>more</p></li><li>two<ol start=3><li>x</li><li>y</li></ol>\
             </li></ul><p>end</p>",
        );
        assert_eq!(
            page,
            "A:\n\n- one\n\n  more\n- two\n  3. x\n  4. y\n\nend\n"
        );
    }

    #[test]
    fn tables_become_rows() {
        let page =
            text("<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2 3</td></tr></table>");
        assert_eq!(page, "a | b\n1 | 2 3\n");
    }

    #[test]
    fn small_print_stands_apart_and_footnote_marks_are_dropped() {
        let page = text("<p>One<sub>except</sub> 2<sup class=footnote-reference>1</sup>.</p>");
        assert_eq!(page, "One except 2.\n");
    }

    #[test]
    fn furniture_is_left_out() {
        let page = text(
            "<div class=rule>[r]</div><script>x()</script><p>kept</p><button>no</button><svg><text>no</text></svg>",
        );
        assert_eq!(page, "kept\n");
        assert_eq!(
            page_text("<body><p>plain</p></body>").expect("shallow"),
            "plain\n"
        );
    }

    #[test]
    fn attack_deep_nesting_ends_without_overflow() {
        let deep = "<div>".repeat(20_000) + "x";
        assert_eq!(page_text(&deep), None);
    }
}

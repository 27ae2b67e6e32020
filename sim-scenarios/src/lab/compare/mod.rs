//! Expected output against what came: elisions, tabs, white space at the ends.
//!
//! The rules are snapbox's: `[..]` stands for any text within a line, a line of just `...` for any number of lines.

mod align;
mod diff;

pub use align::{Aligned, align};
pub use diff::diff;

/// Expected output of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pattern {
    lines: Vec<Line>,
}

/// Whether one expected line fits one line of output.
#[must_use]
pub fn line_matches(expected: &str, line: &str) -> bool {
    Line::new(expected).matches(&tidy(line))
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Line {
    /// `...`
    Any,
    /// Pieces of text between `[..]`; a single piece is the whole line.
    Text(Vec<String>),
}

impl Line {
    fn new(line: &str) -> Self {
        let line = tidy(line);
        if line == "..." { Self::Any } else { Self::Text(line.split("[..]").map(str::to_owned).collect()) }
    }

    fn matches(&self, line: &str) -> bool {
        let Self::Text(pieces) = self else { return true };
        let [first, middle @ .., last] = pieces.as_slice() else {
            return pieces.first().is_some_and(|only| only == line);
        };
        // `a [..]` fits `a` too: the blank is white space at the end once the elision stands for nothing.
        let bare = pieces.len() == 2 && last.is_empty() && line == first.trim_end();
        if bare {
            return true;
        }
        let Some(mut rest) = line.strip_prefix(first.as_str()) else { return false };
        for piece in middle {
            let Some(at) = rest.find(piece.as_str()) else { return false };
            rest = &rest[at + piece.len()..];
        }
        rest.ends_with(last.as_str())
    }
}

impl Pattern {
    /// Expected lines, as they stand in a lab.
    pub fn new<S: AsRef<str>>(lines: impl IntoIterator<Item = S>) -> Self {
        let mut lines: Vec<Line> = lines.into_iter().map(|l| Line::new(l.as_ref())).collect();
        while lines.last() == Some(&Line::Text(vec![String::new()])) {
            lines.pop();
        }
        Self { lines }
    }

    /// Whether no output at all is expected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The least number of lines that can match.
    #[must_use]
    pub fn least_lines(&self) -> usize {
        self.lines.iter().filter(|l| **l != Line::Any).count()
    }

    /// The largest number of lines that can match, if there is one.
    #[must_use]
    pub fn most_lines(&self) -> Option<usize> {
        (!self.lines.contains(&Line::Any)).then_some(self.lines.len())
    }

    /// Whether `output` is what was expected.
    #[must_use]
    pub fn matches(&self, output: &str) -> bool {
        let mut lines: Vec<String> = output.lines().map(tidy).collect();
        // Blank lines at the end count only where `[..]` wants one.
        if self.fits(&lines) {
            return true;
        }
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        self.fits(&lines)
    }

    fn fits(&self, lines: &[String]) -> bool {
        // The classic wildcard walk: on a mismatch the last `...` takes one line more. Earlier ones never need to.
        let (mut p, mut l) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        while l < lines.len() {
            match self.lines.get(p) {
                Some(Line::Any) => {
                    retry = Some((p + 1, l));
                    p += 1;
                }
                Some(line) if line.matches(&lines[l]) => {
                    p += 1;
                    l += 1;
                }
                _ => {
                    let Some((after, taken)) = retry else { return false };
                    retry = Some((after, taken + 1));
                    (p, l) = (after, taken + 1);
                }
            }
        }
        self.lines[p..].iter().all(|line| *line == Line::Any)
    }
}

/// Lines of an output without the blank ones at its end, otherwise as they are.
#[must_use]
pub fn output_lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    while lines.last().is_some_and(|l| l.trim_end().is_empty()) {
        lines.pop();
    }
    lines
}

/// A line with tabs as spaces to the next multiple of eight columns, without white space at its end.
pub(super) fn tidy(line: &str) -> String {
    let mut tidied = String::with_capacity(line.len());
    let mut column = 0;
    for c in line.chars() {
        let width = if c == '\t' { 8 - column % 8 } else { 1 };
        if c == '\t' {
            tidied.extend(std::iter::repeat_n(' ', width));
        } else {
            tidied.push(c);
        }
        column += width;
    }
    tidied.truncate(tidied.trim_end().len());
    tidied
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(expected: &str, output: &str) -> bool {
        Pattern::new(expected.lines()).matches(output)
    }

    #[test]
    fn an_elision_within_a_line_stands_for_any_text() {
        assert!(matches("pod-a [..] Running [..]", "pod-a 1/1 Running 0"));
        assert!(matches("[..]", "\n"));
        assert!(!matches("[..]", ""));
        assert!(matches("a[..]", "a"));
        assert!(matches("[..]b[..]b", "abb"));
        assert!(!matches("a[..]a", "a"));
        assert!(!matches("x[..]y", "x\ny"));
    }

    #[test]
    fn an_elision_of_lines_stands_for_any_number() {
        assert!(matches("...", ""));
        assert!(matches("a\n...\nz", "a\nz"));
        assert!(matches("a\n...\nz", "a\nb\nz\ny\nz\n"));
        assert!(matches("...\nb\n...\nc", "b\na\nb\nx\nc"));
        assert!(!matches("a\n...\nz", "a\nb"));
        assert!(!matches("...\na", "a\nb"));
    }

    #[test]
    fn tabs_and_white_space_at_the_ends_do_not_count() {
        assert!(matches("a       b", "a\tb"));
        assert!(matches("1234567 x\n", "1234567\tx  \n\n\n"));
        assert!(matches("a [..]", "a"), "the blank before an elision at the end is white space at the end");
        assert!(!matches("a b", "a  b"));
        assert!(!matches(" a", "a"));
        assert!(!matches("", "a"));
    }

    proptest::proptest! {
        #[test]
        fn the_comparer_never_panics_and_text_matches_itself(expected in "(\\[\\.\\.\\]|\\.\\.\\.|\\PC|\t|\n){0,20}", output in "(?s).{0,20}") {
            let _ = matches(&expected, &output);
            let _ = diff("f", 1, &expected.lines().map(str::to_owned).collect::<Vec<_>>(), &output);
            proptest::prop_assert!(matches(&output, &output) || output.contains(['\r']));
        }
    }
}

//! Expected output against what came: elisions, tabs, white space at the ends.
//!
//! The rules are snapbox's: `[..]` stands for any text within a line, a line of just `...` for any number of lines.

/// Expected output of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pattern {
    lines: Vec<Line>,
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
        let Some(mut rest) = line.strip_prefix(first.as_str()) else { return false };
        for piece in middle {
            let Some(at) = rest.find(piece.as_str()) else { return false };
            rest = &rest[at + piece.len()..];
        }
        // White space at the end does not count, also where an elision stands before it.
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
        let lines = tidy_lines(output);
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

/// Lines of an output without what does not count: white space at the end of a line, blank lines at the end.
fn tidy_lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(tidy).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// A line with tabs as spaces to the next multiple of eight columns, without white space at its end.
fn tidy(line: &str) -> String {
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

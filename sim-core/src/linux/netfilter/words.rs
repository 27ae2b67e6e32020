//! Words of a line of `iptables-restore`.

use std::borrow::Cow;

/// One word of a command line or of a restore line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::linux) struct Word<'a> {
    /// The word without its quotes.
    pub(in crate::linux) text: Cow<'a, str>,
    /// Where it starts: byte offset in the line, or number of the argument.
    pub(in crate::linux) at: usize,
}

impl Word<'_> {
    /// Whether an option could follow here instead of a value: `-…` or `!…`.
    pub(super) fn is_value(&self) -> bool {
        !self.text.starts_with(['-', '!'])
    }
}

/// Splits a line as `iptables-restore` does: at blanks, and at the end of a quoted piece, which closes its word. A backslash
/// protects the next character inside quotes only.
pub(in crate::linux) fn split(line: &str) -> Vec<Word<'_>> {
    let mut words = Vec::with_capacity(24);
    let mut rest = 0;
    while let Some(start) = line[rest..].find(|c| !is_blank(c)).map(|i| rest + i) {
        let end = line[start..].find(|c| is_blank(c) || c == '"').map_or(line.len(), |i| start + i);
        if !line[end..].starts_with('"') {
            words.push(Word { text: Cow::Borrowed(&line[start..end]), at: start });
            rest = end;
            continue;
        }
        let (quoted, after) = quoted(line, end + 1);
        let text = if start == end { quoted } else { Cow::Owned(line[start..end].to_owned() + &quoted) };
        words.push(Word { text, at: start });
        rest = after;
    }
    words
}

const fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n')
}

/// The quoted piece that starts at `from`, and the offset behind its closing quote. A quote that is never closed takes the
/// line's end with it.
fn quoted(line: &str, from: usize) -> (Cow<'_, str>, usize) {
    if let Some(len) = line[from..].find(['"', '\\'])
        && line[from + len..].starts_with('"')
    {
        return (Cow::Borrowed(&line[from..from + len]), from + len + 1);
    }
    let mut text = String::new();
    let mut escaped = false;
    for (i, c) in line[from..].char_indices() {
        match c {
            _ if escaped => {
                text.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return (Cow::Owned(text), from + i + 1),
            _ => text.push(c),
        }
    }
    text.push('\n');
    (Cow::Owned(text), line.len())
}

/// Puts a text into quotes as `xtables_save_string` does, unless it is a plain word.
pub(super) fn quote_into(out: &mut String, text: &str) {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !text.is_empty() && text.chars().all(plain) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '\'') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<String> {
        split(line).into_iter().map(|w| w.text.into_owned()).collect()
    }

    #[test]
    fn a_closing_quote_ends_its_word() {
        assert_eq!(texts(r#"-A X a"b c"d "" "e\"f" 'g"#), ["-A", "X", "ab c", "d", "", "e\"f", "'g"]);
    }

    #[test]
    fn an_open_quote_takes_the_end_of_the_line() {
        assert_eq!(texts("-m \"x y"), ["-m", "x y\n"]);
    }

    #[test]
    fn quoting_is_undone_by_splitting() {
        for text in ["plain-word_1", "", "two words", "a \"b\" 'c' \\d", "é", "-x"] {
            let mut line = String::new();
            quote_into(&mut line, text);
            assert_eq!(texts(&line), [text]);
        }
    }
}

//! Whether a command goes on in the lines below it: here-documents, open quotes.

/// A here-document that a command line opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HereDoc {
    /// The line that ends it.
    pub delimiter: String,
    /// `<<-`: tabs before the delimiter do not count.
    pub strip_tabs: bool,
    /// Where `<<` stands in the line, in characters.
    pub column: usize,
}

/// The here-documents that one line of a command opens, in order.
pub(crate) fn opened_by(line: &str) -> Vec<HereDoc> {
    let chars: Vec<char> = line.chars().collect();
    let mut docs = Vec::new();
    let mut quote: Option<char> = None;
    let mut i = 0;
    while i < chars.len() {
        match (quote, chars[i]) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (None, c @ ('\'' | '"')) => quote = Some(c),
            (None | Some('"'), '\\') => i += 1,
            (None, '#') if i == 0 || chars[i - 1].is_whitespace() => break,
            (None, '<') if chars[i..].starts_with(&['<', '<', '<']) => i += 2,
            // `$((1<<2))` and `((1<<2))` shift; a here-document's word does not start with a digit.
            (None, '<') if chars.get(i + 1) == Some(&'<') => {
                let column = i;
                i += 2;
                let strip_tabs = chars.get(i) == Some(&'-');
                i += usize::from(strip_tabs);
                let (delimiter, next) = word(&chars, i);
                if !delimiter.is_empty() && !delimiter.starts_with(|c: char| c.is_ascii_digit()) {
                    docs.push(HereDoc { delimiter, strip_tabs, column });
                }
                i = next;
                continue;
            }
            _ => {}
        }
        i += 1;
    }
    docs
}

/// The delimiter that starts at `i`, without its quotes, and where it ends.
fn word(chars: &[char], mut i: usize) -> (String, usize) {
    while chars.get(i).is_some_and(|c| *c == ' ' || *c == '\t') {
        i += 1;
    }
    let mut text = String::new();
    while let Some(&c) = chars.get(i) {
        match c {
            '\'' | '"' | '\\' => {}
            c if c.is_whitespace() || ";|&<>()".contains(c) => break,
            c => text.push(c),
        }
        i += 1;
    }
    (text, i)
}

impl HereDoc {
    /// Whether `line` ends it.
    pub(crate) fn ends_at(&self, line: &str) -> bool {
        let line = if self.strip_tabs { line.trim_start_matches('\t') } else { line };
        line == self.delimiter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delimiters(line: &str) -> Vec<String> {
        opened_by(line).into_iter().map(|d| d.delimiter).collect()
    }

    #[test]
    fn here_documents_are_found_outside_quotes_only() {
        assert_eq!(delimiters("cat <<EOF > x.yaml"), ["EOF"]);
        assert_eq!(delimiters("kubectl apply -f - << 'END'"), ["END"]);
        assert_eq!(delimiters("cat <<-A <<\"B\""), ["A", "B"]);
        assert!(delimiters("echo '<<EOF' \"<<EOF\" # <<EOF").is_empty());
        assert!(delimiters("echo $((1<<2)); cat <<< word").is_empty());
    }
}

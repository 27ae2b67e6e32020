//! POSIX patterns, basic and extended, for the regex crate.

use regex::{Regex, RegexBuilder};

/// Compiled size of a pattern: a stranger's lab must not take all memory.
const SIZE_LIMIT: usize = 1 << 20;

/// Which grammar a pattern is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grammar {
    /// `grep`, `sed`
    Basic,
    /// `grep -E`, `sed -E`, `awk`
    Extended,
    /// `grep -F`
    Fixed,
}

/// Compiles a pattern.
///
/// # Errors
/// What is not understood.
pub(super) fn compile(pattern: &str, grammar: Grammar, ignore_case: bool) -> Result<Regex, String> {
    let translated = match grammar {
        Grammar::Fixed => regex::escape(pattern),
        Grammar::Basic | Grammar::Extended => translate(pattern, grammar == Grammar::Extended)?,
    };
    RegexBuilder::new(&translated)
        .case_insensitive(ignore_case)
        .size_limit(SIZE_LIMIT)
        .nest_limit(50)
        .build()
        .map_err(|_| format!("the pattern '{pattern}'"))
}

fn translate(pattern: &str, extended: bool) -> Result<String, String> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut i = 0;
    while i < chars.len() {
        let c = chars[i];
        i += 1;
        match c {
            '[' => i = bracket(&chars, i, &mut out)?,
            '\\' => {
                let Some(&next) = chars.get(i) else { return Err(format!("the pattern '{pattern}'")) };
                i += 1;
                match next {
                    '1'..='9' => return Err("back-references in a pattern".to_owned()),
                    '<' => out.push_str(r"\b{start}"),
                    '>' => out.push_str(r"\b{end}"),
                    'b' | 'B' | 'w' | 'W' | 's' | 'S' | 'n' | 't' => out.extend(['\\', next]),
                    // In a basic pattern the backslash makes an operator of these.
                    '(' | ')' | '{' | '}' | '|' | '+' | '?' if !extended => out.push(next),
                    other => out.push_str(&regex::escape(&other.to_string())),
                }
            }
            '(' | ')' | '|' | '+' | '?' if !extended => out.extend(['\\', c]),
            '{' if !extended || !chars.get(i).is_some_and(char::is_ascii_digit) => out.push_str(r"\{"),
            '}' if !extended || !out.contains('{') => out.push_str(r"\}"),
            // At the start a star stands for itself.
            '*' if out.is_empty()
                || out.ends_with("(^")
                || (!extended && (out == "^" || out.ends_with('('))) =>
            {
                out.push_str(r"\*");
            }
            '^' if !(extended || out.is_empty() || out.ends_with('(') || out.ends_with('|')) => {
                out.push_str(r"\^")
            }
            '$' if !extended && !at_end(&chars[i..]) => out.push_str(r"\$"),
            other => out.push(other),
        }
    }
    Ok(out)
}

/// Whether `$` before `rest` of a basic pattern is an anchor.
fn at_end(rest: &[char]) -> bool {
    rest.is_empty() || rest.starts_with(&['\\', ')']) || rest.starts_with(&['\\', '|'])
}

/// Copies a bracket expression. In POSIX a backslash in it is a character like any other.
fn bracket(chars: &[char], mut i: usize, out: &mut String) -> Result<usize, String> {
    out.push('[');
    if chars.get(i) == Some(&'^') {
        out.push('^');
        i += 1;
    }
    let start = i;
    loop {
        let Some(&c) = chars.get(i) else { return Err("an open bracket in a pattern".to_owned()) };
        i += 1;
        match c {
            ']' if i > start + 1 => {
                out.push(']');
                return Ok(i);
            }
            '[' if chars.get(i) == Some(&':') => {
                let end = chars[i..]
                    .windows(2)
                    .position(|w| w == [':', ']'])
                    .ok_or("an open class in a pattern")?;
                out.push('[');
                out.extend(&chars[i..i + end + 2]);
                i += end + 2;
            }
            '[' | ']' | '\\' | '&' | '~' | '^' => out.extend(['\\', c]),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pattern: &str, grammar: Grammar, text: &str) -> Option<String> {
        compile(pattern, grammar, false).unwrap().find(text).map(|m| m.as_str().to_owned())
    }

    #[test]
    fn basic_and_extended_patterns_differ_in_their_operators() {
        let basic = |p: &str, t: &str| found(p, Grammar::Basic, t);
        let extended = |p: &str, t: &str| found(p, Grammar::Extended, t);
        assert_eq!(basic("a+", "aa+"), Some("a+".into()));
        assert_eq!(basic("a\\+", "aa+"), Some("aa".into()));
        assert_eq!(basic("(x)", "(x)"), Some("(x)".into()));
        assert_eq!(basic("\\(x\\|y\\)z", "yz"), Some("yz".into()));
        assert_eq!(basic("*a", "*a"), Some("*a".into()));
        assert_eq!(basic("a^b$c", "a^b$c"), Some("a^b$c".into()));
        assert_eq!(basic("[0-9]\\{2,3\\}", "1234"), Some("123".into()));
        assert_eq!(basic("[\\.]", "\\"), Some("\\".into()));
        assert_eq!(basic("{.items}", "{xitems}"), Some("{xitems}".into()));
        assert_eq!(extended("(a|b)+", "xabb"), Some("abb".into()));
        assert_eq!(extended("[0-9]{1,3}(\\.[0-9]{1,3}){3}", "ip 10.244.1.5"), Some("10.244.1.5".into()));
        assert_eq!(extended("[[:space:]]+[^ ]+", "a  bc d"), Some("  bc".into()));
        assert_eq!(extended("\\<pod\\>", "a pod b"), Some("pod".into()));
        assert!(compile("\\(a\\)\\1", Grammar::Basic, false).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_pattern_panics(pattern in "[]\\[a(){}|*+?.^$\\\\:-]{0,12}") {
            for grammar in [Grammar::Basic, Grammar::Extended, Grammar::Fixed] {
                let _ = compile(&pattern, grammar, true).map(|r| r.is_match("abc"));
            }
        }
    }
}

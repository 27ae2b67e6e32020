//! Patterns: `*`, `?`, `[…]`, and `\` before a character that stands for itself.

/// Whether `text` as a whole fits `pattern`.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    fits(&pattern, &text)
}

/// Whether a pattern has a character that is special in it.
pub(super) fn is_pattern(pattern: &str) -> bool {
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                chars.next();
            }
            '*' | '?' | '[' => return true,
            _ => {}
        }
    }
    false
}

/// `text` so that it stands for itself in a pattern.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if "*?[]\\-!^".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

pub(super) fn fits(pattern: &[char], text: &[char]) -> bool {
    // On a mismatch the last star takes one character more.
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&'*') {
            star = Some((p + 1, t));
            p += 1;
            continue;
        }
        if p == pattern.len() && t == text.len() {
            return true;
        }
        if let Some(next) = text.get(t).and_then(|c| one(&pattern[p..], *c)) {
            p += next;
            t += 1;
            continue;
        }
        match star {
            Some((after, taken)) if taken < text.len() => {
                star = Some((after, taken + 1));
                (p, t) = (after, taken + 1);
            }
            _ => return false,
        }
    }
}

/// Whether the first element of `pattern` fits `c`: its length.
fn one(pattern: &[char], c: char) -> Option<usize> {
    match pattern.first()? {
        '?' => Some(1),
        '\\' if pattern.len() > 1 => (pattern[1] == c).then_some(2),
        '[' => match class(pattern, c) {
            Some((true, length)) => Some(length),
            Some((false, _)) => None,
            None => (c == '[').then_some(1),
        },
        same => (*same == c).then_some(1),
    }
}

/// A bracket expression at the start of `pattern`: whether `c` is in it, and its length. None if it is not closed.
fn class(pattern: &[char], c: char) -> Option<(bool, usize)> {
    let negated = matches!(pattern.get(1), Some('!' | '^'));
    let first = 1 + usize::from(negated);
    let mut i = first;
    let mut inside = false;
    loop {
        let mut low = *pattern.get(i)?;
        if low == ']' && i > first {
            return Some((inside != negated, i + 1));
        }
        if low == '[' && pattern.get(i + 1) == Some(&':') {
            let end = i + pattern[i..].windows(2).position(|w| w == [':', ']'])?;
            let name: String = pattern[i + 2..end].iter().collect();
            inside |= named(&name, c);
            i = end + 2;
            continue;
        }
        if low == '\\' {
            i += 1;
            low = *pattern.get(i)?;
        }
        i += 1;
        let range = pattern.get(i) == Some(&'-') && pattern.get(i + 1).is_some_and(|h| *h != ']');
        if range {
            let high = pattern[i + 1];
            inside |= low <= c && c <= high;
            i += 2;
        } else {
            inside |= low == c;
        }
    }
}

fn named(name: &str, c: char) -> bool {
    match name {
        "alnum" => c.is_ascii_alphanumeric(),
        "alpha" => c.is_ascii_alphabetic(),
        "digit" => c.is_ascii_digit(),
        "lower" => c.is_ascii_lowercase(),
        "upper" => c.is_ascii_uppercase(),
        "space" => c.is_ascii_whitespace(),
        "punct" => c.is_ascii_punctuation(),
        "xdigit" => c.is_ascii_hexdigit(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_texts() {
        let yes = [
            ("*", ""),
            ("a*c", "abbc"),
            ("?b", "ab"),
            ("[a-c]x", "bx"),
            ("[!a]", "b"),
            ("\\*", "*"),
            ("[", "["),
        ];
        let no = [("a", "ab"), ("a*c", "abd"), ("[a-c]", "d"), ("\\*", "a"), ("[[:digit:]]", "x"), ("?", "")];
        for (p, t) in yes {
            assert!(matches(p, t), "{p} {t}");
        }
        for (p, t) in no {
            assert!(!matches(p, t), "{p} {t}");
        }
    }

    proptest::proptest! {
        #[test]
        fn escaped_text_fits_itself(text in "\\PC{0,12}", pattern in "[]a*?\\[!\\\\-]{0,12}") {
            assert!(matches(&escape(&text), &text));
            let _ = matches(&pattern, &text);
        }
    }
}

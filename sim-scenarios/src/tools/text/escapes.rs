//! Backslash escapes of `echo -e`, `printf`, and `$'…'`.

/// What an escaped text says, and whether `\c` ended all output.
pub(super) fn unescape(text: &str) -> (String, bool) {
    let mut result = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            result.push(c);
            continue;
        }
        match chars.next() {
            None => result.push('\\'),
            Some('n') => result.push('\n'),
            Some('t') => result.push('\t'),
            Some('r') => result.push('\r'),
            Some('a') => result.push('\u{7}'),
            Some('b') => result.push('\u{8}'),
            Some('e' | 'E') => result.push('\u{1b}'),
            Some('f') => result.push('\u{c}'),
            Some('v') => result.push('\u{b}'),
            Some('\\') => result.push('\\'),
            Some('c') => return (result, true),
            Some('x') => push_number(&mut result, &mut chars, 16, 2, "\\x"),
            Some('0') => push_number(&mut result, &mut chars, 8, 3, "\0"),
            Some(d @ '1'..='7') => {
                let mut digits = String::from(d);
                while digits.len() < 3 && chars.peek().is_some_and(|c| c.is_digit(8)) {
                    digits.extend(chars.next());
                }
                result.extend(u32::from_str_radix(&digits, 8).ok().and_then(char::from_u32));
            }
            Some(other) => {
                result.push('\\');
                result.push(other);
            }
        }
    }
    (result, false)
}

/// The text of `$'…'`.
pub(crate) fn ansi_c(text: &str) -> String {
    unescape(&text.replace("\\'", "'").replace("\\\"", "\"")).0
}

fn push_number(
    result: &mut String,
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    radix: u32,
    most: usize,
    otherwise: &str,
) {
    let mut digits = String::new();
    while digits.len() < most && chars.peek().is_some_and(|c| c.is_digit(radix)) {
        digits.extend(chars.next());
    }
    match u32::from_str_radix(&digits, radix).ok().and_then(char::from_u32) {
        Some(c) => result.push(c),
        None if radix == 8 => result.push('\0'),
        None => result.push_str(otherwise),
    }
}

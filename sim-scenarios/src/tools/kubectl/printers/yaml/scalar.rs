//! Texts in YAML: which style, and how each style is written.

use super::Emitter;

/// A line is folded at the first blank beyond this column.
const BEST_WIDTH: usize = 80;

/// Writes a text as a scalar; continuation lines stand at `indent`. A key is never folded nor written as a block.
pub(super) fn write(out: &mut Emitter, text: &str, indent: usize, key: bool) {
    let facts = Facts::of(text);
    if text.contains('\n') {
        return if facts.block && !key { literal(out, text, indent) } else { double(out, text, indent, key) };
    }
    if means_something_else(text) {
        double(out, text, indent, key);
    } else if facts.plain {
        plain(out, text, indent, key);
    } else if facts.single {
        single(out, text, indent, key);
    } else {
        double(out, text, indent, key);
    }
}

/// Which styles a text's characters allow.
#[derive(Debug)]
struct Facts {
    plain: bool,
    single: bool,
    block: bool,
}

impl Facts {
    fn of(text: &str) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let blank_after = |i: usize| chars.get(i + 1).is_none_or(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
        let blank_before = |i: usize| i == 0 || matches!(chars[i - 1], ' ' | '\t' | '\n' | '\r');
        let indicator = |(i, c): (usize, &char)| match c {
            ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => {
                i == 0
            }
            '#' => blank_before(i),
            ':' => blank_after(i),
            '?' | '-' => i == 0 && blank_after(0),
            _ => false,
        };
        let indicators =
            text.starts_with("---") || text.starts_with("...") || chars.iter().enumerate().any(indicator);
        let special = chars.iter().any(|c| !printable(*c));
        let (lead, trail) = (chars.first(), chars.last());
        let space_break = text.contains(" \n");
        let break_space = text.contains("\n ");
        let at_edge = |c: Option<&char>| matches!(c, Some(' ' | '\n'));
        Self {
            plain: !indicators
                && !special
                && !space_break
                && !text.contains('\n')
                && !at_edge(lead)
                && !at_edge(trail),
            single: !special && !space_break && !break_space,
            block: !special && !space_break && trail != Some(&' '),
        }
    }
}

fn printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
        || c >= '\u{10000}'
}

/// Whether a YAML 1.1 reader would take the bare text for a bool, a null, a number or a time.
fn means_something_else(text: &str) -> bool {
    const WORDS: [&str; 33] = [
        "", "~", "null", "Null", "NULL", "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On",
        "ON", "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF", ".nan", ".NaN",
        ".NAN", ".inf", ".Inf", ".INF",
    ];
    let Some(first) = text.chars().next() else { return true };
    if WORDS.contains(&text) || WORDS[30..].contains(&text.trim_start_matches(['+', '-'])) && text.len() == 5
    {
        return true;
    }
    match first {
        '.' => is_float(text),
        '+' | '-' | '0'..='9' => {
            let plain = text.replace('_', "");
            is_time(text) || is_int(&plain) || is_float(&plain) || is_base_60(text)
        }
        _ => false,
    }
}

/// What Go's `strconv.ParseInt(s, 0, 64)` accepts, of any size.
fn is_int(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let all = |s: &str, radix: u32| !s.is_empty() && s.chars().all(|c| c.is_digit(radix));
    match digits.get(..2) {
        Some("0x" | "0X") => all(&digits[2..], 16),
        Some("0b" | "0B") => all(&digits[2..], 2),
        Some("0o" | "0O") => all(&digits[2..], 8),
        _ => all(digits, 10),
    }
}

fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) =
        unsigned.split_once(['e', 'E']).map_or((unsigned, None), |(m, e)| (m, Some(e)));
    let digits = |s: &str| s.chars().all(|c| c.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some((whole, part)) => digits(whole) && digits(part) && mantissa.len() > 1,
        None => !mantissa.is_empty() && digits(mantissa),
    };
    mantissa_fits
        && exponent.is_none_or(|e| {
            let e = e.strip_prefix(['+', '-']).unwrap_or(e);
            !e.is_empty() && digits(e)
        })
}

/// `1:30`: sexagesimal in YAML 1.1.
fn is_base_60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let mut parts = whole.split(':');
    let head = parts.next().unwrap_or("");
    let mut tail = parts.peekable();
    head.starts_with(|c: char| c.is_ascii_digit())
        && head.chars().all(|c| c.is_ascii_digit() || c == '_')
        && tail.peek().is_some()
        && tail.all(|p| matches!(p.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']))
        && fraction.chars().all(|c| c.is_ascii_digit() || c == '_')
}

/// `2026-01-01`, alone or with a time of day.
fn is_time(text: &str) -> bool {
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(i) => (&text[..i], Some((&text[i..=i], &text[i + 1..]))),
        None => (text, None),
    };
    let mut date = date.split('-');
    let (year, month, day) = (date.next().unwrap_or(""), date.next(), date.next());
    let within = |s: Option<&str>, low: u32, high: u32| {
        s.is_some_and(|s| {
            (1..=2).contains(&s.len()) && s.parse().is_ok_and(|n: u32| (low..=high).contains(&n))
        })
    };
    let date_fits = year.len() == 4
        && year.chars().all(|c| c.is_ascii_digit())
        && within(month, 1, 12)
        && within(day, 1, 31)
        && date.next().is_none();
    let Some((separator, time)) = time else { return date_fits };
    let clock = if separator == " " { Some(time) } else { without_zone(time) };
    date_fits
        && clock.is_some_and(|clock| {
            let mut parts = clock.split(':');
            let (hour, minute, second) = (parts.next(), parts.next(), parts.next());
            let (second, fraction) =
                second.unwrap_or("").split_once('.').unwrap_or((second.unwrap_or(""), "0"));
            within(hour, 0, 23)
                && within(minute, 0, 59)
                && within(Some(second), 0, 59)
                && !fraction.is_empty()
                && fraction.chars().all(|c| c.is_ascii_digit())
                && parts.next().is_none()
        })
}

fn without_zone(time: &str) -> Option<&str> {
    if let Some(clock) = time.strip_suffix('Z') {
        return Some(clock);
    }
    let (clock, zone) = time.split_at_checked(time.rfind(['+', '-'])?)?;
    let zone = zone.as_bytes();
    (zone.len() == 6 && zone[3] == b':' && [1, 2, 4, 5].iter().all(|i| zone[*i].is_ascii_digit()))
        .then_some(clock)
}

fn plain(out: &mut Emitter, text: &str, indent: usize, key: bool) {
    folded(out, text, indent, key, false, |out, c| out.put(c));
}

fn single(out: &mut Emitter, text: &str, indent: usize, key: bool) {
    out.put('\'');
    folded(out, text, indent, key, true, |out, c| {
        if c == '\'' {
            out.put('\'');
        }
        out.put(c);
    });
    out.put('\'');
}

fn folded(
    out: &mut Emitter,
    text: &str,
    indent: usize,
    key: bool,
    quoted: bool,
    each: impl Fn(&mut Emitter, char),
) {
    let chars: Vec<char> = text.chars().collect();
    let mut after_space = false;
    for (i, c) in chars.iter().enumerate() {
        let inside = !quoted || i > 0 && i + 1 < chars.len();
        let lone = !after_space && chars.get(i + 1) != Some(&' ');
        if *c == ' ' && !key && inside && lone && out.column > BEST_WIDTH {
            out.put('\n');
            out.indent(indent);
        } else {
            each(out, *c);
        }
        after_space = *c == ' ';
    }
}

fn double(out: &mut Emitter, text: &str, indent: usize, key: bool) {
    out.put('"');
    let chars: Vec<char> = text.chars().collect();
    let mut after_space = false;
    for (i, c) in chars.iter().enumerate() {
        let inside = i > 0 && i + 1 < chars.len();
        match c {
            ' ' if !key && !after_space && inside && out.column > BEST_WIDTH => {
                out.put('\n');
                out.indent(indent);
                if chars.get(i + 1) == Some(&' ') {
                    out.put('\\');
                }
            }
            c if printable(*c) && !matches!(c, '"' | '\\' | '\n') => out.put(*c),
            c => escape(out, *c),
        }
        after_space = *c == ' ';
    }
    out.put('"');
}

fn escape(out: &mut Emitter, c: char) {
    let short = match c {
        '\0' => "0",
        '\u{7}' => "a",
        '\u{8}' => "b",
        '\t' => "t",
        '\n' => "n",
        '\u{b}' => "v",
        '\u{c}' => "f",
        '\r' => "r",
        '\u{1b}' => "e",
        '"' => "\"",
        '\\' => "\\",
        '\u{85}' => "N",
        '\u{2028}' => "L",
        '\u{2029}' => "P",
        c => {
            let code = u32::from(c);
            let long = if code <= 0xff { format!("\\x{code:02X}") } else { format!("\\u{code:04X}") };
            out.put_str(&long);
            return;
        }
    };
    out.put('\\');
    out.put_str(short);
}

/// `|`: line for line, with a hint where the first line starts blank, and one for the newlines at the end.
fn literal(out: &mut Emitter, text: &str, indent: usize) {
    out.put('|');
    if text.starts_with([' ', '\n']) {
        out.put('2');
    }
    match text.strip_suffix('\n') {
        None => out.put('-'),
        Some(rest) if rest.is_empty() || rest.ends_with('\n') => out.put('+'),
        Some(_) => {}
    }
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        out.put('\n');
        if !line.is_empty() {
            out.indent(indent);
            out.put_str(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::document;
    use serde_json::json;

    fn scalar(text: &str) -> String {
        let yaml = document(&json!({ "k": text }));
        yaml.strip_prefix("k: ").and_then(|y| y.strip_suffix('\n')).unwrap().to_owned()
    }

    #[test]
    fn texts_that_mean_something_else_are_quoted() {
        for text in [
            "",
            "true",
            "no",
            "on",
            "y",
            "~",
            "null",
            "80",
            "-1",
            "0x1f",
            "0b11",
            "0o17",
            "1_000",
            "1.5",
            "1e3",
            ".5",
            "1:30",
            ".inf",
            "-.inf",
            "2026-01-01",
            "2026-01-01T00:00:00Z",
            "2026-01-01 00:00:00",
        ] {
            assert_eq!(scalar(text), format!("\"{text}\""), "{text:?}");
        }
    }

    #[test]
    fn ordinary_texts_are_not() {
        for text in [
            "pod-a",
            "10.244.1.5",
            "192.168.100.0/24",
            "v1.34",
            "a:b",
            "http://x/",
            "a#b",
            "-x",
            "1.2.3",
            "80/TCP",
            "Yes!",
            "2026-13-01",
            "1:75",
            "/bin/sh",
            "a, b",
            "it's",
            "?x",
            "::1",
            "fd00::1",
            "0b2",
            "1e",
            ".",
            "-",
        ] {
            let expected = if text == "-" { "'-'".to_owned() } else { text.to_owned() };
            assert_eq!(scalar(text), expected);
        }
    }

    #[test]
    fn indicators_take_single_quotes_and_control_characters_double() {
        assert_eq!(scalar("*"), "'*'");
        assert_eq!(scalar("a: b"), "'a: b'");
        assert_eq!(scalar("a #b"), "'a #b'");
        assert_eq!(scalar("{\"a\":1}"), "'{\"a\":1}'");
        assert_eq!(scalar(" x"), "' x'");
        assert_eq!(scalar("@it's"), "'@it''s'");
        assert_eq!(scalar("a\tb"), "\"a\\tb\"");
    }

    #[test]
    fn several_lines_are_a_block() {
        assert_eq!(scalar("a\nb\n"), "|\n  a\n  b");
        assert_eq!(scalar("a\n\nb"), "|-\n  a\n\n  b");
        assert_eq!(scalar("a\n\n"), "|+\n  a\n");
        assert_eq!(scalar(" a\n"), "|2\n   a");
        assert_eq!(scalar("a \nb\n"), "\"a \\nb\\n\"");
    }

    #[test]
    fn long_texts_are_folded_at_the_first_blank_beyond_column_80() {
        let text = "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 node(s) did not match the selector. none";
        insta::assert_snapshot!(document(&json!({ "message": text })), @r"
        message: '0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 node(s) did
          not match the selector. none'
        ");
    }
}

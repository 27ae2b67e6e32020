//! `tr [-d] [-s] [-c] SET1 [SET2]`

use super::escapes::unescape;
use super::options::Options;
use crate::tools::Cx;

pub(in crate::tools) fn run(cx: &mut Cx<'_>) -> i32 {
    let options =
        match Options::read(cx, "+dsc", &[("delete", 'd'), ("squeeze-repeats", 's'), ("complement", 'c')]) {
            Ok(options) => options,
            Err(status) => return status,
        };
    let sets: Vec<Vec<char>> = options.operands.iter().map(|s| set(s)).collect();
    let (delete, squeeze, complement) = (options.has('d'), options.has('s'), options.has('c'));
    let Some(first) = sets.first() else {
        cx.out.err("tr: missing operand");
        return 1;
    };
    if sets.len() < 2 && !delete && !squeeze {
        cx.out.err(format!("tr: missing operand after '{}'", options.operands[0]));
        return 1;
    }
    let inside = |c: char| first.contains(&c) != complement;
    let second = sets.get(1);
    let squeezed = second.unwrap_or(first);
    let squeezes = |c: char| if second.is_some() { squeezed.contains(&c) } else { inside(c) };
    let mut text = String::new();
    for c in String::from_utf8_lossy(cx.stdin).chars() {
        let c = match second {
            _ if delete && inside(c) => continue,
            Some(to) if !delete && inside(c) => translated(c, first, to, complement),
            _ => c,
        };
        if !(squeeze && squeezes(c) && text.ends_with(c)) {
            text.push(c);
        }
    }
    cx.out.print(text);
    0
}

fn translated(c: char, from: &[char], to: &[char], complement: bool) -> char {
    let index = if complement { usize::MAX } else { from.iter().position(|f| *f == c).unwrap_or(usize::MAX) };
    // The second set is filled up with its last character.
    to.get(index).or(to.last()).copied().unwrap_or(c)
}

/// The characters of a set: ranges, classes, escapes.
fn set(text: &str) -> Vec<char> {
    let chars: Vec<char> = unescape(text).0.chars().collect();
    let mut all = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        let rest: String = chars[i..].iter().take(10).collect();
        let class = CLASSES.iter().find(|(name, _)| rest.starts_with(*name));
        if let Some((name, members)) = class {
            all.extend((0..128_u8).map(char::from).filter(members));
            i += name.len();
        } else if chars.get(i + 1) == Some(&'-') && chars.get(i + 2).is_some_and(|high| *high >= chars[i]) {
            all.extend(chars[i]..=chars[i + 2]);
            i += 3;
        } else {
            all.push(chars[i]);
            i += 1;
        }
    }
    all
}

type Class = (&'static str, fn(&char) -> bool);

static CLASSES: &[Class] = &[
    ("[:alnum:]", char::is_ascii_alphanumeric),
    ("[:alpha:]", char::is_ascii_alphabetic),
    ("[:blank:]", |c| *c == ' ' || *c == '\t'),
    ("[:digit:]", char::is_ascii_digit),
    ("[:lower:]", char::is_ascii_lowercase),
    ("[:punct:]", char::is_ascii_punctuation),
    ("[:space:]", |c| c.is_ascii_whitespace() || *c == '\u{b}'),
    ("[:upper:]", char::is_ascii_uppercase),
];

//! `cut -d X -f LIST | -c LIST [FILE…]`

use super::options::Options;
use crate::tools::Cx;

pub(in crate::tools) fn run(cx: &mut Cx<'_>) -> i32 {
    let options =
        match Options::read(cx, "d:f:c:b:s", &[("delimiter", 'd'), ("fields", 'f'), ("characters", 'c')]) {
            Ok(options) => options,
            Err(status) => return status,
        };
    let fields = options.value('f');
    let Some(list) = fields.or(options.value('c')).or(options.value('b')) else {
        cx.out.err("cut: you must specify a list of bytes, characters, or fields");
        return 1;
    };
    let Some(ranges) = list.split(',').map(range).collect::<Option<Vec<_>>>() else {
        cx.out.err(format!("cut: invalid field value '{list}'"));
        return 1;
    };
    let delimiter = options.value('d').unwrap_or("\t");
    let chosen = |n: usize| ranges.iter().any(|(from, to)| (*from..=*to).contains(&n));
    let (sources, all) = super::sources(cx, "cut", &options.operands);
    for line in super::lines(&sources) {
        if fields.is_none() {
            let text: String =
                line.chars().enumerate().filter(|(i, _)| chosen(i + 1)).map(|(_, c)| c).collect();
            cx.out.line(text);
        } else if line.contains(delimiter) && !delimiter.is_empty() {
            let parts: Vec<&str> =
                line.split(delimiter).enumerate().filter(|(i, _)| chosen(i + 1)).map(|(_, p)| p).collect();
            cx.out.line(parts.join(delimiter));
        } else if !options.has('s') {
            cx.out.line(line);
        }
    }
    i32::from(!all)
}

/// `3`, `3-`, `-3`, `2-4`
fn range(text: &str) -> Option<(usize, usize)> {
    let number =
        |s: &str, empty: usize| if s.is_empty() { Some(empty) } else { s.parse().ok().filter(|n| *n > 0) };
    match text.split_once('-') {
        Some(("", "")) => None,
        Some((from, to)) => Some((number(from, 1)?, number(to, usize::MAX)?)),
        None => {
            let n = number(text, 0).filter(|n| *n > 0)?;
            Some((n, n))
        }
    }
}

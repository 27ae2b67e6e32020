//! `head [-n N | -c N] [FILE…]`

use super::options::Options;
use super::tail::titled;
use crate::tools::Cx;

pub(in crate::tools) fn run(cx: &mut Cx<'_>) -> i32 {
    let args = old_style(cx.args);
    modern(&mut Cx { args: &args, ..cx.again() })
}

/// `head -5` is `head -n5`.
pub(super) fn old_style(args: &[String]) -> Vec<String> {
    let mut args = args.to_vec();
    if let Some(word) = args.get_mut(1)
        && let Some(n) = word.strip_prefix('-')
        && !n.is_empty()
        && n.bytes().all(|b| b.is_ascii_digit())
    {
        *word = format!("-n{n}");
    }
    args
}

fn modern(cx: &mut Cx<'_>) -> i32 {
    let options = match Options::read(cx, "n:c:q", &[("lines", 'n'), ("bytes", 'c'), ("quiet", 'q')]) {
        Ok(options) => options,
        Err(status) => return status,
    };
    let Ok(count) = options.value('n').or(options.value('c')).unwrap_or("10").parse::<i64>() else {
        let word = options.value('n').or(options.value('c')).unwrap_or_default().to_owned();
        cx.out.err(format!("head: invalid number of lines: '{word}'"));
        return 1;
    };
    let bytes = options.value('c').is_some();
    let (sources, all) = super::sources(cx, "head", &options.operands);
    for (i, source) in sources.iter().enumerate() {
        titled(cx, &sources, i, options.has('q'));
        let text = &source.text;
        if bytes {
            let end = from_start(text.len(), count);
            cx.out.write(&text.as_bytes()[..end]);
        } else {
            let lines: Vec<&str> = text.split_inclusive('\n').collect();
            let end = from_start(lines.len(), count);
            cx.out.print(lines[..end].concat());
        }
    }
    i32::from(!all)
}

/// How many of `length` things: the first `count`, or all but the last `-count`.
fn from_start(length: usize, count: i64) -> usize {
    let size = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if count < 0 { length.saturating_sub(size) } else { length.min(size) }
}

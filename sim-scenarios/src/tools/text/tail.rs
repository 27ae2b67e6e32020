//! `tail [-n N | -n +N] [-f] [FILE…]`

use super::Source;
use super::head::old_style;
use super::options::Options;
use crate::tools::{Cx, SIGINT_STATUS};

pub(in crate::tools) fn run(cx: &mut Cx<'_>) -> i32 {
    let args = old_style(cx.args);
    modern(&mut Cx { args: &args, ..cx.again() })
}

fn modern(cx: &mut Cx<'_>) -> i32 {
    let options = match Options::read(cx, "n:fq", &[("lines", 'n'), ("follow", 'f'), ("quiet", 'q')]) {
        Ok(options) => options,
        Err(status) => return status,
    };
    let word = options.value('n').unwrap_or("10");
    let Ok(count) = word.trim_start_matches(['+', '-']).parse::<usize>() else {
        cx.out.err(format!("tail: invalid number of lines: '{word}'"));
        return 1;
    };
    let from_start = word.starts_with('+');
    let (sources, all) = super::sources(cx, "tail", &options.operands);
    for (i, source) in sources.iter().enumerate() {
        titled(cx, &sources, i, options.has('q'));
        let lines: Vec<&str> = source.text.split_inclusive('\n').collect();
        let start = if from_start { count.saturating_sub(1) } else { lines.len().saturating_sub(count) };
        cx.out.print(lines[start.min(lines.len())..].concat());
    }
    if options.has('f') && !options.operands.is_empty() {
        return follow(cx);
    }
    i32::from(!all)
}

/// Nothing writes while we wait: only commands change files, and one runs at a time.
fn follow(cx: &mut Cx<'_>) -> i32 {
    while !cx.interrupted() {
        let left = cx.deadline().since(cx.now());
        cx.pause(left.min(std::time::Duration::from_secs(1)));
    }
    SIGINT_STATUS
}

/// The title above each of several files.
pub(super) fn titled(cx: &mut Cx<'_>, sources: &[Source], i: usize, quiet: bool) {
    if sources.len() < 2 || quiet {
        return;
    }
    if i > 0 {
        cx.out.print("\n");
    }
    let name = sources[i].name.as_deref().unwrap_or("standard input");
    cx.out.line(format!("==> {name} <=="));
}

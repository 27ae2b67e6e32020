//! `uniq [-c] [-d] [-u] [FILE]`

use super::options::Options;
use crate::tools::Cx;

pub(in crate::tools) fn run(cx: &mut Cx<'_>) -> i32 {
    let options = match Options::read(cx, "cdu", &[("count", 'c'), ("repeated", 'd'), ("unique", 'u')]) {
        Ok(options) => options,
        Err(status) => return status,
    };
    if options.operands.len() > 1 {
        return cx.not_modelled("uniq: an output file");
    }
    let (sources, all) = super::sources(cx, "uniq", &options.operands);
    let mut groups: Vec<(usize, &str)> = Vec::new();
    for line in super::lines(&sources) {
        match groups.last_mut() {
            Some((count, last)) if *last == line => *count += 1,
            _ => groups.push((1, line)),
        }
    }
    for (count, line) in groups {
        if (options.has('d') && count < 2) || (options.has('u') && count > 1) {
            continue;
        }
        if options.has('c') {
            cx.out.line(format!("{count:7} {line}"));
        } else {
            cx.out.line(line);
        }
    }
    i32::from(!all)
}

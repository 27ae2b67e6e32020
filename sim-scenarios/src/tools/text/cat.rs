//! `cat [-n] [FILE…]`

use super::options::Options;
use crate::tools::Cx;

pub(in crate::tools) fn run(cx: &mut Cx<'_>) -> i32 {
    let options = match Options::read(cx, "nu", &[("number", 'n')]) {
        Ok(options) => options,
        Err(status) => return status,
    };
    if !options.has('n') {
        return copy(cx, &options.operands);
    }
    let (sources, all) = super::sources(cx, "cat", &options.operands);
    for (i, line) in super::lines(&sources).enumerate() {
        cx.out.line(format!("{:6}\t{line}", i + 1));
    }
    i32::from(!all)
}

/// Bytes go through as they are.
fn copy(cx: &mut Cx<'_>, operands: &[String]) -> i32 {
    if operands.is_empty() {
        let stdin = cx.stdin;
        cx.out.write(stdin);
    }
    let mut status = 0;
    for name in operands {
        match cx.read_input(name) {
            Ok(bytes) => cx.out.write(&bytes),
            Err(why) => {
                let message = super::unreadable(cx, "cat", name, why);
                cx.out.err(message);
                status = 1;
            }
        }
    }
    status
}

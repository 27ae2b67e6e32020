//! `tee [-a] FILE…`

use super::options::Options;
use crate::tools::Cx;

pub(in crate::tools) fn run(cx: &mut Cx<'_>) -> i32 {
    let options = match Options::read(cx, "a", &[("append", 'a')]) {
        Ok(options) => options,
        Err(status) => return status,
    };
    let stdin = cx.stdin;
    let mut status = 0;
    for name in &options.operands {
        let mut files = cx.files();
        let written = if options.has('a') { files.append(name, stdin) } else { files.write(name, stdin) };
        if let Err(why) = written {
            cx.out.err(format!("tee: {name}: {why}"));
            status = 1;
        }
    }
    cx.out.write(stdin);
    status
}

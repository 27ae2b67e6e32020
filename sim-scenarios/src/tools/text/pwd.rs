//! `pwd`

use crate::tools::Cx;

pub(in crate::tools) fn run(cx: &mut Cx<'_>) -> i32 {
    let cwd = cx.cwd;
    cx.out.line(cwd);
    0
}

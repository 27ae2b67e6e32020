//! `which NAME…`

use crate::tools::{Cx, path_of};

pub(in crate::tools) fn run(cx: &mut Cx<'_>) -> i32 {
    let mut status = 0;
    for name in cx.operands().to_vec() {
        match path_of(cx.cluster, cx.place, &name) {
            Some(path) => cx.out.line(path),
            None => status = 1,
        }
    }
    status
}

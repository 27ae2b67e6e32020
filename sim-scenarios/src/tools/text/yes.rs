//! `yes [WORD…]`: the same line for ever.

use crate::tools::{Cx, SIGINT_STATUS};

/// Lines after which nobody reads on, wherever they go.
const ENOUGH: usize = 1 << 20;

pub(in crate::tools) fn run(cx: &mut Cx<'_>) -> i32 {
    let line = if cx.operands().is_empty() { "y".to_owned() } else { cx.operands().join(" ") };
    for _ in 0..ENOUGH {
        if cx.out.interrupted() {
            return SIGINT_STATUS;
        }
        cx.out.line(&line);
    }
    cx.session.note_endless(&cx.args.join(" "));
    SIGINT_STATUS
}

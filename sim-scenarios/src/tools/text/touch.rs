//! `touch FILE…`

use super::options::Options;
use crate::tools::Cx;

pub(in crate::tools) fn run(cx: &mut Cx<'_>) -> i32 {
    let options = match Options::read(cx, "", &[]) {
        Ok(options) => options,
        Err(status) => return status,
    };
    let mut status = 0;
    for name in &options.operands {
        if let Err(why) = cx.files().append(name, b"") {
            let text = if super::is_busybox(cx) {
                format!("touch: {name}: {why}")
            } else {
                format!("touch: cannot touch '{name}': {why}")
            };
            cx.out.err(text);
            status = 1;
        }
    }
    status
}

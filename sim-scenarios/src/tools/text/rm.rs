//! `rm [-r] [-f] FILE…`

use super::options::Options;
use crate::tools::Cx;

pub(in crate::tools) fn run(cx: &mut Cx<'_>) -> i32 {
    let options = match Options::read(cx, "rRf", &[("recursive", 'r'), ("force", 'f')]) {
        Ok(options) => options,
        Err(status) => return status,
    };
    let recursive = options.has('r') || options.has('R');
    let mut status = 0;
    for name in &options.operands {
        let mut files = cx.files();
        if files.kind(name).is_none() && options.has('f') {
            continue;
        }
        let removed = if recursive { files.remove_all(name) } else { files.remove(name) };
        if let Err(why) = removed {
            let text = match (super::is_busybox(cx), why) {
                (true, sim_core::linux::Errno::EISDIR) => format!("rm: '{name}' is a directory"),
                (true, _) => format!("rm: can't remove '{name}': {why}"),
                (false, _) => format!("rm: cannot remove '{name}': {why}"),
            };
            cx.out.err(text);
            status = 1;
        }
    }
    status
}

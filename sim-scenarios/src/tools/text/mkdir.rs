//! `mkdir [-p] DIR…`

use sim_core::kube::node::files::FileKind;
use sim_core::linux::Errno;

use super::options::Options;
use crate::tools::Cx;

pub(in crate::tools) fn run(cx: &mut Cx<'_>) -> i32 {
    let options = match Options::read(cx, "p", &[("parents", 'p')]) {
        Ok(options) => options,
        Err(status) => return status,
    };
    let mut status = 0;
    for dir in &options.operands {
        let made = if options.has('p') { with_parents(cx, dir) } else { cx.files().mkdir(dir) };
        if let Err(why) = made {
            let text = if super::is_busybox(cx) {
                format!("mkdir: can't create directory '{dir}': {why}")
            } else {
                format!("mkdir: cannot create directory '{dir}': {why}")
            };
            cx.out.err(text);
            status = 1;
        }
    }
    status
}

fn with_parents(cx: &mut Cx<'_>, dir: &str) -> Result<(), Errno> {
    let cuts = dir.match_indices('/').map(|(i, _)| i).filter(|i| *i > 0).chain([dir.len()]);
    for cut in cuts {
        match cx.files().mkdir(&dir[..cut]) {
            Err(Errno::EEXIST) if cx.files().kind(&dir[..cut]) == Some(FileKind::Dir) => {}
            other => other?,
        }
    }
    Ok(())
}

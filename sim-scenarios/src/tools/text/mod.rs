//! Text tools: the small programs that transcripts pipe through.
//!
//! Each does what transcripts use it for. An option that is not modelled is an error that names it.

pub(super) mod awk;
pub(super) mod cat;
pub(super) mod cut;
pub(super) mod date;
pub(super) mod echo;
pub(super) mod env;
pub(crate) mod escapes;
pub(super) mod grep;
pub(super) mod head;
pub(super) mod hostname;
pub(super) mod ls;
pub(super) mod mkdir;
pub(super) mod options;
pub(super) mod printf;
pub(super) mod pwd;
mod regex;
pub(super) mod rm;
pub(super) mod sed;
pub(super) mod seq;
pub(super) mod sleep;
pub(super) mod sort;
pub(super) mod tail;
pub(super) mod tee;
pub(super) mod test;
pub(super) mod timeout;
pub(super) mod touch;
pub(super) mod tr;
pub(super) mod uniq;
pub(super) mod wc;
pub(super) mod which;
pub(super) mod xargs;
pub(super) mod yes;

#[cfg(test)]
mod tests;

use sim_core::linux::Errno;

use super::registry::On;
use super::{Cx, kind_of};

/// One input of a text tool.
struct Source {
    /// The operand that named it; none for standard input without an operand.
    name: Option<String>,
    text: String,
}

/// Whether the tool is busybox's.
fn is_busybox(cx: &Cx<'_>) -> bool {
    kind_of(cx.cluster, cx.place).meets(On::BUSYBOX)
}

/// Reads the files that the operands name, standard input without any. Complains about those that cannot be read.
fn sources(cx: &mut Cx<'_>, tool: &str, operands: &[String]) -> (Vec<Source>, bool) {
    if operands.is_empty() {
        let text = String::from_utf8_lossy(cx.stdin).into_owned();
        return (vec![Source { name: None, text }], true);
    }
    let mut sources = Vec::new();
    let mut all = true;
    for name in operands {
        match cx.read_input(name) {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                sources.push(Source { name: Some(name.clone()), text });
            }
            Err(why) => {
                all = false;
                let message = unreadable(cx, tool, name, why);
                cx.out.err(message);
            }
        }
    }
    (sources, all)
}

/// What a tool says about a file that it cannot read.
fn unreadable(cx: &Cx<'_>, tool: &str, name: &str, why: Errno) -> String {
    match (is_busybox(cx), tool) {
        (true, "cat") if why == Errno::EISDIR => format!("cat: read error: {why}"),
        (true, "cat" | "awk" | "cut" | "sort" | "wc" | "uniq" | "head" | "tail") if why == Errno::ENOENT => {
            let quoted = if matches!(tool, "cat" | "head" | "tail") {
                format!("can't open '{name}'")
            } else {
                name.to_owned()
            };
            format!("{tool}: {quoted}: {why}")
        }
        (false, "head" | "tail") => format!("{tool}: cannot open '{name}' for reading: {why}"),
        (false, "sort") => format!("sort: cannot read: {name}: {why}"),
        (false, "sed") => format!("sed: can't read {name}: {why}"),
        _ => format!("{tool}: {name}: {why}"),
    }
}

/// All lines of all sources.
fn lines(sources: &[Source]) -> impl Iterator<Item = &str> {
    sources.iter().flat_map(|s| s.text.lines())
}

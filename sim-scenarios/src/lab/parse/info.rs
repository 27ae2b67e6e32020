//! What a code block is for, as its info string says.

use super::blocks::Block;
use super::{Findings, LabFile};

/// What a block is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// `yaml cluster`
    Cluster,
    /// `… file=NAME`
    File(String),
    /// `console`
    Console,
    /// Anything else: prose, as far as a lab goes.
    Other,
}

/// Reads a block's info string. What is almost a word of ours is a warning, because the block will not run.
pub(super) fn read(block: &Block, found: &mut Findings<'_>) -> Role {
    let words: Vec<&str> = block.info.split_whitespace().collect();
    if let Some(name) = words.iter().skip(1).find_map(|w| w.strip_prefix("file=")) {
        let name = name.trim_matches('"');
        return match unusable(name) {
            None => Role::File(name.to_owned()),
            Some(why) => {
                found.error(
                    block.info_at(),
                    why,
                    Some("write `file=` and a relative path, such as `file=pod-a.yaml`".into()),
                );
                Role::Other
            }
        };
    }
    match words.as_slice() {
        ["console"] => Role::Console,
        ["console", "ignore"] => Role::Other,
        ["yaml", "cluster"] => Role::Cluster,
        ["console", word, ..] => {
            let help =
                Some("a block that runs is just `console`; one that does not is `console ignore`".into());
            found.warn(
                block.info_at(),
                format!("unknown word `{word}` after `console`: this block is not run"),
                help,
            );
            Role::Other
        }
        ["yml", "cluster"] | [_, "cluster", ..] => {
            let help = Some("write `yaml cluster`".into());
            found.warn(block.info_at(), "this block is not taken for the cluster block", help);
            Role::Other
        }
        _ => {
            if block.lines.first().is_some_and(|l| separator(&l.text).is_some()) {
                let help = Some("name the first file in the info string: `yaml file=pod-a.yaml`".into());
                found.warn(block.info_at(), "this block is not saved as a file", help);
            }
            Role::Other
        }
    }
}

/// The files of a block: the first is named by the info string, others by `# file: NAME` lines.
pub(super) fn files<'a>(
    name: &str,
    block: &'a Block,
    found: &mut Findings<'_>,
) -> impl Iterator<Item = LabFile> + use<'a> {
    let mut parts: Vec<(String, usize)> = vec![(name.to_owned(), 0)];
    let mut files = Vec::new();
    for (i, line) in block.lines.iter().enumerate() {
        let Some(next) = separator(&line.text) else { continue };
        if let Some(why) = unusable(next) {
            let column = line.text.len() - next.len();
            found.error(block.at(i, column, next.chars().count()), why, None);
        }
        parts.push((next.to_owned(), i + 1));
    }
    for (k, (name, from)) in parts.iter().enumerate() {
        let to = parts.get(k + 1).map_or(block.lines.len(), |next| next.1 - 1);
        // A separator on the first line names the first file once more: nothing stands before it.
        if k == 0 && to == 0 && parts.len() > 1 {
            continue;
        }
        files.push(LabFile { name: name.clone(), body: block.excerpt(*from, to) });
    }
    files.into_iter()
}

/// The name in a `# file: NAME` line.
fn separator(line: &str) -> Option<&str> {
    line.strip_prefix("# file:").map(str::trim)
}

/// Why a file's name cannot be used.
fn unusable(name: &str) -> Option<&'static str> {
    if name.is_empty() || name.ends_with('/') {
        Some("a file without a name")
    } else if name.starts_with('/') {
        Some("an absolute path: files of a lab live in its working folder")
    } else if name.split('/').any(|part| part == "..") {
        Some("a path that leaves the working folder")
    } else if name.chars().any(|c| c.is_whitespace() || c.is_control()) {
        Some("a file name with white space")
    } else {
        None
    }
}

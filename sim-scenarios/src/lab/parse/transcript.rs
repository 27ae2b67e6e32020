//! The grammar of a `console` block: prompts, continuations, expected output, `^C`, `? N`.

use super::blocks::Block;
use super::heredoc::{self, HereDoc};
use super::prompt::{Prompt, split_prompt};
use super::{Command, Findings, Status};

/// Reads console blocks one after another: an interactive shell may stay open from one to the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Reader {
    /// Interactive shells that are open as far as the document tells, each with the look of its prompt.
    shells: Vec<Look>,
}

/// What the prompt of an open shell looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// No prompt of it was seen yet.
    Unknown,
    /// `# `
    Hash,
    /// `/ # ` or `user@host`: then `# ` is a line of output (`iptables-save` begins with one).
    Longer,
}

impl Reader {
    /// The commands of one block.
    pub(super) fn read(&mut self, block: &Block, found: &mut Findings<'_>) -> std::vec::IntoIter<Command> {
        let mut commands = Vec::new();
        let mut i = 0;
        while i < block.lines.len() {
            let text = &block.lines[i].text;
            let Some((prompt, typed)) = self.prompt(text) else {
                if !text.trim().is_empty() {
                    self.complain_about_stray(block, i, found);
                    return commands.into_iter();
                }
                i += 1;
                continue;
            };
            let (script, next) = command_lines(block, i, typed, found);
            self.follow(&prompt, &script);
            let hash_is_prompt = self.hash_is_prompt();
            let end = (next..block.lines.len())
                .find(|k| self.prompt(&block.lines[*k].text).is_some())
                .unwrap_or(block.lines.len());
            commands.push(finish(block, i, (next, end), (prompt, script, hash_is_prompt), found));
            i = end;
        }
        commands.into_iter()
    }

    fn complain_about_stray(&self, block: &Block, i: usize, found: &mut Findings<'_>) {
        let text = &block.lines[i].text;
        let at = block.at(i, 0, text.trim_end().chars().count());
        let inner = matches!(split_prompt(text), Some((Prompt::Inner | Prompt::Hash, _)));
        let (message, help) = if inner && self.shells.is_empty() {
            (
                "this prompt needs a shell that `kubectl exec -it POD -- sh` or `ssh HOST` has opened, and none is open",
                "open the shell first, or begin the line with `$ ` for the workstation",
            )
        } else {
            (
                "output before the first command",
                "a command begins with a prompt: `$ `, `[root@node1 ~]# `, `root@node1:~# `; or mark the block `console ignore`",
            )
        };
        found.error(at, message, Some(help.to_owned()));
    }

    /// The prompt that a line starts with, given which shells are open.
    fn prompt<'a>(&self, line: &'a str) -> Option<(Prompt, &'a str)> {
        split_prompt(line).filter(|(prompt, _)| match prompt {
            Prompt::Workstation | Prompt::Machine(_) => true,
            Prompt::Inner => !self.shells.is_empty(),
            Prompt::Hash => self.hash_is_prompt(),
        })
    }

    fn hash_is_prompt(&self) -> bool {
        matches!(self.shells.last(), Some(Look::Unknown | Look::Hash))
    }

    /// Keeps track of open shells: what a command opens, and what `exit` leaves.
    fn follow(&mut self, prompt: &Prompt, script: &str) {
        if *prompt != Prompt::Workstation {
            if let Some(look) = self.shells.last_mut().filter(|look| **look == Look::Unknown) {
                *look = if *prompt == Prompt::Hash { Look::Hash } else { Look::Longer };
            }
            if matches!(script.split_whitespace().next(), Some("exit" | "logout")) {
                self.shells.pop();
            }
        }
        if opens_shell(script) {
            self.shells.push(Look::Unknown);
        }
    }
}

/// Whether a command line opens an interactive shell, as far as its words tell.
fn opens_shell(script: &str) -> bool {
    let words: Vec<&str> = script.split_whitespace().collect();
    let has = |word: &str| words.contains(&word);
    let tty = has("-it") || has("-ti") || ((has("-i") || has("--stdin")) && (has("-t") || has("--tty")));
    let inside = has("exec") || has("run") || has("debug") || has("attach");
    match words.first().copied() {
        Some("ssh") => words.iter().skip(1).filter(|w| !w.starts_with('-')).count() == 1,
        Some("sh" | "bash" | "ash") => words.len() == 1,
        _ => tty && inside && !has("-c"),
    }
}

/// The lines of a command that starts on line `start` with `typed`: what is typed, and the index of the line after it.
fn command_lines(block: &Block, start: usize, typed: &str, found: &mut Findings<'_>) -> (String, usize) {
    let mut script = typed.to_owned();
    let mut docs: Vec<(HereDoc, usize)> = heredoc::opened_by(typed).into_iter().map(|d| (d, start)).collect();
    let mut next = start + 1;
    loop {
        if let Some((doc, at)) = docs.first() {
            let Some(after) = here_document(block, next, doc, &mut script) else {
                let column =
                    block.lines[*at].text.chars().count() - typed_width(block, *at, &script) + doc.column;
                let message =
                    format!("the here-document is not closed: no line `{}` below it", doc.delimiter);
                found.error(block.at(*at, column, 2), message, None);
                return (script, block.lines.len());
            };
            next = after;
            docs.remove(0);
            continue;
        }
        let joined = script.ends_with('\\') && !script.ends_with("\\\\");
        let Some(line) = block.lines.get(next) else { break };
        let more = match continuation(&line.text) {
            Some(more) => more,
            None if joined => &line.text,
            None => break,
        };
        script.push('\n');
        script.push_str(more);
        docs.extend(heredoc::opened_by(more).into_iter().map(|d| (d, next)));
        next += 1;
    }
    (script, next)
}

/// Width of what is typed on the prompt line, for the column of what it opens.
fn typed_width(block: &Block, at: usize, script: &str) -> usize {
    let line = &block.lines[at].text;
    script.lines().find(|typed| line.ends_with(typed)).map_or(0, |typed| typed.chars().count())
}

/// Takes a here-document's lines, with or without `> ` before each. Returns the index of the line after it.
fn here_document(block: &Block, from: usize, doc: &HereDoc, script: &mut String) -> Option<usize> {
    let prompted = block.lines.get(from).is_some_and(|l| continuation(&l.text).is_some());
    for (i, line) in block.lines.iter().enumerate().skip(from) {
        let text = if prompted { continuation(&line.text).unwrap_or(&line.text) } else { &line.text };
        script.push('\n');
        script.push_str(text);
        if doc.ends_at(text) {
            return Some(i + 1);
        }
    }
    None
}

/// What follows the shell's second prompt.
fn continuation(line: &str) -> Option<&str> {
    let rest = line.strip_prefix('>')?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(' ') }
}

/// A command with what stands between it and the next prompt.
fn finish(
    block: &Block,
    start: usize,
    (from, to): (usize, usize),
    (prompt, script, hash_is_prompt): (Prompt, String, bool),
    found: &mut Findings<'_>,
) -> Command {
    let mut end = to;
    while end > from && block.lines[end - 1].text.trim().is_empty() {
        end -= 1;
    }
    let status = (end > from)
        .then(|| &block.lines[end - 1])
        .and_then(|l| Some(Status { value: status_value(&l.text)?, line: l.number }));
    if status.is_some() {
        end -= 1;
        while end > from && block.lines[end - 1].text.trim().is_empty() {
            end -= 1;
        }
    }
    let expected: Vec<String> = block.lines[from..end].iter().map(|l| l.text.clone()).collect();
    let interrupt = expected.iter().position(|l| l.trim_end() == "^C");
    if let Some(second) = interrupt.and_then(|first| {
        expected.iter().skip(first + 1).position(|l| l.trim_end() == "^C").map(|k| first + 1 + k)
    }) {
        found.error(block.at(from + second, 0, 2), "a second `^C` for one command", None);
    }
    let line = block.lines[start].number;
    let expected_line = block.lines.get(from).map_or_else(|| block.lines[from - 1].number + 1, |l| l.number);
    Command {
        prompt,
        script,
        line,
        prefix: block.prefix.clone(),
        expected,
        expected_line,
        interrupt,
        status,
        hash_is_prompt,
    }
}

/// The number in a `? N` line.
pub(super) fn status_value(line: &str) -> Option<i32> {
    let digits = line.trim_end().strip_prefix("? ")?;
    (!digits.is_empty() && digits.len() <= 3 && digits.bytes().all(|b| b.is_ascii_digit()))
        .then(|| digits.parse().ok())?
}

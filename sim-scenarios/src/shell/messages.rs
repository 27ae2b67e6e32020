//! What each shell says when something is wrong.

use sim_core::linux::Errno;

use super::parse::SyntaxError;
use super::{Shell, ShellKind};

impl Shell {
    /// What stands before every message of this shell.
    fn name(&self) -> String {
        match self.kind {
            ShellKind::Bash => "bash: ".to_owned(),
            ShellKind::Ash => "sh: ".to_owned(),
            ShellKind::Dash => format!("sh: {}: ", self.line + 1),
        }
    }

    /// A message of the shell itself.
    pub(super) fn message(&self, text: impl std::fmt::Display) -> String {
        format!("{}{text}", self.name())
    }

    /// No such command.
    pub(super) fn not_found(&self, command: &str) -> String {
        match self.kind {
            ShellKind::Bash if command.contains('/') => {
                self.message(format!("{command}: No such file or directory"))
            }
            ShellKind::Bash => self.message(format!("{command}: command not found")),
            ShellKind::Ash | ShellKind::Dash => self.message(format!("{command}: not found")),
        }
    }

    /// A file that could not be opened for reading.
    pub(super) fn cannot_open(&self, path: &str, why: Errno) -> String {
        match self.kind {
            ShellKind::Bash => self.message(format!("{path}: {}", errno_text(why))),
            ShellKind::Ash => self.message(format!("can't open {path}: {}", short(why, "no such file"))),
            ShellKind::Dash => {
                self.message(format!("cannot open {path}: {}", capital(&short(why, "no such file"))))
            }
        }
    }

    /// A file that could not be opened for writing.
    pub(super) fn cannot_create(&self, path: &str, why: Errno) -> String {
        match self.kind {
            ShellKind::Bash => self.message(format!("{path}: {}", errno_text(why))),
            ShellKind::Ash => {
                self.message(format!("can't create {path}: {}", short(why, "nonexistent directory")))
            }
            ShellKind::Dash if why == Errno::ENOENT => {
                self.message(format!("cannot create {path}: Directory nonexistent"))
            }
            ShellKind::Dash => self.message(format!("cannot create {path}: {}", errno_text(why))),
        }
    }

    /// `cd` into something that is no folder.
    pub(super) fn cannot_cd(&self, path: &str, why: Errno) -> String {
        match self.kind {
            ShellKind::Bash => self.message(format!("cd: {path}: {}", errno_text(why))),
            ShellKind::Ash => self.message(format!("cd: can't cd to {path}: {}", errno_text(why))),
            ShellKind::Dash => self.message(format!("cd: can't cd to {path}")),
        }
    }

    /// A script that cannot be read.
    pub(super) fn syntax_error(&self, error: &SyntaxError) -> String {
        match (self.kind, error) {
            (_, SyntaxError::Limit(what)) => format!("ksim: not modelled: {what}"),
            (ShellKind::Bash, SyntaxError::Unexpected(token)) => {
                self.message(format!("syntax error near unexpected token `{token}'"))
            }
            (ShellKind::Bash, SyntaxError::End) => self.message("syntax error: unexpected end of file"),
            (ShellKind::Ash, SyntaxError::Unexpected(token)) => {
                self.message(format!("syntax error: unexpected {}", quoted(token)))
            }
            (ShellKind::Ash, SyntaxError::End) => self.message("syntax error: unexpected end of file"),
            (ShellKind::Dash, SyntaxError::Unexpected(token)) => {
                self.message(format!("Syntax error: {} unexpected", quoted(token)))
            }
            (ShellKind::Dash, SyntaxError::End) => self.message("Syntax error: end of file unexpected"),
        }
    }
}

/// Text of `strerror(3)`.
pub(super) fn errno_text(e: Errno) -> String {
    e.to_string()
}

fn short(why: Errno, missing: &str) -> String {
    if why == Errno::ENOENT { missing.to_owned() } else { errno_text(why) }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |c| c.to_uppercase().chain(chars).collect())
}

/// ash and dash name a newline bare and everything else in quotes.
fn quoted(token: &str) -> String {
    if token == "newline" { token.to_owned() } else { format!("\"{token}\"") }
}

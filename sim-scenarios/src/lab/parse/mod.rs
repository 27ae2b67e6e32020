//! From a Markdown document to a lab: the cluster block, files, and commands with what they should print.
//!
//! Everything keeps its line in the document, because every message about it points there.

mod blocks;
pub(crate) mod heredoc;
mod info;
mod prompt;
mod transcript;

use sim_core::diagnostic::{Diagnostic, Severity};

pub use prompt::{Prompt, split_prompt};

/// Whether a line of a transcript says which exit status is expected (`? 1`).
#[must_use]
pub fn is_status(line: &str) -> bool {
    transcript::status_value(line).is_some()
}

/// A lab, as its document says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lab {
    /// The document's name.
    pub source: String,
    /// The document.
    pub text: String,
    /// The cluster block.
    pub cluster: Option<Excerpt>,
    /// Files and commands, in the order of the document.
    pub steps: Vec<Step>,
    /// What a person should look at, though the lab runs.
    pub warnings: Vec<Diagnostic>,
}

/// One thing a lab does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Saves a file in the working folder.
    File(LabFile),
    /// Runs a command.
    Command(Command),
}

/// A piece of the document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excerpt {
    /// The text, without what surrounds it in Markdown.
    pub text: String,
    /// The line of the document, from 1, on which it starts.
    pub line: u32,
    /// Characters of each line that belong to Markdown (the fence stands in a list or a quotation).
    pub indent: u32,
}

/// A file in the lab's working folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabFile {
    /// Its relative path.
    pub name: String,
    /// What is in it.
    pub body: Excerpt,
}

/// A command with what it should print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Who is asked.
    pub prompt: Prompt,
    /// What is typed: several lines for a continuation or a here-document.
    pub script: String,
    /// The line of its prompt, from 1.
    pub line: u32,
    /// What Markdown puts before each line of the block.
    pub prefix: String,
    /// Expected lines as they stand in the document, `^C` among them, without the `? N` line and blank lines at the end.
    pub expected: Vec<String>,
    /// The line on which the expected output starts, or would start.
    pub expected_line: u32,
    /// Index of the `^C` line in `expected`.
    pub interrupt: Option<usize>,
    /// The `? N` line.
    pub status: Option<Status>,
    /// Whether an interactive shell is open as far as the document tells, so that `# ` would be a prompt.
    pub hash_is_prompt: bool,
}

/// A `? N` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The exit status.
    pub value: i32,
    /// Its line, from 1.
    pub line: u32,
}

impl Lab {
    /// Reads a document.
    ///
    /// # Errors
    /// Every mistake in it. Cluster block and manifests are only cut out here, not read.
    pub fn parse(source: &str, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let mut found = Findings { source, errors: Vec::new(), warnings: Vec::new() };
        let mut lab = Self { source: source.to_owned(), text: text.to_owned(), ..Self::default() };
        let mut reader = transcript::Reader::default();
        for block in blocks::fenced(text) {
            match info::read(&block, &mut found) {
                info::Role::Other => {}
                info::Role::Cluster => take_cluster(&mut lab, &block, &mut found),
                info::Role::File(name) => {
                    lab.steps.extend(info::files(&name, &block, &mut found).map(Step::File))
                }
                info::Role::Console => lab.steps.extend(reader.read(&block, &mut found).map(Step::Command)),
            }
        }
        if !found.errors.is_empty() {
            return Err(found.errors);
        }
        lab.warnings = found.warnings;
        Ok(lab)
    }

    /// Whether a document has a console block that runs: only then a folder argument takes it for a lab.
    #[must_use]
    pub fn is_lab(text: &str) -> bool {
        blocks::fenced(text).iter().any(|b| b.info.trim() == "console")
    }

    /// The commands, in order.
    pub fn commands(&self) -> impl Iterator<Item = &Command> {
        self.steps.iter().filter_map(|s| if let Step::Command(c) = s { Some(c) } else { None })
    }

    /// The files, in order.
    pub fn files(&self) -> impl Iterator<Item = &LabFile> {
        self.steps.iter().filter_map(|s| if let Step::File(f) = s { Some(f) } else { None })
    }
}

fn take_cluster(lab: &mut Lab, block: &blocks::Block, found: &mut Findings<'_>) {
    if let Some(first) = &lab.cluster {
        let help =
            format!("the first one starts on line {}; put both into one", first.line.saturating_sub(1));
        found.error(block.info_at(), "a second cluster block", Some(help));
    } else if lab.commands().next().is_some() {
        let help = "move it above the first `console` block".to_owned();
        found.error(block.info_at(), "the cluster block comes after the first command", Some(help));
    } else {
        lab.cluster = Some(block.excerpt(0, block.lines.len()));
    }
}

/// A place in the document: line and column from 1, and a length, in characters.
#[derive(Clone, Copy, Debug)]
struct At {
    line: u32,
    column: u32,
    length: u32,
}

/// What is wrong with the document so far.
struct Findings<'a> {
    source: &'a str,
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

impl Findings<'_> {
    fn error(&mut self, at: At, message: impl Into<String>, help: Option<String>) {
        let d = self.diagnostic(Severity::Error, at, message.into(), help);
        self.errors.push(d);
    }

    fn warn(&mut self, at: At, message: impl Into<String>, help: Option<String>) {
        let d = self.diagnostic(Severity::Warning, at, message.into(), help);
        self.warnings.push(d);
    }

    fn diagnostic(&self, severity: Severity, at: At, message: String, help: Option<String>) -> Diagnostic {
        let At { line, column, length } = at;
        Diagnostic {
            severity,
            source: self.source.to_owned(),
            line,
            column,
            length: length.max(1),
            message,
            help,
        }
    }
}

#[cfg(test)]
mod tests;

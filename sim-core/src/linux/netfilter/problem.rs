//! What is wrong with a rule, and how the real tools say so.

use crate::trace::Family;

/// The version whose texts and formats this module speaks.
pub(super) const VERSION: &str = "v1.8.9 (nf_tables)";

/// Something that iptables refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// How it is reported.
    pub(super) kind: Kind,
    /// The text; may end in a newline, as some of the real texts do.
    pub(super) text: String,
    /// What is said before, without the tool's name; empty or whole lines.
    pub(super) preface: &'static str,
    /// Where the word in question starts (`Word::at`).
    pub(super) at: Option<usize>,
}

/// How a problem is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A bad argument: exit status 2 and a hint at `--help`.
    Usage,
    /// The chain that a rule names does not exist: like `Usage`, but found only when the changes are made.
    NoTarget,
    /// A word that is nobody's argument: like `Usage`, but without the tool's name.
    Stray,
    /// A table that cannot be: exit status 3.
    Version,
    /// The operation failed on the tables as they are: exit status 1.
    Failed,
    /// Status 1 with the tool's name and version.
    Incompatible,
    /// The kernel refused the whole transaction: exit status 4.
    Kernel,
}

impl Problem {
    /// A bad argument.
    pub(super) fn usage(text: impl Into<String>) -> Self {
        Self { kind: Kind::Usage, text: text.into(), preface: "", at: None }
    }

    /// A word that is nobody's argument.
    pub(super) fn stray(word: &str) -> Self {
        Self { kind: Kind::Stray, text: format!("Bad argument `{word}'"), preface: "", at: None }
    }

    /// An operation that failed.
    pub(super) fn failed(text: impl Into<String>) -> Self {
        Self { kind: Kind::Failed, text: text.into(), preface: "", at: None }
    }

    /// Something real that this simulator does not model.
    pub(super) fn not_modelled(what: &str) -> Self {
        Self::usage(format!("{what} is not modelled"))
    }

    /// The same after `preface`.
    pub(super) const fn preceded(mut self, preface: &'static str) -> Self {
        self.preface = preface;
        self
    }

    /// The same, about the word that starts at `at`, unless a more exact place is known.
    pub(super) const fn at(mut self, at: usize) -> Self {
        if self.at.is_none() {
            self.at = Some(at);
        }
        self
    }

    /// Exit status of the real tool.
    pub(super) const fn status(&self) -> i32 {
        match self.kind {
            Kind::Usage | Kind::NoTarget | Kind::Stray => 2,
            Kind::Version => 3,
            Kind::Failed | Kind::Incompatible => 1,
            Kind::Kernel => 4,
        }
    }

    /// The text in one line.
    pub(super) fn reason(&self) -> String {
        self.text.split('\n').map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join("; ")
    }

    /// What the real tool writes to standard error. `line` is set for a restore.
    pub(super) fn message(&self, family: Family, line: Option<u32>) -> String {
        let tool = tool(family, line.is_some());
        let text = &self.text;
        let place = line.map(|n| format!("Error occurred at line: {n}\n")).unwrap_or_default();
        let hint = format!("{place}Try `{tool} -h' or '{tool} --help' for more information.\n");
        match (self.kind, line) {
            (Kind::Usage | Kind::NoTarget, _) => format!("{}{tool} {VERSION}: {text}\n{hint}", self.preface),
            (Kind::Stray, _) => format!("{text}\n{hint}"),
            (Kind::Version, _) => {
                format!(
                    "{tool} {VERSION}: {text}\n{place}Perhaps {tool} or your kernel needs to be upgraded.\n"
                )
            }
            (Kind::Failed, None) => format!("{tool}: {text}.\n"),
            (Kind::Failed, Some(n)) if text.is_empty() => format!("{tool}: line {n} failed\n"),
            (Kind::Failed, Some(n)) => format!("{tool}: line {n} failed: {text}.\n"),
            (Kind::Incompatible, _) => format!("{tool} {VERSION}: {text}\n"),
            (Kind::Kernel, None) => format!("{tool} {VERSION}: {text}\n"),
            (Kind::Kernel, Some(_)) => format!("{tool} {VERSION}: \n{text}\n"),
        }
    }
}

/// Name of the program.
pub(super) const fn tool(family: Family, restore: bool) -> &'static str {
    match (family, restore) {
        (Family::V4, false) => "iptables",
        (Family::V4, true) => "iptables-restore",
        (Family::V6, false) => "ip6tables",
        (Family::V6, true) => "ip6tables-restore",
    }
}

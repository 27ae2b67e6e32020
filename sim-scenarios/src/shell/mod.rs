//! A POSIX shell over the tools: brush-parser reads, this module evaluates.
//!
//! Nothing leaves the simulation: programs are functions ([`crate::tools`]), files are in memory, time is virtual. What is not
//! modelled (functions, process substitution) is an error that says so. Background jobs are threads that run one at a time (`jobs`).

mod arith;
mod braces;
mod builtins;
mod eval;
mod expand;
mod glob;
mod job_control;
pub(crate) mod jobs;
mod messages;
mod parse;
mod redirect;
pub mod session;
mod simple;

use indexmap::IndexMap;

use crate::tools::{Cluster, Out, Place};
pub use glob::matches as glob_matches;
pub use session::{OnLeave, SessionState, ShellKind};

/// Whether what was typed so far is only the beginning of a command: an open quote, block, or here-document, a `\\` at the end.
#[must_use]
pub fn needs_more(typed: &str) -> bool {
    parse::is_incomplete(typed)
}

/// One shell: its variables live as long as it does.
#[derive(Clone, Debug)]
pub struct Shell {
    /// Which shell it is.
    pub kind: ShellKind,
    /// The machine on which it runs.
    pub place: Place,
    cwd: String,
    vars: IndexMap<String, Var>,
    aliases: IndexMap<String, String>,
    positional: Vec<String>,
    /// `$?`
    status: i32,
    /// Lines read so far, which dash names in its messages.
    line: usize,
    /// Shells within shells (`$(…)`, `sh -c`).
    depth: usize,
    /// A person types into it: it speaks of its jobs.
    pub(crate) interactive: bool,
    jobs: job_control::Table,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Var {
    value: String,
    exported: bool,
}

/// What a shell works with.
#[derive(Debug)]
pub struct Io<'a> {
    /// The cluster.
    pub cluster: &'a mut Cluster,
    /// Where output goes.
    pub out: &'a mut Out,
    /// What outlives the command.
    pub session: &'a mut SessionState,
}

/// How a command line ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The shell waits for the next line.
    Line(i32),
    /// `exit`: the shell is gone.
    Shell(i32),
}

impl Ended {
    /// The exit status.
    #[must_use]
    pub const fn status(self) -> i32 {
        match self {
            Self::Line(status) | Self::Shell(status) => status,
        }
    }
}

/// Shells within shells: deep enough for any transcript, shallow enough for the stack.
const DEPTH_LIMIT: usize = 12;

impl Shell {
    /// A new shell on a machine, with the machine's environment.
    #[must_use]
    pub fn new(kind: ShellKind, place: Place, cluster: &Cluster) -> Self {
        let machine = cluster.machine(&place);
        let exported = |value: &str| Var { value: value.to_owned(), exported: true };
        let mut vars: IndexMap<String, Var> = IndexMap::new();
        let mut cwd = "/".to_owned();
        if let Some(machine) = machine {
            cwd.clone_from(&machine.cwd);
            vars.extend(machine.environment().map(|(k, v)| (k.clone(), exported(v))));
            vars.entry("HOSTNAME".to_owned())
                .or_insert_with(|| Var { value: machine.hostname.clone(), exported: false });
        }
        vars.entry("HOME".to_owned()).or_insert_with(|| exported("/root"));
        vars.insert("PWD".to_owned(), exported(&cwd));
        Self {
            kind,
            place,
            cwd,
            vars,
            aliases: IndexMap::new(),
            positional: Vec::new(),
            status: 0,
            line: 0,
            depth: 0,
            interactive: false,
            jobs: job_control::Table::default(),
        }
    }

    /// Runs a script, which may have several lines.
    pub fn run(&mut self, script: &str, stdin: &[u8], io: &mut Io<'_>) -> Ended {
        let ended = eval::run(self, script, stdin, io);
        self.line += script.lines().count().max(1);
        self.status = ended.status();
        ended
    }

    /// `$?`
    #[must_use]
    pub const fn status(&self) -> i32 {
        self.status
    }

    /// Sets `$?`: a program that ran outside this shell's script has ended.
    pub const fn set_status(&mut self, status: i32) {
        self.status = status;
    }

    /// The working folder.
    #[must_use]
    pub fn cwd(&self) -> &str {
        &self.cwd
    }

    /// Exported variables, in the order in which they were made.
    #[must_use]
    pub fn environment(&self) -> IndexMap<String, String> {
        self.vars.iter().filter(|(_, v)| v.exported).map(|(k, v)| (k.clone(), v.value.clone())).collect()
    }

    /// Takes over exported variables and the working folder of the program that starts this shell.
    pub fn inherit(&mut self, env: &IndexMap<String, String>, cwd: &str, depth: usize) {
        for (name, value) in env {
            self.vars.insert(name.clone(), Var { value: value.clone(), exported: true });
        }
        cwd.clone_into(&mut self.cwd);
        self.depth = depth;
    }

    /// Sets `$1`, `$2` …
    pub fn set_positional(&mut self, args: Vec<String>) {
        self.positional = args;
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.vars.get(name).map(|v| v.value.as_str())
    }

    fn set(&mut self, name: &str, value: impl Into<String>) {
        self.vars.entry(name.to_owned()).or_default().value = value.into();
    }

    fn export(&mut self, name: &str) {
        self.vars.entry(name.to_owned()).or_default().exported = true;
    }
}

#[cfg(test)]
mod tests;

//! Tools: one file or folder per real tool, and the table that says which machine has which.
//!
//! A tool is a function from its context to an exit status. To add one: write `tools/NAME.rs` with
//! `pub(crate) fn run(cx: &mut Cx<'_>) -> i32`, and add a line to the table in [`registry`].

use std::time::Duration;

use indexmap::IndexMap;
use sim_core::time::SimTime;

use crate::shell::{Io, jobs};

pub mod door;
pub mod registry;

mod arping;
mod bind;
mod brctl;
mod bridge;
mod busybox;
mod conntrack;
mod containers;
mod curl;
mod dmesg;
mod exec;
mod files;
mod getent;
mod getopt;
mod ip;
mod ipset;
mod iptables;
mod ipvsadm;
mod kubectl;
mod nc;
pub(crate) mod net;
mod nettools;
mod nft;
mod nsenter;
mod nslookup;
mod out;
mod ping;
mod printer;
mod privileges;
mod procfs;
mod sh;
mod ss;
mod ssh;
mod sysctl;
mod systemctl;
mod tcpdump;
mod telnet;
mod text;
mod traceroute;
mod wget;

pub use crate::shell::session::{OnLeave, SessionState, ShellKind};
pub use door::{Cluster, Place};
pub use exec::{Lookup, NotFound, kind_of, look_up, path_of};
pub use files::{FileAccess, HOME, list_names};
pub(crate) use kubectl::KubeConfig;
pub use out::{Out, Stream, Streams};
pub(crate) use text::escapes;

/// How long an endless command runs when nobody presses ^C.
pub const ENDLESS: Duration = Duration::from_secs(10);

/// How long a command may run when somebody will press ^C.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// A tool: gets its context, returns its exit status.
pub type Tool = fn(&mut Cx<'_>) -> i32;

/// What a tool gets.
///
/// Tools block: one that waits calls `cx.wait(…)` or `cx.pause(…)`, and virtual time passes.
pub struct Cx<'a> {
    /// The cluster, with the whole network.
    pub cluster: &'a mut Cluster,
    /// The machine on which the tool runs.
    pub place: &'a Place,
    /// The words of the command, the tool's name first.
    pub args: &'a [String],
    /// All of standard input; empty at a terminal.
    pub stdin: &'a [u8],
    /// Standard output and standard error.
    pub out: &'a mut Out,
    /// Working folder, absolute.
    pub cwd: &'a str,
    /// Exported variables.
    pub env: &'a IndexMap<String, String>,
    /// What outlives the command: open shells, files of the lab, remarks.
    pub session: &'a mut SessionState,
}

impl Cx<'_> {
    /// The words after the tool's name.
    #[must_use]
    pub fn operands(&self) -> &[String] {
        self.args.get(1..).unwrap_or_default()
    }

    /// Virtual time now.
    #[must_use]
    pub fn now(&self) -> SimTime {
        self.cluster.now()
    }

    /// Lets virtual time pass until `done` or `until`, and background jobs run. Returns whether `done`.
    pub fn wait(&mut self, until: SimTime, mut done: impl FnMut(&mut Cluster) -> bool) -> bool {
        let mut io = Io { cluster: self.cluster, out: self.out, session: self.session };
        jobs::wait(&mut io, until, |cluster, _| done(cluster))
    }

    /// Lets virtual time pass.
    pub fn pause(&mut self, time: Duration) {
        let until = self.now() + time;
        self.wait(until, |_| false);
    }

    /// A remark of ours for the runner's report. It never shows in a transcript.
    pub fn remark(&mut self, text: impl Into<String>) {
        self.session.remark(text.into());
    }

    /// Says on standard error that something real is not modelled here, and returns the exit status for that. Never a silent
    /// wrong answer: `cx.not_modelled("ping: option -f")`.
    pub fn not_modelled(&mut self, what: impl std::fmt::Display) -> i32 {
        self.out.err(format!("ksim: not modelled: {what}"));
        self.session.note_not_modelled(what);
        NOT_MODELLED
    }

    /// Whether an endless tool must stop now, as on SIGINT: ^C was pressed, its pipe was closed, or its time is over.
    ///
    /// Only a tool that does not end by itself asks this (`ping` without `-c`, `get -w`); it prints what it prints on SIGINT
    /// and returns [`SIGINT_STATUS`] or its own status. A tool that does end by itself asks `out.interrupted()`.
    pub fn interrupted(&mut self) -> bool {
        if self.out.interrupted() {
            return true;
        }
        if self.out.link().is_some() {
            return false;
        }
        let over = self.now() >= self.deadline();
        if over {
            self.session.note_endless(&self.args.join(" "));
        }
        over
    }

    /// The instant at which an endless tool is stopped at the latest: the longest it may wait for one thing.
    #[must_use]
    pub fn deadline(&self) -> SimTime {
        // A background job runs as long as it likes.
        if self.out.link().is_some() {
            return SimTime::MAX;
        }
        self.session.endless_until(self.out.expects_control_c())
    }
}

/// Exit status of a command that asked for something that is not modelled (`EX_UNAVAILABLE` of sysexits.h).
pub const NOT_MODELLED: i32 = 69;

/// Exit status of a program that SIGINT killed.
pub const SIGINT_STATUS: i32 = 130;

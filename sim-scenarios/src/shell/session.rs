//! What lives as long as a lab: open shells, remarks, the clock of the running command.

use std::time::Duration;

use sim_core::kube::node::files::Files;
use sim_core::time::SimTime;

use super::jobs::Jobs;
use crate::tools::{Cx, ENDLESS, HOME, KubeConfig, PATIENCE, Place};

/// Commands that one command line may run: a loop in a stranger's lab must not hang the runner.
const COMMANDS: u32 = 20_000;
/// Virtual time that one command line may take.
const LINE_LIMIT: Duration = Duration::from_secs(48 * 3600);

/// Which shell answers, as its error texts tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShellKind {
    /// GNU bash: nodes, hosts, the workstation, Debian containers.
    Bash,
    /// busybox ash, called `sh`.
    Ash,
    /// Debian's dash, called `sh`.
    Dash,
}

/// Called in the outer shell when a shell that a tool opened is left, with the exit status of the inner shell.
/// `cx.args` are those of the tool that opened it; the result is that tool's exit status.
pub type OnLeave = fn(&mut Cx<'_>, i32) -> i32;

/// A shell that a tool asked for: it opens when the command line that asked has ended.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The machine inside which it runs.
    pub place: Place,
    /// Which shell.
    pub kind: ShellKind,
    /// Words of the command that opened it.
    pub args: Vec<String>,
    /// What the tool that opened it does at the end.
    pub on_leave: Option<OnLeave>,
}

/// What outlives a command.
#[derive(Clone, Debug)]
pub struct SessionState {
    opening: Option<Opening>,
    remarks: Vec<String>,
    started: SimTime,
    endless: Option<String>,
    not_modelled: Option<String>,
    commands: u32,
    home: Files,
    /// Programs that run programs, at this moment.
    pub(crate) depth: usize,
    /// The machine at whose terminal the running command was typed.
    pub(crate) terminal: Option<Place>,
    pub(crate) jobs: Jobs,
    /// What kubectl is configured to do.
    pub(crate) kube_config: KubeConfig,
}

impl Default for SessionState {
    fn default() -> Self {
        Self {
            opening: None,
            remarks: Vec::new(),
            started: SimTime::ZERO,
            endless: None,
            not_modelled: None,
            commands: 0,
            home: Files::new().with_dir(HOME),
            depth: 0,
            terminal: None,
            jobs: Jobs::default(),
            kube_config: KubeConfig::default(),
        }
    }
}

impl SessionState {
    /// The working folder of the workstation, the nodes, and the hosts.
    #[must_use]
    pub const fn home(&self) -> &Files {
        &self.home
    }

    /// The same, to change it.
    pub const fn home_mut(&mut self) -> &mut Files {
        &mut self.home
    }

    /// Opens an interactive shell inside `place` (`kubectl exec -it POD -- sh`, `ssh HOST`): the next prompts of the
    /// transcript are answered by it until `exit`. `args` are the opening tool's own.
    pub fn open_shell(&mut self, place: Place, kind: ShellKind, args: &[String], on_leave: Option<OnLeave>) {
        self.opening = Some(Opening { place, kind, args: args.to_vec(), on_leave });
    }

    /// Takes the request of [`SessionState::open_shell`].
    pub fn take_opening(&mut self) -> Option<Opening> {
        self.opening.take()
    }

    /// Keeps a remark of ours for the report; the same one only once.
    pub fn remark(&mut self, text: String) {
        if !self.remarks.contains(&text) {
            self.remarks.push(text);
        }
    }

    /// Takes the remarks made so far.
    pub fn take_remarks(&mut self) -> Vec<String> {
        std::mem::take(&mut self.remarks)
    }

    /// Notes that a command line starts now.
    pub fn start_command(&mut self, now: SimTime) {
        self.started = now;
        self.endless = None;
        self.not_modelled = None;
        self.commands = 0;
        self.depth = 0;
    }

    /// Counts a command of the running line. False: it has had enough, of commands or of virtual time.
    pub fn spend(&mut self, now: SimTime) -> bool {
        self.commands += 1;
        self.commands <= COMMANDS && now <= self.started + LINE_LIMIT
    }

    /// Whether an endless command has run long enough.
    #[must_use]
    pub fn is_over(&self, now: SimTime, expects_control_c: bool) -> bool {
        now >= self.endless_until(expects_control_c)
    }

    /// The instant at which an endless command of this line is stopped at the latest.
    #[must_use]
    pub fn endless_until(&self, expects_control_c: bool) -> SimTime {
        self.started + if expects_control_c { PATIENCE } else { ENDLESS }
    }

    /// When the running command line started.
    #[must_use]
    pub fn command_started(&self) -> SimTime {
        self.started
    }

    /// Notes that a command had to be stopped because nobody would have pressed ^C.
    pub fn note_endless(&mut self, command: &str) {
        self.endless.get_or_insert_with(|| command.to_owned());
    }

    /// The command of this command line that had to be stopped.
    #[must_use]
    pub fn endless(&self) -> Option<&str> {
        self.endless.as_deref()
    }

    /// Notes that a command asked for something real that is not modelled: whatever the line printed then is no answer.
    pub fn note_not_modelled(&mut self, what: impl std::fmt::Display) {
        self.not_modelled.get_or_insert_with(|| what.to_string());
    }

    /// The first thing of this command line that is not modelled.
    #[must_use]
    pub fn not_modelled(&self) -> Option<&str> {
        self.not_modelled.as_deref()
    }
}

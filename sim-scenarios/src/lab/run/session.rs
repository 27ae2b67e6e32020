//! A terminal session: shells on machines, some of them inside others.

use sim_core::cluster::{Cluster, Files, Place};
use sim_core::kube::objects::Kind;

use crate::lab::compare::Pattern;
use crate::lab::parse::{Command, Prompt};
use crate::shell::jobs::{look_at_terminal, turn};
use crate::shell::session::Opening;
use crate::shell::{Ended, Io, SessionState, Shell, ShellKind};
use crate::tools::{Cx, HOME, Out};

/// The shells of one lab, and the cluster they act on.
#[derive(Clone, Debug)]
pub struct Session {
    cluster: Cluster,
    state: SessionState,
    /// One shell for each machine that a prompt named, for the whole lab.
    base: Vec<Shell>,
    /// Shells that `kubectl exec -it` or `ssh` opened, the innermost last.
    inner: Vec<Inner>,
}

/// A shell within another.
#[derive(Clone, Debug)]
struct Inner {
    shell: Shell,
    /// What opened it.
    opening: Opening,
    /// The machine whose tool opened it.
    outer: Place,
}

/// Where a command goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Base(usize),
    Inner(usize),
}

/// What came of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// What stands on the terminal.
    pub output: String,
    /// The exit status.
    pub status: i32,
    /// What had to be stopped because it does not end.
    pub endless: Option<String>,
    /// What was asked for that is real and not modelled.
    pub not_modelled: Option<String>,
    /// More was written than anybody reads, and the command was stopped.
    pub flood: bool,
    /// Why nobody could be asked.
    pub nobody: Option<String>,
}

impl Session {
    /// A session at the workstation.
    #[must_use]
    pub fn new(cluster: Cluster) -> Self {
        let mut session =
            Self { cluster, state: SessionState::default(), base: Vec::new(), inner: Vec::new() };
        session.rest();
        session
    }

    /// The cluster.
    #[must_use]
    pub const fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Ends the session and keeps the cluster.
    #[must_use]
    pub fn into_cluster(self) -> Cluster {
        self.cluster
    }

    /// Saves a file in the working folder, together with the folders above it.
    pub fn save(&mut self, name: &str, contents: &[u8]) {
        let path = Files::resolve(HOME, name);
        let home = self.state.home_mut();
        *home = std::mem::take(home).with(&path, contents.to_vec());
    }

    /// Takes what a person should know of the run so far.
    pub fn take_remarks(&mut self) -> Vec<String> {
        let mut remarks = self.cluster.take_remarks();
        remarks.extend(self.state.take_remarks());
        remarks
    }

    /// Types a command of a lab.
    pub fn answer(&mut self, command: &Command) -> Answer {
        let out = match command.interrupt {
            Some(at) => Out::with_interrupt(Pattern::new(&command.expected[..at])),
            None => Out::new(),
        };
        self.type_line(&command.prompt, &command.script, out)
    }

    /// Types a command at a prompt.
    pub fn type_line(&mut self, prompt: &Prompt, script: &str, out: Out) -> Answer {
        match self.target(prompt) {
            Ok(target) => self.run(target, script, out),
            Err(why) => Answer { nobody: Some(why), ..Answer::default() },
        }
    }

    /// What the prompt of the shell that would be asked next looks like.
    #[must_use]
    pub fn prompt(&self) -> (Prompt, String) {
        let Some(inner) = self.inner.last() else { return (Prompt::Workstation, "$ ".to_owned()) };
        let host = self.cluster.machine(&inner.shell.place).map_or("", |m| m.hostname.as_str());
        let cwd = inner.shell.cwd();
        let text = match (&inner.shell.place, inner.shell.kind) {
            (Place::Container { .. }, ShellKind::Ash) => format!("{cwd} # "),
            (Place::Container { .. }, ShellKind::Dash) => "# ".to_owned(),
            (Place::Container { .. }, ShellKind::Bash) => format!("root@{host}:{cwd}# "),
            _ => format!("root@{host}:{}# ", if cwd == HOME { "~" } else { cwd }),
        };
        (Prompt::Inner, text)
    }

    fn target(&mut self, prompt: &Prompt) -> Result<Target, String> {
        match prompt {
            Prompt::Workstation => Ok(self.base_of(Place::Workstation)),
            Prompt::Inner | Prompt::Hash => {
                let last = self.inner.len().checked_sub(1);
                let index = last.ok_or("no shell is open inside a pod or machine: the command that should have opened one failed")?;
                self.still_there(index)
            }
            Prompt::Machine(name) => {
                let fits =
                    |i: &Inner| self.cluster.machine(&i.shell.place).is_some_and(|m| m.hostname == *name);
                if let Some(index) = self.inner.iter().rposition(fits) {
                    return Ok(Target::Inner(index));
                }
                let place = self.machine_named(name)?;
                Ok(self.base_of(place))
            }
        }
    }

    fn still_there(&self, index: usize) -> Result<Target, String> {
        let place = &self.inner[index].shell.place;
        match self.cluster.machine(place) {
            Some(_) => Ok(Target::Inner(index)),
            None => Err(format!("{place} is gone, and the shell inside it with it")),
        }
    }

    /// The machine that a prompt names: the workstation, a node, an outside host, a pod.
    fn machine_named(&self, name: &str) -> Result<Place, String> {
        let whole = [Place::Node(name.to_owned()), Place::Host(name.to_owned()), Place::pod("default", name)];
        if let Some(place) = whole.into_iter().find(|p| self.cluster.machine(p).is_some()) {
            return Ok(place);
        }
        if self.cluster.machine(&Place::Workstation).is_some_and(|m| m.hostname == name) {
            return Ok(Place::Workstation);
        }
        let elsewhere: Vec<Place> = self
            .cluster
            .pods(None)
            .filter(|pod| pod.metadata.name == name)
            .map(|pod| Place::pod(&pod.metadata.namespace, name))
            .filter(|place| self.cluster.machine(place).is_some())
            .collect();
        match elsewhere.as_slice() {
            [only] => Ok(only.clone()),
            [] if self.cluster.exists(Kind::Pod, "default", name) => Err(format!("pod {name} does not run")),
            [] => Err(format!("no node, host or pod is called {name}")),
            _ => Err(format!("several pods are called {name}; use `kubectl exec -n NAMESPACE`")),
        }
    }

    fn base_of(&mut self, place: Place) -> Target {
        let found = self.base.iter().position(|s| s.place == place);
        Target::Base(found.unwrap_or_else(|| {
            let kind = shell_kind(&self.cluster, &place);
            self.base.push(Shell::new(kind, place, &self.cluster));
            self.base.len() - 1
        }))
    }

    fn shell(&mut self, target: Target) -> &mut Shell {
        match target {
            Target::Base(i) => &mut self.base[i],
            Target::Inner(i) => &mut self.inner[i].shell,
        }
    }

    /// Whose terminal a shell is used at: shells inside others are at that of the outermost.
    fn terminal_of(&self, target: Target) -> Place {
        match target {
            Target::Base(i) => self.base[i].place.clone(),
            Target::Inner(_) => self.inner.first().map_or(Place::Workstation, |i| i.outer.clone()),
        }
    }

    fn run(&mut self, target: Target, script: &str, mut out: Out) -> Answer {
        self.state.start_command(self.cluster.now());
        self.state.terminal = Some(self.terminal_of(target));
        look_at_terminal(&mut out, &mut self.state);
        let mut shell = self.shell(target).clone();
        shell.interactive = true;
        let mut io = Io { cluster: &mut self.cluster, out: &mut out, session: &mut self.state };
        let ended = shell.run(script, b"", &mut io);
        let outer = shell.place.clone();
        shell.report_jobs(&mut out, &self.state);
        *self.shell(target) = shell;
        let mut status = ended.status();
        if let Ended::Shell(_) = ended {
            self.state.take_opening();
            status = self.leave(target, status, &mut out);
        } else if let Some(opening) = self.state.take_opening() {
            let shell = Shell::new(opening.kind, opening.place.clone(), &self.cluster);
            self.inner.push(Inner { shell, opening, outer });
        }
        self.rest();
        turn(&mut self.cluster, &mut out, &mut self.state);
        Answer {
            output: String::from_utf8_lossy(out.terminal()).into_owned(),
            status,
            endless: self.state.endless().map(str::to_owned),
            not_modelled: self.state.not_modelled().map(str::to_owned),
            flood: out.overflowed(),
            nobody: None,
        }
    }

    /// A shell has ended, and with it those inside it. The status is that of the tool that had opened it.
    fn leave(&mut self, target: Target, status: i32, out: &mut Out) -> i32 {
        let Target::Inner(index) = target else {
            // The terminal itself was closed: the next command finds a fresh shell.
            let Target::Base(index) = target else { return status };
            let old = self.base.remove(index);
            if old.kind == ShellKind::Bash {
                out.err("exit");
            }
            return status;
        };
        let Some(inner) = self.inner.drain(index..).next() else { return status };
        if inner.shell.kind == ShellKind::Bash {
            let login = !matches!(inner.shell.place, Place::Container { .. } | Place::Netns { .. });
            out.err(if login { "logout" } else { "exit" });
        }
        let Some(on_leave) = inner.opening.on_leave else {
            return self.outer_status(index, &inner.outer, status);
        };
        let outer = Shell::new(ShellKind::Bash, inner.outer.clone(), &self.cluster);
        let mut cx = Cx {
            cluster: &mut self.cluster,
            place: &inner.outer,
            args: &inner.opening.args,
            stdin: b"",
            out,
            cwd: HOME,
            env: &outer.environment(),
            session: &mut self.state,
        };
        let status = on_leave(&mut cx, status);
        self.outer_status(index, &inner.outer, status)
    }

    /// Sets `$?` of the shell that gets the word again.
    fn outer_status(&mut self, left: usize, outer: &Place, status: i32) -> i32 {
        let shell = match left.checked_sub(1).and_then(|i| self.inner.get_mut(i)) {
            Some(inner) if inner.shell.place == *outer => Some(&mut inner.shell),
            _ => self.base.iter_mut().find(|s| s.place == *outer),
        };
        if let Some(shell) = shell {
            shell.set_status(status);
        }
        status
    }

    /// Between commands the cluster comes to rest, unless the lab is about races.
    fn rest(&mut self) {
        if self.cluster.config().settle {
            self.cluster.settle();
        }
    }
}

/// The shell of a prompt on a machine.
fn shell_kind(cluster: &Cluster, place: &Place) -> ShellKind {
    use sim_core::cluster::Base;
    match cluster.machine(place).map(|m| m.tools.base) {
        Some(Base::Busybox | Base::Alpine) => ShellKind::Ash,
        _ => ShellKind::Bash,
    }
}

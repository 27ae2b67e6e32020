//! Finding programs, and running one tool from another: `kubectl exec`, `ssh`, `xargs`, `env`, `sh -c`.

use indexmap::IndexMap;
use sim_core::kube::node::machine::Base;

use super::registry::{self, On};
use super::{Cluster, Cx, Out, Place, Tool};
use crate::shell::session::ShellKind;
use crate::shell::{Ended, Io, Shell};

/// The machine has no such program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotFound {
    /// The program's name.
    pub program: String,
}

/// What a name is on a machine.
#[derive(Clone, Copy, Debug)]
pub enum Lookup {
    /// A program.
    Tool(Tool),
    /// The real machine has it, and it is not modelled.
    NotModelled,
    /// No such program.
    Missing,
}

/// Finds a program by name or path.
#[must_use]
pub fn look_up(cluster: &Cluster, place: &Place, program: &str) -> Lookup {
    let kind = kind_of(cluster, place);
    let name = base_name(program);
    // What an image adds stands before what its base has: bind's nslookup before busybox'.
    let extra = cluster.machine(place).is_some_and(|m| m.tools.extra.contains(&name));
    let added = registry::find(name, On::MACHINES).filter(|_| extra);
    match added.or_else(|| registry::find(name, kind)) {
        Some(tool) => Lookup::Tool(tool),
        None if extra || registry::is_known(name, kind) => Lookup::NotModelled,
        None => Lookup::Missing,
    }
}

/// Where a program lies on a machine.
#[must_use]
pub fn path_of(cluster: &Cluster, place: &Place, program: &str) -> Option<String> {
    let found = !program.contains('/') && !matches!(look_up(cluster, place, program), Lookup::Missing);
    let dir = if kind_of(cluster, place).meets(On::BUSYBOX) { "/bin" } else { "/usr/bin" };
    found.then(|| format!("{dir}/{program}"))
}

/// What kind of machine `place` is. Nothing at all if it is not there, or has no programs.
#[must_use]
pub fn kind_of(cluster: &Cluster, place: &Place) -> On {
    cluster.machine(place).map_or(On::NONE, |machine| match machine.tools.base {
        Base::Workstation => On::WORKSTATION,
        Base::Node => On::NODE,
        Base::Host => On::HOST,
        Base::Busybox => On::BUSYBOX,
        Base::Alpine => On::BUSYBOX.or(On::ALPINE),
        Base::Debian => On::DEBIAN,
        Base::Bare => On::NONE,
    })
}

impl Cx<'_> {
    /// Runs a program on a machine, without a shell, and returns its exit status. Its output goes where this tool's goes.
    ///
    /// On this tool's own machine it inherits environment and working folder, on another it gets that machine's.
    ///
    /// # Errors
    /// The machine has no such program; nothing was printed, because only the caller knows the words (a container runtime's,
    /// a shell's, xargs').
    pub fn exec(&mut self, place: &Place, argv: &[String], stdin: &[u8]) -> Result<i32, NotFound> {
        let name = argv.first().map_or("", String::as_str);
        let tool = match look_up(self.cluster, place, name) {
            Lookup::Tool(tool) => tool,
            Lookup::NotModelled => return Ok(self.not_modelled(format!("`{name}`"))),
            Lookup::Missing => return Err(NotFound { program: name.to_owned() }),
        };
        let (env, cwd) = self.surroundings(place);
        let mut inner = Cx {
            cluster: self.cluster,
            place,
            args: argv,
            stdin,
            out: self.out,
            cwd: &cwd,
            env: &env,
            session: self.session,
        };
        let depth = inner.session.depth + 1;
        Ok(inner.at_depth(depth, tool))
    }

    /// Runs a script in a new shell on a machine (`ssh HOST 'a; b'`, `sh -c 'a; b'`).
    pub fn script(&mut self, place: &Place, kind: ShellKind, script: &str, stdin: &[u8]) -> i32 {
        self.script_with(place, kind, script, Vec::new(), stdin)
    }

    /// The same with `$1`, `$2` …
    pub fn script_with(
        &mut self,
        place: &Place,
        kind: ShellKind,
        script: &str,
        args: Vec<String>,
        stdin: &[u8],
    ) -> i32 {
        let (env, cwd) = self.surroundings(place);
        let mut shell = Shell::new(kind, place.clone(), self.cluster);
        shell.inherit(&env, &cwd, self.session.depth + 1);
        shell.set_positional(args);
        let mut io = Io { cluster: self.cluster, out: self.out, session: self.session };
        match shell.run(script, stdin, &mut io) {
            Ended::Line(status) | Ended::Shell(status) => status,
        }
    }

    /// Runs programs at the far end of a connection that has a terminal there, or has none.
    pub(crate) fn with_tty<T>(&mut self, tty: bool, work: impl FnOnce(&mut Cx<'_>) -> T) -> T {
        let here = self.out.set_tty(false);
        self.out.set_tty(here && tty);
        let result = work(&mut self.again());
        self.out.set_tty(here);
        result
    }

    /// Runs a tool and keeps count of programs that run programs: `sh -c 'sh -c …'` must end before the stack does.
    pub(crate) fn at_depth(&mut self, depth: usize, tool: Tool) -> i32 {
        const LIMIT: usize = 16;
        if depth > LIMIT {
            return self.not_modelled("programs that run programs that deep");
        }
        let before = std::mem::replace(&mut self.session.depth, depth);
        let status = tool(self);
        self.session.depth = before;
        status
    }

    /// Environment and working folder of a program that this tool starts.
    fn surroundings(&self, place: &Place) -> (IndexMap<String, String>, String) {
        if place == self.place {
            return (self.env.clone(), self.cwd.to_owned());
        }
        let shell = Shell::new(ShellKind::Ash, place.clone(), self.cluster);
        (shell.environment(), shell.cwd().to_owned())
    }

    /// Runs `work` with standard output caught: what it wrote, and its result.
    pub fn capture<T>(&mut self, work: impl FnOnce(&mut Cx<'_>) -> T) -> (Vec<u8>, T) {
        let before = self.out.streams();
        let stdout = self.out.open();
        self.out.set_streams(super::Streams { stdout, ..before });
        let result = work(&mut self.again());
        self.out.set_streams(before);
        (Out::close(self.out), result)
    }

    /// The same surroundings, lent.
    pub(crate) fn again(&mut self) -> Cx<'_> {
        Cx {
            cluster: self.cluster,
            place: self.place,
            args: self.args,
            stdin: self.stdin,
            out: self.out,
            cwd: self.cwd,
            env: self.env,
            session: self.session,
        }
    }

    /// Which shell a program is on a machine: `sh`, `/bin/sh`, `bash`, `/bin/bash`, `ash`. None: it is no shell, or not there.
    #[must_use]
    pub fn shell_named(&self, place: &Place, program: &str) -> Option<ShellKind> {
        let kind = kind_of(self.cluster, place);
        match base_name(program) {
            "sh" | "ash" if kind.meets(On::BUSYBOX) => Some(ShellKind::Ash),
            "sh" | "dash" if kind.meets(On::DEBIAN) => Some(ShellKind::Dash),
            "sh" | "bash" if kind.meets(On::MACHINES.or(On::DEBIAN)) => Some(ShellKind::Bash),
            "bash" if self.cluster.machine(place).is_some_and(|m| m.tools.extra.contains(&"bash")) => {
                Some(ShellKind::Bash)
            }
            _ => None,
        }
    }
}

/// `/bin/sh` → `sh`: tools are found by name in any of the usual folders.
fn base_name(program: &str) -> &str {
    ["/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/", "/usr/local/bin/"]
        .iter()
        .find_map(|dir| program.strip_prefix(dir))
        .filter(|rest| !rest.contains('/'))
        .unwrap_or(program)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::net::testbed::cluster;

    fn found(base: Base, program: &str) -> Lookup {
        let mut cluster = cluster();
        let place = Place::pod("default", "pod-a");
        cluster.machine_mut(&place).unwrap().tools.base = base;
        look_up(&cluster, &place, program)
    }

    #[test]
    fn package_managers_are_not_called_missing_where_they_are() {
        assert!(matches!(found(Base::Alpine, "apk"), Lookup::NotModelled));
        assert!(matches!(found(Base::Busybox, "apk"), Lookup::Missing));
        assert!(matches!(found(Base::Debian, "apt-get"), Lookup::NotModelled));
        assert!(matches!(found(Base::Alpine, "apt-get"), Lookup::Missing));
    }

    #[test]
    fn alpine_has_what_busybox_has() {
        assert!(matches!(found(Base::Alpine, "nslookup"), Lookup::Tool(_)));
        assert!(matches!(found(Base::Alpine, "/bin/ps"), Lookup::NotModelled));
        assert!(matches!(found(Base::Bare, "sh"), Lookup::Missing));
    }
}

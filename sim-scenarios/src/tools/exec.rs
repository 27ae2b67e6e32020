//! Running one tool from another: `kubectl exec`, `ssh`, `xargs`, `env`, `sh -c`.

use indexmap::IndexMap;

use super::registry::{self, On};
use super::{Cluster, Cx, Place};
use crate::shell::session::ShellKind;

/// The machine has no such program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotFound {
    /// The program's name.
    pub program: String,
}

impl Cx<'_> {
    /// Runs a program on a machine, without a shell, and returns its exit status. Its output goes where this tool's goes.
    ///
    /// # Errors
    /// The machine has no such program; nothing was printed, because only the caller knows the words (a container runtime's,
    /// a shell's, xargs').
    pub fn exec(&mut self, place: &Place, argv: &[String], stdin: &[u8]) -> Result<i32, NotFound> {
        let name = argv.first().map_or("", String::as_str);
        let Some(tool) = registry::find(base_name(name), kind_of(self.cluster, place)) else {
            return Err(NotFound { program: name.to_owned() });
        };
        let elsewhere = place != self.place;
        let env = if elsewhere { IndexMap::new() } else { self.env.clone() };
        let cwd = if elsewhere { "/".to_owned() } else { self.cwd.to_owned() };
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
        Ok(tool(&mut inner))
    }

    /// Which shell a program is on a machine: `sh`, `/bin/sh`, `bash`, `/bin/bash`, `ash`. None: it is no shell, or not there.
    #[must_use]
    pub fn shell_named(&self, place: &Place, program: &str) -> Option<ShellKind> {
        let kind = kind_of(self.cluster, place);
        match base_name(program) {
            "sh" | "ash" if kind.meets(On::BUSYBOX) => Some(ShellKind::Ash),
            "sh" | "dash" if kind.meets(On::DEBIAN) => Some(ShellKind::Dash),
            "sh" | "bash" if !kind.meets(On::BUSYBOX) => Some(ShellKind::Bash),
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

/// What kind of machine `place` is.
#[must_use]
pub fn kind_of(_cluster: &Cluster, place: &Place) -> On {
    match place {
        Place::Workstation => On::WORKSTATION,
        Place::Node(_) => On::NODE,
        Place::Host(_) => On::HOST,
        Place::Container { .. } => On::BUSYBOX,
    }
}

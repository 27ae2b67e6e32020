//! Which tool is called what, and which machines have it.

use super::{Tool, kubectl};

/// Kinds of machines, as a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct On(u16);

impl On {
    /// The workstation, where kubectl is.
    pub const WORKSTATION: Self = Self(1);
    /// Nodes of the cluster.
    pub const NODE: Self = Self(1 << 1);
    /// Machines outside the cluster.
    pub const HOST: Self = Self(1 << 2);
    /// Containers of a busybox or alpine image.
    pub const BUSYBOX: Self = Self(1 << 3);
    /// Containers of a Debian image (nginx, httpd, …): coreutils, no network tools.
    pub const DEBIAN: Self = Self(1 << 4);
    /// Containers of an image made for network debugging (netshoot, agnhost, dnsutils).
    pub const TOOLBOX: Self = Self(1 << 5);
    /// Machines that are whole systems.
    pub const MACHINES: Self = Self(1 | 1 << 1 | 1 << 2);
    /// Everything with a shell.
    pub const ALL: Self = Self(0x3f);

    /// Either of the two.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the two share a kind.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The command's name.
    pub name: &'static str,
    /// The machines that have it.
    pub on: On,
    /// The tool.
    pub tool: Tool,
}

/// Every tool. The first row that fits name and machine is the one.
static TABLE: &[Entry] = &[Entry { name: "kubectl", on: On::WORKSTATION.or(On::NODE), tool: kubectl::run }];

/// The tool that `name` is on a machine of kind `kind`.
#[must_use]
pub fn find(name: &str, kind: On) -> Option<Tool> {
    TABLE.iter().find(|e| e.name == name && e.on.meets(kind)).map(|e| e.tool)
}

/// Names of all tools that a machine of kind `kind` has.
pub fn names(kind: On) -> impl Iterator<Item = &'static str> {
    TABLE.iter().filter(move |e| e.on.meets(kind)).map(|e| e.name)
}

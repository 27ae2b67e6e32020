//! `ip link`, and the first lines of an interface that `ip address` shows too.

mod add;
mod details;
mod set;
mod show;
mod view;

pub(in crate::tools) use add::random_mac;
pub(super) use show::Selector;
pub(super) use view::netns_ids;
pub(in crate::tools) use view::{LinkView, views};

use super::words::refuse;
use super::{Call, Dialect, Failure, Shown};

/// Commands of `ip link` in the order of iproute2's look-up.
const COMMANDS: &[&str] = &[
    "add", "set", "change", "replace", "delete", "show", "lst", "list", "xstats", "afstats", "property",
    "help",
];

/// `ip link help`.
const USAGE: &str = include_str!("../usage/link.txt");

impl Call<'_> {
    pub(super) fn link(mut self) -> Shown {
        match self.words.command("link", COMMANDS)? {
            "show" | "list" | "lst" => self.link_show(),
            "set" | "change" => self.link_set(),
            "add" => self.link_add(),
            "delete" => self.link_delete(),
            "help" => self.link_help(),
            other => Err(Failure::NotModelled(format!("ip link {other}"))),
        }
    }

    fn link_help(mut self) -> Shown {
        match self.words.next() {
            None => Err(self.usage(USAGE)),
            Some("veth") => Ok(include_str!("../usage/link-veth.txt").to_owned()),
            Some("bridge") => Ok(include_str!("../usage/link-bridge.txt").to_owned()),
            Some("vxlan") => Ok(include_str!("../usage/link-vxlan.txt").to_owned()),
            Some(kind) => Err(Failure::NotModelled(format!("ip link help {kind}"))),
        }
    }

    fn link_delete(mut self) -> Shown {
        let mut name = None;
        while let Some(word) = self.words.next() {
            match word {
                "dev" => name = Some(self.words.value()?),
                // The kernel does not compare the type.
                "type" => drop(self.words.value()?),
                "group" => return Err(Failure::NotModelled("ip link delete group".to_owned())),
                word if name.is_none() => name = Some(word),
                word => return Err(self.words.garbage("dev", word)),
            }
        }
        let Some(name) = name else {
            return Err(self.dev_required(255));
        };
        let ns = self.world.ns(self.ns);
        let iface = ns.by_name(name).map_err(|e| self.refused(&e))?;
        if iface.is_loopback() || matches!(iface.kind, sim_core::linux::link::IfKind::Wire) {
            let text = self.kernel("Operation not supported");
            return Err(refuse(text, 2));
        }
        let result = self.world.link_del(self.ns, name);
        self.done(result)
    }

    /// `dev` is missing.
    pub(super) fn dev_required(&self, status: i32) -> Failure {
        match self.dialect {
            Dialect::Iproute2 => refuse("Not enough information: \"dev\" argument is required.", status),
            Dialect::Busybox => refuse("ip: need \"dev IFACE\"", 1),
        }
    }

    /// What the kernel answers.
    pub(super) fn kernel(&self, what: &str) -> String {
        format!("{}RTNETLINK answers: {what}", self.pick("", "ip: "))
    }
}

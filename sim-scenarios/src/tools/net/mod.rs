//! What network programs share: waiting, names, connections, HTTP. Everything here blocks, and virtual time passes.

pub(crate) mod http;
mod strerror;
mod tcp;
#[cfg(test)]
pub(crate) mod testbed;
pub(crate) mod url;

use std::net::IpAddr;
use std::time::Duration;

use sim_core::chance::{Chance, Purpose};
use sim_core::kube::dns::resolver::{Family, Found, Libc as Rules, LookupError};
use sim_core::kube::node::machine::Libc;
use sim_core::linux::Errno;
use sim_core::time::SimTime;
use sim_core::trace::NsId;

use super::{Cluster, Cx, PATIENCE};

pub(crate) use strerror::strerror;
pub(crate) use tcp::{Stream, connect, connect_from, connect_in};

/// Why something on the network did not work out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The kernel said so.
    Errno(Errno),
    /// The tool's own timer ran out.
    TimedOut,
    /// ^C, or the time of an endless command is over.
    Interrupted,
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

/// The network namespace of the machine that the tool runs on.
pub(crate) fn netns(cx: &Cx<'_>) -> Result<NsId, Errno> {
    cx.cluster.machine(cx.place).map(|m| m.ns).ok_or(Errno::ENETDOWN)
}

/// The C library of the machine.
pub(crate) fn libc(cx: &Cx<'_>) -> Libc {
    cx.cluster.machine(cx.place).map_or(Libc::Glibc, |m| m.tools.libc)
}

/// Whose rules its look-ups follow. uClibc's resolver walks the search list as glibc's does.
pub(crate) fn rules(cx: &Cx<'_>) -> Rules {
    match libc(cx) {
        Libc::Musl => Rules::Musl,
        Libc::Glibc | Libc::Uclibc => Rules::Glibc,
    }
}

/// The addresses of a name or of an address text, in the order in which programs try them.
pub(crate) fn resolve(cx: &mut Cx<'_>, name: &str) -> Result<Vec<IpAddr>, LookupError> {
    lookup(cx, name, Family::Any).map(|found| found.addresses)
}

/// `getaddrinfo(3)` on this machine.
pub(crate) fn lookup(cx: &mut Cx<'_>, name: &str, family: Family) -> Result<Found, LookupError> {
    cx.cluster.lookup(cx.place, name, family, (None, None))
}

/// The same for a program whose patience ends.
pub(crate) fn lookup_until(
    cx: &mut Cx<'_>,
    name: &str,
    family: Family,
    until: Option<SimTime>,
) -> Result<Found, LookupError> {
    cx.cluster.lookup(cx.place, name, family, (None, until))
}

/// `getnameinfo(3)` on this machine: the name of an address, without a final dot.
pub(crate) fn name_of(cx: &mut Cx<'_>, addr: IpAddr) -> Option<String> {
    cx.cluster.name_of(cx.place, addr, None).ok()
}

/// The same, with the address for an address that has no name; none where the library fails because nobody answers: musl's does not.
pub(crate) fn name_or_number(cx: &mut Cx<'_>, addr: IpAddr) -> Option<String> {
    let is_musl = libc(cx) == Libc::Musl;
    match cx.cluster.name_of(cx.place, addr, None) {
        Ok(name) => Some(name),
        Err(LookupError::NotFound | LookupError::NoData) => Some(addr.to_string()),
        Err(_) => is_musl.then(|| addr.to_string()),
    }
}

/// A random number for a program's own use: query ids and the like.
pub(crate) fn draw(cx: &mut Cx<'_>) -> u32 {
    let place = netns(cx).map_or(0, |ns| u64::from(ns.0));
    cx.cluster.world.dice().bits(Purpose::Identifier, place)
}

/// Waits until `ready` says so. Without `until`: as long as a command may take that does not end by itself.
pub(crate) fn wait(
    cx: &mut Cx<'_>,
    until: Option<SimTime>,
    ready: impl FnMut(&mut Cluster) -> bool,
) -> Result<(), Failure> {
    if cx.out.control_c() {
        return Err(Failure::Interrupted);
    }
    let limit = until.unwrap_or_else(|| cx.deadline());
    if cx.wait(limit, ready) {
        return Ok(());
    }
    if cx.out.control_c() {
        return Err(Failure::Interrupted);
    }
    if until.is_some() {
        return Err(Failure::TimedOut);
    }
    // Notes in the report that the command had no end.
    cx.interrupted();
    Err(Failure::Interrupted)
}

/// An instant by which the kernel's own timers have decided: longer than TCP tries to connect.
pub(crate) fn kernel_limit(cx: &Cx<'_>) -> SimTime {
    cx.now() + PATIENCE
}

/// `now` plus a time limit, if there is one.
pub(crate) fn deadline(cx: &Cx<'_>, within: Option<Duration>) -> Option<SimTime> {
    within.map(|d| cx.now() + d)
}

//! A network namespace: one Linux network stack as plain data, and the commands that configure it.
//!
//! Frames come in through [`super::stack`]; this module is what `ip`, `bridge` and `sysctl` do, one file for each kind of thing.

mod addrs;
mod links;
mod neigh;
mod routes;
mod switches;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::bridge::Bridge;
use super::conntrack::Conntrack;
use super::exception::Exceptions;
use super::icmp::Limits;
use super::ipset::Sets;
use super::ipvs::Ipvs;
use super::kmsg::KernelLog;
use super::link::{IfConf, IfKind, Iface};
use super::neigh::Neighbours;
use super::netfilter::Ruleset;
use super::nftables::{Interfaces, Nftables};
use super::policy::Policy;
use super::reassembly::Reassembly;
use super::route::Table;
use super::socket::Sockets;
use super::stack::Hooks;
use super::sysctl::Sysctls;
use super::tap::Taps;
use crate::packet::MacAddr;
use crate::time::SimTime;
use crate::trace::{Family, IfId, NsId};

/// One network stack.
#[derive(Clone, Debug)]
pub struct Netns {
    /// Its id in the world.
    pub id: NsId,
    /// Its name, for people.
    pub name: Arc<str>,
    pub(super) ifaces: Vec<Option<Iface>>,
    next_index: u32,
    /// Switches without effect that were set.
    kept_sysctls: BTreeMap<String, String>,
    /// When the first address goes whose lifetime is limited.
    addr_expires: Option<SimTime>,
    pub(super) local: Table,
    pub(super) main: Table,
    pub(super) policy: Policy,
    pub(super) neigh: Neighbours,
    pub(super) sys: Sysctls,
    pub(super) nf4: Ruleset,
    pub(super) nf6: Ruleset,
    pub(super) sets: Sets,
    pub(super) nft: Nftables,
    pub(super) ipvs: Ipvs,
    pub(super) hooks: Hooks,
    pub(super) netfilter_on: bool,
    pub(super) track: bool,
    /// Connection tracking.
    pub conntrack: Conntrack,
    /// Sockets.
    pub sockets: Sockets,
    pub(super) fragments: Reassembly,
    pub(super) limits: Limits,
    pub(super) taps: Taps,
    pub(super) log: KernelLog,
    pub(super) exceptions: Exceptions,
    pub(super) next_ip_id: u16,
    /// An ICMP message of IPv4, or of IPv6, is on its way out: what happens to it there is told to nobody (`icmp_xmit_lock`).
    pub(super) icmp_busy: [bool; 2],
    pub(super) hash_salt: u64,
    /// Addresses that a program on this host answers ARP for, by interface.
    pub(super) answered_for: BTreeSet<(IfId, IpAddr)>,
    /// Interfaces that went up or down since the world last looked.
    pub(super) link_events: Vec<(IfId, bool)>,
}

/// Why a configuration command failed. The texts are those of `ip` and `bridge`, which pass on the kernel's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// No interface of that name.
    #[error("Cannot find device \"{0}\"")]
    NoDevice(String),
    /// The object is there already.
    #[error("RTNETLINK answers: File exists")]
    Exists,
    /// The route, address or neighbour to be deleted is not there.
    #[error("RTNETLINK answers: No such process")]
    NoSuchRoute,
    /// The address to be deleted is not there.
    #[error("RTNETLINK answers: Cannot assign requested address")]
    NoSuchAddress,
    /// The entry to be deleted is not there.
    #[error("RTNETLINK answers: No such file or directory")]
    NoSuchEntry,
    /// The gateway is not on any link of this host.
    #[error("Error: Nexthop has invalid gateway.")]
    InvalidGateway,
    /// The interface is down.
    #[error("RTNETLINK answers: Network is down")]
    NetworkDown,
    /// The operation does not fit the kind of interface.
    #[error("RTNETLINK answers: Operation not supported")]
    NotSupported,
    /// A value the kernel does not take.
    #[error("RTNETLINK answers: Invalid argument")]
    Invalid,
    /// The interface cannot leave its namespace.
    #[error("Error: The interface netns is immutable.")]
    Immutable,
    /// An interface of that name is in the other namespace already.
    #[error("RTNETLINK answers: File exists")]
    NameTaken,
    /// IPv6 is switched off on the interface.
    #[error("RTNETLINK answers: Permission denied")]
    Denied,
    /// The interface has that IPv6 address.
    #[error("Error: ipv6: address already assigned.")]
    V6Assigned,
    /// IPv6 is switched off on the device, or its MTU is too small for it (`ndisc_allow_add`).
    #[error("Error: IPv6 is disabled on this device.")]
    V6Disabled,
    /// An interface name that is empty, too long or has a slash or blank in it.
    #[error("Error: argument \"{0}\" is wrong: \"name\" not a valid ifname")]
    BadName(String),
}

impl Netns {
    /// A fresh namespace: only `lo`, which is up (as container runtimes leave it).
    pub(super) fn new(id: NsId, name: &str, hash_salt: u64) -> Self {
        let mut ns = Self {
            id,
            name: name.into(),
            ifaces: Vec::new(),
            next_index: 0,
            kept_sysctls: BTreeMap::new(),
            addr_expires: None,
            local: Table::default(),
            main: Table::default(),
            policy: Policy::default(),
            neigh: Neighbours::default(),
            sys: Sysctls::default(),
            nf4: Ruleset::new(Family::V4),
            nf6: Ruleset::new(Family::V6),
            sets: Sets::default(),
            nft: Nftables::default(),
            ipvs: Ipvs::default(),
            hooks: Hooks::default(),
            netfilter_on: false,
            track: false,
            conntrack: Conntrack::default(),
            sockets: Sockets::default(),
            fragments: Reassembly::default(),
            limits: Limits::default(),
            taps: Taps::default(),
            log: KernelLog::default(),
            exceptions: Exceptions::default(),
            next_ip_id: 1,
            icmp_busy: [false; 2],
            hash_salt,
            answered_for: BTreeSet::new(),
            link_events: Vec::new(),
        };
        let lo = ns.add_iface("lo", IfKind::Loopback, MacAddr::ZERO, 65536);
        ns.set_up(lo, true);
        ns
    }

    /// A stack in no world, which no packet meets: what is read into it once can be copied to many.
    #[must_use]
    pub fn detached(name: &str) -> Self {
        Self::new(NsId(u32::MAX), name, 0)
    }

    /// The interface with that id, if it still exists.
    #[must_use]
    pub fn iface(&self, id: IfId) -> Option<&Iface> {
        self.ifaces.get(id.0 as usize)?.as_ref()
    }

    /// All interfaces in order of their index.
    pub fn ifaces(&self) -> impl Iterator<Item = &Iface> + Clone {
        self.ifaces.iter().flatten()
    }

    /// The interface of that name.
    #[must_use]
    pub fn iface_id(&self, name: &str) -> Option<IfId> {
        self.ifaces().find(|i| *i.name == *name).map(|i| i.id)
    }

    /// The interface of that name.
    ///
    /// # Errors
    /// There is none.
    pub fn by_name(&self, name: &str) -> Result<&Iface, NetError> {
        self.ifaces().find(|i| *i.name == *name).ok_or_else(|| NetError::NoDevice(name.to_owned()))
    }

    fn dev(&self, name: &str) -> Result<IfId, NetError> {
        self.by_name(name).map(|i| i.id)
    }

    /// For ids that this namespace itself handed out and has not deleted since.
    pub(super) fn iface_mut(&mut self, id: IfId) -> &mut Iface {
        self.ifaces[id.0 as usize].as_mut().expect("the caller holds the id of an interface that exists")
    }

    /// All of them, to change.
    pub(super) fn ifaces_mut(&mut self) -> impl Iterator<Item = &mut Iface> {
        self.ifaces.iter_mut().flatten()
    }

    /// What the network has written to the kernel's log.
    #[must_use]
    pub const fn kernel_log(&self) -> &KernelLog {
        &self.log
    }

    /// `dmesg -C`.
    pub fn clear_kernel_log(&mut self) {
        self.log.clear();
    }

    /// The neighbour table.
    #[must_use]
    pub const fn neighbours(&self) -> &Neighbours {
        &self.neigh
    }

    /// The switches.
    #[must_use]
    pub const fn sysctls(&self) -> &Sysctls {
        &self.sys
    }

    /// iptables.
    #[must_use]
    pub const fn nf4(&self) -> &Ruleset {
        &self.nf4
    }

    /// ip6tables.
    #[must_use]
    pub const fn nf6(&self) -> &Ruleset {
        &self.nf6
    }

    /// nftables.
    #[must_use]
    pub const fn nft(&self) -> &Nftables {
        &self.nft
    }

    /// Virtual servers.
    #[must_use]
    pub const fn ipvs(&self) -> &Ipvs {
        &self.ipvs
    }

    /// The interfaces as nftables names them.
    #[must_use]
    pub fn interface_names(&self) -> Interfaces {
        self.ifaces().map(|i| (i.id.0 + 1, i.name.clone())).collect()
    }

    pub(super) fn bridge_mut(&mut self, id: IfId) -> Option<&mut Bridge> {
        match &mut self.ifaces.get_mut(id.0 as usize)?.as_mut()?.kind {
            IfKind::Bridge(b) => Some(b),
            IfKind::Loopback
            | IfKind::Veth
            | IfKind::Wire
            | IfKind::Vxlan(_)
            | IfKind::Ipip(_)
            | IfKind::Dummy => None,
        }
    }

    /// A switch that holds if it is on for the interface or for all (`IN_DEV_ORCONF`).
    pub(super) fn conf_or(&self, dev: IfId, switch: impl Fn(&IfConf) -> bool) -> bool {
        switch(&self.sys.all) || self.iface(dev).is_some_and(|i| switch(&i.conf))
    }
}

/// The prefix that holds one address only.
pub(super) fn host(addr: IpAddr) -> IpNet {
    IpNet::from(addr)
}

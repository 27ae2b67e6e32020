//! IP sets: named sets of addresses, networks, ports, interfaces and other sets, which rules ask with `-m set` and change with
//! `-j SET`. The sets of a namespace are shared by both IP versions.
//!
//! [`Sets::command`] speaks the command line and the texts of ipset 7.17 (protocol 7) with the set revisions of Linux 6.x. The kernel
//! lists a hash in the order of its slots, which is another one for every set; here members are listed in the order in which they were
//! added. The size in memory is that of a hash in which every element has a slot of its own.
//!
//! Left out: `skbinfo`, `forceadd`, `hash:mac`, `hash:ip,mac`, `hash:ip,mark`, `hash:net,net`, `hash:net,port,net`, `bitmap:ip,mac`.

mod element;
mod list;
mod packet;
mod tool;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

pub use element::Element;
pub use packet::{Answer, Dimension, Question};
pub use tool::{Context, ToolError};

use crate::time::SimTime;
use crate::trace::Family;

/// All sets of a namespace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sets {
    /// In the order of their creation; a `list:set` comes after all others in listings.
    sets: IndexMap<Arc<str>, Set>,
    /// Sets that were ever made, for their initial values.
    made: u32,
}

/// What a set holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `bitmap:ip`
    BitmapIp,
    /// `bitmap:port`
    BitmapPort,
    /// `hash:ip`
    Ip,
    /// `hash:ip,port`
    IpPort,
    /// `hash:ip,port,ip`
    IpPortIp,
    /// `hash:ip,port,net`
    IpPortNet,
    /// `hash:net`
    Net,
    /// `hash:net,port`
    NetPort,
    /// `hash:net,iface`
    NetIface,
    /// `list:set`
    List,
}

/// One part of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// An address.
    Ip,
    /// An address with a prefix length.
    Net,
    /// A port with its protocol.
    Port,
    /// A port alone.
    BarePort,
    /// An interface.
    Iface,
    /// Another set.
    Set,
}

impl Kind {
    const ALL: [Self; 10] = [
        Self::BitmapIp,
        Self::BitmapPort,
        Self::Ip,
        Self::IpPort,
        Self::IpPortIp,
        Self::IpPortNet,
        Self::Net,
        Self::NetPort,
        Self::NetIface,
        Self::List,
    ];

    /// The name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BitmapIp => "bitmap:ip",
            Self::BitmapPort => "bitmap:port",
            Self::Ip => "hash:ip",
            Self::IpPort => "hash:ip,port",
            Self::IpPortIp => "hash:ip,port,ip",
            Self::IpPortNet => "hash:ip,port,net",
            Self::Net => "hash:net",
            Self::NetPort => "hash:net,port",
            Self::NetIface => "hash:net,iface",
            Self::List => "list:set",
        }
    }

    const fn parts(self) -> &'static [Part] {
        match self {
            Self::BitmapIp | Self::Ip => &[Part::Ip],
            Self::BitmapPort => &[Part::BarePort],
            Self::IpPort => &[Part::Ip, Part::Port],
            Self::IpPortIp => &[Part::Ip, Part::Port, Part::Ip],
            Self::IpPortNet => &[Part::Ip, Part::Port, Part::Net],
            Self::Net => &[Part::Net],
            Self::NetPort => &[Part::Net, Part::Port],
            Self::NetIface => &[Part::Net, Part::Iface],
            Self::List => &[Part::Set],
        }
    }

    /// The revision of the kernel's module.
    const fn revision(self) -> u8 {
        match self {
            Self::BitmapIp | Self::BitmapPort | Self::List => 3,
            Self::Ip | Self::IpPortIp => 6,
            Self::IpPort | Self::Net => 7,
            Self::IpPortNet | Self::NetPort | Self::NetIface => 8,
        }
    }

    const fn is_hash(self) -> bool {
        !matches!(self, Self::BitmapIp | Self::BitmapPort | Self::List)
    }

    /// Whether one of the parts is a network, so that `nomatch` has a meaning.
    fn has_net(self) -> bool {
        self.parts().contains(&Part::Net)
    }
}

/// How a set was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// IPv4 or IPv6; none for ports and lists.
    family: Option<Family>,
    hashsize: u32,
    maxelem: u32,
    netmask: Option<u8>,
    /// Default timeout in seconds, 0 for none; no timeouts at all without it.
    timeout: Option<u32>,
    counters: bool,
    comment: bool,
    /// First and last value of a bitmap.
    range: (u128, u128),
    /// Members of a `list:set`.
    size: u32,
}

/// One set.
#[derive(Clone, Debug, PartialEq)]
pub struct Set {
    kind: Kind,
    options: Options,
    initval: u32,
    elements: IndexMap<Element, Extra, FxBuildHasher>,
    /// Number of elements with each prefix length.
    prefixes: BTreeMap<u8, u32>,
}

/// What an element has besides its value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Extra {
    /// When it ends, if ever.
    expires: Option<SimTime>,
    packets: u64,
    bytes: u64,
    comment: Option<Box<str>>,
    nomatch: bool,
}

/// Why a change is refused, in the tool's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    NoSet,
    SetExists,
    Added,
    NotAdded,
    Full,
    OutOfRange,
    InUse,
    NoMember,
    Loop,
    ListFull,
    Cidr,
}

impl Refused {
    const fn text(self) -> &'static str {
        match self {
            Self::NoSet => "The set with the given name does not exist",
            Self::SetExists => "Set cannot be created: set with the same name already exists",
            Self::Added => "Element cannot be added to the set: it's already added",
            Self::NotAdded => "Element cannot be deleted from the set: it's not added",
            Self::Full => "Hash is full, cannot add more elements",
            Self::OutOfRange => "Element is out of the range of the set",
            Self::InUse => "Set cannot be destroyed: it is in use by a kernel component",
            Self::NoMember => "Set to be added/deleted/tested as element does not exist.",
            Self::Loop => "Sets with list:set type cannot be added to the set.",
            Self::ListFull => "Set is full, more elements cannot be added.",
            Self::Cidr => "The value of the CIDR parameter of the IP address is invalid",
        }
    }
}

impl Sets {
    /// Whether there is no set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// The address family of a set, if it exists; none in it for a set without addresses.
    #[must_use]
    pub fn family(&self, name: &str) -> Option<Option<Family>> {
        self.sets.get(name).map(|set| set.options.family)
    }

    fn get(&self, name: &str) -> Result<&Set, Refused> {
        self.sets.get(name).ok_or(Refused::NoSet)
    }

    fn get_mut(&mut self, name: &str) -> Result<&mut Set, Refused> {
        self.sets.get_mut(name).ok_or(Refused::NoSet)
    }

    fn create(
        &mut self,
        name: &str,
        kind: Kind,
        options: Options,
        initval: Option<u32>,
        exist: bool,
    ) -> Result<(), Refused> {
        if let Some(old) = self.sets.get(name) {
            let same = old.kind == kind && old.options == options;
            return if exist && same { Ok(()) } else { Err(Refused::SetExists) };
        }
        self.made += 1;
        // Any number will do; Knuth's multiplicative hash spreads them.
        let initval = initval.unwrap_or_else(|| self.made.wrapping_mul(2_654_435_769) ^ 0x5bd1_e995);
        let set = Set { kind, options, initval, elements: IndexMap::default(), prefixes: BTreeMap::new() };
        self.sets.insert(name.into(), set);
        Ok(())
    }

    /// Lists that hold a set.
    fn holders(&self, name: &str) -> u32 {
        let holds = |s: &&Set| s.elements.keys().any(|e| e.set.as_deref() == Some(name));
        self.sets.values().filter(|s| s.kind == Kind::List).filter(holds).count() as u32
    }

    fn check_member(&self, set: &Set, element: &Element) -> Result<(), Refused> {
        let Some(member) = &element.set else { return Ok(()) };
        let other = self.sets.get(&**member).ok_or(Refused::NoMember)?;
        if set.kind == Kind::List && other.kind == Kind::List { Err(Refused::Loop) } else { Ok(()) }
    }

    fn add(
        &mut self,
        name: &str,
        element: Element,
        extra: Extra,
        exist: bool,
        now: SimTime,
    ) -> Result<(), Refused> {
        self.check_member(self.get(name)?, &element)?;
        self.get_mut(name)?.add(element, extra, exist, now)
    }
}

impl Set {
    /// Takes out what has ended.
    fn expire(&mut self, now: SimTime) {
        if self.options.timeout.is_none() || !self.elements.values().any(|x| x.is_over(now)) {
            return;
        }
        let gone: Vec<_> =
            self.elements.iter().filter(|(_, x)| x.is_over(now)).map(|(e, _)| e.clone()).collect();
        for element in gone {
            self.remove(&element);
        }
    }

    fn remove(&mut self, element: &Element) -> bool {
        if self.elements.shift_remove(element).is_none() {
            return false;
        }
        if let Some(n) = self.prefixes.get_mut(&self.prefix(element)) {
            *n -= 1;
        }
        true
    }

    /// The prefix length of the part that is a network.
    const fn prefix(&self, element: &Element) -> u8 {
        if matches!(self.kind, Kind::IpPortNet) { element.second.1 } else { element.first.1 }
    }

    fn add(&mut self, element: Element, extra: Extra, exist: bool, now: SimTime) -> Result<(), Refused> {
        self.expire(now);
        let prefix = self.prefix(&element);
        let is_all = self.kind.has_net() && prefix == 0 && self.kind != Kind::NetIface;
        if is_all {
            return Err(Refused::Cidr);
        }
        if let Some(old) = self.elements.get_mut(&element) {
            if !exist {
                return Err(Refused::Added);
            }
            *old = extra;
            return Ok(());
        }
        let full = match self.kind {
            Kind::List => (self.options.size, Refused::ListFull),
            _ if self.kind.is_hash() => (self.options.maxelem, Refused::Full),
            _ => (u32::MAX, Refused::Full),
        };
        if self.elements.len() as u64 >= u64::from(full.0) {
            return Err(full.1);
        }
        *self.prefixes.entry(prefix).or_default() += 1;
        self.elements.insert(element, extra);
        self.keep_order();
        Ok(())
    }

    /// A bitmap is listed in the order of its values.
    fn keep_order(&mut self) {
        if matches!(self.kind, Kind::BitmapIp | Kind::BitmapPort) {
            self.elements.sort_unstable_by_key(|e, _| (e.first.0, e.port.1));
        }
    }

    fn flush(&mut self) {
        self.elements.clear();
        self.prefixes.clear();
    }
}

impl Extra {
    fn is_over(&self, now: SimTime) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }

    /// A new element's, with the set's own timeout unless another is given.
    fn new(options: &Options, timeout: Option<u32>, now: SimTime) -> Self {
        let seconds = options.timeout.map(|own| timeout.unwrap_or(own)).filter(|s| *s > 0);
        Self { expires: seconds.map(|s| now + Duration::from_secs(s.into())), ..Self::default() }
    }
}

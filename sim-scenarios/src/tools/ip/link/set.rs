//! `ip link set`.

use sim_core::linux::NetError;
use sim_core::linux::bridge::StpTimes;
use sim_core::packet::MacAddr;
use sim_core::trace::NsId;

use super::super::words::refuse;
use super::super::{Call, Dialect, Failure, Shown};

/// What `ip link set` changes.
enum Change {
    Up(bool),
    Mtu(u32),
    Mac(MacAddr),
    Master(String),
    NoMaster,
    Name(String),
    Netns(NsId),
    Alias(String),
    Queue(u32),
    Promisc(bool),
    Allmulti(bool),
    Multicast(bool),
    Arp(bool),
    Hairpin(bool),
    Isolated(bool),
    Stp(StpTime, u32),
}

/// A time of the spanning tree protocol.
pub(super) type StpTime = fn(&mut StpTimes) -> &mut u32;

impl Call<'_> {
    pub(super) fn link_set(mut self) -> Shown {
        let mut dev: Option<&str> = None;
        let mut changes = vec![];
        while let Some(word) = self.words.next() {
            let change = match word {
                "dev" => {
                    dev = Some(self.words.value()?);
                    continue;
                }
                "up" => Change::Up(true),
                "down" => Change::Up(false),
                "mtu" => Change::Mtu(self.words.number("mtu")?),
                "address" => Change::Mac(self.words.mac()?),
                "master" => Change::Master(self.words.value()?.to_owned()),
                "nomaster" => Change::NoMaster,
                "name" => Change::Name(self.words.value()?.to_owned()),
                "netns" => Change::Netns(self.netns_value()?),
                "alias" => Change::Alias(self.words.value()?.to_owned()),
                "txqueuelen" | "qlen" | "txqlen" => Change::Queue(self.words.number("txqueuelen")?),
                "promisc" => Change::Promisc(self.switch("promisc")?),
                "allmulticast" => Change::Allmulti(self.switch("allmulticast")?),
                "multicast" => Change::Multicast(self.switch("multicast")?),
                "arp" => Change::Arp(self.switch("arp")?),
                "type" => {
                    self.type_changes(dev, &mut changes)?;
                    continue;
                }
                "help" => return Err(self.usage(super::USAGE)),
                "group" | "broadcast" | "brd" | "dynamic" | "trailers" | "carrier" | "vf" | "xdp" | "vrf"
                | "addrgenmode" | "protodown" | "gso_max_size" | "gso_max_segs" | "gro_max_size"
                | "state" | "mode" | "link-netnsid" | "numtxqueues" | "numrxqueues" => {
                    return Err(Failure::NotModelled(format!("ip link set {word}")));
                }
                word if dev.is_none() => {
                    dev = Some(word);
                    continue;
                }
                word => return Err(self.words.garbage("dev", word)),
            };
            if let Change::Master(master) = &change {
                self.check_master(master)?;
            }
            changes.push(change);
        }
        let Some(dev) = dev else { return Err(self.dev_required(255)) };
        if self.world.ns(self.ns).iface_id(dev).is_none() {
            return Err(self.no_device(dev));
        }
        self.apply(dev, changes)
    }

    fn check_master(&self, name: &str) -> Result<(), Failure> {
        if self.dialect == Dialect::Busybox || self.world.ns(self.ns).iface_id(name).is_some() {
            return Ok(());
        }
        Err(refuse(format!("Error: argument \"{name}\" is wrong: Device does not exist\n"), 255))
    }

    /// One request carries all changes; the kernel moves and names first (`do_setlink`).
    fn apply(mut self, dev: &str, changes: Vec<Change>) -> Shown {
        let mut dev = dev.to_owned();
        let mut ns = self.ns;
        let order = |c: &Change| match c {
            Change::Netns(_) => 0,
            Change::Mac(_) => 1,
            Change::Mtu(_) => 2,
            Change::Alias(_) => 3,
            Change::Name(_) => 4,
            Change::Up(_) => 6,
            _ => 5,
        };
        let mut changes = changes;
        changes.sort_by_key(order);
        let new_name = changes.iter().find_map(|c| match c {
            Change::Name(name) => Some(name.clone()),
            _ => None,
        });
        for change in changes {
            if let Change::Netns(to) = change {
                self.move_to(&mut dev, to, new_name.as_deref())?;
                ns = to;
                continue;
            }
            if let Change::Name(name) = &change {
                if *name != dev {
                    let result = self.world.ns_mut(ns).rename(&dev, name);
                    self.done(result)?;
                    dev.clone_from(name);
                }
                continue;
            }
            self.change(ns, &dev, &change)?;
        }
        Ok(String::new())
    }

    /// An interface that is moved may get its new name on the way.
    fn move_to(&mut self, dev: &mut String, to: NsId, name: Option<&str>) -> Result<(), Failure> {
        let new = name.unwrap_or(dev).to_owned();
        if to != self.ns && self.world.ns(to).iface_id(&new).is_some() {
            return Err(self.refused(&NetError::NameTaken));
        }
        if new != *dev {
            let result = self.world.ns_mut(self.ns).rename(dev, &new);
            self.done(result)?;
            *dev = new;
        }
        match self.world.move_link(self.ns, dev, to) {
            Err(NetError::NotSupported) => {
                Err(Failure::NotModelled("ip link set netns of a tunnel".to_owned()))
            }
            other => self.done(other).map(|_| ()),
        }
    }

    fn change(&mut self, ns: NsId, dev: &str, change: &Change) -> Result<(), Failure> {
        let dialect = self.dialect;
        let ns = self.world.ns_mut(ns);
        let note = |ns: &mut sim_core::linux::Netns, set: &dyn Fn(&mut sim_core::linux::link::IfNotes)| {
            ns.notes_mut(dev).map(set)
        };
        let result = match change {
            Change::Up(up) => ns.link_set(dev, *up),
            Change::Mtu(mtu) => match ns.set_mtu(dev, *mtu) {
                Err(NetError::Invalid) if dialect == Dialect::Iproute2 => {
                    let which =
                        if *mtu < 68 { "less than device minimum" } else { "greater than device maximum" };
                    return Err(refuse(format!("Error: mtu {which}."), 2));
                }
                other => other,
            },
            Change::Mac(mac) if mac.is_group() || *mac == MacAddr::ZERO => {
                return Err(refuse(self.kernel("Cannot assign requested address"), 2));
            }
            Change::Mac(mac) => ns.set_mac(dev, *mac),
            Change::Master(bridge) => {
                let is_bridge = |i: &sim_core::linux::Iface| super::view::kind_name(&i.kind) == "bridge";
                let both = ns.by_name(dev).is_ok_and(is_bridge) && ns.by_name(bridge).is_ok_and(is_bridge);
                if both {
                    return Err(refuse("Error: Can not enslave a bridge to a bridge.", 2));
                }
                ns.set_master(dev, bridge)
            }
            Change::NoMaster => ns.set_no_master(dev),
            Change::Alias(text) => note(ns, &|n| n.alias = (!text.is_empty()).then(|| text.clone())),
            Change::Queue(len) => note(ns, &|n| n.txqlen = Some(*len)),
            Change::Promisc(on) => note(ns, &|n| n.promisc = *on),
            Change::Allmulti(on) => note(ns, &|n| n.allmulti = *on),
            Change::Multicast(on) => note(ns, &|n| n.no_multicast = !*on),
            Change::Arp(on) => ns.set_arp(dev, *on),
            Change::Hairpin(on) => ns.set_hairpin(dev, *on),
            Change::Isolated(on) => ns.set_isolated(dev, *on),
            Change::Stp(time, value) => ns.stp_times_mut(dev).map(|t| *time(t) = *value),
            Change::Name(_) | Change::Netns(_) => Ok(()),
        };
        self.done(result).map(|_| ())
    }

    /// `on` or `off`.
    fn switch(&mut self, of: &str) -> Result<bool, Failure> {
        match self.words.value()? {
            "on" => Ok(true),
            "off" => Ok(false),
            other => {
                let text =
                    format!("Error: argument of \"{of}\" must be \"on\" or \"off\", not \"{other}\"\n");
                Err(refuse(text, 255))
            }
        }
    }

    /// What follows `type`: options of a bridge or of a bridge port.
    fn type_changes(&mut self, dev: Option<&str>, changes: &mut Vec<Change>) -> Result<(), Failure> {
        let kind = self.words.value()?;
        if dev.is_some_and(|d| self.world.ns(self.ns).iface_id(d).is_none()) {
            return Err(self.no_device(dev.unwrap_or_default()));
        }
        while let Some(word) = self.words.next() {
            match (kind, word) {
                ("bridge", word) => {
                    let time = self.bridge_option(word)?;
                    changes.extend(time.map(|(time, value)| Change::Stp(time, value)));
                }
                ("bridge_slave", "hairpin") => changes.push(Change::Hairpin(self.switch("hairpin")?)),
                ("bridge_slave", "isolated") => changes.push(Change::Isolated(self.switch("isolated")?)),
                _ => return Err(Failure::NotModelled(format!("ip link set type {kind} {word}"))),
            }
        }
        Ok(())
    }

    /// An option of a bridge: a time of the spanning tree protocol, or one that must have its usual value.
    pub(super) fn bridge_option(&mut self, word: &str) -> Result<Option<(StpTime, u32)>, Failure> {
        const USUAL: &[(&str, u32)] = &[
            ("ageing_time", 30000),
            ("priority", 32768),
            ("mcast_snooping", 1),
            ("mcast_querier", 0),
            ("mcast_query_interval", 12500),
            ("mcast_stats_enabled", 0),
            ("mcast_router", 1),
            ("vlan_default_pvid", 1),
            ("stp_state", 0),
            ("vlan_filtering", 0),
            ("nf_call_iptables", 0),
            ("nf_call_ip6tables", 0),
            ("nf_call_arptables", 0),
        ];
        // Without the protocol the kernel takes any delay of at most 30 s that is 0 or at least 2 s.
        let times: [(&str, StpTime, u32, u32); 3] = [
            ("forward_delay", |t| &mut t.forward_delay, 200, 3000),
            ("hello_time", |t| &mut t.hello_time, 100, 1000),
            ("max_age", |t| &mut t.max_age, 600, 4000),
        ];
        if let Some((_, time, least, most)) = times.into_iter().find(|(name, ..)| *name == word) {
            let value = self.words.number(word)?;
            let allowed = (least..=most).contains(&value) || word == "forward_delay" && value == 0;
            if !allowed {
                return Err(refuse(self.kernel("Numerical result out of range"), 2));
            }
            return Ok(Some((time, value)));
        }
        if let Some((_, usual)) = USUAL.iter().find(|(name, _)| *name == word) {
            let value = self.words.number(word)?;
            return if value == *usual {
                Ok(None)
            } else {
                Err(Failure::NotModelled(format!("a bridge with {word} {value}")))
            };
        }
        let usage = include_str!("../usage/link-bridge.txt");
        if usage.contains(&format!("[ {word} ")) {
            return Err(Failure::NotModelled(format!("ip link set type bridge {word}")));
        }
        Err(refuse(format!("bridge: unknown command \"{word}\"?\n{}", usage.trim_end()), 1))
    }
}

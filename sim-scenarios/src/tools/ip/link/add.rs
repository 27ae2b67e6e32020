//! `ip link add`.

use std::net::{IpAddr, Ipv4Addr};

use sim_core::linux::tunnel::{OuterTtl, Vxlan};
use sim_core::packet::MacAddr;
use sim_core::trace::{IfId, NsId};

use super::super::words::refuse;
use super::super::{Call, Dialect, Failure, Shown};
use super::set::StpTime;

/// Kinds that the real tool and kernel know.
const KNOWN_KINDS: &[&str] = &[
    "amt",
    "bareudp",
    "bond",
    "dsa",
    "erspan",
    "geneve",
    "gre",
    "gretap",
    "gtp",
    "ifb",
    "ip6erspan",
    "ip6gre",
    "ip6gretap",
    "ip6tnl",
    "ipoib",
    "ipvlan",
    "ipvtap",
    "macsec",
    "macvlan",
    "macvtap",
    "netdevsim",
    "nlmon",
    "rmnet",
    "sit",
    "team",
    "vcan",
    "vlan",
    "vrf",
    "vti",
    "vxcan",
    "wwan",
    "xfrm",
    "virt_wifi",
    "wireguard",
    "tun",
];

/// What is said of a VXLAN device without a port.
const NO_PORT: &str = "vxlan: destination port not specified
Will use Linux kernel default (non-standard value)
Use 'dstport 4789' to get the IANA assigned value
Use 'dstport 0' to get default and quiet this message
";

/// One interface as a command line describes it.
#[derive(Clone, Debug, Default)]
struct New {
    name: Option<String>,
    mac: Option<MacAddr>,
    mtu: Option<u32>,
    up: bool,
    qlen: Option<u32>,
    netns: Option<NsId>,
    master: Option<String>,
    link: Option<IfId>,
}

impl Call<'_> {
    pub(super) fn link_add(mut self) -> Shown {
        let mut new = New::default();
        let kind = self.describe(&mut new)?;
        let Some(kind) = kind else {
            return Err(refuse("Not enough information: \"type\" argument is required", 1));
        };
        if let Some(master) = &new.master
            && self.world.ns(self.ns).iface_id(master).is_none()
        {
            return Err(refuse(
                format!("Error: argument \"{master}\" is wrong: Device does not exist\n"),
                255,
            ));
        }
        match kind {
            "veth" => self.add_veth(new),
            "bridge" => {
                let mut times = Vec::new();
                while let Some(word) = self.words.next() {
                    times.extend(self.bridge_option(word)?);
                }
                self.add_bridge(new, &times)
            }
            "dummy" => self.add_dummy(new),
            "vxlan" => self.add_vxlan(new),
            "ipip" => self.add_ipip(new),
            kind if KNOWN_KINDS.contains(&kind) => {
                Err(Failure::NotModelled(format!("ip link add type {kind}")))
            }
            _ if self.dialect == Dialect::Busybox => Err(refuse(self.kernel("Operation not supported"), 2)),
            _ => Err(refuse("Error: Unknown device type.", 2)),
        }
    }

    /// What all kinds have, up to `type`.
    fn describe(&mut self, new: &mut New) -> Result<Option<&'static str>, Failure> {
        while let Some(word) = self.words.next() {
            match word {
                "name" | "dev" => {
                    let name = self.words.value()?;
                    new.name = Some(self.ifname(name)?);
                }
                "address" => new.mac = Some(self.words.mac()?),
                "mtu" => new.mtu = Some(self.words.number("mtu")?),
                "up" => new.up = true,
                "down" => new.up = false,
                "txqueuelen" | "qlen" | "txqlen" => new.qlen = Some(self.words.number("txqueuelen")?),
                "netns" => new.netns = Some(self.netns_value()?),
                "master" => new.master = Some(self.words.value()?.to_owned()),
                "link" => {
                    let name = self.words.value()?;
                    let found = self.world.ns(self.ns).iface_id(name);
                    new.link = Some(found.ok_or_else(|| self.no_device(name))?);
                }
                "type" => {
                    let kind = self.words.value()?;
                    let known = ["veth", "bridge", "dummy", "vxlan", "ipip"].iter().chain(KNOWN_KINDS);
                    return Ok(Some(known.into_iter().find(|k| **k == kind).copied().unwrap_or("?")));
                }
                "help" => return Err(self.usage(super::USAGE)),
                "broadcast" | "brd" | "index" | "numtxqueues" | "numrxqueues" | "parentdev" | "alias"
                | "link-netns" | "link-netnsid" | "group" | "arp" | "multicast" => {
                    return Err(Failure::NotModelled(format!("ip link add {word}")));
                }
                word if new.name.is_none() => new.name = Some(self.ifname(word)?),
                word => return Err(self.words.garbage("dev", word)),
            }
        }
        Ok(None)
    }

    fn ifname(&self, name: &str) -> Result<String, Failure> {
        if name.len() > 15 {
            return Err(refuse("Error: Attribute failed policy validation.", 2));
        }
        if name.is_empty() || name.contains(['/', ' ']) || name == "." || name == ".." {
            let text = format!("Error: argument \"{name}\" is wrong: \"dev\" not a valid ifname\n");
            return Err(refuse(text, 255));
        }
        Ok(name.to_owned())
    }

    /// The first name of a kind that is free here.
    fn free_name(&self, ns: NsId, stem: &str, taken: Option<&str>) -> String {
        let ns = self.world.ns(ns);
        let free = |n: &String| ns.iface_id(n).is_none() && Some(n.as_str()) != taken;
        (0..).map(|i| format!("{stem}{i}")).find(free).unwrap_or_default()
    }

    fn add_veth(mut self, new: New) -> Shown {
        let mut peer = New::default();
        match self.words.next() {
            None => {}
            Some("peer") => {
                if let Some(more) = self.describe(&mut peer)? {
                    return Err(self.words.garbage("type", more));
                }
            }
            Some("help") => return Ok(include_str!("../usage/link-veth.txt").to_owned()),
            Some(word) => {
                let usage = include_str!("../usage/link-veth.txt").trim_end();
                return Err(refuse(
                    format!("Error: either \"peer\" is duplicate, or \"{word}\" is a garbage.\n{usage}")
                        .lines()
                        .next()
                        .unwrap_or_default(),
                    255,
                ));
            }
        }
        let (ns, peer_ns) = (new.netns.unwrap_or(self.ns), peer.netns.unwrap_or(self.ns));
        let own = new.name.clone().unwrap_or_else(|| self.free_name(ns, "veth", None));
        let other = match &peer.name {
            Some(name) => name.clone(),
            None => self.free_name(peer_ns, "veth", Some(&own)),
        };
        // Without names the kernel names the peer first.
        let (own, other) =
            if new.name.is_none() && peer.name.is_none() { (other, own) } else { (own, other) };
        // The kernel makes the peer first, so that it has the lower index.
        let made = self.world.add_veth((peer_ns, &other), (ns, &own));
        made.map_err(|e| self.refused(&e))?;
        for (ns, name, wish) in [(peer_ns, &other, &peer), (ns, &own, &new)] {
            self.finish(ns, name, wish)?;
        }
        Ok(String::new())
    }

    fn add_bridge(mut self, new: New, times: &[(StpTime, u32)]) -> Shown {
        let ns = new.netns.unwrap_or(self.ns);
        let name = new.name.clone().unwrap_or_else(|| self.free_name(ns, "bridge", None));
        let mac = new.mac.unwrap_or_else(|| random_mac(ns, &name));
        let made = self.world.ns_mut(ns).add_bridge(&name, mac);
        made.map_err(|e| self.refused(&e))?;
        for (time, value) in times {
            let result = self.world.ns_mut(ns).stp_times_mut(&name).map(|t| *time(t) = *value);
            self.done(result)?;
        }
        if new.mac.is_none() {
            let result = self.world.ns_mut(ns).bridge_mac_of_ports(&name);
            self.done(result)?;
        }
        self.finish(ns, &name, &new)
    }

    fn add_dummy(mut self, new: New) -> Shown {
        let ns = new.netns.unwrap_or(self.ns);
        let name = new.name.clone().unwrap_or_else(|| self.free_name(ns, "dummy", None));
        let made = self.world.ns_mut(ns).add_dummy(&name, random_mac(ns, &name));
        made.map_err(|e| self.refused(&e))?;
        self.finish(ns, &name, &new)
    }

    fn add_vxlan(mut self, new: New) -> Shown {
        let (mut vni, mut remote, mut local, mut underlay, mut port, mut learning) =
            (None, None, None, None, None, true);
        let (mut ttl, mut tos) = (OuterTtl::Auto, 0);
        while let Some(word) = self.words.next() {
            match word {
                "id" | "vni" => {
                    let value = self.words.value()?;
                    let id = value.parse::<u32>().ok().filter(|id| *id < 1 << 24);
                    vni = Some(id.ok_or_else(|| {
                        refuse(format!("Error: argument \"{value}\" is wrong: invalid id\n"), 255)
                    })?);
                }
                "remote" | "local" => {
                    let value = self.words.value()?;
                    let addr = self.words.address(value)?;
                    if addr.is_multicast() {
                        return Err(refuse("vxlan: remote address must be unicast".to_owned(), 255));
                    }
                    *(if word == "remote" { &mut remote } else { &mut local }) = Some(addr);
                }
                "dev" => {
                    let name = self.words.value()?;
                    let found = self.world.ns(self.ns).iface_id(name);
                    underlay =
                        Some(found.ok_or_else(|| refuse(format!("Cannot find device \"{name}\""), 255))?);
                }
                "dstport" => port = Some(self.words.number("dst port")? as u16),
                "learning" => learning = true,
                "nolearning" => learning = false,
                "ttl" | "hoplimit" => ttl = self.vxlan_ttl()?,
                "tos" | "dsfield" => tos = self.vxlan_tos()?,
                "srcport" => self.only("type vxlan srcport", &["0", "0"])?,
                "ageing" => self.only("type vxlan ageing", &["300"])?,
                "maxaddress" => self.only("type vxlan maxaddress", &["0"])?,
                "df" => self.only("type vxlan df", &["unset"])?,
                "udpcsum" | "noudp6zerocsumtx" | "noudp6zerocsumrx" => {}
                "help" => return Ok(include_str!("../usage/link-vxlan.txt").to_owned()),
                word => return Err(Failure::NotModelled(format!("ip link add type vxlan {word}"))),
            }
        }
        let Some(vni) = vni else {
            return Err(refuse("Error: Required attributes not provided to perform the operation.", 2));
        };
        if port.is_none() {
            self.warn.push_str(NO_PORT);
        }
        let port = port.filter(|p| *p != 0).unwrap_or(8472);
        let ns = new.netns.unwrap_or(self.ns);
        let name = new.name.clone().unwrap_or_else(|| self.free_name(ns, "vxlan", None));
        let twin = self.world.ns(ns).ifaces().any(|i| match &i.kind {
            sim_core::linux::link::IfKind::Vxlan(v) => v.vni == vni && v.port == port,
            _ => false,
        });
        if twin {
            return Err(refuse("Error: A VXLAN device with the specified VNI already exists.", 2));
        }
        let mut vxlan = Vxlan {
            vni,
            local: local.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            underlay,
            port,
            fdb: Default::default(),
            learned: learning.then(Default::default),
            ttl,
            tos,
        };
        vxlan.fdb.extend(remote.map(|r| (MacAddr::ZERO, r)));
        let made = self.world.ns_mut(ns).add_vxlan(&name, random_mac(ns, &name), vxlan);
        made.map_err(|e| self.refused(&e))?;
        if underlay.is_none() && new.mtu.is_none() {
            let result = self.world.ns_mut(ns).set_mtu(&name, 1500);
            self.done(result)?;
        }
        let new = New { qlen: new.qlen.or(Some(1000)), ..new };
        self.finish(ns, &name, &new)
    }

    /// Takes the values of an option that can only be what they are by default.
    fn only(&mut self, option: &str, values: &[&str]) -> Result<(), Failure> {
        for default in values {
            let value = self.words.value()?;
            if value != *default {
                return Err(Failure::NotModelled(format!("ip link add {option} {value}")));
            }
        }
        Ok(())
    }

    /// A number of hops, `auto` or `inherit`.
    fn vxlan_ttl(&mut self) -> Result<OuterTtl, Failure> {
        Ok(match self.words.value()? {
            "inherit" => OuterTtl::Inherit,
            "auto" | "0" => OuterTtl::Auto,
            value => OuterTtl::Of(value.parse().map_err(|_| {
                let why = if value.parse::<u32>().is_ok() { "TTL must be <= 255" } else { "invalid TTL" };
                refuse(format!("Error: argument \"{value}\" is wrong: {why}"), 255)
            })?),
        })
    }

    /// A type of service in hexadecimal, or `inherit`.
    fn vxlan_tos(&mut self) -> Result<u8, Failure> {
        let value = self.words.value()?;
        if value == "inherit" {
            return Ok(1);
        }
        let number = u8::from_str_radix(value.trim_start_matches("0x"), 16);
        number.map_err(|_| refuse(format!("Error: argument \"{value}\" is wrong: bad TOS value"), 255))
    }

    fn add_ipip(mut self, new: New) -> Shown {
        let tunnel = self.ipip_parameters()?;
        let ns = new.netns.unwrap_or(self.ns);
        let name = new.name.clone().unwrap_or_else(|| self.free_name(ns, "ipip", None));
        self.load_ipip(ns);
        let made = self.world.ns_mut(ns).add_ipip(&name, tunnel);
        made.map_err(|e| self.refused(&e))?;
        self.finish(ns, &name, &new)
    }

    /// What all kinds can be given.
    fn finish(&mut self, ns: NsId, name: &str, new: &New) -> Shown {
        let stack = self.world.ns_mut(ns);
        let mut result = match new.mac {
            Some(mac) => stack.set_mac(name, mac),
            None => Ok(()),
        };
        if let Some(mtu) = new.mtu {
            result = result.and_then(|()| stack.set_mtu(name, mtu));
        }
        if let Some(qlen) = new.qlen {
            result = result.and_then(|()| stack.notes_mut(name).map(|n| n.txqlen = Some(qlen)));
        }
        if let Some(master) = &new.master {
            result = result.and_then(|()| stack.set_master(name, master));
        }
        if new.up {
            result = result.and_then(|()| stack.link_set(name, true));
        }
        self.done(result)
    }
}

/// A locally administered address; the kernel draws one (`eth_hw_addr_random`), here it follows from namespace and name.
pub(in crate::tools) fn random_mac(ns: NsId, name: &str) -> MacAddr {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64 ^ u64::from(ns.0), |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    });
    let [a, b, c, d, e, f, ..] = (hash ^ hash >> 29).to_be_bytes();
    MacAddr([a & 0xfc | 2, b, c, d, e, f])
}

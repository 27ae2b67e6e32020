//! `ip tunnel`, for tunnels of IPv4 packets in IPv4 packets.
//!
//! Other modes (GRE, SIT, VTI) and changing a tunnel that is there are refused by name.

use std::net::{IpAddr, Ipv4Addr};

use sim_core::linux::ipip::Ipip;
use sim_core::linux::link::IfKind;
use sim_core::trace::NsId;

use super::words::refuse;
use super::{Call, Failure, Shown};

impl Call<'_> {
    /// One line for each tunnel (`print_tunnel` of iproute2).
    pub(super) fn tunnel_show(mut self) -> Shown {
        let wanted = self.words.next();
        if self.options.json {
            return Err(Failure::NotModelled("ip -json tunnel".to_owned()));
        }
        let ns = self.world.ns(self.ns);
        if let Some(name) = wanted
            && !ns.ifaces().any(|i| &*i.name == name && matches!(i.kind, IfKind::Ipip(_)))
        {
            return match ns.iface_id(name) {
                None => Err(refuse(format!("get tunnel \"{name}\" failed: No such device"), 1)),
                Some(_) => {
                    Err(refuse(format!("cannot determine tunnel mode (ipip, gre, vti or sit)\n{name}"), 1))
                }
            };
        }
        let mut text = String::new();
        for iface in ns.ifaces().filter(|i| wanted.is_none_or(|name| &*i.name == name)) {
            let IfKind::Ipip(t) = &iface.kind else { continue };
            let mode = if t.fallback { "any" } else { "ip" };
            let end = |ip: Ipv4Addr| if ip.is_unspecified() { "any".to_owned() } else { ip.to_string() };
            text += &format!("{}: {mode}/ip remote {} local {}", iface.name, end(t.remote), end(t.local));
            if let Some(dev) = t.underlay.and_then(|u| ns.iface(u)) {
                text += &format!(" dev {}", dev.name);
            }
            text += &if t.ttl == 0 { " ttl inherit".to_owned() } else { format!(" ttl {}", t.ttl) };
            match t.tos {
                0 => {}
                1 => text += " tos inherit",
                tos => text += &format!(" tos 0x{tos:x}"),
            }
            text += if t.pmtudisc { "\n" } else { " nopmtudisc\n" };
        }
        Ok(text)
    }

    /// `ip tunnel add NAME mode ipip remote ADDR local ADDR …`.
    pub(super) fn tunnel_add(mut self) -> Shown {
        let name = self.tunnel_name()?;
        let tunnel = self.ipip_parameters()?;
        self.load_ipip(self.ns);
        let made = self.world.ns_mut(self.ns).add_ipip(&name, tunnel);
        made.map_err(|e| refuse(format!("add tunnel \"tunl0\" failed: {}", bare(&e.to_string())), 1))?;
        Ok(String::new())
    }

    /// `ip tunnel del NAME`.
    pub(super) fn tunnel_del(mut self) -> Shown {
        let name = self.tunnel_name()?;
        let iface = self.world.ns(self.ns).ifaces().find(|i| *i.name == *name);
        match iface.map(|i| &i.kind) {
            Some(IfKind::Ipip(t)) if t.fallback => {
                Err(refuse(format!("delete tunnel \"{name}\" failed: Operation not permitted"), 1))
            }
            Some(IfKind::Ipip(_)) => {
                let result = self.world.link_del(self.ns, &name);
                self.done(result)
            }
            _ => Err(refuse(format!("delete tunnel \"{name}\" failed: No such device"), 1)),
        }
    }

    fn tunnel_name(&mut self) -> Result<String, Failure> {
        let word = self
            .words
            .next()
            .ok_or_else(|| refuse("cannot determine tunnel mode (ipip, gre, vti or sit)", 1))?;
        if word == "name" { Ok(self.words.value()?.to_owned()) } else { Ok(word.to_owned()) }
    }

    /// The parameters of a tunnel, in any order.
    pub(super) fn ipip_parameters(&mut self) -> Result<Ipip, Failure> {
        let mut tunnel = Ipip::ANY;
        while let Some(word) = self.words.next() {
            match word {
                "mode" | "type" => match self.words.value()? {
                    "ipip" | "ipv4/ipv4" | "ip4ip4" | "ip/ip" => {}
                    other => return Err(Failure::NotModelled(format!("tunnel mode {other}"))),
                },
                "remote" => tunnel.remote = self.tunnel_end()?,
                "local" => tunnel.local = self.tunnel_end()?,
                "dev" => {
                    let name = self.words.value()?;
                    let found = self.world.ns(self.ns).iface_id(name);
                    tunnel.underlay =
                        Some(found.ok_or_else(|| refuse(format!("Cannot find device \"{name}\""), 1))?);
                }
                "ttl" | "hoplimit" => tunnel.ttl = self.octet("ttl", 0)?,
                "tos" | "dsfield" => tunnel.tos = self.octet("tos", 1)?,
                "pmtudisc" => tunnel.pmtudisc = true,
                "nopmtudisc" => tunnel.pmtudisc = false,
                other => return Err(Failure::NotModelled(format!("ip tunnel parameter {other}"))),
            }
        }
        if tunnel.ttl != 0 && !tunnel.pmtudisc {
            return Err(refuse("ttl != 0 and nopmtudisc are incompatible", 1));
        }
        Ok(tunnel)
    }

    fn tunnel_end(&mut self) -> Result<Ipv4Addr, Failure> {
        let word = self.words.value()?;
        if word == "any" {
            return Ok(Ipv4Addr::UNSPECIFIED);
        }
        match self.words.address(word)? {
            IpAddr::V4(addr) => Ok(addr),
            IpAddr::V6(_) => {
                Err(refuse(format!("Error: inet address is expected rather than \"{word}\"."), 1))
            }
        }
    }

    /// A number of eight bits, or `inherit`.
    fn octet(&mut self, what: &str, inherit: u8) -> Result<u8, Failure> {
        let word = self.words.value()?;
        if word == "inherit" {
            return Ok(inherit);
        }
        let hex = word.strip_prefix("0x").filter(|_| what == "tos");
        let parsed = hex.map_or_else(|| word.parse(), |digits| u8::from_str_radix(digits, 16));
        parsed.map_err(|_| {
            refuse(format!("Error: argument \"{word}\" is wrong: invalid {}\n", what.to_uppercase()), 255)
        })
    }

    /// The kernel's module comes with the first tunnel, and brings `tunl0` along.
    pub(super) fn load_ipip(&mut self, ns: NsId) {
        let ns = self.world.ns_mut(ns);
        if ns.iface_id("tunl0").is_none() {
            // The name is free, and no other tunnel takes everything.
            let _ = ns.add_ipip("tunl0", Ipip::FALLBACK);
        }
    }
}

/// `File exists` of `RTNETLINK answers: File exists`.
fn bare(error: &str) -> &str {
    error.strip_prefix("RTNETLINK answers: ").unwrap_or(error)
}

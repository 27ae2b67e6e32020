//! `ip rule`.

use std::sync::Arc;

use ipnet::IpNet;
use sim_core::linux::policy::{MAIN, Rule, RuleAction};
use sim_core::linux::{NetError, Netns};

use super::route::{table_name, table_number};
use super::words::{refuse, shortens};
use super::{Call, Dialect, Failure, Shown};
use crate::tools::printer::Printer;

/// Commands of `ip rule` in the order of iproute2's look-up.
const COMMANDS: &[&str] = &["list", "lst", "show", "save", "restore", "add", "delete", "flush", "help"];

const USAGE: &str = include_str!("usage/rule.txt");

/// A rule as a command line describes it; what is not said is none.
#[derive(Default)]
struct Described {
    not: bool,
    from: Option<IpNet>,
    to: Option<IpNet>,
    iif: Option<Arc<str>>,
    oif: Option<Arc<str>>,
    mark: Option<(u32, u32)>,
    suppress_prefix: Option<u8>,
    priority: Option<u32>,
    action: Option<RuleAction>,
}

impl Call<'_> {
    pub(super) fn rule(mut self) -> Shown {
        let command = self.words.command("rule", COMMANDS)?;
        if self.words.is_empty() && matches!(command, "add" | "delete") && self.dialect == Dialect::Iproute2 {
            let name = if command == "add" { "add" } else { "del" };
            return Err(refuse(format!("\"ip rule {name}\" requires arguments."), 1));
        }
        match command {
            "show" | "list" | "lst" => self.rule_show(),
            "add" => self.rule_add(),
            "delete" => self.rule_delete(),
            "flush" => self.rule_flush(),
            "help" => Err(self.usage(USAGE)),
            other => Err(Failure::NotModelled(format!("ip rule {other}"))),
        }
    }

    fn rule_show(mut self) -> Shown {
        let wanted = self.rule_selector()?;
        let ns = self.world.ns(self.ns);
        let mut p = self.printer();
        for rule in ns.rules().iter().filter(|r| r.v6 == self.v6() && wanted.is_like(r)) {
            self.print_rule(&mut p, ns, rule);
        }
        Ok(p.finish())
    }

    /// One rule (`print_rule`).
    fn print_rule(&self, p: &mut Printer, ns: &Netns, r: &Rule) {
        p.open_object(None);
        p.any("priority", format_args!("{}:\t", r.priority), r.priority);
        if r.not {
            p.present("not", "not ");
        }
        rule_end(p, "from", ("src", "srclen"), r.from, true);
        rule_end(p, "to", ("dst", "dstlen"), r.to, false);
        if let Some((value, mask)) = r.mark {
            if mask == u32::MAX {
                p.any("fwmark", format_args!("fwmark 0x{value:x} "), format!("0x{value:x}"));
            } else {
                p.any("fwmark", format_args!("fwmark 0x{value:x}"), format!("0x{value:x}"));
                p.any("fwmask", format_args!("/0x{mask:x} "), format!("0x{mask:x}"));
            }
        }
        for (key, detached, name) in [("iif", "iif_detached", &r.iif), ("oif", "oif_detached", &r.oif)] {
            let Some(name) = name else { continue };
            p.any(key, format_args!("{key} {name} "), &**name);
            if ns.iface_id(name).is_none() {
                p.present(detached, "[detached] ");
            }
        }
        match r.action {
            RuleAction::Lookup(table) => {
                let name = table_name(table);
                p.any("table", format_args!("lookup {name}"), name.as_str());
            }
            refusing => {
                let name = action_name(refusing);
                p.any("action", name, name);
            }
        }
        if let Some(length) = r.suppress_prefix {
            p.any("suppress_prefixlen", format_args!(" suppress_prefixlength {length}"), u32::from(length));
        }
        if self.options.details {
            let name = if Netns::fresh_rules().contains(r) { "kernel" } else { "unspec" };
            p.any("protocol", format_args!(" proto {name}"), name);
        }
        p.text(self.pick("\n", " \n"));
        p.close_object();
    }

    fn rule_add(mut self) -> Shown {
        let d = self.described_rule(true)?;
        let v6 = self.v6();
        for (net, what) in [(d.from, "source"), (d.to, "dst")] {
            if net.is_some_and(|n| n.addr().is_ipv6() != v6) {
                return Err(refuse(format!("Error: Invalid {what} address."), 2));
            }
        }
        let rule = Rule {
            priority: d.priority.unwrap_or(0),
            v6,
            not: d.not,
            from: d.from.filter(|n| n.prefix_len() > 0),
            to: d.to.filter(|n| n.prefix_len() > 0),
            iif: d.iif,
            oif: d.oif,
            mark: d.mark,
            suppress_prefix: d.suppress_prefix,
            action: d.action.unwrap_or(RuleAction::Lookup(MAIN)),
        };
        let ns = self.world.ns_mut(self.ns);
        let result = if d.priority.is_some() { ns.rule_add_at(rule) } else { ns.rule_add(rule) };
        self.done(result)
    }

    fn rule_delete(mut self) -> Shown {
        let wanted = self.described_rule(false)?;
        let v6 = self.v6();
        let result = self.world.ns_mut(self.ns).rule_del(|r| r.v6 == v6 && wanted.is_like(r));
        self.done(result)
    }

    /// All rules that fit, but those with priority 0.
    fn rule_flush(mut self) -> Shown {
        let wanted = self.rule_selector()?;
        let v6 = self.v6();
        let ns = self.world.ns_mut(self.ns);
        let gone = |r: &Rule| r.v6 == v6 && r.priority > 0 && wanted.is_like(r);
        while ns.rules().iter().any(gone) {
            match ns.rule_del(gone) {
                Ok(()) | Err(NetError::NoSuchEntry) => {}
                Err(other) => return Err(self.refused(&other)),
            }
        }
        Ok(String::new())
    }

    /// What `ip rule show` and `flush` are asked for.
    fn rule_selector(&mut self) -> Result<Described, Failure> {
        let mut d = Described::default();
        while let Some(word) = self.words.next() {
            match word {
                word if is_preference(word) => d.priority = Some(self.preference()?),
                "table" | "lookup" => {
                    d.action = Some(RuleAction::Lookup(self.rule_table("table id value is invalid")?))
                }
                "not" => d.not = true,
                "fwmark" => d.mark = Some(self.fwmark()?),
                "iif" | "dev" => d.iif = Some(self.rule_device()?),
                "oif" => d.oif = Some(self.rule_device()?),
                "to" => d.to = Some(self.rule_prefix()?),
                "from" => d.from = Some(self.rule_prefix()?),
                "tos"
                | "dsfield"
                | "l3mdev"
                | "uidrange"
                | "ipproto"
                | "sport"
                | "dport"
                | "protocol"
                | "suppress_prefixlength"
                | "suppress_ifgroup"
                | "realms" => {
                    return Err(Failure::NotModelled(format!("ip rule show {word}")));
                }
                word => {
                    let text = format!("Error: inet prefix is expected rather than \"{word}\".");
                    d.to = Some(self.words.prefix(word, self.v6()).map_err(|_| refuse(text, 1))?);
                }
            }
        }
        Ok(d)
    }

    /// The words of `ip rule add` and `del`.
    fn described_rule(&mut self, adds: bool) -> Result<Described, Failure> {
        let mut d = Described::default();
        while let Some(word) = self.words.next() {
            match word {
                "not" => d.not = true,
                "from" => d.from = Some(self.rule_prefix()?),
                "to" => d.to = Some(self.rule_prefix()?),
                word if is_preference(word) => d.priority = Some(self.preference()?),
                "fwmark" => d.mark = Some(self.fwmark()?),
                "table" | "lookup" => {
                    d.action = Some(RuleAction::Lookup(self.rule_table("invalid table ID")?))
                }
                "suppress_prefixlength" | "sup_pl" => {
                    let value = self.words.value()?;
                    let length = value.parse().ok().filter(|l| *l <= 128);
                    d.suppress_prefix =
                        Some(length.ok_or_else(|| wrong(value, "suppress_prefixlength value is invalid"))?);
                }
                "dev" | "iif" => d.iif = Some(self.rule_device()?),
                "oif" => d.oif = Some(self.rule_device()?),
                "help" => return Err(self.usage(USAGE)),
                "tos" | "dsfield" | "realms" | "protocol" | "suppress_ifgroup" | "sup_group" | "l3mdev"
                | "uidrange" | "ipproto" | "sport" | "dport" | "nat" | "map-to" | "goto" | "nop" => {
                    return Err(Failure::NotModelled(format!("ip rule … {word}")));
                }
                word => {
                    let kind = if word == "type" { self.words.value()? } else { word };
                    d.action = Some(match kind {
                        "blackhole" => RuleAction::Blackhole,
                        "unreachable" => RuleAction::Unreachable,
                        "prohibit" => RuleAction::Prohibit,
                        "unicast" => d.action.unwrap_or(RuleAction::Lookup(MAIN)),
                        "local" | "broadcast" | "multicast" | "anycast" | "throw" | "xresolve" => {
                            return Err(Failure::NotModelled(format!("ip rule … type {kind}")));
                        }
                        _ => {
                            let text =
                                format!("Error: argument \"{kind}\" is wrong: Failed to parse rule type");
                            return Err(refuse(text, 255));
                        }
                    });
                }
            }
        }
        if adds && d.action == Some(RuleAction::Lookup(0)) {
            return Err(Failure::NotModelled("ip rule … table 0".to_owned()));
        }
        Ok(d)
    }

    fn rule_prefix(&mut self) -> Result<IpNet, Failure> {
        let value = self.words.value()?;
        self.words.prefix(value, self.v6())
    }

    fn preference(&mut self) -> Result<u32, Failure> {
        let value = self.words.value()?;
        value.parse().map_err(|_| wrong(value, "preference value is invalid"))
    }

    fn fwmark(&mut self) -> Result<(u32, u32), Failure> {
        let value = self.words.value()?;
        let (mark, mask) = value.split_once('/').map_or((value, None), |(v, m)| (v, Some(m)));
        let mark = any_base(mark).ok_or_else(|| wrong(mark, "fwmark value is invalid"))?;
        let mask = match mask {
            Some(text) => any_base(text).ok_or_else(|| wrong(text, "fwmask value is invalid"))?,
            None => u32::MAX,
        };
        Ok((mark, mask))
    }

    fn rule_table(&mut self, complaint: &str) -> Result<u32, Failure> {
        let value = self.words.value()?;
        table_number(value).ok_or_else(|| match value {
            "0" | "unspec" => Failure::NotModelled("ip rule … table 0".to_owned()),
            _ => wrong(value, complaint),
        })
    }

    fn rule_device(&mut self) -> Result<Arc<str>, Failure> {
        let name = self.words.value()?;
        if name.is_empty() || name.len() > 15 || name.contains('/') {
            let text = format!("Error: argument \"{name}\" is wrong: \"iif\"/\"dev\" not a valid ifname");
            return Err(refuse(text, 255));
        }
        Ok(name.into())
    }
}

impl Described {
    /// Whether a rule has all that is said (`rule_find`).
    fn is_like(&self, r: &Rule) -> bool {
        // A prefix of length 0 is as none.
        let net = |want: Option<IpNet>, is: Option<IpNet>| {
            want.filter(|n| n.prefix_len() > 0).is_none_or(|n| is == Some(n))
        };
        net(self.from, r.from)
            && net(self.to, r.to)
            && (!self.not || r.not)
            && self.iif.as_ref().is_none_or(|name| r.iif.as_ref() == Some(name))
            && self.oif.as_ref().is_none_or(|name| r.oif.as_ref() == Some(name))
            && self.mark.is_none_or(|m| r.mark == Some(m))
            && self.suppress_prefix.is_none_or(|l| r.suppress_prefix == Some(l))
            && self.priority.is_none_or(|p| r.priority == p)
            && self.action.is_none_or(|a| r.action == a)
    }
}

/// `from` or `to` of a rule. Only `from all` is said of what is not given.
fn rule_end(p: &mut Printer, word: &str, keys: (&str, &str), net: Option<IpNet>, always: bool) {
    match net {
        None if always => p.any(keys.0, format_args!("{word} all "), "all"),
        None => {}
        Some(n) if n.prefix_len() == n.max_prefix_len() => {
            p.any(keys.0, format_args!("{word} {} ", n.addr()), n.addr().to_string());
        }
        Some(n) => {
            p.any(keys.0, format_args!("{word} {}", n.addr()), n.addr().to_string());
            p.any(keys.1, format_args!("/{} ", n.prefix_len()), u32::from(n.prefix_len()));
        }
    }
}

const fn action_name(action: RuleAction) -> &'static str {
    match action {
        RuleAction::Lookup(_) => "lookup",
        RuleAction::Blackhole => "blackhole",
        RuleAction::Unreachable => "unreachable",
        RuleAction::Prohibit => "prohibit",
    }
}

fn wrong(value: &str, why: &str) -> Failure {
    refuse(format!("Error: argument \"{value}\" is wrong: {why}\n"), 255)
}

/// `preference` and its other names, or the beginning of one.
fn is_preference(word: &str) -> bool {
    ["preference", "order", "priority"].iter().any(|name| shortens(word, name))
}

/// A number in any base that `strtoul(3)` knows.
pub(super) fn any_base(text: &str) -> Option<u32> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None if text.len() > 1 && text.starts_with('0') => u32::from_str_radix(text, 8).ok(),
        None => text.parse().ok(),
    }
}

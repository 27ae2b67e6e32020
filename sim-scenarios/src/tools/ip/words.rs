//! The command line of `ip`: options, the object, keywords; all of them may be shortened.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use sim_core::packet::MacAddr;

use super::{Dialect, Failure, Family, Options};

/// What a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Object {
    Address,
    Link,
    Route,
    Neigh,
    Rule,
    Netns,
    Maddress,
    Tunnel,
    TcpMetrics,
    Vrf,
    Help,
}

/// iproute2's objects in the order in which a shortened word is looked up, with those that are modelled.
const OBJECTS: &[(&str, Option<Object>)] = &[
    ("address", Some(Object::Address)),
    ("addrlabel", None),
    ("maddress", Some(Object::Maddress)),
    ("route", Some(Object::Route)),
    ("rule", Some(Object::Rule)),
    ("neighbor", Some(Object::Neigh)),
    ("neighbour", Some(Object::Neigh)),
    ("ntable", None),
    ("ntbl", None),
    ("link", Some(Object::Link)),
    ("l2tp", None),
    ("fou", None),
    ("ila", None),
    ("macsec", None),
    ("tunnel", Some(Object::Tunnel)),
    ("tunl", Some(Object::Tunnel)),
    ("tuntap", None),
    ("tap", None),
    ("token", None),
    ("tcpmetrics", Some(Object::TcpMetrics)),
    ("tcp_metrics", Some(Object::TcpMetrics)),
    ("monitor", None),
    ("xfrm", None),
    ("mroute", None),
    ("mrule", None),
    ("netns", Some(Object::Netns)),
    ("netconf", None),
    ("vrf", Some(Object::Vrf)),
    ("sr", None),
    ("nexthop", None),
    ("mptcp", None),
    ("ioam", None),
    ("help", Some(Object::Help)),
    ("stats", None),
];

/// The same of the busybox applet.
const BUSYBOX_OBJECTS: &[(&str, Option<Object>)] = &[
    ("address", Some(Object::Address)),
    ("route", Some(Object::Route)),
    ("link", Some(Object::Link)),
    ("tunnel", None),
    ("tunl", None),
    ("neigh", Some(Object::Neigh)),
    ("rule", Some(Object::Rule)),
];

/// A cursor over the words of a call.
pub(super) struct Words<'a> {
    rest: std::slice::Iter<'a, String>,
    pub(super) dialect: Dialect,
}

impl<'a> Words<'a> {
    pub(super) fn new(args: &'a [String], dialect: Dialect) -> Self {
        Self { rest: args.iter(), dialect }
    }

    pub(super) fn next(&mut self) -> Option<&'a str> {
        self.rest.next().map(String::as_str)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.as_slice().is_empty()
    }

    /// All words that are left.
    pub(super) fn rest(&self) -> Vec<String> {
        self.rest.as_slice().to_vec()
    }

    fn peek(&self) -> Option<&'a str> {
        self.rest.as_slice().first().map(String::as_str)
    }

    /// The options before the object.
    pub(super) fn options(&mut self) -> Result<Options, Failure> {
        let mut options = Options::default();
        while let Some(word) = self.peek().filter(|w| w.starts_with('-') && w.len() > 1) {
            self.next();
            match (word.trim_start_matches('-'), self.dialect) {
                ("4", _) => options.family = Some(Family::V4),
                ("6", _) => options.family = Some(Family::V6),
                ("o" | "oneline", _) => options.oneline = true,
                ("f" | "family", _) => options.family = Some(self.family()?),
                ("br" | "brief", Dialect::Iproute2) => options.brief = true,
                ("s" | "stats" | "statistics", Dialect::Iproute2) => options.stats += 1,
                ("d" | "details", Dialect::Iproute2) => options.details = true,
                ("j" | "json", Dialect::Iproute2) => options.json = true,
                ("p" | "pretty", Dialect::Iproute2) => options.pretty = true,
                ("a" | "all", Dialect::Iproute2) => options.all = true,
                ("force", Dialect::Iproute2) => options.force = true,
                ("n" | "netns", Dialect::Iproute2) => options.netns = Some(self.value()?.to_owned()),
                ("b" | "batch", Dialect::Iproute2) => options.batch = Some(self.value()?.to_owned()),
                // Resolving, colours and numbers change nothing in what we print.
                (
                    "c" | "color" | "c=never" | "color=never" | "c=auto" | "color=auto" | "N" | "Numeric",
                    Dialect::Iproute2,
                ) => {}
                ("V" | "Version", Dialect::Iproute2) => options.version = true,
                ("h" | "human" | "human-readable" | "iec" | "r" | "resolve", Dialect::Iproute2) => {
                    return Err(Failure::NotModelled(format!("ip {word}")));
                }
                ("help", Dialect::Iproute2) => return Err(refuse(super::USAGE.trim_end(), 255)),
                (known, Dialect::Iproute2) if KNOWN_OPTIONS.contains(&known) => {
                    return Err(Failure::NotModelled(format!("ip {word}")));
                }
                (_, Dialect::Iproute2) => {
                    return Err(refuse(format!("Option \"{word}\" is unknown, try \"ip -help\"."), 255));
                }
                (_, Dialect::Busybox) => return Err(Failure::NotModelled(format!("ip {word}"))),
            }
        }
        Ok(options)
    }

    fn family(&mut self) -> Result<Family, Failure> {
        match self.next() {
            Some("inet") => Ok(Family::V4),
            Some("inet6") => Ok(Family::V6),
            other => Err(Failure::NotModelled(format!("ip -family {}", other.unwrap_or_default()))),
        }
    }

    /// The object.
    pub(super) fn object(&mut self) -> Result<Object, Failure> {
        let (table, missing) = match self.dialect {
            Dialect::Iproute2 => (OBJECTS, "ip without an object"),
            Dialect::Busybox => (BUSYBOX_OBJECTS, "ip without an object"),
        };
        let word = self.next().ok_or_else(|| match self.dialect {
            Dialect::Iproute2 => refuse(super::USAGE.trim_end(), 255),
            Dialect::Busybox => Failure::NotModelled(missing.to_owned()),
        })?;
        match (table.iter().find(|(name, _)| shortens(word, name)), self.dialect) {
            (Some((_, Some(object))), _) => Ok(*object),
            (Some((name, None)), _) => Err(Failure::NotModelled(format!("ip {name}"))),
            (None, Dialect::Iproute2) => {
                Err(refuse(format!("Object \"{word}\" is unknown, try \"ip help\"."), 1))
            }
            (None, Dialect::Busybox) => Err(Failure::NotModelled(format!("ip {word}"))),
        }
    }

    /// The command behind the object: the first of `known` that the word shortens. Without a word it is the first of all.
    pub(super) fn command(&mut self, object: &str, known: &[&'static str]) -> Result<&'static str, Failure> {
        let Some(word) = self.next() else { return Ok("show") };
        let found = known.iter().find(|name| shortens(word, name)).copied();
        found.ok_or_else(|| match self.dialect {
            Dialect::Iproute2 => {
                refuse(format!("Command \"{word}\" is unknown, try \"ip {object} help\"."), 255)
            }
            Dialect::Busybox => refuse(format!("ip: invalid argument '{word}' to 'ip'"), 1),
        })
    }

    /// The value of a keyword.
    pub(super) fn value(&mut self) -> Result<&'a str, Failure> {
        self.next().ok_or_else(|| match self.dialect {
            Dialect::Iproute2 => refuse("Command line is not complete. Try option \"help\"", 255),
            Dialect::Busybox => refuse("ip: command line is not complete, try \"help\"", 1),
        })
    }

    /// A value that is a prefix or address; the default route for `default`.
    pub(super) fn prefix(&self, word: &str, v6: bool) -> Result<IpNet, Failure> {
        let any = if v6 { "::/0" } else { "0.0.0.0/0" };
        let text = if matches!(word, "default" | "any" | "all") { any } else { word };
        let net = IpNet::from_str(text).or_else(|_| IpAddr::from_str(text).map(IpNet::from));
        net.map_err(|_| self.bad_prefix("prefix", word))
    }

    /// A value that is an address.
    pub(super) fn address(&self, word: &str) -> Result<IpAddr, Failure> {
        IpAddr::from_str(word).map_err(|_| self.bad_prefix("address", word))
    }

    fn bad_prefix(&self, what: &str, word: &str) -> Failure {
        match (self.dialect, what) {
            (Dialect::Iproute2, "prefix") => {
                refuse(format!("Error: any valid prefix is expected rather than \"{word}\"."), 1)
            }
            (Dialect::Iproute2, _) => {
                refuse(format!("Error: inet address is expected rather than \"{word}\"."), 1)
            }
            (Dialect::Busybox, _) => {
                refuse(format!("ip: an inet {what} is expected rather than \"{word}\""), 1)
            }
        }
    }

    /// A value that is a number.
    pub(super) fn number(&mut self, of: &str) -> Result<u32, Failure> {
        let word = self.value()?;
        word.parse().map_err(|_| match self.dialect {
            Dialect::Iproute2 => {
                let what = match of {
                    "metric" => "\"metric\" value is invalid".to_owned(),
                    of => format!("Invalid \"{of}\" value"),
                };
                refuse(format!("Error: argument \"{word}\" is wrong: {what}\n"), 255)
            }
            Dialect::Busybox => refuse(format!("ip: invalid argument '{word}' to '{of}'"), 1),
        })
    }

    /// A value that is a hardware address.
    pub(super) fn mac(&mut self) -> Result<MacAddr, Failure> {
        let word = self.value()?;
        word.parse().map_err(|_| refuse(format!("\"{word}\" is invalid lladdr."), 1))
    }

    /// A word nobody expected, where a device could stand.
    pub(super) fn garbage(&self, keyword: &str, word: &str) -> Failure {
        match self.dialect {
            Dialect::Iproute2 => {
                refuse(format!("Error: either \"{keyword}\" is duplicate, or \"{word}\" is a garbage."), 255)
            }
            Dialect::Busybox => {
                refuse(format!("ip: either \"{keyword}\" is duplicate, or \"{word}\" is garbage"), 1)
            }
        }
    }
}

/// Options of iproute2 that exist and are not modelled.
const KNOWN_OPTIONS: &[&str] = &[
    "M",
    "B",
    "0",
    "l",
    "loops",
    "t",
    "timestamp",
    "ts",
    "tshort",
    "rc",
    "rcvbuf",
    "c=always",
    "color=always",
];

/// Whether `word` is `name` or its beginning (`matches()` of iproute2).
pub(super) fn shortens(word: &str, name: &str) -> bool {
    !word.is_empty() && name.starts_with(word)
}

/// A failure in the tool's own words.
pub(super) fn refuse(message: impl Into<String>, status: i32) -> Failure {
    Failure::Refused(message.into(), status)
}

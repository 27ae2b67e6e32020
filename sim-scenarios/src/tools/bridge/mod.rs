//! `bridge` of iproute2 6.1: `fdb`, `link`, `vlan`, `mdb`.
//!
//! Not modelled: VLAN filtering, multicast databases with members, port options that change what a bridge forwards (other than
//! `hairpin` and `isolated`), entries on a device itself that is no VXLAN.

mod fdb;
mod link;

use sim_core::linux::{NetError, World};
use sim_core::trace::NsId;

use super::Cx;
use super::printer::{Printer, Style};
use super::privileges::NOT_PERMITTED;

/// Why a command gave no output.
enum Failure {
    /// The tool's own words for standard error and its exit status.
    Refused(String, i32),
    /// Real, but not modelled here.
    NotModelled(String),
}

type Shown = Result<String, Failure>;

/// One call.
struct Call<'a> {
    world: &'a mut World,
    ns: NsId,
    style: Style,
    stats: bool,
    details: bool,
    words: std::slice::Iter<'a, String>,
}

const USAGE: &str = include_str!("usage/bridge.txt");
/// Commands that change something.
const CHANGES: [&str; 7] = ["add", "append", "change", "delete", "flush", "replace", "set"];

pub(super) fn run(cx: &mut Cx<'_>) -> i32 {
    let args = cx.args;
    let (mut style, mut stats, mut details) = (Style::default(), false, false);
    let mut at = 1;
    while let Some(option) = args.get(at).and_then(|w| w.strip_prefix('-')) {
        match option.trim_start_matches('-') {
            "j" | "json" => style.json = true,
            "p" | "pretty" => style.pretty = true,
            "o" | "oneline" => style.oneline = true,
            "s" | "stats" | "statistics" => stats = true,
            "d" | "details" => details = true,
            "c" | "compressvlans" | "color" => {}
            "n" | "netns" => {
                let name = args.get(at + 1).cloned().unwrap_or_default();
                let rest: Vec<String> =
                    args[..at].iter().chain(args.get(at + 2..).unwrap_or_default()).cloned().collect();
                return super::ip::in_netns(cx, &name, &rest);
            }
            "V" | "Version" => {
                cx.out.line("bridge utility, 6.1.0");
                return 0;
            }
            "h" | "help" => {
                cx.out.eprint(USAGE);
                return 255;
            }
            "b" | "batch" | "t" | "timestamp" | "ts" | "force" => {
                return cx.not_modelled(format!("bridge -{option}"));
            }
            _ => {
                cx.out.err(format!("Option \"{}\" is unknown, try \"bridge help\".", args[at]));
                return 255;
            }
        }
        at += 1;
    }
    let Some(ns) = cx.cluster.netns(cx.place) else {
        return cx.not_modelled("bridge on a machine without a network");
    };
    let changes = args
        .get(at + 1)
        .is_some_and(|verb| CHANGES.iter().any(|c| verb.len() > 1 && c.starts_with(verb.as_str())));
    if changes && !cx.is_net_admin() {
        return cx.not_permitted(format!("RTNETLINK answers: {NOT_PERMITTED}"), 255);
    }
    let words = args.get(at..).unwrap_or_default().iter();
    let call = Call { world: &mut cx.cluster.world, ns, style, stats, details, words };
    match call.object() {
        Ok(text) => {
            cx.out.print(text);
            0
        }
        Err(Failure::Refused(text, status)) => {
            cx.out.err(text);
            status
        }
        Err(Failure::NotModelled(what)) => cx.not_modelled(what),
    }
}

impl<'a> Call<'a> {
    fn object(mut self) -> Shown {
        let Some(word) = self.next() else { return Err(refuse(USAGE.trim_end())) };
        let objects = ["link", "fdb", "mdb", "vlan", "vni", "monitor", "help"];
        match objects.iter().find(|o| !word.is_empty() && o.starts_with(word)) {
            Some(&"link") => self.link(),
            Some(&"fdb") => self.fdb(),
            Some(&"vlan") => self.vlan(),
            Some(&"mdb") => self.mdb(),
            Some(&"help") => Err(refuse(USAGE.trim_end())),
            Some(other) => Err(Failure::NotModelled(format!("bridge {other}"))),
            None => Err(refuse(format!("Object \"{word}\" is unknown, try \"bridge help\"."))),
        }
    }

    /// No bridge filters VLANs.
    fn vlan(mut self) -> Shown {
        match self.next() {
            None | Some("show" | "list" | "lst" | "s") if !self.style.json => {
                Ok("port              vlan-id  \n".to_owned())
            }
            None | Some("show" | "list" | "lst" | "s") => Ok(self.printer().finish()),
            Some("help") => Err(refuse(include_str!("usage/vlan.txt").trim_end())),
            Some(other) => Err(Failure::NotModelled(format!("bridge vlan {other}"))),
        }
    }

    fn mdb(mut self) -> Shown {
        match self.next() {
            Some("help") => Err(refuse(include_str!("usage/mdb.txt").trim_end())),
            _ => Err(Failure::NotModelled("bridge mdb".to_owned())),
        }
    }

    fn next(&mut self) -> Option<&'a str> {
        self.words.next().map(String::as_str)
    }

    fn value(&mut self) -> Result<&'a str, Failure> {
        self.next().ok_or_else(|| refuse("Command line is not complete. Try option \"help\""))
    }

    fn printer(&self) -> Printer {
        Printer::new(self.style)
    }

    fn done(&self, result: Result<(), NetError>) -> Shown {
        result.map(|()| String::new()).map_err(|e| refuse(e.to_string()))
    }

    fn no_device(name: &str) -> Failure {
        refuse(format!("Cannot find device \"{name}\""))
    }
}

/// A failure in the tool's own words; nearly all end with 255.
fn refuse(text: impl Into<String>) -> Failure {
    Failure::Refused(text.into(), 255)
}

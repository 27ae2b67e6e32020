//! `ip`: the one of iproute2 6.1 on machines, and the busybox applet in busybox images.
//!
//! [`execute`] takes the words after the program's name and changes or shows one network namespace. What the real tool does and
//! we do not is a failure that names it.

mod address;
mod link;
mod neigh;
mod netns;
mod privileges;
mod route;
mod route_cache;
mod route_get;
mod rule;
mod tunnel;
mod words;

use sim_core::linux::{NetError, World};
use sim_core::trace::NsId;

use super::Cx;
use super::printer::{Printer, Style};
use words::{Object, Words};

pub(super) use link::{LinkView, random_mac, views};

/// Which of the two programs it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// iproute2.
    Iproute2,
    /// The busybox applet.
    Busybox,
}

/// Why a command gave no output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The tool's own words for standard error, without the last newline, and its exit status.
    Refused(String, i32),
    /// Real, but not modelled here.
    NotModelled(String),
}

/// What the options before the object say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Options {
    family: Option<Family>,
    oneline: bool,
    brief: bool,
    /// How often `-s` was given.
    stats: u32,
    details: bool,
    json: bool,
    pretty: bool,
    all: bool,
    force: bool,
    version: bool,
    netns: Option<String>,
    batch: Option<String>,
}

impl Options {
    const fn style(&self) -> Style {
        Style { json: self.json, pretty: self.pretty, oneline: self.oneline }
    }
}

/// `-4`, `-6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl Family {
    const fn matches(self, v4: bool) -> bool {
        matches!((self, v4), (Self::V4, true) | (Self::V6, false))
    }
}

/// `ip help`.
const USAGE: &str = include_str!("usage/ip_main.txt");

/// The namespaces that a call can name.
#[derive(Clone, Debug, Default)]
struct Namespaces {
    /// Those made with `ip netns add`.
    named: Vec<(String, NsId)>,
    /// The machine's own: that of process 1.
    own: Option<NsId>,
}

/// One call of the tool.
struct Call<'a> {
    world: &'a mut World,
    ns: NsId,
    namespaces: &'a Namespaces,
    dialect: Dialect,
    options: Options,
    words: Words<'a>,
    /// What goes to standard error although the call succeeds.
    warn: &'a mut String,
}

/// The program on machines.
pub(crate) fn run_iproute2(cx: &mut Cx<'_>) -> i32 {
    let words = cx.args.get(1..).unwrap_or_default();
    let options = match Words::new(words, Dialect::Iproute2).options() {
        Ok(options) => options,
        Err(failure) => return fail(cx, failure),
    };
    if options.version {
        cx.out.line("ip utility, iproute2-6.1.0, libbpf 1.1.2");
        return 0;
    }
    if let Some(name) = &options.netns {
        return in_namespace(cx, name);
    }
    match &options.batch {
        Some(file) => batch(cx, file, options.force),
        None => run(cx, Dialect::Iproute2, words),
    }
}

/// The applet in busybox images.
pub(crate) fn run_busybox(cx: &mut Cx<'_>) -> i32 {
    run(cx, Dialect::Busybox, cx.args.get(1..).unwrap_or_default())
}

/// `-n NAME`: the same call without it, in another namespace.
fn in_namespace(cx: &mut Cx<'_>, name: &str) -> i32 {
    let mut args = cx.args.to_vec();
    if let Some(at) = args.iter().position(|a| matches!(a.trim_start_matches('-'), "n" | "netns")) {
        args.drain(at..(at + 2).min(args.len()));
    }
    in_netns(cx, name, &args)
}

/// Runs a command in a namespace that has a name on this machine.
pub(super) fn in_netns(cx: &mut Cx<'_>, name: &str, args: &[String]) -> i32 {
    let Some(place) = netns::place_named(cx, name) else {
        return fail(cx, netns::cannot_open(name, 255));
    };
    let stdin = cx.stdin;
    cx.exec(&place, args, stdin).unwrap_or(255)
}

/// `-batch FILE`: a call in each line, up to the first that fails.
fn batch(cx: &mut Cx<'_>, file: &str, force: bool) -> i32 {
    let text = match cx.read_input(file) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(why) => {
            cx.out.err(format!("Cannot open file \"{file}\" for reading: {why}"));
            return 1;
        }
    };
    let mut status = 0;
    let shared: Vec<String> = cx
        .args
        .get(1..)
        .unwrap_or_default()
        .iter()
        .take_while(|a| !matches!(a.trim_start_matches('-'), "b" | "batch"))
        .filter(|a| !a.ends_with("force"))
        .cloned()
        .collect();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        let words: Vec<String> =
            shared.iter().cloned().chain(line.split_whitespace().map(str::to_owned)).collect();
        if line.split_whitespace().next().is_none() {
            continue;
        }
        if run(cx, Dialect::Iproute2, &words) != 0 {
            cx.out.err(format!("Command failed {file}:{}", number + 1));
            status = 1;
            if !force {
                break;
            }
        }
    }
    status
}

fn run(cx: &mut Cx<'_>, dialect: Dialect, args: &[String]) -> i32 {
    let Some(ns) = cx.cluster.netns(cx.place) else {
        return cx.not_modelled("ip on a machine without a network");
    };
    if dialect == Dialect::Iproute2 {
        let mut words = Words::new(args, dialect);
        if let Ok(options) = words.options()
            && let Ok(Object::Netns) = words.object()
        {
            let adds = words.rest().first().is_some_and(|verb| "add".starts_with(verb.as_str()));
            if adds && !cx.is_net_admin() {
                return cx.not_permitted("mount --make-shared /run/netns failed: Operation not permitted", 1);
            }
            let (shown, status) = netns::run(cx, &options, words);
            return tell(cx, shown, status);
        }
    }
    let namespaces = Namespaces { named: netns::named(cx), own: cx.cluster.netns(cx.place.machine()) };
    let mut warn = String::new();
    let shown = if cx.is_net_admin() {
        execute_with(&mut cx.cluster.world, ns, dialect, args, &namespaces, &mut warn)
    } else {
        // What would be said without the kernel is found out where it does no harm.
        let mut trial = cx.cluster.world.clone();
        let shown = execute_with(&mut trial, ns, dialect, args, &namespaces, &mut warn);
        privileges::held(args, dialect, shown)
    };
    cx.out.eprint(warn);
    tell(cx, shown, 0)
}

fn tell(cx: &mut Cx<'_>, shown: Shown, status: i32) -> i32 {
    match shown {
        Ok(text) => {
            cx.out.print(text);
            status
        }
        Err(failure) => fail(cx, failure),
    }
}

fn fail(cx: &mut Cx<'_>, failure: Failure) -> i32 {
    match failure {
        Failure::Refused(text, status) => {
            cx.out.err(text);
            status
        }
        Failure::NotModelled(what) => cx.not_modelled(what),
    }
}

type Shown = Result<String, Failure>;

/// Runs `ip args…` in a namespace; yields what goes to standard output.
///
/// # Errors
/// What goes to standard error instead, with the exit status.
#[cfg(test)]
pub(crate) fn execute(world: &mut World, ns: NsId, dialect: Dialect, args: &[String]) -> Shown {
    execute_with(world, ns, dialect, args, &Namespaces::default(), &mut String::new())
}

fn execute_with(
    world: &mut World,
    ns: NsId,
    dialect: Dialect,
    args: &[String],
    namespaces: &Namespaces,
    warn: &mut String,
) -> Shown {
    let mut words = Words::new(args, dialect);
    let options = words.options()?;
    let object = words.object()?;
    let call = Call { world, ns, namespaces, dialect, options, words, warn };
    match object {
        Object::Address => call.address(),
        Object::Link => call.link(),
        Object::Route => call.route(),
        Object::Neigh => call.neigh(),
        Object::Rule => call.rule(),
        Object::Maddress => call.maddress(),
        Object::Tunnel => call.tunnel(),
        Object::Vrf => call.vrf(),
        Object::TcpMetrics => Err(Failure::NotModelled("ip tcp_metrics".to_owned())),
        Object::Netns => Err(Failure::NotModelled("ip netns without a machine".to_owned())),
        Object::Help => Err(call.usage(USAGE)),
    }
}

impl Call<'_> {
    /// `ip maddress`: group membership is not modelled.
    fn maddress(mut self) -> Shown {
        match self.words.next() {
            Some("help") => Err(self.usage(include_str!("usage/maddress.txt"))),
            _ => Err(Failure::NotModelled("ip maddress".to_owned())),
        }
    }

    /// `ip tunnel`: there is none.
    fn tunnel(mut self) -> Shown {
        match self.words.next() {
            None | Some("show" | "list" | "lst") => self.tunnel_show(),
            Some("add") => self.tunnel_add(),
            Some("del" | "delete") => self.tunnel_del(),
            Some("help") => Err(self.usage(include_str!("usage/tunnel.txt"))),
            other => Err(Failure::NotModelled(format!("ip tunnel {}", other.unwrap_or_default()))),
        }
    }

    /// `ip vrf`: there is none.
    fn vrf(mut self) -> Shown {
        match self.words.next() {
            None | Some("show" | "list" | "lst") => {
                Ok("Name              Table\n-----------------------\nNo VRF has been configured\n"
                    .to_owned())
            }
            Some(other) => Err(Failure::NotModelled(format!("ip vrf {other}"))),
        }
    }

    fn printer(&self) -> Printer {
        Printer::new(self.options.style())
    }

    /// Usage, as it is printed on standard error.
    fn usage(&self, text: &str) -> Failure {
        match self.dialect {
            Dialect::Iproute2 => Failure::Refused(text.trim_end().to_owned(), 255),
            Dialect::Busybox => Failure::NotModelled("usage of the busybox applet ip".to_owned()),
        }
    }

    /// The name that a namespace has on this machine.
    fn netns_name(&self, ns: NsId) -> Option<&str> {
        self.namespaces.named.iter().find(|(_, other)| *other == ns).map(|(name, _)| name.as_str())
    }

    /// The value of `netns`: a name, or the number of a process.
    fn netns_value(&mut self) -> Result<NsId, Failure> {
        let word = self.words.value()?;
        let named = self.namespaces.named.iter().find(|(name, _)| name == word).map(|(_, ns)| *ns);
        let own = self.namespaces.own.filter(|_| word == "1");
        match (named.or(own), word.parse::<u32>()) {
            (Some(ns), _) => Ok(ns),
            (None, Ok(_)) => Err(Failure::Refused(self.kernel("No such process"), 2)),
            (None, Err(_)) => Err(Failure::Refused(
                format!("Error: argument \"{word}\" is wrong: Invalid \"netns\" value\n"),
                255,
            )),
        }
    }

    /// The one of two texts that the dialect uses.
    fn pick<'t>(&self, iproute2: &'t str, busybox: &'t str) -> &'t str {
        match self.dialect {
            Dialect::Iproute2 => iproute2,
            Dialect::Busybox => busybox,
        }
    }

    /// A failure of the kernel, in the tool's words.
    fn refused(&self, error: &NetError) -> Failure {
        match (self.dialect, error) {
            (_, NetError::NoDevice(name)) => self.no_device(name),
            (Dialect::Iproute2, _) => Failure::Refused(error.to_string(), 2),
            (Dialect::Busybox, NetError::InvalidGateway) => {
                Failure::Refused("ip: RTNETLINK answers: Network unreachable".to_owned(), 2)
            }
            (Dialect::Busybox, _) => Failure::Refused(format!("ip: {error}"), 2),
        }
    }

    fn no_device(&self, name: &str) -> Failure {
        match self.dialect {
            Dialect::Iproute2 => Failure::Refused(format!("Cannot find device \"{name}\""), 1),
            Dialect::Busybox => Failure::Refused(format!("ip: can't find device '{name}'"), 1),
        }
    }

    fn done(&self, result: Result<(), NetError>) -> Shown {
        result.map(|()| String::new()).map_err(|e| self.refused(&e))
    }
}

/// The value of `scope`, as a number of `rt_scopes`.
fn scope_number(word: &str) -> Result<u8, Failure> {
    Ok(match word {
        "global" | "universe" => 0,
        "site" => 200,
        "link" => 253,
        "host" => 254,
        "nowhere" => 255,
        other => match other.parse() {
            Ok(number) => number,
            Err(_) => {
                let text = format!("Error: argument \"{word}\" is wrong: invalid \"scope\" value\n");
                return Err(Failure::Refused(text, 255));
            }
        },
    })
}

#[cfg(test)]
mod policy_tests;
#[cfg(test)]
mod tests;

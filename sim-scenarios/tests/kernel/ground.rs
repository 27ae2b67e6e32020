//! A lab's network, ready for probes: played in the simulator, and at rest.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use sim_core::linux::nftables::{Input, SetData, Style};
use sim_core::linux::socket::Sockets;
use sim_core::linux::{Netns, World};
use sim_core::trace::NsId;
use sim_scenarios::lab::parse::{Command, Prompt};
use sim_scenarios::lab::run::{self, Session};
use sim_scenarios::lab::{parse, setup};

use crate::compare::{self, Known, Places};
use crate::play::{self, Open, Played, Probe, Server};
use crate::real::Real;
use crate::side::Observation;
use crate::sim::Sim;
use crate::space::Spaces;

/// Until a packet's last consequence that takes no timer, on the machine under load.
const SHORT: Duration = Duration::from_millis(250);
/// Longer than the time in which a neighbour is given up.
const LONG: Duration = Duration::from_millis(4200);

/// Longer than the time that proxies for ARP may take.
const PROXIES: Duration = Duration::from_millis(1500);

/// A network that has been played.
pub(crate) struct Stand {
    base: Sim,
    open: Open,
    pub(crate) world: World,
    /// What is exported, and what is then typed in real namespaces.
    before: World,
    typed: Vec<(NsId, String)>,
    servers: Vec<Server>,
    places: Places,
    text: String,
    /// Somebody answers ARP for others, after a random time.
    proxies: bool,
}

/// Plays a lab.
///
/// # Errors
/// Why it is no lab that can be compared: what is wrong with it, or what it did not expect.
pub(crate) fn stand(text: &str) -> Result<Stand, String> {
    let lab = parse::Lab::parse("case.md", text).map_err(|e| format!("{e:?}"))?;
    if setup::is_fatal(&setup::mistakes(&lab)) {
        return Err(format!("{:?}", setup::mistakes(&lab)));
    }
    let cluster = setup::cluster(&lab, None).map_err(|e| format!("{e:?}"))?;
    let mut session = Session::new(cluster);
    let typed: Vec<&Command> = lab.commands().skip_while(|c| machine(c).is_none()).collect();
    let first = lab.commands().count() - typed.len();
    let (mut done, mut before) = (0, session.cluster().world.clone());
    let results = run::play(&lab, &mut session, |session| {
        done += 1;
        if done == first {
            before = session.cluster().world.clone();
        }
    });
    if let Some(bad) = results.iter().find(|r| !r.failures.is_empty()) {
        return Err(format!("{}: {}{:?}", bad.command, bad.output, bad.failures));
    }
    let odd = session.cluster().config().seed % 2 == 1;
    let world = at_rest(session.into_cluster().world);
    // Half of the networks are exported as they stand; in the other half the kernel's own tools do what the lab does last.
    let of = |name: &str| world.namespaces().find(|ns| *ns.name == *name).map(|ns| ns.id);
    let typed: Option<Vec<(NsId, String)>> =
        typed.into_iter().map(|c| Some((of(machine(c)?)?, c.script.clone()))).collect();
    let (before, typed) = match typed.filter(|_| odd) {
        Some(typed) => (at_rest(before), typed),
        None => (world.clone(), Vec::new()),
    };
    let servers = servers(&world, text.contains("ipFamily: ipv6"));
    let mut base = Sim::new(world.clone(), 1);
    let open = play::open(&mut base, &servers);
    let places = places(&world);
    let text = text.to_owned();
    let proxies = text.contains("proxy_arp: 1");
    Ok(Stand { base, open, world, before, typed, servers, places, text, proxies })
}

/// The machine at whose prompt a command is typed; none for the workstation's.
const fn machine(command: &Command) -> Option<&String> {
    match &command.prompt {
        Prompt::Machine(name) => Some(name),
        Prompt::Workstation | Prompt::Inner | Prompt::Hash => None,
    }
}

/// How late a kernel may tell that a carrier is gone.
const LINKWATCH: Duration = Duration::from_millis(1200);

/// Long after everything, with empty tables and without limits of ICMP errors, which a kernel counts over all probes.
fn at_rest(mut world: World) -> World {
    let until = world.now() + Duration::from_secs(1000);
    while world.run(until) {
        while world.pop_ready().is_some() {}
    }
    world.without_cards();
    let all: Vec<NsId> = world.namespaces().map(|ns| ns.id).collect();
    for id in all {
        let ns = world.ns_mut(id);
        let _ = ns.sysctl_set("net.ipv4.icmp_ratelimit", "0");
        let _ = ns.sysctl_set("net.ipv6.icmp.ratelimit", "0");
        ns.conntrack.flush();
        // What containers serve is not exported: nobody runs there.
        let settings = ns.sockets.tcp_settings();
        ns.sockets = Sockets::default();
        ns.sockets.set_tcp_settings(settings);
        let names = ns.interface_names();
        let flush = dynamic(ns);
        ns.nftables(|nft| nft.run(Input { file: None, text: &flush }, Style::default(), false, &names));
        let devices: Vec<String> = ns.ifaces().map(|i| i.name.to_string()).collect();
        for dev in devices {
            let _ = ns.neigh_flush(&dev);
        }
    }
    world
}

/// Commands of nft that empty the sets which packets fill.
fn dynamic(ns: &Netns) -> String {
    let mut text = String::new();
    for table in ns.nft().tables() {
        for set in table.sets.values().filter(|s| s.flags.dynamic || s.timeout.is_some()) {
            let what = if matches!(set.data, SetData::None) { "set" } else { "map" };
            let _ = writeln!(text, "flush {what} {} {} {}", table.family.name(), table.name, set.name);
        }
    }
    text
}

/// Pods listen on TCP 8080 and UDP 5353, machines on TCP 7070 and UDP 7071, and those with rule sets on UDP 7072 of `lo`.
fn servers(world: &World, v6: bool) -> Vec<Server> {
    let mut servers = Vec::new();
    for ns in world.namespaces().filter(|ns| !ns.name.starts_with("underlay")) {
        let pod = ns.name.contains('/');
        let any = |port| SocketAddr::new(play::unspecified(v6), port);
        let (tcp, udp) = if pod { (8080, 5353) } else { (7070, 7071) };
        let mut add = |tcp, local| servers.push(Server { name: ns.name.to_string(), at: ns.id, tcp, local });
        add(true, any(tcp));
        add(false, any(udp));
        if !pod {
            let own = if v6 { IpAddr::V6(Ipv6Addr::LOCALHOST) } else { IpAddr::V4(Ipv4Addr::LOCALHOST) };
            add(false, SocketAddr::new(own, 7072));
        }
    }
    servers
}

/// Pods of the system have drawn names, and so have the nodes' ends of their veth pairs.
fn places(world: &World) -> Places {
    let mut places = Places::new();
    let mut system = 0;
    for ns in world.namespaces().filter(|ns| ns.name.contains('/')) {
        let mut name = ns.name.to_string();
        if !name.starts_with("default/") {
            system += 1;
            name = format!("system pod {system}");
            places.insert(ns.name.to_string(), name.clone());
        }
        for (node, port) in ns.ifaces().filter_map(|i| i.peer) {
            if let Some(port) = world.ns(node).iface(port) {
                places.insert(format!("{}|{}", world.ns(node).name, port.name), format!("veth of {name}"));
            }
        }
    }
    places
}

impl Stand {
    /// Ports that mean something.
    pub(crate) fn known(&self, probe: &Probe) -> Known {
        let mut known = compare::numbers(&self.text);
        known.extend([8080, 5353, 7070, 7071, 7072, 8472, probe.port, probe.sport]);
        known
    }

    /// The namespace of that name.
    pub(crate) fn at(&self, name: &str) -> Option<NsId> {
        self.world.namespaces().find(|ns| *ns.name == *name).map(|ns| ns.id)
    }

    fn simulate(&self, at: NsId, probe: &Probe, patience: Duration, seed: u64) -> (Observation, Played) {
        let mut sim = self.base.fork(seed);
        sim.begin();
        let played = play::play(&mut sim, &self.open, at, probe, patience);
        (compare::observation(&played.lines, &sim.seen, &self.known(probe), &self.places), played)
    }

    /// What the simulator says, and how long the kernel must be waited for.
    pub(crate) fn predict(&self, at: NsId, probe: &Probe, seed: u64) -> (Observation, Duration) {
        let (seen, played) = self.simulate(at, probe, LONG, seed);
        let never = played.lines.iter().any(|l| l == "timeout");
        match played.decided {
            // The whole story, however long.
            Some(at) if !never && at > SHORT => {
                (seen.without_repetitions(), at + Duration::from_millis(1500))
            }
            Some(_) if !never && self.proxies => (seen.without_repetitions(), PROXIES),
            Some(at) if !never => (seen, at + SHORT),
            _ => (self.simulate(at, probe, SHORT, seed).0, SHORT),
        }
    }

    /// Builds it in real namespaces.
    ///
    /// # Errors
    /// What the script said.
    pub(crate) fn build(&self) -> Result<Real, String> {
        let mut spaces = Spaces::build(&self.before)?;
        let dynamic: BTreeMap<NsId, String> =
            self.world.namespaces().map(|ns| (ns.id, dynamic(ns))).collect();
        spaces.dynamic = dynamic.into_iter().filter(|(_, text)| !text.is_empty()).collect();
        if self.typed.iter().any(|(_, command)| command.contains("-6 route del")) {
            // A carrier is told within a second too, and the routes of IPv6 addresses are made again then.
            std::thread::sleep(LINKWATCH);
        }
        for (id, command) in &self.typed {
            spaces.run(*id, command)?;
        }
        spaces.look_around()?;
        if self.typed.iter().any(|(_, command)| command.ends_with(" down")) {
            // The other end of a link that goes down learns of it within a second (`linkwatch`).
            std::thread::sleep(LINKWATCH);
        }
        let mut real = Real::new(spaces)?;
        // In the same order, the sockets have the same numbers.
        let _ = play::open(&mut real, &self.servers);
        real.servers_stand();
        Ok(real)
    }

    /// What the kernel says.
    pub(crate) fn ask(
        &self,
        real: &mut Real,
        at: NsId,
        probe: &Probe,
        patience: Duration,
    ) -> Result<Observation, String> {
        real.forget()?;
        play::forget(real, &self.open);
        real.begin();
        let played = play::play(real, &self.open, at, probe, patience);
        let seen = compare::observation(&played.lines, &real.seen, &self.known(probe), &self.places);
        Ok(if patience > 2 * SHORT { seen.without_repetitions() } else { seen })
    }

    /// What the kernel says, waited for as long as the simulator says.
    ///
    /// # Errors
    /// What kept the kernel from being asked.
    pub(crate) fn ask_kernel(&self, real: &mut Real, probe: &Probe) -> Result<Observation, String> {
        let at = self.at(&probe.from).ok_or_else(|| format!("no namespace {}", probe.from))?;
        self.ask(real, at, probe, self.predict(at, probe, 1).1)
    }

    /// Compares both sides; says where they differ.
    ///
    /// # Errors
    /// What kept the kernel from being asked.
    pub(crate) fn compare(&self, real: &mut Real, probe: &Probe) -> Result<Option<Divergence>, String> {
        let at = self.at(&probe.from).ok_or_else(|| format!("no namespace {}", probe.from))?;
        let (first, patience) = self.predict(at, probe, 1);
        let kernel = self.ask(real, at, probe, patience)?;
        // A draw may have gone another way: of all that differ, the one that is nearest is shown.
        let mut nearest = compare::difference(&kernel, &first);
        for seed in 1..=DRAWS {
            let said = if seed == 1 { first.clone() } else { self.predict(at, probe, seed).0 };
            if said == kernel {
                return Ok(None);
            }
            let difference = compare::difference(&kernel, &said);
            if difference.len() < nearest.len() {
                nearest = difference;
            }
        }
        Ok(Some(Divergence { difference: nearest, kernel: kernel.to_string() }))
    }

    /// Compares the simulator with what a kernel once said.
    pub(crate) fn compare_with(&self, kernel: &str, probe: &Probe) -> Option<String> {
        let Some(at) = self.at(&probe.from) else { return Some(format!("no namespace {}", probe.from)) };
        let agrees = |seed| self.predict(at, probe, seed).0.to_string() == kernel;
        (!(1..=DRAWS).any(agrees)).then(|| self.predict(at, probe, 1).0.to_string())
    }
}

/// How they differ.
pub(crate) struct Divergence {
    /// Place by place.
    pub(crate) difference: String,
    /// All that the kernel said.
    pub(crate) kernel: String,
}

/// How many draws are tried until it is the kernel's.
const DRAWS: u64 = 40;

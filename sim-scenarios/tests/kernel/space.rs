//! Real namespaces: made by the script of `ksim export netns`, and gone when nobody needs them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sched::{CloneFlags, setns};
use sim_core::linux::World;
use sim_core::linux::link::IfKind;
use sim_core::trace::NsId;
use sim_scenarios::export::netns;

/// Names of our namespaces begin with this and the number of the process.
const MARK: &str = "kt";

static MADE: AtomicU32 = AtomicU32::new(0);

/// Namespaces that stand.
pub(crate) struct Spaces {
    prefix: String,
    script: String,
    /// By the simulator's id.
    pub(crate) of: BTreeMap<NsId, Space>,
    home: File,
    /// Commands of nft that empty what packets have filled.
    pub(crate) dynamic: BTreeMap<NsId, String>,
    v6: bool,
}

/// One namespace.
pub(crate) struct Space {
    /// The simulator's name.
    pub(crate) name: String,
    /// The name below `/run/netns`.
    file_name: String,
    file: File,
    /// Interfaces by index.
    pub(crate) devices: BTreeMap<usize, String>,
    bridges: Vec<String>,
}

/// Whether this machine can do it.
///
/// # Errors
/// Why not.
pub(crate) fn possible() -> Result<(), String> {
    if !nix::unistd::geteuid().is_root() {
        return Err("only root can make network namespaces".to_owned());
    }
    for tool in ["ip", "bridge", "sysctl", "iptables-restore", "nft", "conntrack"] {
        let found = Command::new("sh").args(["-c", &format!("command -v {tool} >/dev/null")]).status();
        if !found.is_ok_and(|s| s.success()) {
            return Err(format!(
                "{tool}: not found (Debian packages iproute2 procps iptables nftables conntrack)"
            ));
        }
    }
    // Everything that a case needs, tried once.
    let name = format!("{MARK}{}x", std::process::id());
    let test = format!(
        "ip netns add {name} && ip netns exec {name} sh -ec 'sysctl -qn net.bridge.bridge-nf-call-iptables; \
         echo \"*nat\n-A POSTROUTING -j MASQUERADE\nCOMMIT\" | iptables-restore'"
    );
    let tried = Command::new("sh").args(["-c", &test]).output();
    let _ = Command::new("ip").args(["netns", "del", &name]).output();
    match tried {
        Ok(out) if out.status.success() => Ok(()),
        Ok(out) => {
            Err(format!("no network namespaces here: {}", String::from_utf8_lossy(&out.stderr).trim()))
        }
        Err(e) => Err(format!("sh: {e}")),
    }
}

/// Takes away what a run that was killed has left.
pub(crate) fn sweep() {
    let Ok(list) = std::fs::read_dir("/run/netns") else { return };
    for name in list.flatten().filter_map(|e| e.file_name().into_string().ok()) {
        let Some(rest) = name.strip_prefix(MARK) else { continue };
        let Some((pid, _)) = rest.split_once('x') else { continue };
        let ours =
            pid.parse::<u32>().is_ok_and(|pid| !std::path::Path::new(&format!("/proc/{pid}")).exists());
        if ours {
            let _ = Command::new("ip").args(["netns", "del", &name]).output();
        }
    }
}

impl Spaces {
    /// Builds what a world is now.
    ///
    /// # Errors
    /// What the script said.
    pub(crate) fn build(world: &World) -> Result<Self, String> {
        let script = netns::script(world).map_err(|e| format!("export: {e}"))?;
        let prefix = format!("{MARK}{}x{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        run(&script, &["up", &prefix])?;
        let v6 = !script.contains("net.ipv6.conf.all.disable_ipv6 = 1");
        let home = File::open("/proc/thread-self/ns/net").map_err(|e| e.to_string())?;
        let mut spaces = Self { prefix, script, of: BTreeMap::new(), home, dynamic: BTreeMap::new(), v6 };
        for (id, name) in netns::namespaces(world) {
            let file_name = format!("{}-{name}", spaces.prefix);
            let file =
                File::open(format!("/run/netns/{file_name}")).map_err(|e| format!("{file_name}: {e}"))?;
            let ns = world.ns(id);
            let bridges =
                ns.ifaces().filter(|i| matches!(i.kind, IfKind::Bridge(_))).map(|i| i.name.to_string());
            let space = Space {
                name: ns.name.to_string(),
                file_name,
                file,
                devices: BTreeMap::new(),
                bridges: bridges.collect(),
            };
            spaces.of.insert(id, space);
        }
        spaces.look_around()?;
        Ok(spaces)
    }

    /// Learns which devices there are.
    ///
    /// # Errors
    /// A namespace cannot be entered.
    pub(crate) fn look_around(&mut self) -> Result<(), String> {
        let ids: Vec<NsId> = self.of.keys().copied().collect();
        for id in ids {
            let devices = self.inside(id, devices)?;
            if let Some(space) = self.of.get_mut(&id) {
                space.devices = devices;
            }
        }
        Ok(())
    }

    /// Runs a command line inside.
    ///
    /// # Errors
    /// What it said.
    pub(crate) fn run(&self, id: NsId, command: &str) -> Result<(), String> {
        let name = &self.of.get(&id).ok_or("no such namespace")?.file_name;
        let out = Command::new("ip").args(["netns", "exec", name, "sh", "-c", command]).output();
        let out = out.map_err(|e| e.to_string())?;
        if out.status.success() {
            Ok(())
        } else {
            Err(format!("{command}: {}", String::from_utf8_lossy(&out.stderr).trim()))
        }
    }

    /// Does something as a thread of a namespace.
    pub(crate) fn inside<T>(&self, id: NsId, act: impl FnOnce() -> T) -> Result<T, String> {
        let space = self.of.get(&id).ok_or("no such namespace")?;
        setns(&space.file, CloneFlags::CLONE_NEWNET).map_err(|e| format!("setns: {e}"))?;
        let result = act();
        setns(&self.home, CloneFlags::CLONE_NEWNET).map_err(|e| format!("setns: {e}"))?;
        Ok(result)
    }

    /// Empties neighbour tables, route caches, and forwarding databases.
    pub(crate) fn forget(&self) -> Result<(), String> {
        let mut running = Vec::new();
        for space in self.of.values() {
            let mut text = "neigh flush all\nroute flush cache\n".to_owned();
            for bridge in &space.bridges {
                text += &format!("link set dev {bridge} type bridge fdb_flush\n");
            }
            let mut ip = Command::new("ip");
            ip.args(["-n", &space.file_name, "-force", "-batch", "-"]);
            running.push(start(ip, &text)?);
        }
        for (id, text) in &self.dynamic {
            let Some(space) = self.of.get(id) else { continue };
            let mut nft = Command::new("ip");
            nft.args(["netns", "exec", &space.file_name, "nft", "-f", "-"]);
            running.push(start(nft, text)?);
        }
        for space in self.of.values().filter(|_| self.v6) {
            let mut ip = Command::new("ip");
            ip.args(["-6", "-n", &space.file_name, "route", "flush", "cache"]);
            running.push(start(ip, "")?);
        }
        for mut child in running {
            child.wait().map_err(|e| e.to_string())?;
        }
        Ok(())
    }
}

impl Drop for Spaces {
    fn drop(&mut self) {
        let _ = run(&self.script, &["down", &self.prefix]);
    }
}

fn devices() -> BTreeMap<usize, String> {
    let text = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap_or_default();
    let names = text.lines().filter_map(|l| l.split_once(':').map(|(name, _)| name.trim()));
    let index = |name: &str| nix::net::if_::if_nametoindex(name).ok().map(|i| (i as usize, name.to_owned()));
    names.filter_map(index).collect()
}

fn start(mut command: Command, input: &str) -> Result<std::process::Child, String> {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = piped.spawn().map_err(|e| e.to_string())?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).map_err(|e| e.to_string())?;
    }
    Ok(child)
}

fn run(script: &str, args: &[&str]) -> Result<(), String> {
    let mut sh = Command::new("sh");
    sh.arg("-s").args(args).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = sh.spawn().map_err(|e| e.to_string())?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(script.as_bytes()).map_err(|e| e.to_string())?;
    }
    let out = child.wait_with_output().map_err(|e| e.to_string())?;
    if out.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&out.stderr).trim().to_owned()) }
}

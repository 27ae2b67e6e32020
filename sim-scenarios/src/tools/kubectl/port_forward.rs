//! `kubectl port-forward`: a port of this machine that leads into a pod.
//!
//! The real way goes through the API server and the pod's kubelet, which connects to the port inside the pod's network namespace, on
//! its loopback address. That tunnel is one connection of HTTP/2 and is not modelled as packets: here kubectl's end is a real
//! listener on the machine, and the kubelet's end a real connection inside the pod.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde_json::Value;
use sim_core::linux::Errno;
use sim_core::linux::socket::{TcpRead, TcpState};
use sim_core::trace::{NsId, SockId};

use super::args::{Flag, Kind as F, flag};
use super::ctl::Ctl;
use super::exec;
use super::failure::Failure;
use super::pods;
use super::value::{int, list, name, scalar, text};
use crate::tools::out::Held;
use crate::tools::{Cluster, SIGINT_STATUS, net};

pub(crate) static FLAGS: &[Flag] = &[flag("address", F::List), flag("pod-running-timeout", F::Duration)];

/// One forwarded port.
struct Port {
    local: u16,
    remote: u16,
}

/// Runs the verb.
///
/// # Errors
/// No such pod or port, or a port that is taken.
pub(crate) fn run(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    let words = ctl.args.words.clone();
    let Some((target, ports)) = words.split_first().filter(|(_, ports)| !ports.is_empty()) else {
        return Err(Failure::usage(&ctl.path, "TYPE/NAME and list of ports are required for port-forward"));
    };
    let (pod, ports) = resolve(ctl, target, ports)?;
    let phase = text(&pod, "/status/phase");
    if phase != "Running" {
        return Err(Failure::plain(format!(
            "unable to forward port because pod is not running. Current status={phase}"
        )));
    }
    let place = exec::place(&pod, text(&pod, "/spec/containers/0/name"));
    let inside = ctl.cx.cluster.machine(&place).map(|m| m.ns);
    let Some(inside) = inside else {
        return Err(Failure::plain(
            "error upgrading connection: unable to upgrade connection: pod does not exist",
        ));
    };
    let listeners = listen(ctl, &ports)?;
    Ok(serve(ctl, &pod, inside, &listeners))
}

/// The pod, and its ports.
fn resolve(ctl: &mut Ctl<'_, '_>, target: &str, words: &[String]) -> Result<(Value, Vec<Port>), Failure> {
    let space = ctl.namespace();
    let (resource, object) = pods::named(ctl.store(), target, &space)?;
    let limit = ctl.args.duration("pod-running-timeout").unwrap_or(Duration::from_secs(60));
    let all = pods::of(ctl.store(), resource, &object)?;
    if all.is_empty() {
        ctl.wait(limit, |cluster| {
            pods::of(&cluster.store, resource, &object).is_ok_and(|all| !all.is_empty())
        });
    }
    let pod = pods::most_active(pods::of(ctl.store(), resource, &object)?)
        .ok_or_else(|| Failure::plain("timed out waiting for the condition"))?;
    let ports = words
        .iter()
        .map(|word| port(word, if resource.kind_name() == "Service" { Some(&object) } else { None }, &pod))
        .collect::<Result<Vec<Port>, Failure>>()?;
    Ok((pod, ports))
}

/// `8080`, `8080:80`, `:80`, `8080:http`; a Service's port means the one that it leads to.
fn port(word: &str, service: Option<&Value>, pod: &Value) -> Result<Port, Failure> {
    let wrong = |why: &str| Failure::plain(format!("error parsing {} port '{word}': {why}", "local"));
    let (local, remote) = match word.split(':').collect::<Vec<_>>().as_slice() {
        [one] => (*one, *one),
        [local, remote] => (*local, *remote),
        _ => return Err(Failure::plain(format!("invalid port format '{word}'"))),
    };
    let own = match service {
        Some(service) => of_service(service, pod, remote)?,
        None => in_pod(pod, remote)?,
    };
    let local = match (local, word.contains(':')) {
        ("", true) => 0,
        (text, true) => text.parse().map_err(|_| wrong("invalid syntax"))?,
        // A Service's port alone is the local one too; a name stands for the port behind it.
        (text, false) => text.parse().unwrap_or(own),
    };
    Ok(Port { local, remote: own })
}

fn in_pod(pod: &Value, text_: &str) -> Result<u16, Failure> {
    if let Ok(number) = text_.parse::<u16>() {
        if number == 0 {
            return Err(Failure::plain("remote port must be > 0"));
        }
        return Ok(number);
    }
    let ports = list(pod, "/spec/containers").iter().flat_map(|c| list(c, "/ports"));
    ports.into_iter().find(|p| text(p, "/name") == text_).map(|p| int(p, "/containerPort") as u16).ok_or_else(
        || {
            let own = name(pod);
            Failure::plain(format!("Pod '{own}' does not have a named port '{text_}'"))
        },
    )
}

fn of_service(service: &Value, pod: &Value, wanted: &str) -> Result<u16, Failure> {
    let fits = |p: &&Value| scalar(p.get("port")) == wanted || text(p, "/name") == wanted;
    let Some(port) = list(service, "/spec/ports").iter().find(fits) else {
        let own = name(service);
        return Err(Failure::plain(match wanted.parse::<u16>() {
            Ok(_) => format!("Service {own} does not have a service port {wanted}"),
            Err(_) => format!("Service '{own}' does not have a named port '{wanted}'"),
        }));
    };
    if text(service, "/spec/clusterIP") == "None" {
        return in_pod(pod, &scalar(port.get("port")));
    }
    in_pod(pod, &scalar(port.get("targetPort")))
}

/// A listening socket, what it is for, and its own port.
struct Listener {
    sock: SockId,
    ns: NsId,
    local: u16,
    remote: u16,
}

fn listen(ctl: &mut Ctl<'_, '_>, ports: &[Port]) -> Result<Vec<Listener>, Failure> {
    let ns = net::netns(ctl.cx).map_err(|e| Failure::plain(e.message().to_lowercase()))?;
    let addresses = addresses(ctl)?;
    let mut all: Vec<Listener> = Vec::new();
    for port in ports {
        // A port of the kernel's choice is the same for every address.
        let mut local = port.local;
        let mut failed = Vec::new();
        let mut some = false;
        for ip in &addresses {
            let at = SocketAddr::new(*ip, local);
            match ctl.cx.cluster.world.tcp_listen(ns, at, 128) {
                Ok(sock) => {
                    ctl.cx.out.hold(Held::Socket(ns, sock));
                    local = ctl.cx.cluster.world.ns(ns).sockets.local_addr(sock).map_or(local, |a| a.port());
                    let at = SocketAddr::new(*ip, local);
                    ctl.line(format!("Forwarding from {at} -> {}", port.remote));
                    all.push(Listener { sock, ns, local, remote: port.remote });
                    some = true;
                }
                Err(errno) => failed.push((at, errno)),
            }
        }
        if !some {
            return Err(refused(ctl, &all, port, &failed));
        }
    }
    Ok(all)
}

fn addresses(ctl: &Ctl<'_, '_>) -> Result<Vec<IpAddr>, Failure> {
    let given = ctl.args.texts("address");
    if given.is_empty() {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    let mut all = Vec::new();
    for text in given {
        match text.as_str() {
            "localhost" => all.extend([IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()]),
            text => all.push(text.parse().map_err(|_| Failure::plain(format!("{text} is not a valid IP")))?),
        }
    }
    Ok(all)
}

fn refused(ctl: &mut Ctl<'_, '_>, all: &[Listener], port: &Port, failed: &[(SocketAddr, Errno)]) -> Failure {
    all.iter().for_each(|l| ctl.cx.cluster.world.close(l.ns, l.sock));
    let errors = failed.iter().map(|(at, errno)| {
        let (family, why) = (if at.is_ipv4() { "tcp4" } else { "tcp6" }, errno.message().to_lowercase());
        format!("unable to create listener: Error listen {family} {at}: bind: {why}")
    });
    let errors: Vec<String> = errors.collect();
    ctl.err(format!(
        "Unable to listen on port {}: Listeners failed to create with the following errors: [{}]",
        port.local,
        errors.join(" ")
    ));
    Failure::plain(format!(
        "unable to listen on any of the requested ports: [{{{} {}}}]",
        port.local, port.remote
    ))
}

/// A connection of a client here, and the one inside the pod.
struct Pair {
    outer: SockId,
    inner: SockId,
    /// What is on its way in, and out.
    inward: Vec<u8>,
    outward: Vec<u8>,
    /// Which side has said that it is done.
    outer_done: bool,
    inner_done: bool,
    local: u16,
    remote: u16,
}

fn serve(ctl: &mut Ctl<'_, '_>, pod: &Value, inside: NsId, listeners: &[Listener]) -> i32 {
    let outside = listeners.first().map_or(inside, |l| l.ns);
    let mut pairs: Vec<Pair> = Vec::new();
    while !ctl.cx.interrupted() {
        let until = ctl.cx.deadline();
        let mut came: Vec<(SockId, usize)> = Vec::new();
        let mut lost: Vec<Pair> = Vec::new();
        ctl.cx.wait(until, |cluster| {
            for (i, listener) in listeners.iter().enumerate() {
                while let Some(sock) = cluster.world.tcp_accept(outside, listener.sock) {
                    came.push((sock, i));
                }
            }
            lost.extend(pump(cluster, outside, inside, &mut pairs));
            !came.is_empty() || !lost.is_empty()
        });
        if let Some(pair) = lost.first() {
            tell_lost(ctl, pod, pair);
            close(ctl, outside, inside, listeners, &pairs);
            return 1;
        }
        for (outer, i) in came {
            let listener = &listeners[i];
            ctl.line(format!("Handling connection for {}", listener.local));
            let to = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), listener.remote);
            match ctl.cx.cluster.world.tcp_connect(inside, None, to) {
                Ok(inner) => pairs.push(Pair {
                    outer,
                    inner,
                    inward: Vec::new(),
                    outward: Vec::new(),
                    outer_done: false,
                    inner_done: false,
                    local: listener.local,
                    remote: listener.remote,
                }),
                Err(_) => ctl.cx.cluster.world.close(outside, outer),
            }
        }
    }
    close(ctl, outside, inside, listeners, &pairs);
    SIGINT_STATUS
}

/// The words of kubectl's, the kubelet's and containerd's about a port on which nobody listens.
fn tell_lost(ctl: &mut Ctl<'_, '_>, pod: &Value, pair: &Pair) {
    let (local, remote) = (pair.local, pair.remote);
    let uid = text(pod, "/metadata/uid");
    let sandbox = exec::exec_id(uid, "sandbox", 0);
    let stamp = super::clock::klog(ctl.now());
    let refused = format!(
        "failed to connect to localhost:{remote} inside namespace \\\"{sandbox}\\\", IPv4: dial tcp4 127.0.0.1:{remote}: connect: \
         connection refused IPv6 dial tcp6: address localhost: no suitable address found "
    );
    ctl.err(format!(
        "E{stamp}       1 portforward.go:424] \"Unhandled Error\" err=\"an error occurred forwarding {local} -> {remote}: error forwarding \
         port {remote} to pod {sandbox}, uid : failed to execute portforward in network namespace \\\"/var/run/netns/cni-{uid}\\\": {refused}\" \
         logger=\"UnhandledError\""
    ));
    ctl.err("error: lost connection to pod");
}

fn close(ctl: &mut Ctl<'_, '_>, outside: NsId, inside: NsId, listeners: &[Listener], pairs: &[Pair]) {
    let world = &mut ctl.cx.cluster.world;
    listeners.iter().for_each(|l| world.close(outside, l.sock));
    for pair in pairs {
        world.close(outside, pair.outer);
        world.close(inside, pair.inner);
    }
}

/// Carries bytes both ways; pairs whose inner connection was refused come back.
fn pump(cluster: &mut Cluster, outside: NsId, inside: NsId, pairs: &mut Vec<Pair>) -> Vec<Pair> {
    let mut lost = Vec::new();
    let mut kept = Vec::new();
    for mut pair in std::mem::take(pairs) {
        let world = &mut cluster.world;
        let connecting = matches!(world.ns(inside).sockets.tcp_state(pair.inner), Some(TcpState::SynSent));
        if !connecting && world.take_error(inside, pair.inner).is_some() && pair.outward.is_empty() {
            world.close(outside, pair.outer);
            world.close(inside, pair.inner);
            lost.push(pair);
            continue;
        }
        pair.outer_done |= read(cluster, outside, pair.outer, &mut pair.inward);
        if !connecting {
            pair.inner_done |= read(cluster, inside, pair.inner, &mut pair.outward);
            write(cluster, inside, pair.inner, &mut pair.inward);
        }
        write(cluster, outside, pair.outer, &mut pair.outward);
        let over =
            (pair.inner_done && pair.outward.is_empty()) || (pair.outer_done && pair.inward.is_empty());
        if over {
            cluster.world.close(outside, pair.outer);
            cluster.world.close(inside, pair.inner);
        } else {
            kept.push(pair);
        }
    }
    *pairs = kept;
    lost
}

/// Reads what is there; whether the stream has ended.
fn read(cluster: &mut Cluster, ns: NsId, sock: SockId, into: &mut Vec<u8>) -> bool {
    loop {
        match cluster.world.tcp_recv(ns, sock) {
            Ok(TcpRead::Data(bytes)) => into.extend(bytes),
            Ok(TcpRead::WouldBlock) => return false,
            Ok(TcpRead::Eof) | Err(_) => return true,
        }
    }
}

fn write(cluster: &mut Cluster, ns: NsId, sock: SockId, from: &mut Vec<u8>) {
    if !from.is_empty()
        && let Ok(n) = cluster.world.tcp_send(ns, sock, from)
    {
        from.drain(..n);
    }
}

//! The probes of the recordings: ping, UDP, TCP, and what the servers answer.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde_json::{Value, json};
use sim_core::linux::Errno;
use sim_core::linux::socket::{
    ErrorOrigin, PmtuDiscovery, QueuedError, ReceivedBody, SockOptions, TcpRead, TcpState,
};
use sim_core::packet::{Icmp, IcmpError, Payload};
use sim_core::time::SimTime;
use sim_core::trace::{NsId, SockId};

use super::topology::{Lab, addr, str_err};

/// What the probe and the servers observed, in the recordings' words.
pub(crate) struct Observed {
    /// As the recording's `observed`.
    pub(crate) value: Value,
    pub(crate) saw: Vec<Value>,
    conns: Vec<(NsId, SockId)>,
    /// Bytes that TCP servers have read.
    pub(crate) received: usize,
}

impl Observed {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self { value: json!({}), saw: Vec::new(), conns: Vec::new(), received: 0 }
    }

    /// Leaves a connection's end to somebody else: the servers do not read from it any more.
    pub(crate) fn release(&mut self, ns: NsId, sock: SockId) {
        self.conns.retain(|c| *c != (ns, sock));
    }

    /// The servers' ends of connections.
    pub(crate) fn conns(&self) -> &[(NsId, SockId)] {
        &self.conns
    }
}

/// Runs the probe of a case. Source port and echo id are taken from the recording, so that both speak of the same flow.
pub(crate) fn run(lab: &mut Lab, probe: &Value, want: &Value) -> Result<Observed, String> {
    let mut seen = Observed::new();
    let src = lab.ns(probe["src"].as_str().ok_or("the probe has no source")?)?;
    let dst = addr(probe["dst"].as_str().ok_or("the probe has no destination")?)?;
    for key in ["count", "same_socket", "gap_s"] {
        if !probe[key].is_null() {
            return Err(format!("probes with \"{key}\" are not played here"));
        }
    }
    match probe["kind"].as_str() {
        Some("ping") => ping(lab, &mut seen, src, dst, probe)?,
        Some("udp") => udp(lab, &mut seen, src, dst, probe, want)?,
        Some("tcp") => tcp(lab, &mut seen, src, dst, probe, want)?,
        other => return Err(format!("probe kind {other:?} is not played here")),
    }
    settle(lab, &mut seen, Duration::from_millis(50));
    if !seen.saw.is_empty() {
        seen.value["server_saw"] = Value::Array(seen.saw.clone());
    }
    Ok(seen)
}

/// The nodes and the client talk to each other once; connection tracking forgets it.
pub(crate) fn warm_up(lab: &mut Lab) -> Result<(), String> {
    let client = lab.ns("client")?;
    let hosts: Vec<NsId> =
        lab.nodes.iter().map(|n| lab.ns(&n.name)).chain([Ok(client)]).collect::<Result<_, _>>()?;
    let mut seen = Observed::new();
    let targets: Vec<IpAddr> = lab.nodes.iter().map(|n| n.ip).collect();
    for from in hosts {
        for to in &targets {
            ping(lab, &mut seen, from, *to, &json!({}))?;
        }
    }
    forget_flows(lab)
}

/// A datagram that must not be cut up, as long as the source's interface allows, towards the probe's destination.
pub(crate) fn measure(lab: &mut Lab, probe: &Value) -> Result<(), String> {
    let src = lab.ns(probe["src"].as_str().ok_or("the probe has no source")?)?;
    let dst = addr(probe["dst"].as_str().ok_or("the probe has no destination")?)?;
    let mtu = lab.world.ns(src).by_name("eth0").map_or(1500, |i| i.mtu);
    let port = if probe["kind"] == "udp" { probe["port"].clone() } else { json!(5353) };
    let probe = json!({"port": port, "sport": 40999, "size": mtu - 28, "df": true, "timeout": 0.1});
    udp(lab, &mut Observed::new(), src, dst, &probe, &json!({}))?;
    forget_flows(lab)
}

/// Each node asks for some of its pods, so that it has just heard of them.
pub(crate) fn meet_pods(lab: &mut Lab, which: impl Fn(&str) -> bool) -> Result<(), String> {
    let mut seen = Observed::new();
    let pods: Vec<(NsId, IpAddr)> = lab
        .pods
        .iter()
        .filter(|p| which(&p.name))
        .map(|p| Ok((lab.ns(&p.node)?, p.ip)))
        .collect::<Result<_, String>>()?;
    for (node, ip) in pods {
        ping(lab, &mut seen, node, ip, &json!({}))?;
    }
    forget_flows(lab)
}

/// The probe's source sends to an address that nobody has a route to until nobody tells it so any more.
pub(crate) fn spend_route_errors(lab: &mut Lab, probe: &Value) -> Result<(), String> {
    let src = lab.ns(probe["src"].as_str().ok_or("the probe has no source")?)?;
    let nowhere = addr("198.51.100.250")?;
    for _ in 0..6 {
        let quick = json!({"timeout": 0.01});
        ping(lab, &mut Observed::new(), src, nowhere, &quick)?;
    }
    forget_flows(lab)
}

/// Empties connection tracking of every node, as the recordings did before each probe.
pub(crate) fn forget_flows(lab: &mut Lab) -> Result<(), String> {
    for node in lab.nodes.iter().map(|n| lab.ns(&n.name)).collect::<Result<Vec<_>, _>>()? {
        lab.world.ns_mut(node).conntrack.flush();
    }
    Ok(())
}

fn port(want: &Value, probe: &Value) -> u16 {
    let given = probe["sport"].as_u64().map(|p| p as u16);
    let recorded = want["client_addr"].as_str().and_then(|a| a.rsplit(':').next()?.parse().ok());
    given.or(recorded).unwrap_or(41001)
}

pub(crate) fn options(lab: &Lab, src: NsId, probe: &Value) -> SockOptions {
    SockOptions {
        ttl: probe["ttl"].as_u64().map_or(lab.world.ns(src).sysctls().default_ttl, |t| t as u8),
        pmtu: if probe["df"].as_bool() == Some(true) { PmtuDiscovery::Do } else { PmtuDiscovery::Dont },
        recverr: true,
        ..SockOptions::default()
    }
}

pub(crate) fn timeout(probe: &Value, default: f64) -> Duration {
    Duration::from_secs_f64(probe["timeout"].as_f64().unwrap_or(default))
}

/// Runs until `done` says so or time is up; the servers answer meanwhile.
pub(crate) fn pump(
    lab: &mut Lab,
    seen: &mut Observed,
    until: SimTime,
    mut done: impl FnMut(&mut Lab) -> bool,
) -> bool {
    loop {
        serve(lab, seen);
        if done(lab) {
            return true;
        }
        if !lab.world.run(until) {
            serve(lab, seen);
            return done(lab);
        }
        while lab.world.pop_ready().is_some() {}
    }
}

pub(crate) fn settle(lab: &mut Lab, seen: &mut Observed, time: Duration) {
    let until = lab.world.now() + time;
    pump(lab, seen, until, |_| false);
}

/// UDP servers answer with their name and the first bytes; TCP servers say their name and read until the end.
fn serve(lab: &mut Lab, seen: &mut Observed) {
    for i in 0..lab.servers.len() {
        let (ns, sock, name, tcp, port) = {
            let s = &lab.servers[i];
            (s.ns, s.sock, s.name.clone(), s.tcp, s.port)
        };
        if tcp {
            while let Some(conn) = lab.world.tcp_accept(ns, sock) {
                let stack = &lab.world.ns(ns).sockets;
                let (peer, me) = (stack.peer_addr(conn), stack.local_addr(conn));
                let text = |a: Option<SocketAddr>| a.map_or_else(String::new, |a| a.to_string());
                seen.saw.push(
                    json!({"server": name, "proto": "tcp", "saw_src": text(peer), "saw_dst": text(me)}),
                );
                let _ = lab.world.tcp_send(ns, conn, format!("{name}\n").as_bytes());
                seen.conns.push((ns, conn));
            }
            continue;
        }
        while let Ok(Some(got)) = lab.world.recv(ns, sock) {
            let bytes = got.bytes().to_vec();
            seen.saw.push(json!({
                "server": name, "proto": "udp", "saw_src": got.from.to_string(), "bytes": bytes.len(),
                "saw_dst": SocketAddr::new(got.to, port).to_string(), "saw_ttl": got.ttl,
            }));
            let mut answer = format!("{name} ").into_bytes();
            answer.extend(bytes.iter().take(32));
            let _ = lab.world.udp_send(ns, sock, got.from, Payload::from(answer));
        }
    }
    let world = &mut lab.world;
    let received = &mut seen.received;
    seen.conns.retain(|(ns, conn)| {
        loop {
            match world.tcp_recv(*ns, *conn) {
                Ok(TcpRead::Data(d)) => *received += d.len(),
                Ok(TcpRead::WouldBlock) => break true,
                Ok(TcpRead::Eof) | Err(_) => {
                    world.close(*ns, *conn);
                    break false;
                }
            }
        }
    });
}

pub(crate) fn errno(e: Errno) -> String {
    format!("{e:?}")
}

fn icmp_text(error: IcmpError) -> String {
    let (ty, code) = error.type_code();
    format!("{ty}/{code} {}", error.name())
}

fn ping(lab: &mut Lab, seen: &mut Observed, src: NsId, dst: IpAddr, probe: &Value) -> Result<(), String> {
    let sock = lab.world.icmp_open(src, Some(101)).map_err(str_err)?;
    let with = SockOptions { recverr: false, ..options(lab, src, probe) };
    lab.world.set_options(src, sock, with).map_err(str_err)?;
    let size = probe["size"].as_u64().unwrap_or(16) as usize;
    let until = lab.world.now() + timeout(probe, 0.5);
    if let Err(e) = lab.world.icmp_echo(src, sock, dst, 1, Payload::from(vec![b'p'; size])) {
        seen.value = json!({"result": "local-error", "errno": errno(e)});
        return Ok(());
    }
    let mut got = None;
    pump(lab, seen, until, |lab| {
        got = lab.world.recv(src, sock).transpose();
        got.is_some()
    });
    seen.value = match got {
        None => json!({"result": "timeout"}),
        Some(Err(e)) => json!({"result": "error", "errno": errno(e)}),
        Some(Ok(r)) => match r.body {
            ReceivedBody::Icmp(Icmp::Error { error, .. }) => {
                let mut v = json!({"result": "icmp-error", "icmp": icmp_text(error), "from_": r.from.ip().to_string()});
                if let IcmpError::FragmentationNeeded { mtu } = error {
                    v["mtu"] = mtu.into();
                }
                v
            }
            _ => json!({"result": "reply", "reply_from": r.from.ip().to_string(), "reply_ttl": r.ttl}),
        },
    };
    lab.world.close(src, sock);
    Ok(())
}

fn udp(
    lab: &mut Lab,
    seen: &mut Observed,
    src: NsId,
    dst: IpAddr,
    probe: &Value,
    want: &Value,
) -> Result<(), String> {
    let from = match probe["bind_ip"].as_str() {
        Some(a) => addr(a)?,
        None => IpAddr::from([0, 0, 0, 0]),
    };
    let local = SocketAddr::new(from, port(want, probe));
    let remote = SocketAddr::new(dst, probe["port"].as_u64().ok_or("no port")? as u16);
    let sock = lab.world.udp_bind(src, local).map_err(str_err)?;
    let with = options(lab, src, probe);
    lab.world.set_options(src, sock, with).map_err(str_err)?;
    let size = probe["size"].as_u64().unwrap_or(16) as usize;
    let payload = Payload::from(vec![b'x'; size]);
    let connected = lab.world.udp_connect(src, sock, remote);
    if connected.is_ok() {
        let bound = lab.world.ns(src).sockets.local_addr(sock).ok_or("the socket is gone")?;
        seen.value["client_addr"] = bound.to_string().into();
    }
    if let Err(e) = connected.and_then(|()| lab.world.udp_send(src, sock, remote, payload)) {
        seen.value["result"] = "local-error".into();
        seen.value["errno"] = errno(e).into();
        seen.value["icmp_errors"] = errors(lab, src, sock).into();
        return Ok(());
    }
    let until = lab.world.now() + timeout(probe, 0.5);
    let mut queued = Vec::new();
    let mut got = None;
    pump(lab, seen, until, |lab| {
        queued = errors(lab, src, sock);
        if queued.is_empty() {
            got = lab.world.recv(src, sock).transpose();
        }
        !queued.is_empty() || got.is_some()
    });
    if !queued.is_empty() {
        let local = queued[0]["origin"] != "icmp";
        seen.value["result"] = if local { "local-error" } else { "icmp-error" }.into();
        seen.value["icmp_errors"] = queued.into();
    } else {
        match got {
            None => seen.value["result"] = "timeout".into(),
            Some(Ok(r)) => {
                seen.value["result"] = "reply".into();
                let text = String::from_utf8_lossy(r.bytes()).into_owned();
                seen.value["answered_by"] = text.split(' ').next().unwrap_or_default().into();
            }
            Some(Err(e)) => {
                seen.value["result"] = "error".into();
                seen.value["errno"] = errno(e).into();
            }
        }
    }
    lab.world.close(src, sock);
    Ok(())
}

pub(crate) fn errors(lab: &mut Lab, ns: NsId, sock: SockId) -> Vec<Value> {
    std::iter::from_fn(|| lab.world.pop_queued_error(ns, sock)).map(error_value).collect()
}

fn error_value(e: QueuedError) -> Value {
    let mut v = json!({"errno": errno(e.errno)});
    match e.origin {
        ErrorOrigin::Local => v["origin"] = "local".into(),
        ErrorOrigin::Icmp { error, from } => {
            v["origin"] = "icmp".into();
            v["icmp"] = icmp_text(error).into();
            v["from_"] = from.to_string().into();
        }
    }
    if let Some(mtu) = e.mtu {
        v["mtu"] = mtu.into();
    }
    v
}

fn tcp(
    lab: &mut Lab,
    seen: &mut Observed,
    src: NsId,
    dst: IpAddr,
    probe: &Value,
    want: &Value,
) -> Result<(), String> {
    let from = match probe["bind_ip"].as_str() {
        Some(a) => addr(a)?,
        None => IpAddr::from([0, 0, 0, 0]),
    };
    let from = SocketAddr::new(from, port(want, probe));
    let remote = SocketAddr::new(dst, probe["port"].as_u64().ok_or("no port")? as u16);
    let until = lab.world.now() + timeout(probe, 1.3);
    let sock = match lab.world.tcp_connect(src, Some(from), remote) {
        Ok(sock) => sock,
        Err(e) => {
            seen.value = json!({"result": "local-error", "errno": errno(e), "client_addr": from.to_string()});
            return Ok(());
        }
    };
    let bound = lab.world.ns(src).sockets.local_addr(sock).ok_or("the socket is gone")?;
    seen.value["client_addr"] = bound.to_string().into();
    let mut failed = None;
    let connected = pump(lab, seen, until, |lab| {
        failed = lab.world.take_error(src, sock).map(|e| e.errno);
        failed.is_some() || lab.world.ns(src).sockets.tcp_state(sock) == Some(TcpState::Established)
    });
    match failed {
        _ if !connected => seen.value["result"] = "timeout".into(),
        Some(Errno::ECONNREFUSED) => {
            seen.value["result"] = "refused".into();
            seen.value["errno"] = "ECONNREFUSED".into();
        }
        Some(e) => {
            seen.value["result"] = "error".into();
            seen.value["errno"] = errno(e).into();
        }
        None => conversation(lab, seen, (src, sock), probe),
    }
    settle(lab, seen, Duration::from_millis(20));
    lab.world.close(src, sock);
    Ok(())
}

/// A connection that stands: the server says its name; then bytes are sent, if the probe says how many.
fn conversation(lab: &mut Lab, seen: &mut Observed, (src, sock): (NsId, SockId), probe: &Value) {
    let wait = Duration::from_secs_f64(probe["recv_timeout"].as_f64().unwrap_or(1.0));
    let until = lab.world.now() + wait;
    let mut read = None;
    pump(lab, seen, until, |lab| {
        read = match lab.world.tcp_recv(src, sock) {
            Ok(TcpRead::Data(d)) => Some(Ok(String::from_utf8_lossy(&d).trim().to_owned())),
            Ok(TcpRead::Eof) => Some(Ok(String::new())),
            Ok(TcpRead::WouldBlock) => None,
            Err(e) => Some(Err(e)),
        };
        read.is_some()
    });
    match read {
        Some(Ok(name)) => {
            seen.value["result"] = "connected".into();
            seen.value["answered_by"] = name.into();
        }
        Some(Err(e)) => {
            seen.value["result"] = "connected-then-reset".into();
            seen.value["errno"] = errno(e).into();
        }
        None => seen.value["result"] = "connected-no-data".into(),
    }
    if let Some(total) = probe["send"].as_u64() {
        stream(lab, seen, (src, sock), total as usize, wait);
    }
}

/// Sends `total` bytes, for at most `wait`, then gives the server as long to read them.
fn stream(lab: &mut Lab, seen: &mut Observed, (src, sock): (NsId, SockId), total: usize, wait: Duration) {
    seen.received = 0;
    let mut left = total;
    let until = lab.world.now() + wait;
    pump(lab, seen, until, |lab| {
        while left > 0 {
            match lab.world.tcp_send(src, sock, &vec![b'y'; left.min(16384)]) {
                Ok(n) if n > 0 => left -= n,
                _ => break,
            }
        }
        left == 0
    });
    let until = lab.world.now() + wait;
    while seen.received < total && lab.world.now() < until {
        let step = (lab.world.now() + Duration::from_millis(30)).min(until);
        pump(lab, seen, step, |_| false);
    }
    seen.value["sent"] = (total - left).into();
    seen.value["server_received"] = seen.received.into();
}

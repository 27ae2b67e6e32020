//! Packets that no socket of the kernel would send: TCP segments out of the blue, wrong checksums.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Value, json};
use sim_core::packet::{IpPacket, Payload, Tcp, TcpFlags, TcpOptions, Transport, Udp};

use super::super::probe::{self, Observed};
use super::super::topology::{Lab, addr, str_err};
use super::super::{compare, frames};
use super::{lab, only_known};

/// Sends the packet and compares what became of it. Whether and how long ago a node had heard of its pods is not recorded: on the bridge
/// it decides which way the first translated frame takes.
pub(super) fn run(file: &Value, case: &Value) -> Result<(), String> {
    let first = play(file, case, None);
    let other = |ago| play(file, case, Some(Duration::from_secs(ago))).is_ok();
    if first.is_ok() || ![0, 45].into_iter().any(other) { first } else { Ok(()) }
}

fn play(file: &Value, case: &Value, pods_met: Option<Duration>) -> Result<(), String> {
    let mut lab = lab(file, case, 1)?;
    probe::warm_up(&mut lab)?;
    if let Some(ago) = pods_met {
        probe::meet_pods(&mut lab, |_| true)?;
        probe::settle(&mut lab, &mut Observed::new(), ago);
        probe::forget_flows(&mut lab)?;
    }
    super::super::change::all(&mut lab, file, case)?;
    lab.world.start_recording();
    let mut seen = Observed::new();
    let src = lab.ns(case["probe"]["src"].as_str().ok_or("the probe has no source")?)?;
    let eth0 = lab.world.ns(src).by_name("eth0").map_err(str_err)?.addrs.iter().map(ipnet::IpNet::addr);
    let source = eth0.into_iter().find(IpAddr::is_ipv4).ok_or("the source has no address")?;
    let packet = packet(case, source)?;
    lab.world.raw_send(src, packet).map_err(str_err)?;
    probe::settle(&mut lab, &mut seen, Duration::from_millis(300));
    let trace = lab.world.take_trace();
    let lines = frames::lines(&lab, &trace);
    let saw = case["observed"]["server_saw"].is_array();
    seen.value = if saw { json!({ "server_saw": seen.saw }) } else { json!({}) };
    compare::all(&lab, case, &seen, &lines)?;
    let texts: Vec<&str> = lines.iter().map(|(_, l)| l.as_str()).filter(|l| !l.contains(" arp ")).collect();
    observed(&lab, case, &seen, &texts)
}

fn packet(case: &Value, source: IpAddr) -> Result<IpPacket, String> {
    let probe = &case["probe"];
    let dst = probe["dst"].as_str().ok_or("no destination")?;
    let dport = probe["port"].as_u64().ok_or("no port")? as u16;
    let tcp = probe["kind"] == "tcp-raw";
    let sport = probe["sport"].as_u64().map_or(if tcp { 50020 } else { 50021 }, |p| p as u16);
    let body = if tcp {
        let flags = flags(probe["flags"].as_str().ok_or("no flags")?)?;
        let number = |key: &str, default: u32| probe[key].as_u64().map_or(default, |n| n as u32);
        Transport::Tcp(Tcp {
            sport,
            dport,
            seq: number("seq", 1000),
            ack: number("ack", if flags.has(TcpFlags::ACK) { 1000 } else { 0 }),
            flags,
            window: number("window", 1024) as u16,
            options: TcpOptions::default(),
            payload: Payload::Empty,
        })
    } else {
        let size = probe["size"].as_u64().unwrap_or(16) as usize;
        Transport::Udp(Udp { sport, dport, payload: vec![b'x'; size].into() })
    };
    let mut packet = IpPacket::new(source, addr(dst)?, body);
    packet.bad_checksum = probe["checksum_ok"].as_bool() == Some(false);
    Ok(packet)
}

/// `synack`, `SYN+FIN`, `xmas`, `null`, …
fn flags(text: &str) -> Result<TcpFlags, String> {
    let text = text.to_ascii_lowercase();
    let mut flags = match text.as_str() {
        "null" | "none" | "" => return Ok(TcpFlags::default()),
        "xmas" => return Ok(TcpFlags::FIN.with(TcpFlags::PSH).with(TcpFlags::URG)),
        _ => TcpFlags::default(),
    };
    let mut rest = text.as_str();
    'next: while !rest.is_empty() {
        rest = rest.trim_start_matches(['+', '|', ',', '-', ' ']);
        for (name, flag) in [
            ("syn", TcpFlags::SYN),
            ("ack", TcpFlags::ACK),
            ("fin", TcpFlags::FIN),
            ("rst", TcpFlags::RST),
            ("psh", TcpFlags::PSH),
            ("urg", TcpFlags::URG),
        ] {
            if let Some(after) = rest.strip_prefix(name) {
                flags = flags.with(flag);
                rest = after;
                continue 'next;
            }
        }
        return Err(format!("TCP flags \"{text}\" are not understood"));
    }
    Ok(flags)
}

fn observed(lab: &Lab, case: &Value, seen: &Observed, lines: &[&str]) -> Result<(), String> {
    let want = case["observed"].as_object().ok_or("nothing is observed")?;
    let src = case["probe"]["src"].as_str().unwrap_or_default();
    for (key, value) in want {
        let got = if let Some(node) = key.strip_prefix("left_") {
            left(node, lines)
        } else if let Some(pod) = key.strip_prefix("arrived_at_") {
            let host = lab.spaces.keys().find(|n| n.replace('-', "") == pod.replace(['-', '_'], ""));
            let host = host.ok_or_else(|| format!("\"{key}\": no such host"))?;
            Value::Bool(arrived(host, lines))
        } else {
            match key.as_str() {
                "arrived" => Value::Bool(lab.pods.iter().any(|p| p.name != src && arrived(&p.name, lines))),
                "reply" | "replies" => {
                    let at = format!("{src}/eth0 in ");
                    lines.iter().copied().filter(|l| l.starts_with(&at)).collect()
                }
                "server_saw" => Value::Array(seen.saw.clone()),
                _ => return only_known(&case["observed"], &[]),
            }
        };
        if !compare::alike_text(&value.to_string(), &got.to_string(), case) {
            return Err(format!("{key}: the kernel said {value}, the simulator {got}"));
        }
    }
    Ok(())
}

/// `<node>`: whether anything left by the node's underlay; `<node>_as`: what.
fn left(key: &str, lines: &[&str]) -> Value {
    let (node, list) = key.strip_suffix("_as").map_or((key, false), |node| (node, true));
    let at = format!("{node}/eth0 out ");
    let out: Vec<&str> = lines.iter().filter_map(|l| l.strip_prefix(&at)).collect();
    if list { out.into_iter().collect() } else { Value::Bool(!out.is_empty()) }
}

fn arrived(host: &str, lines: &[&str]) -> bool {
    let at = format!("{host}/eth0 in ");
    lines.iter().any(|l| l.starts_with(&at))
}

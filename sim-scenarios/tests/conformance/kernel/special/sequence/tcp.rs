//! TCP connections under which connection tracking is changed: either side sends afterwards.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde_json::{Map, Value, json};
use sim_core::linux::socket::TcpRead;
use sim_core::trace::{NsId, SockId};

use super::super::super::probe::{self, Observed};
use super::super::super::topology::{addr, str_err};
use super::super::super::{compare, frames};
use super::super::statistics::{Counts, same_distribution};
use super::Stage;
use super::step::Act;

/// Trials at least where outcomes are drawn.
const TRIALS: u64 = 60;

/// Plays the case: trials, one round of "before" and "after", or steps.
pub(in super::super) fn run(file: &Value, case: &Value) -> Result<(), String> {
    let observed = &case["observed"];
    if observed["outcomes"].is_object() {
        return trials(file, case);
    }
    if observed["steps"].is_array() {
        return steps(file, case);
    }
    super::super::only_known(observed, &["before", "after", "result", "conntrack"])?;
    let mut last = Ok(());
    for seed in 1..=24 {
        let round = round(file, case, seed)?;
        last = compare_part("before", &observed["before"], &round.before, case)
            .and_then(|()| round.compare_after(&observed["after"], case));
        if last.is_ok() {
            break;
        }
    }
    last
}

/// A connection, what was broken under it, and what came of it.
struct Round {
    before: Value,
    after: Value,
    frames: Vec<(sim_core::time::SimTime, String)>,
}

impl Round {
    fn outcome(&self) -> &str {
        match self.after["client_recv"].as_str() {
            Some(errno) if is_errno(errno) => errno,
            _ if self.after["server_received"].as_u64() > Some(0) => "survived",
            _ => "lost",
        }
    }

    fn compare_after(&self, want: &Value, case: &Value) -> Result<(), String> {
        compare_part("after", want, &self.after, case)?;
        let Some(list) = want["trace"].as_array() else { return Ok(()) };
        let list: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
        let known = compare::known_ports(case);
        compare::trace(&list, &self.frames, &known, case["probe"]["dst"].as_str().unwrap_or_default())
    }
}

fn is_errno(text: &str) -> bool {
    text.starts_with('E')
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
        && text != "EAGAIN"
}

/// What the recording says of one half, as far as it is not the trace.
fn compare_part(what: &str, want: &Value, got: &Value, case: &Value) -> Result<(), String> {
    for (key, value) in want.as_object().into_iter().flatten() {
        let same = match key.as_str() {
            "trace" => true,
            // The client's port only names the flow.
            "client_addr" => true,
            "client_recv" | "server_recv" | "client_error" | "server_error" => {
                let error = |v: &Value| v.as_str().filter(|t| is_errno(t)).map(str::to_owned);
                error(value) == error(&got[key])
            }
            "result" | "answered_by" | "errno" | "server_received" | "client_received" => {
                compare::alike_text(&value.to_string(), &got[key].to_string(), case)
            }
            _ => return Err(format!("{what}.{key} is not understood")),
        };
        if !same {
            return Err(format!("{what}.{key}: the kernel said {value}, the simulator {}", got[key]));
        }
    }
    Ok(())
}

fn trials(file: &Value, case: &Value) -> Result<(), String> {
    let observed = &case["observed"];
    super::super::only_known(observed, &["outcomes", "example_failure", "example_success"])?;
    let mut got = Counts::new();
    let mut examples: Vec<(&str, bool, String)> = ["example_failure", "example_success"]
        .into_iter()
        .filter(|key| observed[*key].is_object())
        .map(|key| (key, false, String::new()))
        .collect();
    for seed in 1..=case["probe"]["trials"].as_u64().unwrap_or(TRIALS).max(TRIALS) {
        let round = round(file, case, seed)?;
        *got.entry(round.outcome().to_owned()).or_default() += 1;
        for (key, found, last) in &mut examples {
            let want = &observed[*key];
            let same = compare_part("before", &want["before"], &round.before, case)
                .and_then(|()| round.compare_after(&want["after"], case));
            match same {
                Ok(()) => *found = true,
                Err(e) if !e.starts_with("before") || last.is_empty() => *last = e,
                Err(_) => {}
            }
        }
    }
    let want = observed["outcomes"].as_object().into_iter().flatten();
    let want: Counts = want.filter_map(|(k, v)| Some((k.clone(), v.as_u64()?))).collect();
    same_distribution(&want, &got)?;
    match examples.iter().find(|(_, found, _)| !found) {
        Some((key, _, last)) => Err(format!("no trial went as the {key}: {last}")),
        None => Ok(()),
    }
}

/// Connects, empties connection tracking of all nodes, and lets one side send.
fn round(file: &Value, case: &Value, seed: u64) -> Result<Round, String> {
    let mut stage = Stage::build(file, case, seed)?;
    let mut seen = Observed::new();
    let (mut client, before) = Client::connect(&mut stage, case, &mut seen)?;
    stage.conntrack(&["conntrack".to_owned(), "-F".to_owned()], None)?;
    stage.lab.world.start_recording();
    let said = ["title", "id"].map(|key| case[key].as_str().unwrap_or_default().to_lowercase()).join(" ")
        + &case["probe"]["then"].as_str().unwrap_or_default().to_lowercase();
    let server_first = ["server sends", "server-first", "server first", "server writes", "backend sends"]
        .iter()
        .any(|t| said.contains(t));
    let want = &case["observed"]["after"];
    let asked = want["server_received"].as_u64().or(want["client_received"].as_u64());
    let bytes = asked.filter(|n| *n > 0).unwrap_or(16) as usize;
    if server_first {
        client.server_sends(&mut stage, &mut seen, bytes)?;
    } else {
        client.sends(&mut stage, bytes)?;
    }
    let after = client.watch(&mut stage, &mut seen)?;
    let trace = stage.lab.world.take_trace();
    Ok(Round { before, after, frames: frames::lines(&stage.lab, &trace) })
}

/// Both ends of a connection.
struct Client {
    ns: NsId,
    sock: SockId,
    server: Option<(NsId, SockId)>,
    read_before: usize,
}

impl Client {
    fn connect(stage: &mut Stage, case: &Value, seen: &mut Observed) -> Result<(Self, Value), String> {
        let probe = &case["probe"];
        let lab = &mut stage.lab;
        let ns = lab.ns(probe["src"].as_str().ok_or("the probe has no source")?)?;
        let dst = addr(probe["dst"].as_str().ok_or("the probe has no destination")?)?;
        let remote = SocketAddr::new(dst, probe["port"].as_u64().ok_or("no port")? as u16);
        let from =
            SocketAddr::new(IpAddr::from([0, 0, 0, 0]), probe["sport"].as_u64().unwrap_or(41001) as u16);
        let sock = lab.world.tcp_connect(ns, Some(from), remote).map_err(str_err)?;
        let until = lab.world.now() + probe::timeout(probe, 1.3);
        let (mut banner, mut failed) = (None, None);
        probe::pump(lab, seen, until, |lab| {
            failed = lab.world.take_error(ns, sock).map(|e| e.errno);
            if let Ok(TcpRead::Data(d)) = lab.world.tcp_recv(ns, sock) {
                banner = Some(String::from_utf8_lossy(&d).trim().to_owned());
            }
            banner.is_some() || failed.is_some()
        });
        probe::settle(lab, seen, Duration::from_millis(50));
        let mut before = Map::new();
        match (&banner, failed) {
            (Some(name), _) => {
                before.insert("result".to_owned(), "connected".into());
                before.insert("answered_by".to_owned(), name.clone().into());
            }
            (None, Some(errno)) => {
                before.insert("result".to_owned(), "error".into());
                before.insert("errno".to_owned(), probe::errno(errno).into());
            }
            (None, None) => drop(before.insert("result".to_owned(), "timeout".into())),
        }
        let server = seen.conns().last().copied();
        Ok((Self { ns, sock, server, read_before: seen.received }, Value::Object(before)))
    }

    fn sends(&self, stage: &mut Stage, bytes: usize) -> Result<(), String> {
        stage.lab.world.tcp_send(self.ns, self.sock, &vec![b'y'; bytes]).map(drop).map_err(str_err)
    }

    fn server_sends(&self, stage: &mut Stage, seen: &mut Observed, bytes: usize) -> Result<(), String> {
        let (ns, sock) = self.server.ok_or("there is no server's end")?;
        seen.release(ns, sock);
        stage.lab.world.tcp_send(ns, sock, &vec![b'z'; bytes]).map(drop).map_err(str_err)
    }

    /// Waits a second and says what either side noticed.
    fn watch(&mut self, stage: &mut Stage, seen: &mut Observed) -> Result<Value, String> {
        let (ns, sock) = (self.ns, self.sock);
        let until = stage.lab.world.now() + Duration::from_secs(1);
        let mut received = 0;
        let mut failed = None;
        probe::pump(&mut stage.lab, seen, until, |lab| {
            failed = failed.or(lab.world.take_error(ns, sock).map(|e| e.errno));
            match lab.world.tcp_recv(ns, sock) {
                Ok(TcpRead::Data(d)) => received += d.len(),
                Ok(_) => {}
                Err(e) => failed = failed.or(Some(e)),
            }
            failed.is_some()
        });
        let mut server_failed = None;
        if let Some((ns, sock)) = self.server {
            server_failed = stage.lab.world.take_error(ns, sock).map(|e| e.errno);
        }
        let text = |e: Option<sim_core::linux::Errno>| e.map_or(Value::Null, |e| probe::errno(e).into());
        let after = json!({
            "server_received": seen.received - self.read_before,
            "client_received": received,
            "client_recv": text(failed),
            "client_error": text(failed),
            "server_recv": text(server_failed),
            "server_error": text(server_failed),
        });
        self.read_before = seen.received;
        Ok(after)
    }
}

/// Steps in words, as for UDP.
fn steps(file: &Value, case: &Value) -> Result<(), String> {
    let mut stage = Stage::build(file, case, 1)?;
    let mut seen = Observed::new();
    let mut client: Option<Client> = None;
    for want in case["observed"]["steps"].as_array().into_iter().flatten() {
        let text = want["step"].as_str().ok_or("a step without words")?;
        let acts = stage.read(text)?;
        stage.prepare(&acts, &mut seen)?;
        let mut got = Value::Null;
        for act in &acts {
            let act = match act {
                Act::Connect | Act::Send(_) => {
                    let (new, before) = Client::connect(&mut stage, case, &mut seen)?;
                    client = Some(new);
                    got = before;
                    continue;
                }
                other => other,
            };
            let sending =
                matches!(act, Act::ClientSends | Act::ServerSends | Act::ClientCloses | Act::ServerCloses);
            let Some(client) = client.as_mut().filter(|_| sending) else { continue };
            match act {
                Act::ClientSends => client.sends(&mut stage, 16)?,
                Act::ServerSends => client.server_sends(&mut stage, &mut seen, 16)?,
                Act::ClientCloses => stage.lab.world.close(client.ns, client.sock),
                _ => {
                    let (ns, sock) = client.server.ok_or("there is no server's end")?;
                    seen.release(ns, sock);
                    stage.lab.world.close(ns, sock);
                }
            }
            got = client.watch(&mut stage, &mut seen)?;
        }
        let mut rest = want.clone();
        for (key, value) in want.as_object().into_iter().flatten() {
            if let Some(node) = key.strip_prefix("conntrack_") {
                compare::tuples(&stage.lab, node, value, &compare::known_ports(case))
                    .map_err(|e| format!("step \"{text}\": {e}"))?;
            }
        }
        if let Some(map) = rest.as_object_mut() {
            map.retain(|key, _| key != "step" && !key.starts_with("conntrack_"));
        }
        compare_part(&format!("step \"{text}\""), &rest, &got, case)?;
    }
    Ok(())
}

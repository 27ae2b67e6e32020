//! Doing what a step says, apart from sending.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use sim_core::linux::conntrack::Filter;

use super::super::super::change;
use super::super::super::probe::{self, Observed};
use super::super::super::topology::{addr, str_err};
use super::Stage;
use super::step::{Act, Names};

impl Stage {
    /// Reads a step with the names of this cluster.
    pub(super) fn read(&self, text: &str) -> Result<Vec<Act>, String> {
        let pods: Vec<String> = self.lab.pods.iter().map(|p| p.name.clone()).collect();
        let nodes: Vec<String> = self.lab.nodes.iter().map(|n| n.name.clone()).collect();
        let name = |s: &Value| s["name"].as_str().unwrap_or_default().to_owned();
        let services: Vec<String> = self.services.iter().map(name).chain([name(&self.template)]).collect();
        super::step::parse(text, &Names { pods: &pods, nodes: &nodes, services: &services })
    }

    /// Does everything of a step but the sending.
    pub(super) fn prepare(&mut self, acts: &[Act], seen: &mut Observed) -> Result<(), String> {
        if acts.iter().any(|a| matches!(a, Act::CreateService)) && self.service().is_none() {
            self.services.push(self.template.clone());
            self.apply_services()?;
        }
        for act in acts {
            self.one(act, seen)?;
        }
        Ok(())
    }

    fn one(&mut self, act: &Act, seen: &mut Observed) -> Result<(), String> {
        match act {
            Act::Endpoints(pods) => self.set_endpoints(pods.iter().cloned().map(Value::from).collect()),
            Act::NoEndpoints => self.set_endpoints(Vec::new()),
            Act::AddEndpoint(pod) => {
                let mut list = self.endpoints();
                list.push(pod.clone().into());
                self.set_endpoints(list)
            }
            Act::RemoveEndpoint(pod) => {
                let mut list = self.endpoints();
                list.retain(|p| p.as_str() != Some(pod.as_str()));
                self.set_endpoints(list)
            }
            Act::DeleteService => {
                let address = self.template["clusterIP"].clone();
                self.services.retain(|s| s["clusterIP"] != address);
                self.apply_services()
            }
            Act::StopListening(pod) => self.stop_listening(pod),
            Act::Listen(pod) => {
                self.lab.listen(pod, true, SocketAddr::from(([0, 0, 0, 0], 8080)))?;
                self.lab.listen(pod, false, SocketAddr::from(([0, 0, 0, 0], 5353)))
            }
            Act::Link(pod, up) => {
                let ns = self.lab.ns(pod)?;
                self.lab.world.ns_mut(ns).link_set("eth0", *up).map_err(str_err)
            }
            Act::Conntrack(words, node) => self.conntrack(words, node.as_deref()),
            Act::Command(at, text) => change::apply(&mut self.lab, &format!("{at}: {text}")),
            Act::Wait(seconds) => {
                probe::settle(&mut self.lab, seen, Duration::from_secs_f64(*seconds));
                Ok(())
            }
            Act::CreateService
            | Act::Send(_)
            | Act::Connect
            | Act::ClientSends
            | Act::ServerSends
            | Act::ClientCloses
            | Act::ServerCloses => Ok(()),
        }
    }

    fn set_endpoints(&mut self, list: Vec<Value>) -> Result<(), String> {
        if self.service().is_none() {
            self.services.push(self.template.clone());
        }
        if let Some(service) = self.service() {
            service["endpoints"] = Value::Array(list);
        }
        self.apply_services()
    }

    fn stop_listening(&mut self, pod: &str) -> Result<(), String> {
        let lab = &mut self.lab;
        let gone: Vec<_> = lab.servers.iter().filter(|s| s.name == pod).map(|s| (s.ns, s.sock)).collect();
        if gone.is_empty() {
            return Err(format!("nothing listens in {pod}"));
        }
        lab.servers.retain(|s| s.name != pod);
        gone.into_iter().for_each(|(ns, sock)| lab.world.close(ns, sock));
        Ok(())
    }

    /// `conntrack -F`, `conntrack -D [OPTIONS]`, on a node or on all.
    pub(super) fn conntrack(&mut self, words: &[String], node: Option<&str>) -> Result<(), String> {
        let filter = filter(words)?;
        let names: Vec<String> = self.lab.nodes.iter().map(|n| n.name.clone()).collect();
        for name in names.iter().filter(|n| node.is_none_or(|only| only == *n)) {
            let ns = self.lab.ns(name)?;
            let conntrack = &mut self.lab.world.ns_mut(ns).conntrack;
            match &filter {
                None => conntrack.flush(),
                Some(filter) => drop(conntrack.delete(filter)),
            }
        }
        Ok(())
    }
}

/// The options of `conntrack`; none for `-F`.
fn filter(words: &[String]) -> Result<Option<Filter>, String> {
    let mut filter = Filter::default();
    let mut words = words.iter().skip(1).map(String::as_str);
    let mut delete = false;
    while let Some(option) = words.next() {
        match option {
            "-F" | "--flush" => return Ok(None),
            "-D" | "--delete" => {
                delete = true;
                continue;
            }
            _ => {}
        }
        let value = words.next().ok_or_else(|| format!("conntrack {option}: no value"))?;
        let port = || value.parse::<u16>().map(Some).map_err(|_| format!("{value}: no port"));
        let net = || Ok::<_, String>(Some(addr(value)?.into()));
        match option {
            "-p" | "--proto" => {
                filter.protocol = Some(match value {
                    "tcp" => 6,
                    "udp" => 17,
                    "icmp" => 1,
                    "sctp" => 132,
                    other => other.parse().map_err(|_| format!("{other}: no protocol"))?,
                });
            }
            "-s" | "--src" | "--orig-src" => filter.orig_src = net()?,
            "-d" | "--dst" | "--orig-dst" => filter.orig_dst = net()?,
            "-r" | "--reply-src" => filter.reply_src = net()?,
            "-q" | "--reply-dst" => filter.reply_dst = net()?,
            "--sport" | "--orig-port-src" => filter.orig_sport = port()?,
            "--dport" | "--orig-port-dst" => filter.orig_dport = port()?,
            "--dst-nat" | "-g" => {
                let addr = Some(addr(value)?);
                filter.dst_nat = Some(sim_core::linux::conntrack::Nat { addr, port: None });
            }
            other => return Err(format!("conntrack {other}: not understood")),
        }
    }
    if delete { Ok(Some(filter)) } else { Err("conntrack without -D or -F".to_owned()) }
}

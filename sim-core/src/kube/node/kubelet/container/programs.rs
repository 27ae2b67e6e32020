//! What a container runs: its servers on the network, and what it writes.

use std::net::IpAddr;
use std::sync::Arc;

use super::ContainerRun;
use crate::kube::apps::image::{Image, Speaks};
use crate::kube::apps::ingress::{self, IngressNginx};
use crate::kube::apps::kube_proxy;
use crate::kube::apps::name_server::{NameServer, Start};
use crate::kube::apps::node_cache::{self, Arguments};
use crate::kube::apps::program::Program;
use crate::kube::apps::runtime::Service;
use crate::kube::apps::site::Site;
use crate::kube::apps::{bind_error, output};
use crate::kube::config::Listen;
use crate::kube::node::agents::Hands;
use crate::kube::node::files::Files;
use crate::kube::node::machine::{Machine, Place};
use crate::kube::node::proxy::config::ProxyConfig;
use crate::kube::objects::{Container, Pod, Protocol, Timestamp};
use crate::trace::NsId;

/// What a container writes by itself.
pub(in super::super) fn written(
    container: &Container,
    image: &Image,
    machine: Option<&Machine>,
) -> output::Output {
    let env = || -> Vec<(String, String)> {
        machine.into_iter().flat_map(Machine::environment).map(|(k, v)| (k.clone(), v.clone())).collect()
    };
    let none = Files::new();
    let around = output::Around {
        env: &env,
        files: machine.map_or(&none, |m| &m.files),
        hostname: machine.map_or("", |m| &m.hostname),
    };
    output::of_container(container, image, around)
}

/// What is said of a program whose behaviour is a guess.
pub(super) fn guessed(unknown: &str, image: &str) -> String {
    if unknown == image {
        format!(
            "image {image} is not known: its containers listen on their containerPorts and answer HTTP with the pod's name"
        )
    } else {
        format!(
            "what program {unknown} in image {image} does as a container's own is not modelled: it is taken to run and do nothing on the network"
        )
    }
}

/// Starts the servers of a program; whether all could have their ports.
pub(super) fn serve(
    program: &Program,
    place: &Place,
    pod: &Pod,
    hands: &mut Hands<'_>,
    c: &mut ContainerRun,
) -> bool {
    let Some(ns) = hands.machines.get(place).map(|m| m.ns) else { return false };
    for server in &program.serves {
        let service = match &server.speaks {
            Speaks::Http(site) => Service::Site(site.clone()),
            Speaks::Other => Service::Plain,
            Speaks::Ingress => {
                let options = ingress::Options::of_container(&c.spec).in_namespace(&pod.metadata.namespace);
                Service::Ingress(Box::new(IngressNginx::new(options)))
            }
            Speaks::KubeProxy => {
                if !start_proxy(place, pod, hands, c) {
                    return false;
                }
                continue;
            }
            Speaks::Talk(talk) => Service::Talk(Arc::new(talk.at(pod.hostname()))),
            Speaks::ClusterDns => {
                if !serve_dns(place, pod, ns, hands, c) {
                    return false;
                }
                continue;
            }
        };
        let listen = match &service {
            Service::Ingress(nginx) => nginx.listen(),
            _ => server.listen.clone(),
        };
        match hands.apps.start(hands.world, place.clone(), ns, &listen, service) {
            Ok(app) => c.apps.push(app),
            Err((at, errno)) => {
                let now = hands.now();
                let lines = bind_error::lines(&server.speaks, at, Timestamp::at(now));
                hands.apps.logs_mut().print(place, lines, now);
                hands.remark(format!("{place}: cannot listen on port {}: {errno}", at.port));
                return false;
            }
        }
    }
    true
}

/// Starts kube-proxy, which the node's agents go on with; whether it could read its configuration.
fn start_proxy(place: &Place, pod: &Pod, hands: &mut Hands<'_>, c: &mut ContainerRun) -> bool {
    let now = hands.now();
    let words: Vec<String> = c.spec.command.iter().chain(&c.spec.args).cloned().collect();
    let path = kube_proxy::config_path(&words);
    let file = hands.machines.get(place).and_then(|m| m.files.read_text(path).ok());
    let missing = || format!("failed complete: open {path}: no such file or directory");
    let read = file.ok_or_else(missing).and_then(|text| ProxyConfig::parse(&text));
    let at = Timestamp::at(now);
    let (lines, started) = match read {
        Ok(config) => {
            let ips: Vec<IpAddr> = pod.ips().collect();
            let lines = kube_proxy::greeting(&config, &ips, hands.config.kubernetes_version, at);
            (lines, Some(Box::new(config)))
        }
        Err(why) => (vec![kube_proxy::refusal(&why, at)], None),
    };
    hands.apps.logs_mut().print(place, lines, now);
    c.proxy = started;
    c.proxy.is_some()
}

/// Starts `CoreDNS`; whether it could read its Corefile and have its ports.
fn serve_dns(place: &Place, pod: &Pod, ns: NsId, hands: &mut Hands<'_>, c: &mut ContainerRun) -> bool {
    let now = hands.now();
    let words = c.spec.command.iter().chain(&c.spec.args);
    let path = words.skip_while(|w| !matches!(w.as_str(), "-conf" | "--conf")).nth(1);
    let Some(machine) = hands.machines.get(place) else { return false };
    let start = Start {
        path: path.map_or("/Corefile", String::as_str),
        machine,
        bound: pod.ips().collect(),
        kubernetes: hands.config.kubernetes_version,
        place: u64::from(ns.0),
    };
    let words: Vec<String> = c.spec.command.iter().chain(&c.spec.args).cloned().collect();
    let cache = Arguments::parse(&words);
    let begun = match &cache {
        Some(arguments) => node_cache::start(arguments, &start, ns, hands.world),
        None => NameServer::start(start, hands.world),
    };
    c.node_cache = cache.map(|arguments| (arguments, ns));
    let (dns, log) = match begun {
        Ok(started) => started,
        Err(log) => {
            hands.apps.logs_mut().print(place, log, now);
            return false;
        }
    };
    hands.apps.logs_mut().print(place, log, now);
    c.lameduck = dns.server().lameduck();
    let http: Vec<_> = dns.server().http().to_vec();
    let listens = dns.listens();
    let mut started = vec![(listens, Service::Dns(Box::new(dns)))];
    for (what, host, port) in http {
        let at = (host, Listen { port, protocol: Protocol::Tcp });
        started.push((vec![at], Service::Site(Site::CoreDns(what))));
    }
    for (at, service) in started {
        match hands.apps.start_at(hands.world, place.clone(), ns, &at, service) {
            Ok(app) => c.apps.push(app),
            Err((at, _)) => {
                let line = format!("listen tcp :{}: bind: address already in use", at.port);
                hands.apps.logs_mut().print(place, [line], now);
                c.apps.drain(..).for_each(|app| hands.apps.stop(hands.world, app));
                return false;
            }
        }
    }
    true
}

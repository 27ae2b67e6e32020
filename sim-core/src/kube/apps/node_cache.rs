//! NodeLocal DNSCache: `node-cache`, a `CoreDNS` on every node that pods reach without connection tracking.
//!
//! It puts its addresses on a device of its own (`nodelocaldns`), writes rules that keep packets from and to them out of connection
//! tracking, and so out of the Service's translation, and makes its Corefile of a template. After `k8s.io/dns`, `cmd/node-cache`. A template that
//! changes is read when the pod starts again; the kube-dns ConfigMap's stub domains are left out.

use std::net::IpAddr;

use ipnet::IpNet;

use super::name_server::{NameServer, Start};
use crate::kube::config::NODE_LOCAL_DNS as LOCAL;
use crate::kube::node::machine::Machine;
use crate::linux::World;
use crate::linux::netfilter::RestoreOptions;
use crate::packet::MacAddr;
use crate::trace::{Family, NsId};

/// The device that holds the addresses.
const DEVICE: &str = "nodelocaldns";
/// Ports of its DNS server and of its health check.
const PORTS: (u16, u16) = (53, 8080);
/// Where the template lies.
const TEMPLATE: &str = "/etc/coredns/Corefile.base";

/// What its command line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arguments {
    /// `-localip`: addresses that it answers on.
    pub local: Vec<IpAddr>,
    /// `-conf`: where its Corefile goes.
    pub conf: String,
    /// `-upstreamsvc`: the Service that leads to cluster DNS.
    pub upstream: String,
    /// Whether it writes rules (`-setupiptables`), and makes its device (`-setupinterface`).
    pub rules: bool,
    /// See `rules`.
    pub device: bool,
}

impl Arguments {
    /// Reads a command line; none without `-localip`.
    #[must_use]
    pub fn parse(words: &[String]) -> Option<Self> {
        let value = |name: &str| {
            let at = words.iter().position(|w| w.trim_start_matches('-') == name && w.starts_with('-'));
            let split =
                words.iter().find_map(|w| w.trim_start_matches('-').strip_prefix(name)?.strip_prefix('='));
            split.or_else(|| words.get(at? + 1).map(String::as_str)).map(str::to_owned)
        };
        let local = value("localip")?;
        Some(Self {
            local: local.split(',').filter_map(|ip| ip.parse().ok()).collect(),
            conf: value("conf").unwrap_or_else(|| "/etc/Corefile".to_owned()),
            upstream: value("upstreamsvc").unwrap_or_else(|| "kube-dns-upstream".to_owned()),
            rules: value("setupiptables").as_deref() != Some("false"),
            device: value("setupinterface").as_deref() != Some("false"),
        })
    }
}

/// Makes the Corefile of the template: what only the node knows is filled in.
fn corefile(machine: &Machine, arguments: &Arguments) -> Option<String> {
    let template = machine.files.read_text(TEMPLATE).ok()?;
    let variable = format!("{}_SERVICE_HOST", arguments.upstream.to_uppercase().replace('-', "_"));
    let cluster = machine.variable(&variable).cloned().unwrap_or_default();
    let text = template.replace("__PILLAR__CLUSTER__DNS__", &cluster);
    Some(text.replace("__PILLAR__UPSTREAM__SERVERS__", "/etc/resolv.conf"))
}

/// Starts it: device, Corefile, server, rules. Gives the process with what it prints.
///
/// # Errors
/// What it prints before it ends with status 1.
pub fn start(
    arguments: &Arguments,
    start: &Start<'_>,
    ns: NsId,
    world: &mut World,
) -> Result<(NameServer, Vec<String>), Vec<String>> {
    let mut log = vec![format!("[INFO] Starting node-cache image: {VERSION}")];
    let Some(text) = corefile(start.machine, arguments) else {
        log.push(format!("[ERROR] Failed to read node-cache coreFile {TEMPLATE} - open {TEMPLATE}: no such file or directory"));
        return Err(log);
    };
    let conf = arguments.conf.as_str();
    log.push(format!("[INFO] Using Corefile {conf}"));
    if arguments.device {
        add_device(arguments, ns, world)
            .map_err(|e| vec![format!("[ERROR] Failed to add non-existent interface {DEVICE}: {e}")])?;
        log.push(format!("[INFO] Added interface - {DEVICE}"));
    }
    let machine =
        Machine { files: start.machine.files.clone().with(conf, text.into_bytes()), ..start.machine.clone() };
    let inner = Start { path: conf, machine: &machine, bound: start.bound.clone(), ..*start };
    let (server, lines) = NameServer::start(inner, world).map_err(|lines| [log.clone(), lines].concat())?;
    log.extend(lines);
    if arguments.rules {
        log.extend(rules(arguments, ns, world, "-I").map_err(|e| vec![e])?);
    }
    Ok((server, log))
}

/// Takes device and rules away again, as it does when it is told to end.
pub fn tear_down(arguments: &Arguments, ns: NsId, world: &mut World) {
    if arguments.device {
        // It may be gone already.
        let _ = world.link_del(ns, DEVICE);
    }
    if arguments.rules {
        let _ = rules(arguments, ns, world, "-D");
    }
}

const VERSION: &str = "1.26.4";

fn add_device(arguments: &Arguments, ns: NsId, world: &mut World) -> Result<(), String> {
    let host = world.ns_mut(ns);
    if host.by_name(DEVICE).is_err() {
        host.add_dummy(DEVICE, MacAddr([0x02, 0x6e, 0x6c, 0x64, 0x6e, 0x73])).map_err(|e| e.to_string())?;
    }
    for ip in &arguments.local {
        let length = if ip.is_ipv4() { 32 } else { 128 };
        let known = host.by_name(DEVICE).is_ok_and(|i| i.addrs.iter().any(|a| a.addr() == *ip));
        if !known {
            host.addr_add(DEVICE, IpNet::new_assert(*ip, length)).map_err(|e| e.to_string())?;
        }
    }
    Ok(())
}

/// The rules for each address, each put in front of those before it (`-I`), or taken away (`-D`).
fn rules(arguments: &Arguments, ns: NsId, world: &mut World, how: &str) -> Result<Vec<String>, String> {
    let (dns, health) = PORTS;
    let mut tables: [(&str, Vec<String>); 2] = [("raw", Vec::new()), ("filter", Vec::new())];
    let skip = "-m comment --comment \"NodeLocal DNS Cache: skip conntrack\" -j NOTRACK";
    let allow = "-m comment --comment \"NodeLocal DNS Cache: allow DNS traffic\" -j ACCEPT";
    for ip in &arguments.local {
        let (raw, filter) = tables.split_at_mut(1);
        let (raw, filter) = (&mut raw[0].1, &mut filter[0].1);
        for protocol in ["tcp", "udp"] {
            let to = format!("-d {ip} -p {protocol} -m {protocol} --dport {dns}");
            let from = format!("-s {ip} -p {protocol} -m {protocol} --sport {dns}");
            raw.push(format!("PREROUTING {to} {skip}"));
            filter.push(format!("INPUT {to} {allow}"));
            raw.push(format!("OUTPUT {from} {skip}"));
            filter.push(format!("OUTPUT {from} {allow}"));
            raw.push(format!("OUTPUT {to} {skip}"));
        }
        raw.push(format!("OUTPUT -d {ip} -p tcp -m tcp --dport {health} {skip}"));
        raw.push(format!("OUTPUT -s {ip} -p tcp -m tcp --sport {health} {skip}"));
    }
    let family = if arguments.local.iter().all(IpAddr::is_ipv6) { Family::V6 } else { Family::V4 };
    let mut log = Vec::new();
    for (table, rules) in tables {
        for rule in rules {
            let text = format!("*{table}\n{how} {rule}\nCOMMIT\n");
            let options = RestoreOptions { noflush: true, ..RestoreOptions::default() };
            world
                .ns_mut(ns)
                .netfilter(family, |set| set.restore(&text, options))
                .map_err(|e| e.to_string())?;
            let (chain, rest) = rule.split_once(' ').unwrap_or((&rule, ""));
            let plain = rest.replace('"', "");
            log.push(format!("[INFO] Added back nodelocaldns rule - {{{table} {chain} [{plain}]}}"));
        }
    }
    Ok(log)
}

/// The manifests of the add-on (`cluster/addons/dns/nodelocaldns`), with the domain and addresses of a cluster filled in. With IPVS
/// the cache cannot have the Service's address: pods ask its own.
#[must_use]
pub fn manifests(domain: &str, service: IpAddr, ipvs: bool) -> [serde_json::Value; 4] {
    let bind = if ipvs { LOCAL.to_string() } else { format!("{LOCAL} {service}") };
    let upstream = if ipvs { service.to_string() } else { "__PILLAR__CLUSTER__DNS__".to_owned() };
    let block = |zone: &str, cache: &str, forward: &str, more: &str| {
        format!(
            "{zone}:53 {{\n    errors\n    cache {cache}\n    reload\n    loop\n    bind {bind}\n    forward . {forward}\n    prometheus :9253\n{more}    }}\n"
        )
    };
    let tcp = format!("{upstream} {{\n            force_tcp\n    }}");
    let health = format!("    health {LOCAL}:8080\n");
    let sizes = "{\n            success 9984 30\n            denial 9984 5\n    }";
    let corefile = block(domain, sizes, &tcp, &health)
        + &block("in-addr.arpa", "30", &tcp, "")
        + &block("ip6.arpa", "30", &tcp, "")
        + &block(".", "30", "__PILLAR__UPSTREAM__SERVERS__", "");
    let labels = serde_json::json!({"k8s-app": "node-local-dns"});
    [
        serde_json::json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "node-local-dns", "namespace": "kube-system"},
        }),
        serde_json::json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {
                "name": "kube-dns-upstream", "namespace": "kube-system",
                "labels": {"k8s-app": "kube-dns", "kubernetes.io/name": "KubeDNSUpstream"},
            },
            "spec": {
                "selector": {"k8s-app": "kube-dns"},
                "ports": [
                    {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53},
                    {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53},
                ],
            },
        }),
        serde_json::json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "node-local-dns", "namespace": "kube-system"},
            "data": {"Corefile": corefile},
        }),
        serde_json::json!({
            "apiVersion": "apps/v1", "kind": "DaemonSet",
            "metadata": {"name": "node-local-dns", "namespace": "kube-system", "labels": labels},
            "spec": {
                "selector": {"matchLabels": labels},
                "updateStrategy": {"rollingUpdate": {"maxUnavailable": "10%"}},
                "template": {
                    "metadata": {"labels": labels, "annotations": {"prometheus.io/port": "9253", "prometheus.io/scrape": "true"}},
                    "spec": {
                        "priorityClassName": "system-node-critical",
                        "serviceAccountName": "node-local-dns",
                        "hostNetwork": true,
                        "dnsPolicy": "Default",
                        "tolerations": [
                            {"key": "CriticalAddonsOnly", "operator": "Exists"},
                            {"effect": "NoExecute", "operator": "Exists"},
                            {"effect": "NoSchedule", "operator": "Exists"},
                        ],
                        "containers": [{
                            "name": "node-cache",
                            "image": format!("{IMAGE}:{VERSION}"),
                            "args": [
                                "-localip", bind.replace(' ', ","), "-conf", "/etc/Corefile",
                                "-upstreamsvc", "kube-dns-upstream", "-pidfile", "/tmp/node-cache.pid",
                            ],
                            "ports": [
                                {"containerPort": 53, "name": "dns", "protocol": "UDP"},
                                {"containerPort": 53, "name": "dns-tcp", "protocol": "TCP"},
                                {"containerPort": 9253, "name": "metrics", "protocol": "TCP"},
                            ],
                            "volumeMounts": [{"mountPath": "/etc/coredns", "name": "config-volume"}],
                        }],
                        "volumes": [{
                            "name": "config-volume",
                            "configMap": {"name": "node-local-dns", "items": [{"key": "Corefile", "path": "Corefile.base"}]},
                        }],
                    },
                },
            },
        }),
    ]
}

/// Its image.
pub const IMAGE: &str = "registry.k8s.io/dns/k8s-dns-node-cache";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_read() {
        let words: Vec<String> =
            ["-localip", "169.254.20.10,10.96.0.10", "-conf", "/etc/Corefile", "-setupiptables=false"]
                .map(str::to_owned)
                .into();
        let arguments = Arguments::parse(&words).unwrap();
        assert_eq!(arguments.local, ["169.254.20.10", "10.96.0.10"].map(|ip| ip.parse::<IpAddr>().unwrap()));
        assert_eq!(
            (arguments.rules, arguments.device, arguments.conf.as_str()),
            (false, true, "/etc/Corefile")
        );
        assert_eq!(arguments.upstream, "kube-dns-upstream");
        assert_eq!(Arguments::parse(&words[2..]), None);
    }
}

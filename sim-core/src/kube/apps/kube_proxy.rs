//! kube-proxy as a container: what kubeadm installs, and what the process writes when it starts.
//!
//! The log is that of 1.34, without what depends on how fast things happen; which line of which file wrote an entry is as in logs of 1.34 (in
//! IPVS mode reckoned from those of 1.36).

use std::net::IpAddr;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::kube::config::{ClusterConfig, ProxyMode, Role};
use crate::kube::node::proxy::config::{ProxyConfig, kubeadm_file};
use crate::kube::objects::Timestamp;
use crate::kube::version::Version;

/// Its image.
pub const IMAGE: &str = "registry.k8s.io/kube-proxy";
/// Its configuration unless its command line says otherwise.
pub const CONFIG: &str = "/var/lib/kube-proxy/config.conf";

/// Where its configuration lies, by its command line.
#[must_use]
pub fn config_path(words: &[String]) -> &str {
    words.iter().find_map(|word| word.strip_prefix("--config=")).unwrap_or(CONFIG)
}

/// A line of its log, in klog's format: level, source, text.
fn klog(level: char, now: Timestamp, source: &str, text: &str) -> String {
    let stamp = now.to_string();
    let (month, day) = (stamp.get(5..7).unwrap_or_default(), stamp.get(8..10).unwrap_or_default());
    let time = stamp.get(11..19).unwrap_or_default();
    format!("{level}{month}{day} {time}.000000       1 {source}] {text}")
}

/// What it writes when it cannot start.
#[must_use]
pub fn refusal(why: &str, now: Timestamp) -> String {
    klog('E', now, "run.go:72", &format!("\"command failed\" err={why:?}"))
}

/// What it writes when it starts on a node with these addresses.
#[must_use]
pub fn greeting(config: &ProxyConfig, ips: &[IpAddr], release: Version, now: Timestamp) -> Vec<String> {
    let ips: Vec<String> = ips.iter().map(|ip| format!("\"{ip}\"")).collect();
    let family = if ips.first().is_some_and(|ip| ip.contains(':')) { "IPv6" } else { "IPv4" };
    let mode = config.chosen_mode();
    let mut lines: Vec<(char, &str, String)> = Vec::new();
    let waiting = |what: &str| {
        ('I', "shared_informer.go:349", format!("\"Waiting for caches to sync\" controller=\"{what}\""))
    };
    let synced =
        |what: &str| ('I', "shared_informer.go:356", format!("\"Caches are synced\" controller=\"{what}\""));
    if config.mode.is_none() {
        lines.push(('I', "server_linux.go:53", "\"Using iptables proxy\"".to_owned()));
    }
    lines.extend([waiting("node informer cache"), synced("node informer cache")]);
    let retrieved = format!("\"Successfully retrieved NodeIPs\" NodeIPs=[{}]", ips.join(","));
    lines.push(('I', "server.go:219", retrieved));
    lines.push(('I', "conntrack.go:60", "\"Setting nf_conntrack_max\" nfConntrackMax=131072".to_owned()));
    if config.node_port_addresses.is_empty() && mode != ProxyMode::Nftables {
        let unset = "nodePortAddresses is unset; NodePort connections will be accepted on all local IPs. Consider using `--nodeport-addresses primary`";
        let text = format!("\"Kube-proxy configuration may be incomplete or incorrect\" err={unset:?}");
        lines.push(('E', "server.go:256", text));
    }
    let running = format!("\"kube-proxy running in dual-stack mode\" primary ipFamily=\"{family}\"");
    lines.push(('I', "server.go:265", running));
    lines.extend(of_mode(config, mode));
    lines.push(('I', "server.go:527", format!("\"Version info\" version=\"v{release}\"")));
    lines.push((
        'I',
        "server.go:529",
        "\"Golang settings\" GOGC=\"\" GOMAXPROCS=\"\" GOTRACEBACK=\"\"".to_owned(),
    ));
    let controllers = [
        ("config.go:200", "service"),
        ("config.go:106", "endpoint slice"),
        ("config.go:403", "serviceCIDR"),
        ("config.go:309", "node"),
    ];
    for (source, what) in controllers {
        lines.push(('I', source, format!("\"Starting {what} config controller\"")));
        lines.push(waiting(&format!("{what} config")));
    }
    lines.extend(controllers.map(|(_, what)| synced(&format!("{what} config"))));
    lines.into_iter().map(|(level, source, text)| klog(level, now, source, &text)).collect()
}

fn of_mode(config: &ProxyConfig, mode: ProxyMode) -> Vec<(char, &'static str, String)> {
    let using = format!("\"Using {} Proxier\"", mode.name());
    match mode {
        ProxyMode::None => Vec::new(),
        ProxyMode::Nftables => vec![('I', "server_linux.go:246", using)],
        ProxyMode::Iptables => {
            let mut lines = vec![('I', "server_linux.go:132", using)];
            if config.localhost_node_ports {
                let text = "\"Setting route_localnet=1 to allow node-ports on localhost; to change this either disable \
                            iptables.localhostNodePorts (--iptables-localhost-nodeports) or set nodePortAddresses \
                            (--nodeport-addresses) to filter loopback addresses\" ipFamily=\"IPv4\"";
                lines.push(('I', "proxier.go:242", text.to_owned()));
            }
            lines
        }
        ProxyMode::Ipvs => {
            let mut lines = vec![('I', "server_linux.go:188", using)];
            if config.scheduler.is_none() {
                lines.extend(["IPv4", "IPv6"].map(|family| {
                    let text =
                        format!("\"IPVS scheduler not specified, use rr by default\" ipFamily=\"{family}\"");
                    ('I', "proxier.go:351", text)
                }));
            }
            let cut = [
                ("KUBE-6-LOAD-BALANCER-SOURCE-CIDR", "KUBE-6-LOAD-BALANCER-SOURCE-CID"),
                ("KUBE-6-NODE-PORT-LOCAL-SCTP-HASH", "KUBE-6-NODE-PORT-LOCAL-SCTP-HAS"),
            ];
            lines.extend(cut.map(|(name, short)| {
                let text = format!("\"Ipset name truncated\" ipSetName=\"{name}\" truncatedName=\"{short}\"");
                ('I', "ipset.go:117", text)
            }));
            lines
        }
    }
}

/// `ConfigMap` kube-proxy, as kubeadm writes it (`cmd/kubeadm/app/phases/addons/proxy`).
#[must_use]
pub fn config_map(config: &ClusterConfig) -> Value {
    let file = kubeadm_file(config);
    let master = config.nodes.iter().find(|n| n.role == Role::ControlPlane);
    let server = master.map_or_else(String::new, |m| match m.ip {
        IpAddr::V4(ip) => format!("https://{ip}:6443"),
        IpAddr::V6(ip) => format!("https://[{ip}]:6443"),
    });
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- cluster:\n    certificate-authority: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt\n    \
         server: {server}\n  name: default\ncontexts:\n- context:\n    cluster: default\n    namespace: default\n    user: default\n  name: default\n\
         current-context: default\nusers:\n- name: default\n  user:\n    tokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token"
    );
    let mut metadata = json!({"name": "kube-proxy", "labels": {"app": "kube-proxy"}});
    if config.kubernetes_version.minor >= 19 {
        // What nobody has configured kubeadm signs, so that it may change it later.
        let sum = Sha256::new().chain_update(&file).chain_update(&kubeconfig).finalize();
        let hash = format!("sha256:{}", data_encoding::HEXLOWER.encode(&sum));
        metadata["annotations"] = json!({"kubeadm.kubernetes.io/component-config.hash": hash});
    }
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": metadata,
        "data": {"config.conf": file, "kubeconfig.conf": kubeconfig},
    })
}

/// The service account and the daemon set.
#[must_use]
pub fn manifests(release: Version) -> [Value; 2] {
    let labels = json!({"k8s-app": "kube-proxy"});
    [
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "kube-proxy"}}),
        json!({
            "apiVersion": "apps/v1", "kind": "DaemonSet",
            "metadata": {"name": "kube-proxy", "labels": labels},
            "spec": {
                "selector": {"matchLabels": labels},
                "updateStrategy": {"type": "RollingUpdate"},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "priorityClassName": "system-node-critical",
                        "hostNetwork": true,
                        "serviceAccountName": "kube-proxy",
                        "nodeSelector": {"kubernetes.io/os": "linux"},
                        "tolerations": [{"operator": "Exists"}],
                        "containers": [{
                            "name": "kube-proxy",
                            "image": image(release),
                            "imagePullPolicy": "IfNotPresent",
                            "command": [
                                "/usr/local/bin/kube-proxy",
                                format!("--config={CONFIG}"),
                                "--hostname-override=$(NODE_NAME)",
                            ],
                            "securityContext": {"privileged": true},
                            "env": [{"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
                            "volumeMounts": [
                                {"mountPath": "/var/lib/kube-proxy", "name": "kube-proxy"},
                                {"mountPath": "/run/xtables.lock", "name": "xtables-lock", "readOnly": false},
                                {"mountPath": "/lib/modules", "name": "lib-modules", "readOnly": true},
                            ],
                        }],
                        "volumes": [
                            {"name": "kube-proxy", "configMap": {"name": "kube-proxy"}},
                            {"name": "xtables-lock", "hostPath": {"path": "/run/xtables.lock", "type": "FileOrCreate"}},
                            {"name": "lib-modules", "hostPath": {"path": "/lib/modules"}},
                        ],
                    },
                },
            },
        }),
    ]
}

/// The image of a release.
#[must_use]
pub fn image(release: Version) -> String {
    format!("{IMAGE}:v{release}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SimTime;

    #[test]
    fn the_log_says_which_mode_it_is() {
        let config = ClusterConfig::default();
        let log = |mode| {
            let proxy = ProxyConfig::kubeadm(&config, mode);
            greeting(
                &proxy,
                &["192.168.100.101".parse().unwrap()],
                config.kubernetes_version,
                Timestamp::at(SimTime::ZERO),
            )
            .join("\n")
        };
        insta::assert_snapshot!(
            [ProxyMode::Iptables, ProxyMode::Ipvs, ProxyMode::Nftables].map(log).join("\n\n")
        );
    }
}

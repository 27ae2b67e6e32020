//! A case: a network, and a question to it; written as a lab.

use std::fmt::Write as _;

use crate::play::Probe;

/// A network, as a lab makes it. Every name, address and port is chosen here, so that taking one thing away leaves the rest as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ground {
    pub(crate) seed: u64,
    pub(crate) cni: &'static str,
    /// `ipv4` or `ipv6`. Addresses of a ground are IPv4's; [`Ground::own`] makes those of its family of them.
    pub(crate) family: &'static str,
    /// kube-proxy's mode.
    pub(crate) proxy: &'static str,
    pub(crate) mtu: u32,
    pub(crate) nodes: Vec<Node>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) pods: Vec<Pod>,
    pub(crate) services: Vec<Service>,
    pub(crate) setup: Vec<Command>,
    /// A way that is longer than it need be.
    pub(crate) detour: Option<Detour>,
}

/// Somebody whom a router tells of a shorter way.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Detour {
    pub(crate) from: String,
    pub(crate) to: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) index: usize,
    pub(crate) sysctl: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) ip: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pod {
    pub(crate) name: String,
    pub(crate) node: usize,
    pub(crate) ip: String,
    pub(crate) app: usize,
}

/// A Service: its name, and what stands below `spec`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) ip: String,
    pub(crate) ports: Vec<Port>,
    pub(crate) app: usize,
    pub(crate) kind: &'static str,
    pub(crate) more: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Port {
    pub(crate) tcp: bool,
    pub(crate) port: u16,
    pub(crate) target: u16,
    pub(crate) node_port: Option<u16>,
}

/// Something typed on a machine.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Command {
    pub(crate) at: String,
    pub(crate) text: String,
}

impl Node {
    pub(crate) fn ip(&self) -> String {
        format!("192.168.100.{}", 100 + self.index)
    }
}

impl Ground {
    /// The lab, with a probe if there is one.
    pub(crate) fn lab(&self, probe: Option<&Probe>, kernel: &str) -> String {
        let mut out = "# A random network\n\n```yaml cluster\n".to_owned();
        self.cluster(&mut out);
        out.push_str("```\n");
        let manifests = self.manifests();
        if !manifests.is_empty() {
            let _ = write!(
                out,
                "\n```yaml file=all.yaml\n{manifests}```\n\n```console\n$ kubectl apply -f all.yaml\n...\n```\n"
            );
        }
        if !self.setup.is_empty() {
            out.push_str("\n```console\n");
            for command in &self.setup {
                let _ = writeln!(out, "root@{}:~# {}", command.at, self.command(command.text.clone()));
            }
            out.push_str("```\n");
        }
        if let Some(probe) = probe {
            let text = serde_json::to_string_pretty(probe).unwrap_or_default();
            let _ = write!(out, "\nThe probe:\n\n```json probe\n{text}\n```\n");
        }
        if !kernel.is_empty() {
            let _ = write!(out, "\nWhat the kernel says:\n\n```text kernel\n{kernel}```\n");
        }
        out
    }

    fn cluster(&self, out: &mut String) {
        let (seed, cni, proxy, mtu) = (self.seed, self.cni, self.proxy, self.mtu);
        let mut mode = if proxy == "nftables" { "kubeProxyMode: nftables, " } else { "" }.to_owned();
        if self.v6() {
            mode += "ipFamily: ipv6, ";
        }
        let _ = writeln!(out, "seed: {seed}\nnetworking: {{cni: {cni}, {mode}mtu: {mtu}}}\nnodes:");
        for (i, node) in self.nodes.iter().enumerate() {
            let role = if i == 0 { ", role: control-plane, taints: []" } else { "" };
            let sysctl: Vec<String> = node.sysctl.iter().map(|(k, v)| format!("{k}: {v}")).collect();
            let sysctl = if sysctl.is_empty() {
                String::new()
            } else {
                format!(", sysctl: {{{}}}", sysctl.join(", "))
            };
            let _ = writeln!(
                out,
                "- {{name: {}{role}, ip: {}, podCIDR: \"{}\"{sysctl}}}",
                node.name,
                self.own(&node.ip()),
                self.own(&format!("10.244.{}.0/24", node.index))
            );
        }
        if !self.hosts.is_empty() {
            out.push_str("hosts:\n");
        }
        for host in &self.hosts {
            let _ = writeln!(out, "- {{name: {}, ip: {}}}", host.name, self.own(&host.ip));
        }
        out.push_str("images:\n  example.com/idle:1: {listen: []}\n");
        if !self.pods.is_empty() {
            out.push_str("pins:\n");
        }
        for pod in &self.pods {
            let _ = writeln!(
                out,
                "  default/{}: {{node: {}, ip: {}}}",
                pod.name,
                self.node_name(pod.node),
                self.own(&pod.ip)
            );
        }
    }

    fn node_name(&self, index: usize) -> &str {
        self.nodes.iter().find(|n| n.index == index).map_or("", |n| &n.name)
    }

    fn manifests(&self) -> String {
        let mut parts = Vec::new();
        for pod in &self.pods {
            parts.push(format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: {}, labels: {{app: a{}}}}}\nspec:\n  containers:\n  - {{name: c, image: \"example.com/idle:1\"}}\n",
                pod.name, pod.app
            ));
        }
        for s in &self.services {
            let mut text = format!("apiVersion: v1\nkind: Service\nmetadata: {{name: {}}}\nspec:\n", s.name);
            let _ = writeln!(
                text,
                "  type: {}\n  clusterIP: {:?}\n  selector: {{app: a{}}}\n  ports:",
                s.kind,
                self.own(&s.ip),
                s.app
            );
            for p in &s.ports {
                let protocol = if p.tcp { "TCP" } else { "UDP" };
                let node_port = p.node_port.map_or_else(String::new, |n| format!(", nodePort: {n}"));
                let _ = writeln!(
                    text,
                    "  - {{name: p{}{}, protocol: {protocol}, port: {}, targetPort: {}{node_port}}}",
                    p.port,
                    protocol.to_lowercase(),
                    p.port,
                    p.target
                );
            }
            for line in &s.more {
                let _ = writeln!(text, "  {}", self.command(line.clone()));
            }
            parts.push(text);
        }
        parts.join("---\n")
    }
}

/// The probe that a lab holds.
pub(crate) fn probe_of(text: &str) -> Option<Probe> {
    serde_json::from_str(block(text, "```json probe\n")?).ok()
}

/// What a kernel said to it, if the lab says so.
pub(crate) fn kernel_of(text: &str) -> Option<&str> {
    block(text, "```text kernel\n")
}

/// The lab with something else said by the kernel.
pub(crate) fn with_kernel(text: &str, kernel: &str) -> String {
    let head = text.split("\nWhat the kernel says:").next().unwrap_or(text);
    format!("{}\n\nWhat the kernel says:\n\n```text kernel\n{kernel}```\n", head.trim_end())
}

fn block<'a>(text: &'a str, fence: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(fence)?;
    rest.split_once("```").map(|(body, _)| body)
}

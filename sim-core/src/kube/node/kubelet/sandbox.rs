//! A pod's sandbox: its network namespace, and a machine per container in it.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use sha2::{Digest, Sha256};

use super::container::ContainerRun;
use super::{calico, env, etc, volumes};
use crate::kube::node::agents::{Hands, has_network};
use crate::kube::node::cni::bridge::{self, Attachment};
use crate::kube::node::cni::calico::blocks::Blocks;
use crate::kube::node::cni::ipam::HostLocal;
use crate::kube::node::cni::{pod_mtu, veth_name};
use crate::kube::node::machine::{Machine, Place, Privileges};
use crate::kube::objects::Pod;
use crate::trace::NsId;

/// From the binding to the sandbox: the kubelet's notice, the pause container, the plugin.
pub(super) const MAKE_TIME: Duration = Duration::from_millis(400);

/// Where a node's pods get their addresses.
#[derive(Clone, Debug)]
pub(super) enum Ipam {
    /// One range per family.
    Ranges(Vec<HostLocal>),
    /// Blocks, of which a node may claim more.
    Blocks(Blocks),
}

/// A sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sandbox {
    pub(super) ns: NsId,
    /// One address per family, that of the cluster's leading family first.
    pub(super) ips: Vec<IpAddr>,
    /// Whether the addresses are to be given back; those of a pod on the host network are not.
    pub(super) allocated: bool,
}

/// The id that the container runtime gives to the sandbox of a pod, by the pod's uid.
#[must_use]
pub fn sandbox_id(uid: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(format!("sandbox {uid}")))
}

/// The addresses of a sandbox, each with the length of its network.
pub(super) fn networks(ipam: &Ipam, sandbox: &Sandbox) -> Vec<IpNet> {
    let length = |ip: &IpAddr| match ipam {
        Ipam::Ranges(ranges) => {
            ranges.iter().map(HostLocal::range).find(|r| r.contains(ip)).map(|r| r.prefix_len())
        }
        Ipam::Blocks(_) => None,
    };
    let net = |ip: &IpAddr| length(ip).and_then(|len| IpNet::new(*ip, len).ok()).unwrap_or(IpNet::from(*ip));
    sandbox.ips.iter().map(net).collect()
}

/// Why there is no sandbox: reason and message of the event.
pub(super) struct Refusal {
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// What the kubelet says while no CNI plugin is installed.
pub const NO_NETWORK: &str = "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady \
                              message:Network plugin returns error: cni plugin not initialized";

/// Makes the sandbox of a pod on a node (name, namespace, address).
pub(super) fn make(
    pod: &Pod,
    (node, node_ns, node_ips): (&str, NsId, &[IpAddr]),
    ipam: &mut Ipam,
    hands: &mut Hands<'_>,
) -> Result<Sandbox, Refusal> {
    if pod.spec.host_network {
        return Ok(Sandbox { ns: node_ns, ips: node_ips.to_vec(), allocated: false });
    }
    if !has_network(hands.config) {
        return Err(Refusal {
            reason: "NetworkNotReady",
            message: format!("network is not ready: {NO_NETWORK}"),
        });
    }
    let (plugin, attached) = match ipam {
        Ipam::Ranges(ranges) => ("bridge", attach(pod, (node, node_ns), ranges, hands)),
        Ipam::Blocks(blocks) => ("calico", calico::attach(pod, (node, node_ns), blocks, hands)),
    };
    attached.map_err(|why| Refusal {
        reason: "FailedCreatePodSandBox",
        message: format!(
            "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox: \
             plugin type=\"{plugin}\" failed (add): {why}"
        ),
    })
}

/// Makes the namespace and lets the plugin connect it.
fn attach(
    pod: &Pod,
    (node, node_ns): (&str, NsId),
    ipam: &mut [HostLocal],
    hands: &mut Hands<'_>,
) -> Result<Sandbox, String> {
    let (namespace, name) = (&pod.metadata.namespace, &pod.metadata.name);
    let pin = hands.store.pod_pin(namespace, name);
    // A pin for another node does not hold here.
    let pinned = pin.and_then(|p| p.ip);
    let ips = addresses(ipam, pinned)?;
    let ns = hands.world.add_netns(&format!("{namespace}/{name}"));
    let veth = veth_name(namespace, name, &pod.metadata.uid);
    let mtu = pod_mtu(&hands.config.networking);
    let to = Attachment { pod: ns, veth: &veth, ips: &ips, mtu };
    let attached = bridge::attach(hands.world, node_ns, to);
    let ips: Vec<IpAddr> = ips.into_iter().map(|(ip, _)| ip).collect();
    if let Err(e) = attached {
        hands.world.remove_netns(ns);
        release_ranges(ipam, &ips);
        return Err(format!("on {node}: {e}"));
    }
    Ok(Sandbox { ns, ips, allocated: true })
}

/// An address of every family with its gateway, or none at all.
fn addresses(ipam: &mut [HostLocal], pinned: Option<IpAddr>) -> Result<Vec<(IpAddr, IpNet)>, String> {
    let mut ips: Vec<(IpAddr, IpNet)> = Vec::new();
    for range in 0..ipam.len() {
        let pool = &mut ipam[range];
        let gateway = IpNet::new(pool.gateway(), pool.range().prefix_len()).map_err(|e| e.to_string())?;
        match pool.allocate(pinned.filter(|ip| pool.range().contains(ip))) {
            Ok(ip) => ips.push((ip, gateway)),
            Err(full) => {
                let taken: Vec<IpAddr> = ips.iter().map(|(ip, _)| *ip).collect();
                release_ranges(ipam, &taken);
                return Err(full.to_string());
            }
        }
    }
    Ok(ips)
}

/// Gives addresses back.
pub(super) fn release(ipam: &mut Ipam, ips: &[IpAddr]) {
    match ipam {
        Ipam::Ranges(ranges) => release_ranges(ranges, ips),
        Ipam::Blocks(blocks) => ips.iter().for_each(|ip| blocks.release(*ip)),
    }
}

fn release_ranges(ranges: &mut [HostLocal], ips: &[IpAddr]) {
    for ip in ips {
        ranges.iter_mut().filter(|p| p.range().contains(ip)).for_each(|p| p.release(*ip));
    }
}

/// Makes the machine of a container: the image's files with those that the kubelet writes.
pub(super) fn add_machine(
    pod: &Pod,
    c: &ContainerRun,
    sandbox: &Sandbox,
    resolv_conf: &str,
    hands: &mut Hands<'_>,
) {
    let hostname = if pod.spec.host_network { pod.spec.node_name.as_str() } else { pod.hostname() };
    // The kernel keeps 64 characters.
    let hostname: String = hostname.chars().take(63).collect();
    let files = c
        .image
        .files
        .clone()
        .with("/etc/hostname", format!("{hostname}\n").into_bytes())
        .with("/etc/hosts", etc::hosts(pod, &hostname, &sandbox.ips, hands).into_bytes())
        .with("/etc/resolv.conf", resolv_conf.as_bytes());
    let files = volumes::mount(files, pod, &c.spec, hands);
    let (env, links) = env::of_container(pod, &c.spec, &hostname, &sandbox.ips, hands);
    let machine = Machine {
        env,
        links,
        hostname,
        ns: sandbox.ns,
        files,
        tools: c.image.tools.clone(),
        cwd: if c.spec.working_dir.is_empty() { "/".to_owned() } else { c.spec.working_dir.clone() },
        privileges: Privileges::of_container(&pod.spec, &c.spec),
    };
    let place = Place::Container {
        namespace: pod.metadata.namespace.clone(),
        pod: pod.metadata.name.clone(),
        container: Some(c.spec.name.clone()),
    };
    hands.machines.insert(place, machine);
}

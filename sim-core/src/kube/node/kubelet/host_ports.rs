//! `hostPort`: what the kubelet asks the plugin [`portmap`] for when it makes and removes a sandbox.

use ipnet::IpNet;

use super::sandbox::{Sandbox, sandbox_id};
use crate::kube::node::agents::Hands;
use crate::kube::node::cni::bridge::BRIDGE;
use crate::kube::node::cni::portmap::{self, Mapping, Request};
use crate::kube::objects::{Pod, Protocol};
use crate::linux::conntrack::Filter;
use crate::packet::proto;
use crate::trace::{Family, NsId};

/// Leads the node's ports to a pod whose addresses are in `nets`, each with the length of its network.
pub(super) fn add(pod: &Pod, (node, ns): (&str, NsId), nets: &[IpNet], hands: &mut Hands<'_>) {
    let ports = mappings(pod);
    if ports.is_empty() {
        return;
    }
    let sandbox = sandbox_id(&pod.metadata.uid);
    let request = request(&sandbox, &ports, hands);
    let host = hands.world.ns_mut(ns);
    for net in nets {
        if let Err(e) = host.netfilter(family(*net), |rules| portmap::add(rules, &request, *net)) {
            hands.remarks.push(format!("portmap on {node}: {}", e.message.trim_end()));
            return;
        }
    }
    // What comes from 127.0.0.1 may cross to the pods. calico does that itself, for each of its devices.
    if host.iface_id(BRIDGE).is_some() && nets.iter().any(|net| net.addr().is_ipv4()) {
        let _ = host.sysctl_set(&format!("net.ipv4.conf.{BRIDGE}.route_localnet"), "1");
    }
    // Datagrams that went elsewhere until now come here.
    for mapping in ports.iter().filter(|m| m.protocol == Protocol::Udp) {
        let filter =
            Filter { protocol: Some(proto::UDP), orig_dport: Some(mapping.host_port), ..Filter::default() };
        host.conntrack.delete(&filter);
    }
}

/// Takes away what led to a pod.
pub(super) fn remove(pod: &Pod, (node, ns): (&str, NsId), sandbox: &Sandbox, hands: &mut Hands<'_>) {
    let ports = mappings(pod);
    if ports.is_empty() {
        return;
    }
    let id = sandbox_id(&pod.metadata.uid);
    let request = request(&id, &ports, hands);
    for ip in &sandbox.ips {
        let removed = hands
            .world
            .ns_mut(ns)
            .netfilter(family(IpNet::from(*ip)), |rules| portmap::remove(rules, &request));
        if let Err(e) = removed {
            hands.remark(format!("portmap on {node}: {}", e.message.trim_end()));
        }
    }
}

fn request<'a>(sandbox: &'a str, ports: &'a [Mapping], hands: &Hands<'_>) -> Request<'a> {
    Request { network: portmap::network_name(hands.config.networking.cni), sandbox, ports }
}

fn family(net: IpNet) -> Family {
    if net.addr().is_ipv4() { Family::V4 } else { Family::V6 }
}

/// The mappings of a pod that has a network of its own.
fn mappings(pod: &Pod) -> Vec<Mapping> {
    if pod.spec.host_network {
        return Vec::new();
    }
    let ports = pod.spec.containers.iter().flat_map(|c| &c.ports);
    ports
        .filter_map(|p| {
            Some(Mapping {
                protocol: p.protocol,
                host_ip: p.host_ip.parse().ok(),
                host_port: p.host_port?,
                container_port: p.container_port,
            })
        })
        .collect()
}

//! Services, slices and configuration of a case.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;
use sim_core::kube::node::proxy::iptables::{self, Detector, Dialect};
use sim_core::kube::node::proxy::model::{Endpoint, ServicePort};
use sim_core::kube::node::proxy::nftables;
use sim_core::kube::node::proxy::services::{endpoints, service_ports};
use sim_core::kube::objects::{EndpointSlice, Object, Resource, Service};
use sim_core::trace::Family;

/// The service ports of a list of Services with their endpoints.
pub(super) fn ports(services: &Value, slices: &Value) -> Result<Vec<(ServicePort, Vec<Endpoint>)>, String> {
    let services: Vec<Service> = objects(services)?;
    let slices: Vec<EndpointSlice> = objects(slices)?;
    let mut all = Vec::new();
    for service in &services {
        let of_service = |s: &&EndpointSlice| {
            s.metadata.namespace == service.metadata.namespace
                && s.service_name() == Some(service.metadata.name.as_str())
        };
        let own: Vec<&EndpointSlice> = slices.iter().filter(of_service).collect();
        for port in service_ports(service) {
            let endpoints = endpoints(&own, &port.key);
            all.push((port, endpoints));
        }
    }
    Ok(all)
}

fn objects<T: Resource>(list: &Value) -> Result<Vec<T>, String> {
    let one = |value: &Value| {
        let object = Object::from_value(value).map_err(|faults| format!("{faults:?}"))?;
        T::of(&object).cloned().ok_or_else(|| format!("{} where another kind belongs", value["kind"]))
    };
    list.as_array().into_iter().flatten().map(one).collect()
}

/// kube-proxy's configuration in a case: its own, else that of all cases.
pub(super) struct Config<'a> {
    pub(super) case: &'a Value,
    pub(super) defaults: &'a Value,
}

impl Config<'_> {
    fn get(&self, pointer: &str) -> &Value {
        let own = self.case["config"].pointer(pointer);
        own.or_else(|| self.defaults.pointer(pointer)).unwrap_or(&Value::Null)
    }

    fn flag(&self, pointer: &str) -> bool {
        self.get(pointer).as_bool().unwrap_or(false)
    }

    /// The name of the node whose kube-proxy it is.
    pub(super) fn node(&self) -> &str {
        self.get("/nodeName").as_str().unwrap_or_default()
    }

    fn family(&self) -> Result<(Family, &'static str), String> {
        match self.get("/ipFamily").as_str() {
            Some("IPv4") => Ok((Family::V4, "IPv4")),
            Some("IPv6") => Ok((Family::V6, "IPv6")),
            other => Err(format!("ipFamily {other:?}")),
        }
    }

    pub(super) fn mark(&self) -> Result<u32, String> {
        let text = self.get("/masqueradeMark").as_str().unwrap_or_default();
        u32::from_str_radix(text.trim_start_matches("0x"), 16).map_err(|e| format!("mark {text}: {e}"))
    }

    pub(super) fn node_ip(&self, family: &str) -> Option<IpAddr> {
        self.get(&format!("/nodeIP/{family}")).as_str()?.parse().ok()
    }

    pub(super) fn detector(&self, family: &str) -> Result<Detector, String> {
        let text = |key: &str| self.get(&format!("/localDetector/{key}")).as_str().unwrap_or_default();
        match text("mode") {
            "ClusterCIDR" | "NodeCIDR" => {
                let net: IpNet = text(family).parse().map_err(|e| format!("local detector: {e}"))?;
                Ok(Detector::Cidr(net))
            }
            "BridgeInterface" => Ok(Detector::Bridge(text("bridge").to_owned())),
            "InterfaceNamePrefix" => Ok(Detector::InterfacePrefix(text("prefix").to_owned())),
            "NoOp" | "none" | "None" => Ok(Detector::None),
            other => Err(format!("local detector {other}")),
        }
    }

    /// The addresses of an interface of the node.
    pub(super) fn interface_addresses(&self, name: &str) -> Vec<IpNet> {
        let list = self.get(&format!("/interfaces/{name}")).as_array().into_iter().flatten();
        list.filter_map(|a| a.as_str()?.parse().ok()).collect()
    }

    /// The addresses of the node that a list of networks admits.
    fn admitted(&self, networks: &Value, family: Family) -> Option<Vec<IpAddr>> {
        let networks: Vec<IpNet> =
            networks.as_array()?.iter().filter_map(|n| n.as_str()?.parse().ok()).collect();
        let addresses = self.interface_addresses("lo").into_iter().chain(self.interface_addresses("eth0"));
        let addresses = addresses.map(|n| n.addr());
        let fits =
            |ip: &IpAddr| ip.is_ipv4() == (family == Family::V4) && networks.iter().any(|n| n.contains(ip));
        Some(addresses.filter(fits).collect())
    }

    /// iptables mode.
    pub(super) fn iptables(&self) -> Result<iptables::Settings, String> {
        let (family, name) = self.family()?;
        let addresses = self.admitted(self.get("/iptables/nodePortAddresses"), family);
        Ok(iptables::Settings {
            family,
            detector: self.detector(name)?,
            masquerade_all: self.flag("/masqueradeAll"),
            random_fully: self.flag("/iptables/randomFully"),
            localhost_node_ports: self.flag("/iptables/localhostNodePorts"),
            conntrack_liberal: self.flag("/iptables/conntrackTCPLiberal"),
            nfacct: self.get("/iptables/nfacctCounters").as_array().is_some_and(|c| !c.is_empty()),
            mark: self.mark()?,
            node_port_addresses: addresses,
            node_ip: self.node_ip(name),
            large_cluster: false,
            dialect: Dialect::TODAY,
        })
    }

    /// nftables mode.
    pub(super) fn nftables(&self) -> Result<nftables::Settings, String> {
        let (family, name) = self.family()?;
        let subnets = self.get(&format!("/nftables/serviceCIDRs/{name}"));
        let subnets = subnets.as_array().into_iter().flatten().filter_map(|n| n.as_str()?.parse().ok());
        Ok(nftables::Settings {
            family,
            detector: self.detector(name)?,
            masquerade_all: self.flag("/masqueradeAll"),
            mark: self.mark()?,
            node_port_addresses: self
                .admitted(self.get("/nftables/nodePortAddresses"), family)
                .unwrap_or_default(),
            node_ip: self.node_ip(name),
            service_subnets: subnets.collect(),
        })
    }
}

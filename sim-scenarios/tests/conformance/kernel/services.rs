//! The Services of a case, as kube-proxy's rules see them.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde_json::Value;
use sim_core::kube::node::proxy::iptables::{Block, Settings, block};
use sim_core::kube::node::proxy::model::{Endpoint, PortKey, ServicePort};
use sim_core::kube::node::proxy::select::{Viewpoint, select};
use sim_core::kube::objects::Protocol;

use super::topology::{Pod, addr, net};

/// The rules of every service port on a node.
pub(crate) fn blocks(
    node: &str,
    pods: &[Pod],
    case: &Value,
    settings: &Settings,
) -> Result<BTreeMap<PortKey, Arc<Block>>, String> {
    let mut blocks = BTreeMap::new();
    for service in case["services"].as_array().into_iter().flatten() {
        for port in service["ports"].as_array().into_iter().flatten() {
            let model = service_port(service, port)?;
            let endpoints = endpoints(service, port, pods)?;
            let chosen = select(&model, &endpoints, Viewpoint { node, zone: "" });
            blocks.insert(model.key.clone(), Arc::new(block(settings, &model, &chosen)));
        }
    }
    Ok(blocks)
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str, String> {
    value[key].as_str().ok_or_else(|| format!("a Service without {key}"))
}

fn number(value: &Value, key: &str) -> Option<u16> {
    value[key].as_u64().and_then(|n| n.try_into().ok())
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a str> {
    value[key].as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn service_port(service: &Value, port: &Value) -> Result<ServicePort, String> {
    let key = PortKey {
        namespace: text(service, "namespace")?.to_owned(),
        name: text(service, "name")?.to_owned(),
        port: port["name"].as_str().unwrap_or_default().to_owned(),
        protocol: match text(port, "protocol")? {
            "UDP" => Protocol::Udp,
            "SCTP" => Protocol::Sctp,
            _ => Protocol::Tcp,
        },
    };
    let mut model = ServicePort::internal(
        key,
        addr(text(service, "clusterIP")?)?,
        number(port, "port").ok_or("a Service port without a number")?,
    );
    model.node_port = number(port, "nodePort");
    model.external_ips = list(service, "externalIPs").map(addr).collect::<Result<_, _>>()?;
    model.load_balancer_ips = list(service, "loadBalancerIPs").map(addr).collect::<Result<_, _>>()?;
    model.source_ranges = list(service, "loadBalancerSourceRanges").map(net).collect::<Result<_, _>>()?;
    model.affinity_seconds = service["sessionAffinity"]["timeoutSeconds"].as_u64().map(|s| s as u32);
    model.external_local = service["externalTrafficPolicy"] == "Local";
    model.internal_local = service["internalTrafficPolicy"] == "Local";
    Ok(model)
}

fn endpoints(service: &Value, port: &Value, pods: &[Pod]) -> Result<Vec<Endpoint>, String> {
    let target = number(port, "targetPort").ok_or("a Service port without a target")?;
    let mut endpoints = list(service, "endpoints")
        .map(|name| {
            let pod = pods.iter().find(|p| p.name == name).ok_or_else(|| format!("no pod {name}"))?;
            let ip: IpAddr = pod.ip;
            Ok(Endpoint::ready(SocketAddr::new(ip, target), Some(&pod.node)))
        })
        .collect::<Result<Vec<_>, String>>()?;
    endpoints.sort_by_key(|e| e.at.to_string());
    Ok(endpoints)
}

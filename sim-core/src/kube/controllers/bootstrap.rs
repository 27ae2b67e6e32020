//! Objects that the API server itself puts into a new cluster.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::kube::objects::endpoint_slice::{AddressType, EndpointConditions, LABEL_SERVICE_NAME, SlicePort};
use crate::kube::objects::endpoints::{EndpointAddress, EndpointPort, EndpointSubset};
use crate::kube::objects::{
    Endpoint, EndpointSlice, Endpoints, IntOrString, ObjectMeta, Protocol, Service, ServicePort,
};
use crate::kube::store::{ApiError, Store};
use crate::time::SimTime;

use super::endpoints::LABEL_SKIP_MIRROR;

/// The first address of a range that can be given away.
fn first_address(net: &IpNet) -> Option<IpAddr> {
    match net.network() {
        IpAddr::V4(ip) => ip.to_bits().checked_add(1).map(|n| Ipv4Addr::from_bits(n).into()),
        IpAddr::V6(ip) => ip.to_bits().checked_add(1).map(|n| Ipv6Addr::from_bits(n).into()),
    }
}

/// The Service `default/kubernetes` at the first service address, port 443, with its Endpoints and slice: the API servers at
/// `addresses` (all of one family) and `port`.
///
/// # Errors
/// The objects are there already, or the first service address is taken.
pub fn kubernetes_service(
    store: &mut Store,
    addresses: &[IpAddr],
    port: u16,
    now: SimTime,
) -> Result<(), ApiError> {
    let first = store.config().service_subnets.first().and_then(first_address);
    let meta = |labels: &[(&str, &str)]| ObjectMeta {
        labels: labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>(),
        ..ObjectMeta::namespaced("default", "kubernetes")
    };
    let mut service = Service {
        metadata: meta(&[("component", "apiserver"), ("provider", "kubernetes")]),
        ..Service::default()
    };
    service.spec.cluster_ip = first.map(|ip| ip.to_string()).unwrap_or_default();
    service.spec.ports = vec![ServicePort {
        name: "https".to_owned(),
        port: 443,
        target_port: Some(IntOrString::Int(i32::from(port))),
        ..ServicePort::default()
    }];
    store.create(service, now)?;
    let subset = EndpointSubset {
        addresses: addresses
            .iter()
            .map(|ip| EndpointAddress { ip: ip.to_string(), ..EndpointAddress::default() })
            .collect(),
        ports: vec![EndpointPort { name: "https".to_owned(), port, ..EndpointPort::default() }],
        ..EndpointSubset::default()
    };
    store.create(Endpoints { metadata: meta(&[(LABEL_SKIP_MIRROR, "true")]), subsets: vec![subset] }, now)?;
    let slice = EndpointSlice {
        metadata: meta(&[(LABEL_SERVICE_NAME, "kubernetes")]),
        address_type: if addresses.iter().all(IpAddr::is_ipv4) { AddressType::V4 } else { AddressType::V6 },
        endpoints: addresses.iter().map(endpoint).collect(),
        ports: vec![SlicePort {
            name: Some("https".to_owned()),
            port: Some(port),
            protocol: Some(Protocol::Tcp),
            app_protocol: None,
        }],
    };
    store.create(slice, now)?;
    Ok(())
}

fn endpoint(ip: &IpAddr) -> Endpoint {
    Endpoint {
        addresses: vec![ip.to_string()],
        conditions: EndpointConditions { ready: Some(true), ..EndpointConditions::default() },
        ..Endpoint::default()
    }
}

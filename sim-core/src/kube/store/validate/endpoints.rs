//! Endpoints and `EndpointSlice`.

use std::collections::BTreeSet;

use serde_json::json;

use super::super::names;
use super::Faults;
use crate::kube::objects::endpoint_slice::AddressType;
use crate::kube::objects::{EndpointSlice, Endpoints};

pub(super) fn check(endpoints: &Endpoints, faults: &mut Faults) {
    for (i, subset) in endpoints.subsets.iter().enumerate() {
        let at = format!("subsets[{i}]");
        if subset.addresses.is_empty() && subset.not_ready_addresses.is_empty() {
            faults.required(&at, "must specify `addresses` or `notReadyAddresses`");
        }
        for (list, addresses) in
            [("addresses", &subset.addresses), ("notReadyAddresses", &subset.not_ready_addresses)]
        {
            for (j, address) in addresses.iter().enumerate() {
                let at = format!("{at}.{list}[{j}]");
                faults.endpoint_address(format!("{at}.ip"), &address.ip);
                if !address.hostname.is_empty() {
                    faults.text(format!("{at}.hostname"), &address.hostname, names::dns1123_label);
                }
            }
        }
        for (j, port) in subset.ports.iter().enumerate() {
            let at = format!("{at}.ports[{j}]");
            if port.name.is_empty() {
                if subset.ports.len() > 1 {
                    faults.required(format!("{at}.name"), "");
                }
            } else {
                faults.text(format!("{at}.name"), &port.name, names::dns1123_label);
            }
            faults.port(format!("{at}.port"), i64::from(port.port));
        }
    }
}

/// Most endpoints of one slice.
const MAX_ENDPOINTS: usize = 1000;
/// Most addresses of one endpoint.
const MAX_ADDRESSES: usize = 100;

pub(super) fn check_slice(slice: &EndpointSlice, faults: &mut Faults) {
    if slice.endpoints.len() > MAX_ENDPOINTS {
        let message = format!("Too many: {}: must have at most {MAX_ENDPOINTS} items", slice.endpoints.len());
        faults.add("endpoints", message);
        return;
    }
    for (i, endpoint) in slice.endpoints.iter().enumerate() {
        let at = format!("endpoints[{i}]");
        if endpoint.addresses.is_empty() {
            faults.required(format!("{at}.addresses"), "must contain at least 1 address");
        } else if endpoint.addresses.len() > MAX_ADDRESSES {
            let count = endpoint.addresses.len();
            faults.add(
                format!("{at}.addresses"),
                format!("Too many: {count}: must have at most {MAX_ADDRESSES} items"),
            );
        }
        for (j, address) in endpoint.addresses.iter().enumerate() {
            slice_address(slice.address_type, &format!("{at}.addresses[{j}]"), address, faults);
        }
        if let Some(hostname) = &endpoint.hostname {
            faults.text(format!("{at}.hostname"), hostname, names::dns1123_label);
        }
        if let Some(node) = &endpoint.node_name {
            faults.text(format!("{at}.nodeName"), node, names::dns1123_subdomain);
        }
    }
    let mut seen = BTreeSet::new();
    for (i, port) in slice.ports.iter().enumerate() {
        let at = format!("ports[{i}]");
        let name = port.name.as_deref().unwrap_or("");
        if !name.is_empty() {
            faults.text(format!("{at}.name"), name, names::dns1123_label);
        }
        if !seen.insert(name) {
            faults.duplicate(format!("{at}.name"), json!(name));
        }
    }
}

fn slice_address(kind: AddressType, at: &str, address: &str, faults: &mut Faults) {
    match kind {
        AddressType::Fqdn => faults.text(at, address, names::dns1123_subdomain),
        AddressType::V4 if address.parse::<std::net::Ipv4Addr>().is_err() => {
            faults.invalid(at, address, "must be a valid IPv4 address");
        }
        AddressType::V6 if address.parse::<std::net::Ipv6Addr>().is_err() => {
            faults.invalid(at, address, "must be a valid IPv6 address");
        }
        AddressType::V4 | AddressType::V6 => faults.endpoint_address(at, address),
    }
}

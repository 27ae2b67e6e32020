//! `NetworkPolicy`, as `pkg/apis/networking/validation` of Kubernetes.

use ipnet::IpNet;
use serde_json::json;

use super::workload::check_selector;
use super::{Cause, Faults, names};
use crate::kube::objects::decode::{FieldPath, Step};
use crate::kube::objects::network_policy::{
    IpBlock, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use crate::kube::objects::{IntOrString, NetworkPolicy};

pub(super) fn check(policy: &NetworkPolicy, faults: &mut Faults) {
    let spec = &policy.spec;
    check_selector("spec.podSelector", &spec.pod_selector, faults);
    for (i, rule) in spec.ingress.iter().enumerate() {
        check_rule(&format!("spec.ingress[{i}]"), &rule.ports, ("from", &rule.from), faults);
    }
    for (i, rule) in spec.egress.iter().enumerate() {
        check_rule(&format!("spec.egress[{i}]"), &rule.ports, ("to", &rule.to), faults);
    }
    check_types(spec, faults);
}

fn check_types(spec: &NetworkPolicySpec, faults: &mut Faults) {
    if spec.policy_types.len() > 2 {
        let types = json!(spec.policy_types);
        faults.invalid("spec.policyTypes", types, "may not specify more than two policyTypes");
    }
}

fn check_rule(
    at: &str,
    ports: &[NetworkPolicyPort],
    (side, peers): (&str, &[NetworkPolicyPeer]),
    faults: &mut Faults,
) {
    for (i, port) in ports.iter().enumerate() {
        check_port(&format!("{at}.ports[{i}]"), port, faults);
    }
    for (i, peer) in peers.iter().enumerate() {
        check_peer(&format!("{at}.{side}[{i}]"), peer, faults);
    }
}

fn check_port(at: &str, port: &NetworkPolicyPort, faults: &mut Faults) {
    let end = format!("{at}.endPort");
    match (&port.port, port.end_port) {
        (Some(IntOrString::Int(first)), last) => {
            faults.port(format!("{at}.port"), i64::from(*first));
            let Some(last) = last else { return };
            if last < *first {
                faults.invalid(&end, last, "must be greater than or equal to `port`");
            }
            faults.port(end, i64::from(last));
        }
        (Some(IntOrString::String(name)), last) => {
            if let Some(last) = last {
                faults.invalid(end, last, "may not be specified when `port` is non-numeric");
            }
            faults.text(format!("{at}.port"), name, names::port_name);
        }
        (None, Some(last)) => {
            faults.invalid(end, last, "may not be specified when `port` is not specified");
        }
        (None, None) => {}
    }
}

fn check_peer(at: &str, peer: &NetworkPolicyPeer, faults: &mut Faults) {
    if let Some(selector) = &peer.pod_selector {
        check_selector(&format!("{at}.podSelector"), selector, faults);
    }
    if let Some(selector) = &peer.namespace_selector {
        check_selector(&format!("{at}.namespaceSelector"), selector, faults);
    }
    let selects = peer.pod_selector.is_some() || peer.namespace_selector.is_some();
    match &peer.ip_block {
        Some(block) => {
            check_block(&format!("{at}.ipBlock"), block, faults);
            if selects {
                faults.forbidden(at, "may not specify both ipBlock and another peer");
            }
        }
        None if !selects => faults.required(at, "must specify a peer"),
        None => {}
    }
}

fn check_block(at: &str, block: &IpBlock, faults: &mut Faults) {
    if block.cidr.is_empty() {
        return faults.required(format!("{at}.cidr"), "");
    }
    let Some(whole) = check_cidr(&format!("{at}.cidr"), &block.cidr, faults) else { return };
    for (i, text) in block.except.iter().enumerate() {
        let at = format!("{at}.except[{i}]");
        let Some(part) = check_cidr(&at, text, faults) else { continue };
        if !whole.contains(&part.network()) || whole.prefix_len() >= part.prefix_len() {
            faults.invalid(at, text.as_str(), "must be a strict subset of `cidr`");
        }
    }
}

/// A block of addresses; `None` is reported.
fn check_cidr(at: &str, text: &str, faults: &mut Faults) -> Option<IpNet> {
    let block = text.parse().ok();
    if block.is_none() {
        faults.invalid(at, text, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
    }
    block
}

/// The place of a field in the order of validation: section, rule, ports before peers, item, protocol first.
pub(in crate::kube::store) fn rank(cause: &Cause) -> (usize, usize, bool, usize, bool) {
    let path = FieldPath::parse(&cause.field);
    let names: Vec<&str> = path
        .0
        .iter()
        .filter_map(|s| if let Step::Field(name) = s { Some(name.as_str()) } else { None })
        .collect();
    let mut numbers = path.0.iter().filter_map(|s| if let Step::Index(n) = s { Some(*n) } else { None });
    const SECTIONS: [&str; 4] = ["podSelector", "ingress", "egress", "policyTypes"];
    let section = names.get(1).and_then(|name| SECTIONS.iter().position(|s| s == name));
    let section = section.map_or(0, |i| i + 1);
    let (rule, item) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    (section, rule, names.get(2) != Some(&"ports"), item, names.get(3) != Some(&"protocol"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::chance::Dice;
    use crate::kube::objects::Kind;
    use crate::kube::store::{Store, StoreConfig};
    use crate::time::SimTime;

    fn told(spec: Value) -> String {
        let mut store = Store::new(StoreConfig::default(), Dice::seeded(1));
        let body = json!({"metadata": {"name": "x"}, "spec": spec});
        match store.create_value(Kind::NetworkPolicy, "default", &body, SimTime::ZERO) {
            Ok(object) => object.to_value()["spec"].to_string(),
            Err(e) => e.kubectl_text(None),
        }
    }

    fn from(peer: Value) -> String {
        told(json!({"ingress": [{"from": [peer]}]}))
    }

    fn port(port: Value) -> String {
        told(json!({"egress": [{"ports": [port]}]}))
    }

    #[test]
    fn defaults_are_written_down() {
        insta::assert_snapshot!(told(json!({})), @r#"{"podSelector":{},"policyTypes":["Ingress"]}"#);
        // An element that is null is a rule without conditions.
        insta::assert_snapshot!(told(json!({"ingress": [null]})), @r#"{"ingress":[{}],"podSelector":{},"policyTypes":["Ingress"]}"#);
        insta::assert_snapshot!(told(json!({"egress": []})), @r#"{"podSelector":{},"policyTypes":["Ingress"]}"#);
        insta::assert_snapshot!(told(json!({"egress": [{"ports": [{"port": 53}]}]})), @r#"{"egress":[{"ports":[{"port":53,"protocol":"TCP"}]}],"podSelector":{},"policyTypes":["Ingress","Egress"]}"#);
    }

    #[test]
    fn a_peer_is_selectors_or_a_block() {
        insta::assert_snapshot!(from(json!({})), @r#"The NetworkPolicy "x" is invalid: spec.ingress[0].from[0]: Required value: must specify a peer"#);
        insta::assert_snapshot!(from(json!({"podSelector": {}, "ipBlock": {"cidr": "10.0.0.0/8"}})), @r#"The NetworkPolicy "x" is invalid: spec.ingress[0].from[0]: Forbidden: may not specify both ipBlock and another peer"#);
        insta::assert_snapshot!(from(json!({"ipBlock": {}})), @r#"The NetworkPolicy "x" is invalid: spec.ingress[0].from[0].ipBlock.cidr: Required value"#);
        insta::assert_snapshot!(from(json!({"ipBlock": {"cidr": "10.0.0.0"}})), @r#"The NetworkPolicy "x" is invalid: spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "10.0.0.0": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"#);
        insta::assert_snapshot!(from(json!({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16", "10.0.0.0/8"]}})), @r#"
        The NetworkPolicy "x" is invalid: 
        * spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`
        * spec.ingress[0].from[0].ipBlock.except[1]: Invalid value: "10.0.0.0/8": must be a strict subset of `cidr`
        "#);
        insta::assert_snapshot!(from(json!({"podSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}})), @r#"The NetworkPolicy "x" is invalid: spec.ingress[0].from[0].podSelector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"#);
    }

    #[test]
    fn ports_are_numbers_names_or_ranges() {
        insta::assert_snapshot!(port(json!({"port": 0})), @r#"The NetworkPolicy "x" is invalid: spec.egress[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"#);
        insta::assert_snapshot!(port(json!({"port": 90, "endPort": 80})), @r#"The NetworkPolicy "x" is invalid: spec.egress[0].ports[0].endPort: Invalid value: 80: must be greater than or equal to `port`"#);
        insta::assert_snapshot!(port(json!({"port": "http", "endPort": 80})), @r#"The NetworkPolicy "x" is invalid: spec.egress[0].ports[0].endPort: Invalid value: 80: may not be specified when `port` is non-numeric"#);
        insta::assert_snapshot!(port(json!({"endPort": 80})), @r#"The NetworkPolicy "x" is invalid: spec.egress[0].ports[0].endPort: Invalid value: 80: may not be specified when `port` is not specified"#);
        insta::assert_snapshot!(port(json!({"port": "HTTP"})), @r#"
        The NetworkPolicy "x" is invalid: 
        * spec.egress[0].ports[0].port: Invalid value: "HTTP": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)
        * spec.egress[0].ports[0].port: Invalid value: "HTTP": must contain at least one letter (a-z)
        "#);
        insta::assert_snapshot!(port(json!({"port": 1, "protocol": "ICMP"})), @r#"The NetworkPolicy "x" is invalid: spec.egress[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP""#);
        assert!(port(json!({"port": 80, "endPort": 80})).starts_with('{'));
    }

    #[test]
    fn there_are_two_directions() {
        insta::assert_snapshot!(told(json!({"policyTypes": ["ingress"]})), @r#"The NetworkPolicy "x" is invalid: spec.policyTypes[0]: Unsupported value: "ingress": supported values: "Ingress", "Egress""#);
        insta::assert_snapshot!(told(json!({"policyTypes": ["Ingress", "Egress", "Ingress"]})), @r#"The NetworkPolicy "x" is invalid: spec.policyTypes: Invalid value: ["Ingress","Egress","Ingress"]: may not specify more than two policyTypes"#);
    }
}

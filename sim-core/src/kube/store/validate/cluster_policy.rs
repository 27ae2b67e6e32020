//! Policies for the cluster: what the schemas of their custom resources demand, in the words of the API server's schema validation.

use std::fmt::Display;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::Faults;
use crate::kube::objects::cluster_policy::{
    AdminNetworkPolicySpec, AdminPort, ClusterPeer, ClusterProtocol, NamespacedPods, PolicySubject,
    PortMatch, PortRange,
};
use crate::kube::objects::{BaselineAdminNetworkPolicy, ClusterNetworkPolicy};

/// Rules per direction, peers and protocols per rule of a `ClusterNetworkPolicy`.
const CLUSTER_ITEMS: usize = 25;
/// The same of the older kinds.
const ADMIN_ITEMS: usize = 100;
/// Blocks of addresses or names per peer.
const PEER_ITEMS: usize = 25;
/// Characters of a rule's name.
const NAME_LENGTH: usize = 100;
/// The one name of a baseline policy.
const BASELINE_NAME: &str = "default";
/// What the server adds when the schema alone refuses an object whose schema has rules too.
const UNCHECKED: &str = "some validation rules were not checked because the object was invalid; correct the existing errors to \
                         complete validation";

pub(super) fn check(policy: &ClusterNetworkPolicy, faults: &mut Faults) {
    let (spec, before) = (&policy.spec, faults.causes.len());
    at_most("spec.egress", spec.egress.len(), CLUSTER_ITEMS, faults);
    for (i, rule) in spec.egress.iter().enumerate() {
        let at = format!("spec.egress[{i}]");
        head(&at, rule.action.is_some(), &rule.name, faults);
        protocols(&at, rule.protocols.as_deref(), faults);
        peers(&format!("{at}.to"), &rule.to, CLUSTER_ITEMS, faults);
    }
    at_most("spec.ingress", spec.ingress.len(), CLUSTER_ITEMS, faults);
    for (i, rule) in spec.ingress.iter().enumerate() {
        let at = format!("spec.ingress[{i}]");
        head(&at, rule.action.is_some(), &rule.name, faults);
        peers(&format!("{at}.from"), &rule.from, CLUSTER_ITEMS, faults);
        protocols(&at, rule.protocols.as_deref(), faults);
    }
    priority(spec.priority, faults);
    subject(spec.subject.as_ref(), faults);
    if spec.tier.is_none() {
        faults.required("spec.tier", "");
    }
    unchecked(before, faults);
}

pub(super) fn check_admin(spec: &AdminNetworkPolicySpec, faults: &mut Faults) {
    let before = faults.causes.len();
    admin_rules(spec, faults);
    priority(spec.priority, faults);
    subject(spec.subject.as_ref(), faults);
    unchecked(before, faults);
}

pub(super) fn check_baseline(policy: &BaselineAdminNetworkPolicy, faults: &mut Faults) {
    let before = faults.causes.len();
    admin_rules(&policy.spec, faults);
    subject(policy.spec.subject.as_ref(), faults);
    if !unchecked(before, faults) && policy.metadata.name != BASELINE_NAME {
        let detail = "Only one baseline admin network policy with metadata.name=\"default\" can be created in the cluster";
        faults.invalid("<nil>", "object", detail);
    }
}

fn admin_rules(spec: &AdminNetworkPolicySpec, faults: &mut Faults) {
    at_most("spec.egress", spec.egress.len(), ADMIN_ITEMS, faults);
    for (i, rule) in spec.egress.iter().enumerate() {
        let at = format!("spec.egress[{i}]");
        head(&at, rule.action.is_some(), &rule.name, faults);
        admin_ports(&at, rule.ports.as_deref(), faults);
        peers(&format!("{at}.to"), &rule.to, ADMIN_ITEMS, faults);
    }
    at_most("spec.ingress", spec.ingress.len(), ADMIN_ITEMS, faults);
    for (i, rule) in spec.ingress.iter().enumerate() {
        let at = format!("spec.ingress[{i}]");
        head(&at, rule.action.is_some(), &rule.name, faults);
        peers(&format!("{at}.from"), &rule.from, ADMIN_ITEMS, faults);
        admin_ports(&at, rule.ports.as_deref(), faults);
    }
}

/// What every rule has.
fn head(at: &str, acts: bool, name: &str, faults: &mut Faults) {
    if !acts {
        faults.required(format!("{at}.action"), "");
    }
    if name.chars().count() > NAME_LENGTH {
        faults.add(format!("{at}.name"), format!("Too long: may not be more than {NAME_LENGTH} bytes"));
    }
}

fn priority(priority: Option<i32>, faults: &mut Faults) {
    match priority {
        None => faults.required("spec.priority", ""),
        Some(n) => within("spec.priority", n, 0, 1000, faults),
    }
}

fn subject(subject: Option<&PolicySubject>, faults: &mut Faults) {
    let Some(subject) = subject else { return faults.required("spec.subject", "") };
    let set = usize::from(subject.namespaces.is_some()) + usize::from(subject.pods.is_some());
    one_of("spec.subject", set, subject, faults);
    if let Some(pods) = &subject.pods {
        namespaced("spec.subject.pods", pods, faults);
    }
}

fn namespaced(at: &str, pods: &NamespacedPods, faults: &mut Faults) {
    if pods.pod_selector.is_none() {
        faults.required(format!("{at}.podSelector"), "");
    }
}

fn peers(at: &str, peers: &[ClusterPeer], most: usize, faults: &mut Faults) {
    if peers.is_empty() {
        faults.required(at, "");
    }
    at_most(at, peers.len(), most, faults);
    for (i, peer) in peers.iter().enumerate() {
        let at = format!("{at}[{i}]");
        let set = [
            peer.namespaces.is_some(),
            peer.pods.is_some(),
            peer.nodes.is_some(),
            !peer.networks.is_empty(),
            !peer.domain_names.is_empty(),
        ];
        one_of(&at, set.into_iter().filter(|s| *s).count(), peer, faults);
        if let Some(pods) = &peer.pods {
            namespaced(&format!("{at}.pods"), pods, faults);
        }
        at_most(&format!("{at}.networks"), peer.networks.len(), PEER_ITEMS, faults);
        at_most(&format!("{at}.domainNames"), peer.domain_names.len(), PEER_ITEMS, faults);
        for (n, network) in peer.networks.iter().enumerate() {
            if network.parse::<IpNet>().is_err() {
                let detail = "Invalid CIDR format provided";
                faults.invalid(format!("{at}.networks[{n}]"), network.as_str(), detail);
            }
        }
    }
}

fn protocols(at: &str, protocols: Option<&[ClusterProtocol]>, faults: &mut Faults) {
    let Some(protocols) = protocols else { return };
    if protocols.is_empty() {
        let at = format!("{at}.protocols");
        faults.invalid(&at, json!([]), &format!("{at} in body should have at least 1 items"));
    }
    at_most(&format!("{at}.protocols"), protocols.len(), CLUSTER_ITEMS, faults);
    for (i, protocol) in protocols.iter().enumerate() {
        let at = format!("{at}.protocols[{i}]");
        let each = [("sctp", &protocol.sctp), ("tcp", &protocol.tcp), ("udp", &protocol.udp)];
        let set = each.iter().filter(|(_, p)| p.is_some()).count()
            + usize::from(protocol.destination_named_port.is_some());
        one_of(&at, set, protocol, faults);
        for (name, wanted) in each {
            let Some(wanted) = wanted else { continue };
            match &wanted.destination_port {
                None => too_few(&format!("{at}.{name}"), &json!({}), faults),
                Some(port) => port_match(&format!("{at}.{name}.destinationPort"), port, faults),
            }
        }
    }
}

fn port_match(at: &str, port: &PortMatch, faults: &mut Faults) {
    one_of(at, usize::from(port.number.is_some()) + usize::from(port.range.is_some()), port, faults);
    if let Some(number) = port.number {
        within(&format!("{at}.number"), number, 1, 65_535, faults);
    }
    if let Some(range) = &port.range {
        let at = format!("{at}.range");
        port_range(&at, range, faults);
        if range.start >= range.end {
            let value = json!({"end": range.end, "start": range.start});
            faults.invalid(at, value, "Start port must be less than End port");
        }
    }
}

fn port_range(at: &str, range: &PortRange, faults: &mut Faults) {
    within(&format!("{at}.end"), range.end, 1, 65_535, faults);
    within(&format!("{at}.start"), range.start, 1, 65_535, faults);
}

fn admin_ports(at: &str, ports: Option<&[AdminPort]>, faults: &mut Faults) {
    let ports = ports.unwrap_or_default();
    at_most(&format!("{at}.ports"), ports.len(), ADMIN_ITEMS, faults);
    for (i, port) in ports.iter().enumerate() {
        let at = format!("{at}.ports[{i}]");
        let set = [port.named_port.is_some(), port.port_number.is_some(), port.port_range.is_some()];
        one_of(&at, set.into_iter().filter(|s| *s).count(), port, faults);
        if let Some(number) = &port.port_number {
            within(&format!("{at}.portNumber.port"), number.port, 1, 65_535, faults);
        }
        if let Some(range) = &port.port_range {
            port_range(&format!("{at}.portRange"), range, faults);
        }
    }
}

/// `minimum` and `maximum`.
fn within(at: &str, value: i32, least: i32, most: i32, faults: &mut Faults) {
    if value < least {
        faults.invalid(at, value, &format!("{at} in body should be greater than or equal to {least}"));
    }
    if value > most {
        faults.invalid(at, value, &format!("{at} in body should be less than or equal to {most}"));
    }
}

/// `maxItems`.
fn at_most(at: &str, items: usize, most: usize, faults: &mut Faults) {
    if items > most {
        faults.add(at, format!("Too many: {items}: must have at most {most} items"));
    }
}

/// `minProperties: 1` and `maxProperties: 1`.
fn one_of(at: impl Display, set: usize, value: &impl serde::Serialize, faults: &mut Faults) {
    if set == 0 {
        too_few(&at.to_string(), &json!(value), faults);
    }
    if set > 1 {
        faults.add(at, format!("Too many: {set}: must have at most 1 items"));
    }
}

fn too_few(at: &str, value: &Value, faults: &mut Faults) {
    faults.invalid(at, value.clone(), &format!("{at} in body should have at least 1 properties"));
}

/// Notes that rules were not looked at, if the schema found a fault that hides them; whether it did.
fn unchecked(before: usize, faults: &mut Faults) -> bool {
    let hides = |message: &str| {
        ["Unsupported value", "Required value", "Too long", "Too many"].iter().any(|w| message.starts_with(w))
    };
    let hidden = faults.causes.iter().skip(before).any(|c| hides(&c.message));
    if hidden {
        faults.invalid("<nil>", Value::Null, UNCHECKED);
    }
    hidden
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Dice;
    use crate::kube::objects::Kind;
    use crate::kube::store::{Store, StoreConfig};
    use crate::time::SimTime;

    fn told(kind: Kind, name: &str, spec: Value) -> String {
        let mut store = Store::new(StoreConfig::default(), Dice::seeded(1));
        let body = json!({"metadata": {"name": name}, "spec": spec});
        match store.create_value(kind, "", &body, SimTime::ZERO) {
            Ok(object) => object.to_value()["spec"].to_string(),
            Err(e) => e.kubectl_text(None),
        }
    }

    fn rule(extra: Value) -> Value {
        let mut rule = json!({"action": "Deny", "from": [{"namespaces": {}}]});
        rule.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        json!({"tier": "Admin", "priority": 5, "subject": {"namespaces": {}}, "ingress": [rule]})
    }

    #[test]
    fn the_schema_is_kept() {
        let cluster = |spec| told(Kind::ClusterNetworkPolicy, "x", spec);
        insta::assert_snapshot!(cluster(json!({"tier": "Admin", "priority": 5})), @r#"
        The ClusterNetworkPolicy "x" is invalid: 
        * spec.subject: Required value
        * <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation
        "#);
        insta::assert_snapshot!(cluster(json!({"tier": "Admin", "priority": 1001, "subject": {}})), @r#"
        The ClusterNetworkPolicy "x" is invalid: 
        * spec.priority: Invalid value: 1001: spec.priority in body should be less than or equal to 1000
        * spec.subject: Invalid value: {}: spec.subject in body should have at least 1 properties
        "#);
        insta::assert_snapshot!(cluster(rule(json!({"protocols": [{"tcp": {"destinationPort": {"range": {"start": 9, "end": 9}}}}]}))), @r#"The ClusterNetworkPolicy "x" is invalid: spec.ingress[0].protocols[0].tcp.destinationPort.range: Invalid value: {"end":9,"start":9}: Start port must be less than End port"#);
        insta::assert_snapshot!(cluster(rule(json!({"from": [{"networks": ["10.0.0.0/8"]}]}))), @r#"Error from server (BadRequest): ClusterNetworkPolicy in version "v1alpha2" cannot be handled as a ClusterNetworkPolicy: strict decoding error: unknown field "spec.ingress[0].from[0].networks""#);
        assert!(cluster(rule(json!({}))).starts_with('{'));
    }

    #[test]
    fn there_is_one_baseline() {
        let spec = json!({"subject": {"namespaces": {}}});
        assert!(told(Kind::BaselineAdminNetworkPolicy, "default", spec.clone()).starts_with('{'));
        insta::assert_snapshot!(told(Kind::BaselineAdminNetworkPolicy, "x", spec), @r#"The BaselineAdminNetworkPolicy "x" is invalid: <nil>: Invalid value: "object": Only one baseline admin network policy with metadata.name="default" can be created in the cluster"#);
    }

    #[test]
    fn the_older_kinds_write_ports_their_way() {
        let spec = json!({"priority": 5, "subject": {"namespaces": {}}, "egress": [
            {"action": "Allow", "to": [{"networks": ["0.0.0.0/0"]}], "ports": [{"portNumber": {"port": 80}}]},
        ]});
        insta::assert_snapshot!(told(Kind::AdminNetworkPolicy, "x", spec), @r#"{"egress":[{"action":"Allow","ports":[{"portNumber":{"port":80,"protocol":"TCP"}}],"to":[{"networks":["0.0.0.0/0"]}]}],"priority":5,"subject":{"namespaces":{}}}"#);
    }
}

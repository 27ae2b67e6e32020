use serde_json::{Value, json};

use crate::chance::Dice;
use crate::kube::objects::Kind;
use crate::kube::store::{ApiError, Store, StoreConfig};
use crate::time::SimTime;

fn refusal(kind: Kind, body: &Value) -> String {
    let mut store = Store::new(StoreConfig::default(), Dice::seeded(1));
    let error: ApiError = store.create_value(kind, "default", body, SimTime::ZERO).unwrap_err();
    error.kubectl_text(Some(("creating", "x.yaml")))
}

fn pod(spec: Value) -> String {
    refusal(Kind::Pod, &json!({"metadata": {"name": "x"}, "spec": spec}))
}

fn service(spec: Value) -> String {
    refusal(Kind::Service, &json!({"metadata": {"name": "x"}, "spec": spec}))
}

#[test]
fn a_pod_needs_containers_with_name_and_image() {
    assert_eq!(pod(json!({})), r#"The Pod "x" is invalid: spec.containers: Required value"#);
    assert_eq!(
        pod(json!({"containers": [{"image": "a"}]})),
        r#"The Pod "x" is invalid: spec.containers[0].name: Required value"#
    );
    insta::assert_snapshot!(pod(json!({"containers": [{"name": "A"}, {"name": "b", "image": " x"}]})), @r#"
    The Pod "x" is invalid: 
    * spec.containers[0].name: Invalid value: "A": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')
    * spec.containers[0].image: Required value
    * spec.containers[1].image: Invalid value: " x": must not have leading or trailing whitespace
    "#);
}

#[test]
fn texts_of_a_fixed_set_are_checked() {
    insta::assert_snapshot!(
        pod(json!({"restartPolicy": "always", "containers": [{"name": "a", "image": "a", "ports": [{"containerPort": 80, "protocol": "tcp"}]}]})),
        @r#"
    The Pod "x" is invalid: 
    * spec.containers[0].ports[0].protocol: Unsupported value: "tcp": supported values: "SCTP", "TCP", "UDP"
    * spec.restartPolicy: Unsupported value: "always": supported values: "Always", "OnFailure", "Never"
    "#
    );
}

#[test]
fn a_probe_has_one_handler() {
    insta::assert_snapshot!(
        pod(json!({"containers": [{"name": "a", "image": "a", "livenessProbe": {"periodSeconds": 5}, "readinessProbe": {"httpGet": {"port": 0}}}]})),
        @r#"
    The Pod "x" is invalid: 
    * spec.containers[0].livenessProbe: Required value: must specify a handler type
    * spec.containers[0].readinessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive
    "#
    );
}

#[test]
fn a_service_needs_good_ports() {
    assert_eq!(service(json!({})), r#"The Service "x" is invalid: spec.ports: Required value"#);
    insta::assert_snapshot!(
        service(json!({"ports": [{"port": 80}, {"port": 70000}, {"port": 80, "name": "a", "nodePort": 30080}]})),
        @r#"
    The Service "x" is invalid: 
    * spec.ports[0].name: Required value
    * spec.ports[1].name: Required value
    * spec.ports[1].port: Invalid value: 70000: must be between 1 and 65535, inclusive
    * spec.ports[2].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'
    * spec.ports[2]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,"TargetPort":0,"NodePort":0}
    "#
    );
}

#[test]
fn a_service_name_is_a_dns_1035_label() {
    insta::assert_snapshot!(
        refusal(Kind::Service, &json!({"metadata": {"name": "1svc"}, "spec": {"ports": [{"port": 80}]}})),
        @r#"The Service "1svc" is invalid: metadata.name: Invalid value: "1svc": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"#
    );
}

#[test]
fn addresses_are_checked_when_they_are_given() {
    let with = |ip: &str| service(json!({"clusterIP": ip, "ports": [{"port": 80}]}));
    insta::assert_snapshot!(with("10.0.0.1"), @r#"The Service "x" is invalid: spec.clusterIPs: Invalid value: ["10.0.0.1"]: failed to allocate IP 10.0.0.1: the provided network does not match the current range"#);
    insta::assert_snapshot!(with("ten"), @r#"The Service "x" is invalid: spec.clusterIPs[0]: Invalid value: "ten": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"#);
    insta::assert_snapshot!(with("fd00::1"), @r#"The Service "x" is invalid: spec.clusterIPs[0]: Invalid value: ["fd00::1"]: IPv6 is not configured on this cluster"#);
    insta::assert_snapshot!(
        service(json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]})),
        @r#"The Service "x" is invalid: spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767"#
    );
    insta::assert_snapshot!(
        service(json!({"type": "ExternalName"})),
        @r#"The Service "x" is invalid: spec.externalName: Required value"#
    );
}

#[test]
fn what_cannot_be_decoded_is_a_bad_request() {
    insta::assert_snapshot!(
        service(json!({"ports": [{"port": 80, "tragetPort": 8080}], "selecter": {}})),
        @r#"Error from server (BadRequest): error when creating "x.yaml": Service in version "v1" cannot be handled as a Service: strict decoding error: unknown field "spec.ports[0].tragetPort", unknown field "spec.selecter""#
    );
    insta::assert_snapshot!(
        service(json!({"ports": [{"port": "80"}]})),
        @r#"Error from server (BadRequest): error when creating "x.yaml": Service in version "v1" cannot be handled as a Service: json: cannot unmarshal string into Go struct field ServicePort.spec.ports.port of type int32"#
    );
    insta::assert_snapshot!(
        pod(json!({"containers": [{"name": "a", "image": "a", "env": [{"name": "A", "value": true}]}]})),
        @r#"Error from server (BadRequest): error when creating "x.yaml": Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal bool into Go struct field EnvVar.spec.containers.env.value of type string"#
    );
    insta::assert_snapshot!(
        pod(json!({"containers": {"name": "a"}})),
        @r#"Error from server (BadRequest): error when creating "x.yaml": Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container"#
    );
    insta::assert_snapshot!(
        refusal(Kind::Pod, &json!({"metadata": {"name": "x", "labels": {"a": 5}}})),
        @r#"Error from server (BadRequest): error when creating "x.yaml": Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string"#
    );
}

#[test]
fn endpoints_need_addresses() {
    insta::assert_snapshot!(
        refusal(Kind::Endpoints, &json!({"metadata": {"name": "x"}, "subsets": [{"addresses": [{"ip": "127.0.0.1"}], "ports": [{"port": 0}]}]})),
        @r#"
    The Endpoints "x" is invalid: 
    * subsets[0].addresses[0].ip: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)
    * subsets[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive
    "#
    );
}

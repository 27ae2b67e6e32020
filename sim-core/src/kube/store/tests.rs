use serde_json::{Value, json};

use super::*;
use crate::kube::objects::{Pod, Service};

const NOW: SimTime = SimTime::from_secs(60);

fn store() -> Store {
    Store::new(StoreConfig::default(), Dice::seeded(1))
}

fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"containers": [{"name": "c", "image": "busybox", "command": ["sleep", "3600"]}]},
    })
}

fn service(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80}]},
    })
}

fn shown(object: &Object) -> String {
    serde_json::to_string_pretty(&object.to_value()).unwrap()
}

fn create(store: &mut Store, kind: Kind, body: &Value) -> Arc<Object> {
    store.create_value(kind, "default", body, NOW).unwrap()
}

#[test]
fn a_pod_is_stored_with_its_defaults() {
    let pod = create(&mut store(), Kind::Pod, &pod("pod-a"));
    insta::assert_snapshot!(shown(&pod));
}

#[test]
fn a_service_is_stored_with_its_defaults_and_an_address() {
    let svc = create(&mut store(), Kind::Service, &service("svc-a"));
    insta::assert_snapshot!(shown(&svc));
}

#[test]
fn a_namespace_is_stored_with_its_defaults() {
    insta::assert_snapshot!(shown(store().find(Kind::Namespace, "", "default").unwrap()));
}

#[test]
fn the_same_name_again_is_refused() {
    let mut store = store();
    create(&mut store, Kind::Pod, &pod("a"));
    let error = store.create_value(Kind::Pod, "default", &pod("a"), NOW).unwrap_err();
    assert_eq!(error.message, r#"pods "a" already exists"#);
    let error = store.create_value(Kind::Pod, "shop", &pod("a"), NOW).unwrap_err();
    assert_eq!(error.message, r#"namespaces "shop" not found"#);
    assert_eq!(store.get(Kind::Pod, "default", "b").unwrap_err().message, r#"pods "b" not found"#);
}

#[test]
fn apply_creates_then_changes_only_what_differs() {
    let mut store = store();
    let (first, applied) = store.apply(Kind::Service, "default", &service("a"), NOW).unwrap();
    assert_eq!(applied, Applied::Created);
    insta::assert_snapshot!(first.meta().annotations[LAST_APPLIED], @r#"{"apiVersion":"v1","kind":"Service","metadata":{"annotations":{},"name":"a","namespace":"default"},"spec":{"ports":[{"port":80}],"selector":{"app":"a"}}}"#);
    let (again, applied) = store.apply(Kind::Service, "default", &service("a"), NOW).unwrap();
    assert_eq!(
        (again.meta().resource_version.as_str(), applied),
        (first.meta().resource_version.as_str(), Applied::Unchanged)
    );
    let mut other = service("a");
    other["spec"]["ports"][0]["targetPort"] = json!("http");
    let (changed, applied) = store.apply(Kind::Service, "default", &other, NOW).unwrap();
    assert_eq!(applied, Applied::Configured);
    let Object::Service(changed) = &*changed else { panic!("a Service was applied") };
    assert_eq!(changed.spec.ports[0].target().to_string(), "http");
    let Object::Service(first) = &*first else { panic!("a Service was applied") };
    assert_eq!(changed.spec.cluster_ip, first.spec.cluster_ip);
}

#[test]
fn an_unknown_field_in_a_changed_manifest_is_refused_as_a_patch() {
    let mut store = store();
    store.apply(Kind::Service, "default", &service("a"), NOW).unwrap();
    let mut typo = service("a");
    typo["spec"]["ports"][0]["tragetPort"] = json!(8080);
    let error = store.apply(Kind::Service, "default", &typo, NOW).unwrap_err();
    insta::assert_snapshot!(error.kubectl_text(Some(("applying patch", "a.yaml"))));
}

#[test]
fn the_address_of_a_service_stays() {
    let mut store = store();
    store.apply(Kind::Service, "default", &service("a"), NOW).unwrap();
    let mut other = service("a");
    other["spec"]["clusterIP"] = json!("10.96.200.200");
    let error = store.apply(Kind::Service, "default", &other, NOW).unwrap_err();
    insta::assert_snapshot!(error.kubectl_text(None), @r#"The Service "a" is invalid: spec.clusterIPs[0]: Invalid value: ["10.96.200.200"]: may not change once set"#);
}

#[test]
fn a_change_of_type_gives_and_takes_node_ports() {
    let mut store = store();
    let mut body = service("a");
    body["spec"]["type"] = json!("NodePort");
    store.apply(Kind::Service, "default", &body, NOW).unwrap();
    let port = |store: &Store| store.read::<Service>("default", "a").unwrap().spec.ports[0].node_port;
    let given = port(&store).unwrap();
    assert!((30_000..=32_767).contains(&given));
    body["spec"]["type"] = json!("ClusterIP");
    store.apply(Kind::Service, "default", &body, NOW).unwrap();
    assert_eq!(port(&store), None);
    body["spec"]["type"] = json!("NodePort");
    body["spec"]["ports"][0]["nodePort"] = json!(given);
    store.apply(Kind::Service, "default", &body, NOW).unwrap();
    assert_eq!(port(&store), Some(given));
}

#[test]
fn pins_are_kept_for_their_owner() {
    let mut config = StoreConfig::default();
    let pin = ServicePin { cluster_ips: vec!["10.96.123.4".parse().unwrap()], node_port: None };
    config.pins.services.insert("default/svc-a".to_owned(), pin);
    let mut store = Store::new(config, Dice::seeded(1));
    let mut thief = service("thief");
    thief["spec"]["clusterIP"] = json!("10.96.123.4");
    let error = store.create_value(Kind::Service, "default", &thief, NOW).unwrap_err();
    assert!(error.message.ends_with("provided IP is already allocated"), "{error}");
    for _ in 0..2 {
        create(&mut store, Kind::Service, &service("svc-a"));
        assert_eq!(store.read::<Service>("default", "svc-a").unwrap().spec.cluster_ip, "10.96.123.4");
        store.delete(Kind::Service, "default", "svc-a", DeleteOptions::default(), NOW).unwrap();
    }
}

#[test]
fn a_bound_pod_terminates_gracefully() {
    let mut store = store();
    create(&mut store, Kind::Pod, &pod("a"));
    store.bind("default", "a", "node1", NOW).unwrap();
    let delete = |store: &mut Store, grace_seconds, now| {
        store
            .delete(
                Kind::Pod,
                "default",
                "a",
                DeleteOptions { grace_seconds, ..DeleteOptions::default() },
                now,
            )
            .unwrap()
    };
    assert!(matches!(delete(&mut store, None, NOW), Deleted::Terminating(_)));
    let pod = store.read::<Pod>("default", "a").unwrap();
    assert_eq!(pod.metadata.deletion_timestamp.unwrap().to_string(), "2026-01-01T00:01:30Z");
    assert_eq!(pod.metadata.generation, Some(2));
    assert!(matches!(delete(&mut store, None, SimTime::from_secs(70)), Deleted::Terminating(_)));
    assert!(matches!(delete(&mut store, Some(0), SimTime::from_secs(80)), Deleted::Gone(_)));
    assert!(store.read::<Pod>("default", "a").is_none());
}

#[test]
fn a_pods_spec_is_fixed_but_for_images() {
    let mut store = store();
    store.apply(Kind::Pod, "default", &pod("a"), NOW).unwrap();
    let mut other = pod("a");
    other["spec"]["containers"][0]["image"] = json!("busybox:1.36");
    assert_eq!(store.apply(Kind::Pod, "default", &other, NOW).unwrap().1, Applied::Configured);
    other["spec"]["hostNetwork"] = json!(true);
    let error = store.apply(Kind::Pod, "default", &other, NOW).unwrap_err();
    insta::assert_snapshot!(error.kubectl_text(None));
}

#[test]
fn a_status_that_says_nothing_new_is_not_a_change() {
    let mut store = store();
    create(&mut store, Kind::Pod, &pod("a"));
    let before = store.revision();
    store.edit_status::<Pod>("default", "a", NOW, |p| p.status.reason.clear()).unwrap();
    assert_eq!(store.revision(), before);
    store.edit_status::<Pod>("default", "a", NOW, |p| p.status.pod_ip = "10.244.1.5".to_owned()).unwrap();
    assert_eq!(store.revision(), before + 1);
}

#[test]
fn lists_are_narrowed_by_labels_and_fields() {
    let mut store = store();
    create(&mut store, Kind::Pod, &pod("a"));
    create(&mut store, Kind::Pod, &pod("b"));
    let names = |labels: &str, fields: &str| {
        let options = ListOptions {
            labels: crate::kube::objects::Selector::parse(labels).unwrap(),
            fields: FieldSelector::parse(fields).unwrap(),
        };
        let found = store.list(Kind::Pod, Some("default"), &options).unwrap();
        found.iter().map(|o| o.meta().name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names("app=a", ""), ["a"]);
    assert_eq!(names("app in (a,b)", "metadata.name!=a"), ["b"]);
    assert_eq!(names("", "status.phase=Pending"), ["a", "b"]);
}

#[test]
fn the_same_seed_gives_the_same_store() {
    let build = |seed| {
        let mut store = Store::new(StoreConfig::default(), Dice::seeded(seed));
        create(&mut store, Kind::Pod, &pod("a"));
        shown(&create(&mut store, Kind::Service, &service("a")))
    };
    assert_eq!(build(1), build(1));
    assert_ne!(build(1), build(2));
}

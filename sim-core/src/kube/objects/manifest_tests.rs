use proptest::prelude::*;
use serde_json::json;

use super::*;

const NOW: Version = Version::new(1, 34, 0);

/// Every mistake as `line:column: message (help)`.
fn mistakes(text: &str) -> String {
    let lines: Vec<String> = read(text, "f.yaml", 1, NOW)
        .diagnostics()
        .iter()
        .map(|d| {
            let help = d.help.as_ref().map(|h| format!(" ({h})")).unwrap_or_default();
            format!("{}:{}+{}: {}{help}", d.line, d.column, d.length, d.message)
        })
        .collect();
    lines.join("\n")
}

/// What kubectl says before it sends anything.
fn kubectl(text: &str) -> String {
    let file = read(text, "f.yaml", 1, NOW);
    let documents = file.documents.into_iter().filter_map(|d| d.kind.err());
    documents.chain(file.broken.map(|b| b.kubectl)).collect::<Vec<_>>().join("\n")
}

const SERVICE: &str = "\
apiVersion: v1
kind: Service
metadata:
  name: svc-a
spec:
  selector:
    app: pod-a
  ports:
  - port: 80
    tragetPort: 8080
    protocol: tcp
  - port: \"81\"
  clusterip: None
";

#[test]
fn every_mistake_has_its_place_and_a_guess() {
    insta::assert_snapshot!(mistakes(SERVICE), @r#"
    10:5+10: unknown field "spec.ports[0].tragetPort" (did you mean "targetPort"?)
    11:15+3: spec.ports[0].protocol: Unsupported value: "tcp": supported values: "SCTP", "TCP", "UDP"
    12:11+4: spec.ports[1].port must be a whole number, not a text (write the number without quotes)
    13:3+9: unknown field "spec.clusterip" (did you mean "clusterIP"?)
    "#);
}

#[test]
fn values_of_the_wrong_type_are_explained() {
    let text = "\
apiVersion: v1
kind: Pod
metadata:
  name: a
  labels: {version: 1.2, on: yes}
spec:
  hostNetwork: \"true\"
  containers:
    name: web
";
    insta::assert_snapshot!(mistakes(text), @r#"
    5:21+3: metadata.labels.version must be a text, not a number (put it in quotes)
    5:30+3: metadata.labels.true must be a text, not a boolean (put it in quotes: y, n, yes, no, on, off, true and false are booleans without them)
    7:16+6: spec.hostNetwork must be true or false, not a text
    9:5+1: spec.containers must be a list (each item begins with "- "), not a mapping
    "#);
}

#[test]
fn kinds_are_looked_up() {
    let with =
        |version: &str, kind: &str| format!("apiVersion: {version}\nkind: {kind}\nmetadata:\n  name: x\n");
    insta::assert_snapshot!(kubectl(&with("v1", "Pdo")), @r#"
    resource mapping not found for name: "x" namespace: "" from "f.yaml": no matches for kind "Pdo" in version "v1"
    ensure CRDs are installed first
    "#);
    insta::assert_snapshot!(mistakes(&with("v1", "Pdo")), @r#"2:7+3: unknown kind "Pdo" (did you mean "Pod"?)"#);
    insta::assert_snapshot!(mistakes(&with("apps/v1", "Pod")), @r#"1:13+7: there is no Pod in API version "apps/v1" (write apiVersion: v1)"#);
    insta::assert_snapshot!(mistakes(&with("extensions/v1beta1", "Ingress")), @r#"1:13+18: there is no Ingress in API version "extensions/v1beta1" (write apiVersion: networking.k8s.io/v1)"#);
    insta::assert_snapshot!(kubectl(&with("node.k8s.io/v1", "RuntimeClass")), @"RuntimeClass (node.k8s.io/v1) is a kind of Kubernetes that this simulator does not model");
}

#[test]
fn an_object_says_what_it_is() {
    insta::assert_snapshot!(kubectl("kind: Pod\n"), @r#"error validating "f.yaml": error validating data: apiVersion not set; if you choose to ignore these errors, turn validation off with --validate=false"#);
    insta::assert_snapshot!(kubectl("metadata: {}\n"), @r#"error validating "f.yaml": error validating data: [apiVersion not set, kind not set]; if you choose to ignore these errors, turn validation off with --validate=false"#);
    insta::assert_snapshot!(kubectl("- a\n"), @r#"error validating "f.yaml": error validating data: invalid object to validate; if you choose to ignore these errors, turn validation off with --validate=false"#);
    insta::assert_snapshot!(mistakes("apiversion: v1\nkind: Pod\n"), @r#"1:1+10: apiVersion not set in this object ("apiversion" should be "apiVersion")"#);
}

#[test]
fn a_name_that_stands_twice_is_told_although_kubectl_does_not_mind() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  name: b\n";
    assert_eq!(kubectl(text), "");
    assert_eq!(read(text, "f.yaml", 1, NOW).documents[0].value["metadata"]["name"], json!("b"));
    insta::assert_snapshot!(mistakes(text), @r#"5:3+4: "metadata.name" stands here a second time (it was set in line 4, and kubectl silently takes the last one: delete one)"#);
}

#[test]
fn documents_before_a_broken_one_count() {
    let text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\n# nothing\n---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: a: b\n---\nx";
    let file = read(text, "f.yaml", 1, NOW);
    assert_eq!(file.documents.len(), 1);
    insta::assert_snapshot!(kubectl(text), @"error parsing f.yaml: error converting YAML to JSON: yaml: line 4: mapping values are not allowed in this context");
    assert_eq!(file.broken.unwrap().diagnostic.line, 10);
    assert_eq!(parse(text, "lab.md", 41, NOW).unwrap_err()[0].line, 50);
}

#[test]
fn lists_are_taken_apart() {
    let text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Namespace\n  metadata: {name: a}\n- apiVersion: v1\n  kind: Foo\n";
    let file = read(text, "f.yaml", 1, NOW);
    assert_eq!(file.documents[0].kind, Ok(Kind::Namespace));
    assert_eq!(file.documents[1].position.line, 7);
    insta::assert_snapshot!(kubectl(text), @r#"unable to recognize [/v1, Kind=Foo]: no matches for kind "Foo" in version "v1""#);
}

#[test]
fn json_is_read_too() {
    let text = "{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"Pod\",\n\t\"metadata\": {\"name\": \"a\", \"nme\": 1}\n}\n";
    assert_eq!(kubectl(text), "");
    insta::assert_snapshot!(mistakes(text), @r#"4:28+5: unknown field "metadata.nme" (did you mean "name"?)"#);
    insta::assert_snapshot!(kubectl("{\"kind\":\"Pod\",\"apiVersion\":\"v1\",}"), @"error parsing f.yaml: json: offset 33: invalid character '}' looking for beginning of object key string");
}

#[test]
fn objects_come_out_typed() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: c, image: i}]}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n";
    let manifests = parse(text, "f.yaml", 1, NOW).unwrap();
    assert_eq!(manifests.len(), 2);
    let Object::Pod(pod) = &manifests[0].object else { panic!("a Pod was written") };
    assert_eq!(pod.spec.containers[0].image, "i");
    assert_eq!(manifests[1].position.line, 6);
}

/// Big files are no problem: 2000 Services in one stream.
#[test]
fn big_files_are_read() {
    let one = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  ports:\n  - port: 80\n---\n";
    assert_eq!(parse(&one.repeat(2000), "f.yaml", 1, NOW).unwrap().len(), 2000);
}

proptest! {
    #[test]
    fn no_manifest_panics(text in "(apiVersion: v1\n|kind: (Pod|List|Service|Node)\n|items:\n|spec:\n|  ports:\n|  - port: [0-9a-]{1,6}\n|  containers: [\\[\\]{}a,:]{0,6}\n|metadata: \\{\\}\n|---\n| *[a-z]{1,4}: ?[a-z\"'*&!]{0,4}\n){0,12}") {
        let _ = parse(&text, "f.yaml", 1, NOW);
    }

    #[test]
    fn no_text_panics(text in ".*") {
        let _ = parse(&text, "f.yaml", 1, NOW);
    }
}

#[test]
fn earlier_versions_are_read_under_the_releases_that_served_them() {
    let text = "apiVersion: extensions/v1beta1\nkind: Ingress\nmetadata: {name: i}\nspec: {backend: {serviceName: a, servicePort: 80}}\n";
    let old = read(text, "f.yaml", 1, Version::new(1, 21, 0));
    assert_eq!(old.documents[0].kind, Ok(Kind::Ingress));
    assert!(old.diagnostics().is_empty());
    assert_eq!(old.documents[0].value["spec"]["defaultBackend"]["service"]["name"], json!("a"));
    let words = read(text, "f.yaml", 1, NOW).documents[0].kind.clone().unwrap_err();
    assert!(words.contains("no matches for kind \"Ingress\" in version \"extensions/v1beta1\""), "{words}");
    let today = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i}\n";
    assert!(read(today, "f.yaml", 1, Version::new(1, 18, 0)).documents[0].kind.is_err());
}

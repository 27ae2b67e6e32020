use proptest::prelude::*;
use serde_json::{Value, json};

use super::JsonPath;

fn pods() -> Value {
    json!({
        "kind": "List",
        "items": [
            {"metadata": {"name": "pod-a", "labels": {"app": "pod-a", "kubernetes.io/x": "1"}},
             "status": {"podIP": "10.244.1.5", "ready": true, "conditions": [{"type": "Ready", "n": 3}, {"type": "Other", "n": 1}]}},
            {"metadata": {"name": "pod-b", "labels": {"app": "pod-b"}},
             "status": {"podIP": "10.244.2.9", "ready": false, "conditions": []}},
        ],
    })
}

fn render(template: &str) -> String {
    JsonPath::parse(template).and_then(|p| p.render(&pods(), false)).unwrap()
}

fn error(template: &str) -> String {
    JsonPath::parse(template).and_then(|p| p.render(&pods(), false)).unwrap_err()
}

#[test]
fn paths_find_values() {
    assert_eq!(render("{.items[*].metadata.name}"), "pod-a pod-b");
    assert_eq!(render("{.items[0].status.podIP}"), "10.244.1.5");
    assert_eq!(render("{.items[-1].status.podIP}"), "10.244.2.9");
    assert_eq!(render("{.items[:1].metadata.name}"), "pod-a");
    assert_eq!(render("{.items[0:2].metadata.name}"), "pod-a pod-b");
    assert_eq!(render("{.items[::2].metadata.name}"), "pod-a");
    assert_eq!(render("{.items[0].metadata['name']}"), "pod-a");
    assert_eq!(render(r"{.items[0].metadata.labels.kubernetes\.io/x}"), "1");
    assert_eq!(render(r"{.items[0].metadata.labels['kubernetes\.io/x']}"), "1");
    assert_eq!(render("{.items[*]['metadata.name', 'status.podIP']}"), "pod-a pod-b 10.244.1.5 10.244.2.9");
    assert_eq!(render("{.items[0,1].metadata.name}"), "pod-a pod-b");
    assert_eq!(render("{..name}"), "pod-a pod-b");
    assert_eq!(render("{$.kind}{@.kind}"), "ListList");
    assert_eq!(render("{.nothing.here}|"), "|");
}

#[test]
fn text_stands_between_actions() {
    assert_eq!(render("name: {.items[0].metadata.name}\n"), "name: pod-a\n");
    assert_eq!(render(r#"{.kind}{"\t"}{'it\'s'}{"\n"}"#), "List\tit's\n");
}

#[test]
fn ranges_repeat_their_body() {
    assert_eq!(
        render(r#"{range .items[*]}{.metadata.name}{"\t"}{.status.podIP}{"\n"}{end}done"#),
        "pod-a\t10.244.1.5\npod-b\t10.244.2.9\ndone"
    );
    assert_eq!(
        render(r#"{range .items[*]}{.metadata.name}:{range .status.conditions[*]} {.type}{end};{end}"#),
        "pod-a: Ready Other;pod-b:;"
    );
    assert_eq!(render("{range .none[*]}x{end}after"), "after");
    assert_eq!(render("{range .items[*]}{.metadata.name} "), "pod-a pod-b ");
}

#[test]
fn filters_choose() {
    assert_eq!(render(r#"{.items[?(@.metadata.name=="pod-b")].status.podIP}"#), "10.244.2.9");
    assert_eq!(render(r#"{.items[?(@.metadata.name!='pod-b')].status.podIP}"#), "10.244.1.5");
    assert_eq!(render("{.items[?(@.status.ready==true)].metadata.name}"), "pod-a");
    assert_eq!(render("{.items[0].status.conditions[?(@.n>=2)].type}"), "Ready");
    assert_eq!(render(r"{.items[?(@.metadata.labels.kubernetes\.io/x)].metadata.name}"), "pod-a");
    assert_eq!(render(r#"{.items[*].status.conditions[?(@.type=="Ready")].n}"#), "3");
}

#[test]
fn maps_and_lists_print_as_json() {
    assert_eq!(render("{.items[1].metadata.labels}"), r#"{"app":"pod-b"}"#);
    assert_eq!(render("{.items[1].status.conditions}"), "[]");
    assert_eq!(
        JsonPath::parse("{.f} {.n} {.g}").unwrap().render(&json!({"f": 1.5, "n": null, "g": 1e21}), false),
        Ok("1.5 <nil> 1e+21".to_owned())
    );
}

#[test]
fn mistakes_are_named_as_kubectl_names_them() {
    assert_eq!(error("{.items[*}"), "unterminated array");
    assert_eq!(error("{.items"), "unclosed action");
    assert_eq!(error("{.items[a]}"), "invalid array index a");
    assert_eq!(error("{.items[5].x}"), "array index out of bounds: index 5, length 2");
    assert_eq!(error("{.kind[0]}"), "string is not array or slice");
    assert_eq!(error("{end}"), "not in range, nothing to end");
    assert_eq!(error("{foo}"), "unrecognized identifier foo");
    assert_eq!(error("{!}"), "unrecognized character in action: U+0021 '!'");
    assert_eq!(error("{....x}"), "invalid multiple recursive descent");
    assert_eq!(error("{\"x}"), "unterminated quoted string");
    assert_eq!(error("{.items[?(@.x]}"), "unterminated filter");
    assert_eq!(
        JsonPath::parse("{.items[0].nothing}").unwrap().render(&pods(), true),
        Err("nothing is not found".to_owned())
    );
}

#[test]
fn relaxed_paths_need_no_braces() {
    for path in ["metadata.name", ".metadata.name", "{metadata.name}", "{.metadata.name}"] {
        let found = JsonPath::parse_relaxed(path).unwrap().find(&json!({"metadata": {"name": "x"}})).unwrap();
        assert_eq!(found, [[json!("x")]]);
    }
    assert!(JsonPath::parse_relaxed("{.a").unwrap_err().starts_with("unexpected path string"));
}

proptest! {
    #[test]
    fn no_template_panics(template in r#"[a-z0-9{}\[\].,:*?@$'"()\\ =!<>-]{0,40}"#) {
        if let Ok(path) = JsonPath::parse(&template) {
            let _ = path.render(&pods(), false);
        }
    }

    #[test]
    fn no_likely_template_panics(parts in prop::collection::vec(prop::sample::select(vec![
        "{", "}", "range ", "end", ".items", "[*]", "[0]", "[-1]", "[1:]", "..", ".metadata", ".name", "[?(@.n>1)]", "[?(", ")]",
        "\"x\"", "'", "[0,1]", " ", ".*", "@", "$",
    ]), 0..14)) {
        if let Ok(path) = JsonPath::parse(&parts.concat()) {
            let _ = path.render(&pods(), false);
        }
    }
}

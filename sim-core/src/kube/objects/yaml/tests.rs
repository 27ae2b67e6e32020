use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::kube::objects::decode::{FieldPath, Step};
use crate::kube::version::Version;

fn value(text: &str) -> Value {
    parse(text, 1).unwrap().unwrap().to_value()
}

fn go(text: &str) -> String {
    parse(text, 1).unwrap_err().go
}

#[test]
fn documents_are_split_at_lines_of_dashes() {
    let texts = |s| documents(s).iter().map(|p| (p.text, p.line)).collect::<Vec<_>>();
    assert_eq!(texts("a: 1\n---\nb: 2\n"), [("a: 1\n", 0), ("b: 2\n", 2)]);
    assert_eq!(texts("---\na: 1\n--- \n---\nb: 2"), [("---\na: 1\n", 0), ("---\nb: 2", 3)]);
    assert_eq!(texts("a: |\n  x\n  ---\n"), [("a: |\n  x\n  ---\n", 0)]);
    assert_eq!(texts("a: 1\n--- # again\nb: 2\n"), [("a: 1\n", 0), ("b: 2\n", 2)]);
    assert_eq!(texts(""), []);
    assert_eq!(documents("a: 1\n--- b\n")[0].bad_separator, Some("b"));
}

#[test]
fn aliases_and_merge_keys_are_resolved() {
    let text = "a: &x {b: c}\nd:\n  <<: *x\n  e: f\ng: *x\n";
    assert_eq!(value(text), json!({"a": {"b": "c"}, "d": {"b": "c", "e": "f"}, "g": {"b": "c"}}));
}

#[test]
fn names_become_texts() {
    assert_eq!(value("1: a\ntrue: b\n1.5: c\n017: e"), json!({"1": "a", "true": "b", "1.5": "c", "15": "e"}));
}

#[test]
fn tags_and_quotes_decide() {
    assert_eq!(value("[!!str 5, !!int \"5\", 'yes', !foo bar]"), json!(["5", 5, "yes", "bar"]));
}

#[test]
fn every_node_knows_its_place() {
    let node = parse("spec:\n  ports:\n  - port: 80\n", 10).unwrap().unwrap();
    let path = FieldPath(vec![
        Step::Field("spec".into()),
        Step::Field("ports".into()),
        Step::Index(0),
        Step::Field("port".into()),
    ]);
    assert_eq!(node.locate(&path), Position { line: 12, column: 5, length: 4 });
    assert_eq!(node.locate_value(&path), Position { line: 12, column: 11, length: 2 });
}

#[test]
fn a_billion_laughs_are_stopped() {
    let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for i in 1..9 {
        let j = i - 1;
        text += &format!("a{i}: &a{i} [*a{j},*a{j},*a{j},*a{j},*a{j},*a{j},*a{j},*a{j},*a{j}]\n");
    }
    assert_eq!(go(&text), "yaml: document contains excessive aliasing");
}

/// `answers.json` holds what a real kubectl (v1.32, `kubectl label --local -f FILE -o json`) made of each text.
#[test]
fn texts_are_read_and_refused_as_by_kubectl() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("answers.json")).unwrap();
    assert!(cases.len() > 70);
    for case in cases {
        let file = crate::kube::objects::manifest::read(
            case["yaml"].as_str().unwrap(),
            "f.yaml",
            1,
            Version::new(1, 32, 0),
        );
        let error = file.broken.map(|b| b.kubectl);
        match case["error"].as_str() {
            Some(words) => {
                assert_eq!(error, Some(format!("error parsing f.yaml: {words}")), "{}", case["name"]);
            }
            None => {
                let values: Vec<Value> = file.documents.into_iter().map(|d| d.value).collect();
                assert_eq!(json!(without_empty_metadata(values)), case["json"], "{}", case["name"]);
            }
        }
    }
}

/// kubectl's answers come from setting a label, which makes metadata out of nothing.
fn without_empty_metadata(mut values: Vec<Value>) -> Vec<Value> {
    for value in &mut values {
        if value["metadata"].is_null() || value["metadata"] == json!({}) {
            value.as_object_mut().unwrap().remove("metadata");
        }
    }
    values
}

#[test]
fn people_are_shown_the_place() {
    let tell = |text: &str| {
        let e = parse(text, 10).unwrap_err();
        format!("{}:{}: {} ({})", e.at.line, e.at.column, e.message, e.help.unwrap_or_default())
    };
    insta::assert_snapshot!(tell("a: 1\nb:\n\tc: 1\n"), @"12:1: a tab is used for indentation (YAML is indented with spaces only: put spaces in place of the tab)");
    insta::assert_snapshot!(tell("a: 1\nb: c\n\td: 1\n"), @"12:1: a tab is used for indentation (YAML is indented with spaces only: put spaces in place of the tab)");
    insta::assert_snapshot!(tell("a:\n  b: 1\n   c: 2\n"), @r#"12:5: a "name: value" is not possible here (the line is indented deeper than its neighbours, or a text that contains ": " needs quotes)"#);
    insta::assert_snapshot!(tell("a:\n  b: 1\n c: 2\n"), @"12:2: the indentation fits no line above (start the line in the same column as the names beside it)");
    insta::assert_snapshot!(tell("a: 1\nkind:Pod\nb: 2\n"), @r#"11:1: a name without a value (put ": " behind the name (with the space), or join the text to the line above)"#);
    insta::assert_snapshot!(tell("a: \"x\nb: 2\n"), @"10:4: a quoted text does not end (add the closing quote)");
    insta::assert_snapshot!(tell("a: [1, 2\nb: 3\n"), @"10:4: a bracket [ is not closed (add a comma or the closing ])");
    insta::assert_snapshot!(tell("a: {{ .x }}\n"), @"10:5: a name must be a text (a text that begins with { or [ needs quotes)");
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[ -~]{0,12}".prop_map(Value::from),
        Just(Value::Null),
    ]
}

fn document() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,6}", inner, 0..5).prop_map(|m| json!(m)),
        ]
    })
}

proptest! {
    #[test]
    fn json_is_yaml(value in document()) {
        let text = serde_json::to_string_pretty(&value).unwrap();
        prop_assert_eq!(parse(&text, 1).unwrap().unwrap().to_value(), value);
    }

    #[test]
    fn no_text_panics(text in "[ \\-:a-c\\n\\t\\[\\]{}&*!#|>'\"%@,0-9]{0,60}") {
        let _ = parse(&text, 1);
    }

    #[test]
    fn no_unicode_panics(text in ".*") {
        let _ = parse(&text, 1);
    }
}

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::kube::objects::decode::{FieldPath, Step};

fn value(text: &str) -> Value {
    parse(text, 1).unwrap().unwrap().to_value()
}

fn go(text: &str) -> String {
    parse(text, 1).unwrap_err().go
}

#[test]
fn documents_are_split_at_lines_of_dashes() {
    let texts = |s| documents(s).into_iter().map(|p| (p.text, p.line)).collect::<Vec<_>>();
    assert_eq!(texts("a: 1\n---\nb: 2\n"), [("a: 1\n", 0), ("b: 2\n", 2)]);
    assert_eq!(texts("---\na: 1\n--- \n---\nb: 2"), [("---\na: 1\n", 0), ("---\nb: 2", 3)]);
    assert_eq!(texts("a: |\n  x\n  ---\n"), [("a: |\n  x\n  ---\n", 0)]);
    assert_eq!(texts(""), []);
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

/// Answers of a real kubectl.
#[test]
fn mistakes_are_told_in_kubectls_words() {
    for (text, words) in [
        ("a: 1\nb:\n\tc: 1\n", "yaml: line 3: found character that cannot start any token"),
        ("a: 1\nb:\n  c: 1\n   d:\n  x: y\n", "yaml: line 4: mapping values are not allowed in this context"),
        ("a: 1\nb: c: d\n", "yaml: line 2: mapping values are not allowed in this context"),
        ("a: *x\n", "yaml: unknown anchor 'x' referenced"),
        ("a: .inf\n", "json: unsupported value: +Inf"),
        ("a: !!int foo\n", "yaml: cannot decode !!str `foo` as a !!int"),
    ] {
        assert_eq!(go(text), words, "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "[ \\-:a-c\\n\\t\\[\\]{}&*!#|>'\"%@,0-9]{0,60}") {
        let _ = parse(&text, 1);
    }

    #[test]
    fn no_unicode_panics(text in ".*") {
        let _ = parse(&text, 1);
    }
}

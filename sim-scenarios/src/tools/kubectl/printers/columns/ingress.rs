//! Ingresses and their classes.

use serde_json::Value;

use super::super::super::value::{list, name, text};
use super::{Layout, View, age, col, or};

pub(super) const INGRESS: Layout = Layout {
    columns: &[col("NAME"), col("CLASS"), col("HOSTS"), col("ADDRESS"), col("PORTS"), col("AGE")],
    cells: ingress,
};

pub(super) const CLASS: Layout = Layout {
    columns: &[col("NAME"), col("CONTROLLER"), col("PARAMETERS"), col("AGE")],
    cells: |object, view| {
        let of = |field: &str| text(object, &format!("/spec/parameters/{field}"));
        let parameters = match (of("apiGroup"), of("kind"), of("name")) {
            (_, "", "") => "<none>".to_owned(),
            ("", kind, name) => format!("{kind}/{name}"),
            (group, kind, name) => format!("{kind}.{group}/{name}"),
        };
        vec![
            name(object).to_owned(),
            text(object, "/spec/controller").to_owned(),
            parameters,
            age(object, view),
        ]
    },
};

fn ingress(object: &Value, view: View) -> Vec<String> {
    let ports = if list(object, "/spec/tls").is_empty() { "80" } else { "80, 443" };
    vec![
        name(object).to_owned(),
        or(text(object, "/spec/ingressClassName"), "<none>"),
        hosts(object),
        addresses(object),
        ports.to_owned(),
        age(object, view),
    ]
}

/// At most three hosts; `*` if no rule names one.
fn hosts(object: &Value) -> String {
    let all: Vec<&str> =
        list(object, "/spec/rules").iter().map(|r| text(r, "/host")).filter(|h| !h.is_empty()).collect();
    match all.len() {
        0 => "*".to_owned(),
        1..=3 => all.join(","),
        n => format!("{} + {} more...", all[..3].join(","), n - 3),
    }
}

/// Where it can be reached.
pub(crate) fn addresses(object: &Value) -> String {
    let one =
        |i: &Value| if text(i, "/ip").is_empty() { text(i, "/hostname") } else { text(i, "/ip") }.to_owned();
    list(object, "/status/loadBalancer/ingress").iter().map(one).collect::<Vec<_>>().join(",")
}

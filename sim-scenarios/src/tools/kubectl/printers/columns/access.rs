//! Secrets, service accounts, roles and their bindings.

use serde_json::Value;

use super::super::super::value::{list, map, name, text};
use super::{Layout, View, age, col, wide};

pub(super) const SECRET: Layout = Layout {
    columns: &[col("NAME"), col("TYPE"), col("DATA"), col("AGE")],
    cells: |object, view| {
        let entries = map(object, "/data").map_or(0, serde_json::Map::len);
        vec![
            name(object).to_owned(),
            text(object, "/type").to_owned(),
            entries.to_string(),
            age(object, view),
        ]
    },
};

pub(super) const SERVICE_ACCOUNT: Layout = Layout {
    columns: &[col("NAME"), col("SECRETS"), col("AGE")],
    cells: |object, view| {
        vec![name(object).to_owned(), list(object, "/secrets").len().to_string(), age(object, view)]
    },
};

pub(super) const ROLE: Layout = Layout {
    columns: &[col("NAME"), col("CREATED AT")],
    cells: |object, _| vec![name(object).to_owned(), text(object, "/metadata/creationTimestamp").to_owned()],
};

pub(super) const BINDING: Layout = Layout {
    columns: &[col("NAME"), col("ROLE"), col("AGE"), wide("USERS"), wide("GROUPS"), wide("SERVICEACCOUNTS")],
    cells: binding,
};

fn binding(object: &Value, view: View) -> Vec<String> {
    let subjects = |kind: &str| {
        let of_kind = list(object, "/subjects").iter().filter(|s| text(s, "/kind") == kind);
        let named = |s: &Value| match kind {
            "ServiceAccount" if !text(s, "/namespace").is_empty() => {
                format!("{}/{}", text(s, "/namespace"), text(s, "/name"))
            }
            _ => text(s, "/name").to_owned(),
        };
        of_kind.map(named).collect::<Vec<_>>().join(", ")
    };
    vec![
        name(object).to_owned(),
        format!("{}/{}", text(object, "/roleRef/kind"), text(object, "/roleRef/name")),
        age(object, view),
        subjects("User"),
        subjects("Group"),
        subjects("ServiceAccount"),
    ]
}

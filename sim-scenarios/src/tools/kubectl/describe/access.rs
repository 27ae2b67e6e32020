//! Secrets, service accounts, roles and their bindings.

use std::collections::BTreeMap;

use serde_json::Value;
use sim_core::kube::objects::Kind;

use super::super::value::{list, map, name, namespace, text, texts};
use super::writer::Writer;
use super::{Look, head, simple};

const ACCOUNT: &str = "kubernetes.io/service-account.name";

pub(super) fn secret(w: &mut Writer, secret: &Value) {
    head(w, secret);
    w.line(0, "");
    w.field(0, "Type", text(secret, "/type"));
    w.line(0, "");
    w.line(0, "Data");
    w.line(0, "====");
    for (key, value) in map(secret, "/data").into_iter().flatten() {
        let value = value.as_str().unwrap_or("");
        // A token is for reading; everything else is counted.
        if key == "token" && text(secret, "/type") == "kubernetes.io/service-account-token" {
            w.field(0, key, simple::decoded(value));
        } else {
            w.field(0, key, format!("{} bytes", simple::decoded_length(value)));
        }
    }
}

pub(super) fn service_account(w: &mut Writer, account: &Value, look: Look<'_>) {
    head(w, account);
    let tokens: Vec<String> = look
        .store
        .iter(Kind::Secret, Some(namespace(account)))
        .filter(|s| s.meta().annotations.get(ACCOUNT).is_some_and(|n| n == name(account)))
        .map(|s| s.meta().name.clone())
        .collect();
    let there = |name: &str| look.store.find(Kind::Secret, namespace(account), name).is_some();
    let names = |pointer: &str| -> Vec<String> {
        let all = list(account, pointer).iter().map(|s| text(s, "/name"));
        all.map(|n| if there(n) { n.to_owned() } else { format!("{n} (not found)") }).collect()
    };
    for (title, all) in [
        ("Image pull secrets", names("/imagePullSecrets")),
        ("Mountable secrets", names("/secrets")),
        ("Tokens", tokens),
    ] {
        w.lines("", title, &all);
    }
}

pub(super) fn role(w: &mut Writer, role: &Value) {
    w.field(0, "Name", name(role));
    w.labels("Labels", role, "/metadata/labels");
    w.annotations("Annotations", role, "/metadata/annotations");
    w.line(0, "PolicyRule:");
    w.line(1, "Resources\tNon-Resource URLs\tResource Names\tVerbs");
    w.line(1, "---------\t-----------------\t--------------\t-----");
    // One line for each resource and name with all its verbs, by group; URLs last.
    let mut rows: BTreeMap<Row<'_>, Vec<&str>> = BTreeMap::new();
    for rule in list(role, "/rules") {
        for key in broken_down(rule) {
            let verbs = rows.entry(key).or_default();
            for verb in texts(rule, "/verbs") {
                if !verbs.contains(&verb) {
                    verbs.push(verb);
                }
            }
        }
    }
    for (row, verbs) in rows {
        let (resource, url, only) = match row {
            Row::Resource { group, resource, only } => (combine(resource, group), "", only),
            Row::Url(url) => (String::new(), url, ""),
        };
        w.line(1, format!("{resource}\t[{url}]\t[{only}]\t[{}]", verbs.join(" ")));
    }
}

/// What one line of a role is about.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Row<'a> {
    Resource {
        group: &'a str,
        resource: &'a str,
        /// The one object, or all.
        only: &'a str,
    },
    Url(&'a str),
}

fn broken_down(rule: &Value) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    let mut names = texts(rule, "/resourceNames");
    if names.is_empty() {
        names.push("");
    }
    for group in texts(rule, "/apiGroups") {
        for resource in texts(rule, "/resources") {
            rows.extend(names.iter().map(|only| Row::Resource { group, resource, only }));
        }
    }
    rows.extend(texts(rule, "/nonResourceURLs").into_iter().map(Row::Url));
    rows
}

/// `deployments.apps`, `deployments.apps/scale`.
fn combine(resource: &str, group: &str) -> String {
    match (group, resource.split_once('/')) {
        ("", _) => resource.to_owned(),
        (group, Some((resource, sub))) => format!("{resource}.{group}/{sub}"),
        (group, None) => format!("{resource}.{group}"),
    }
}

pub(super) fn binding(w: &mut Writer, binding: &Value) {
    w.field(0, "Name", name(binding));
    w.labels("Labels", binding, "/metadata/labels");
    w.annotations("Annotations", binding, "/metadata/annotations");
    w.line(0, "Role:");
    w.field(1, "Kind", text(binding, "/roleRef/kind"));
    w.field(1, "Name", text(binding, "/roleRef/name"));
    w.line(0, "Subjects:");
    w.line(1, "Kind\tName\tNamespace");
    w.line(1, "----\t----\t---------");
    for s in list(binding, "/subjects") {
        w.line(1, format!("{}\t{}\t{}", text(s, "/kind"), text(s, "/name"), text(s, "/namespace")));
    }
}

//! Secret, `ServiceAccount` and the kinds of role-based access control.

use serde_json::json;

use super::super::names;
use super::Faults;
use crate::kube::objects::Secret;
use crate::kube::objects::rbac::{GROUP, PolicyRule, RoleRef, Subject};

/// Sum of all data of a Secret in bytes.
const SECRET_LIMIT: usize = 1024 * 1024;
const TOKEN_ACCOUNT: &str = "kubernetes.io/service-account.name";

pub(super) fn check_secret(secret: &Secret, faults: &mut Faults) {
    for key in secret.data.keys() {
        faults.text(format!("data[{key}]"), key, names::config_map_key);
    }
    let size: usize = secret.data.values().map(|v| v.len() / 4 * 3).sum();
    if size > SECRET_LIMIT {
        faults.add("data", format!("Too long: may not be more than {SECRET_LIMIT} bytes"));
    }
    let need = |faults: &mut Faults, key: &str| {
        if !secret.data.contains_key(key) {
            faults.required(format!("data[{key}]"), "");
        }
    };
    match secret.kind.as_str() {
        "kubernetes.io/tls" => ["tls.crt", "tls.key"].into_iter().for_each(|key| need(faults, key)),
        "kubernetes.io/ssh-auth" => need(faults, "ssh-privatekey"),
        "kubernetes.io/dockerconfigjson" => need(faults, ".dockerconfigjson"),
        "kubernetes.io/dockercfg" => need(faults, ".dockercfg"),
        // Either of the two is enough.
        "kubernetes.io/basic-auth"
            if !secret.data.contains_key("username") && !secret.data.contains_key("password") =>
        {
            ["username", "password"].into_iter().for_each(|key| need(faults, key));
        }
        "kubernetes.io/service-account-token"
            if secret.metadata.annotations.get(TOKEN_ACCOUNT).is_none_or(String::is_empty) =>
        {
            faults.required(format!("metadata.annotations[{TOKEN_ACCOUNT}]"), "");
        }
        _ => {}
    }
}

pub(super) fn check_secret_update(new: &Secret, old: &Secret, faults: &mut Faults) {
    if new.kind != old.kind {
        faults.invalid("type", new.kind.as_str(), "field is immutable");
    }
    if old.immutable != Some(true) {
        return;
    }
    if new.immutable != Some(true) {
        faults.forbidden("immutable", "field is immutable when `immutable` is set");
    }
    if new.data != old.data {
        faults.forbidden("data", "field is immutable when `immutable` is set");
    }
}

/// Rules of a role; one of a namespace (`namespaced`) cannot speak of URLs.
pub(super) fn check_rules(rules: &[PolicyRule], namespaced: bool, faults: &mut Faults) {
    for (i, rule) in rules.iter().enumerate() {
        let at = |field: &str| format!("rules[{i}].{field}");
        if rule.verbs.is_empty() {
            faults.required(at("verbs"), "verbs must contain at least one value");
        }
        if !rule.non_resource_urls.is_empty() {
            let urls = json!(rule.non_resource_urls);
            if namespaced {
                faults.invalid(
                    at("nonResourceURLs"),
                    urls.clone(),
                    "namespaced rules cannot apply to non-resource URLs",
                );
            }
            if !rule.api_groups.is_empty() || !rule.resources.is_empty() || !rule.resource_names.is_empty() {
                let why = "rules cannot apply to both regular resources and non-resource URLs";
                faults.invalid(at("nonResourceURLs"), urls, why);
            }
            continue;
        }
        if rule.api_groups.is_empty() {
            faults.required(at("apiGroups"), "resource rules must supply at least one api group");
        }
        if rule.resources.is_empty() {
            faults.required(at("resources"), "resource rules must supply at least one resource");
        }
    }
}

/// A binding; one of a namespace (`namespaced`) may give a role of its own.
pub(super) fn check_binding(role: &RoleRef, subjects: &[Subject], namespaced: bool, faults: &mut Faults) {
    if role.api_group != GROUP {
        not_supported(faults, "roleRef.apiGroup", &role.api_group, &[GROUP]);
    }
    let kinds: &[&str] = if namespaced { &["ClusterRole", "Role"] } else { &["ClusterRole"] };
    if !kinds.contains(&role.kind.as_str()) {
        not_supported(faults, "roleRef.kind", &role.kind, kinds);
    }
    if role.name.is_empty() {
        faults.required("roleRef.name", "");
    } else {
        faults.text("roleRef.name", &role.name, names::path_segment);
    }
    for (i, subject) in subjects.iter().enumerate() {
        check_subject(subject, &format!("subjects[{i}]"), namespaced, faults);
    }
}

fn check_subject(subject: &Subject, at: &str, namespaced: bool, faults: &mut Faults) {
    if subject.name.is_empty() {
        faults.required(format!("{at}.name"), "");
    }
    let group = match subject.kind.as_str() {
        "ServiceAccount" => {
            if !subject.name.is_empty() {
                faults.text(format!("{at}.name"), &subject.name, names::dns1123_subdomain);
            }
            if !namespaced && subject.namespace.is_empty() {
                faults.required(format!("{at}.namespace"), "");
            }
            ""
        }
        "User" | "Group" => GROUP,
        other => {
            return not_supported(faults, &format!("{at}.kind"), other, &["Group", "ServiceAccount", "User"]);
        }
    };
    if subject.api_group != group {
        not_supported(faults, &format!("{at}.apiGroup"), &subject.api_group, &[group]);
    }
}

pub(super) fn check_binding_update(new: &RoleRef, old: &RoleRef, faults: &mut Faults) {
    if new != old {
        faults.invalid("roleRef", serde_json::to_value(new).unwrap_or_default(), "cannot change roleRef");
    }
}

fn not_supported(faults: &mut Faults, field: &str, value: &str, list: &[&str]) {
    let list: Vec<String> = list.iter().map(|v| format!("{v:?}")).collect();
    faults.add(field, format!("Unsupported value: {value:?}: supported values: {}", list.join(", ")));
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::chance::Dice;
    use crate::kube::objects::Kind;
    use crate::kube::store::{Store, StoreConfig};
    use crate::time::SimTime;

    fn refusal(kind: Kind, mut body: Value) -> String {
        body["metadata"] = json!({"name": "x"});
        let mut store = Store::new(StoreConfig::default(), Dice::seeded(0));
        match store.create_value(kind, "default", &body, SimTime::ZERO) {
            Ok(stored) => serde_json::to_string(&stored.to_value()["data"]).unwrap(),
            Err(error) => error.message,
        }
    }

    #[test]
    fn what_a_secret_or_binding_needs() {
        let all = [
            refusal(Kind::Secret, json!({"stringData": {"a": "b"}, "data": {"a": "eA=="}})),
            refusal(Kind::Secret, json!({"data": {"a": "x"}})),
            refusal(Kind::Secret, json!({"type": "kubernetes.io/tls", "data": {"tls.crt": ""}})),
            refusal(Kind::Role, json!({"rules": [{"nonResourceURLs": ["/healthz"]}, {"verbs": ["get"]}]})),
            refusal(Kind::RoleBinding, json!({"roleRef": {"kind": "Rolle", "name": "a"}})),
            refusal(
                Kind::ClusterRoleBinding,
                json!({"roleRef": {"kind": "ClusterRole", "name": "a"}, "subjects": [
                    {"kind": "ServiceAccount", "name": "b"}, {"kind": "Person", "name": "c"}, {"kind": "User"},
                ]}),
            ),
        ];
        insta::assert_snapshot!(all.join("\n"));
    }
}

//! `kubectl create serviceaccount`, `role`, `clusterrole`, `rolebinding`, `clusterrolebinding`.

use serde_json::{Value, json};
use sim_core::kube::objects::{Kind, rbac};

use super::super::args::{Flag, Kind as F, flag};
use super::super::ctl::Ctl;
use super::super::failure::Failure;
use super::super::resource::Resource;
use super::New;

pub(super) static ROLE_FLAGS: &[Flag] = &[
    flag("verb", F::List),
    flag("resource", F::List),
    flag("resource-name", F::Texts),
    flag("non-resource-url", F::List),
    flag("aggregation-rule", F::Text),
];
pub(super) static BINDING_FLAGS: &[Flag] = &[
    flag("role", F::Text),
    flag("clusterrole", F::Text),
    flag("user", F::Texts),
    flag("group", F::Texts),
    flag("serviceaccount", F::Texts),
];

pub(super) fn service_account(ctl: &mut Ctl<'_, '_>) -> Result<New, Failure> {
    let name = super::one_name(ctl)?;
    let body = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": super::metadata(ctl, &name)});
    Ok(New { kind: Kind::ServiceAccount, body, what: Some("serviceaccount".to_owned()) })
}

/// What can be done to resources.
const VERBS: [&str; 17] = [
    "get",
    "delete",
    "list",
    "create",
    "update",
    "patch",
    "watch",
    "proxy",
    "redirect",
    "deletecollection",
    "use",
    "bind",
    "escalate",
    "impersonate",
    "approve",
    "sign",
    "attest",
];

pub(super) fn role(ctl: &mut Ctl<'_, '_>) -> Result<New, Failure> {
    let name = super::one_name(ctl)?;
    let rules = resource_rules(ctl)?;
    let body = json!({
        "apiVersion": Kind::Role.api_version(), "kind": "Role",
        "metadata": super::metadata(ctl, &name), "rules": rules,
    });
    Ok(New { kind: Kind::Role, body, what: Some("role".to_owned()) })
}

pub(super) fn cluster_role(ctl: &mut Ctl<'_, '_>) -> Result<New, Failure> {
    ctl.refuse(&["aggregation-rule"])?;
    let name = super::one_name(ctl)?;
    let urls = ctl.args.texts("non-resource-url");
    let rules = if urls.is_empty() {
        resource_rules(ctl)?
    } else {
        if !ctl.args.texts("resource").is_empty() {
            return Err(Failure::plain("invalid verb for nonResourceURL"));
        }
        vec![json!({"verbs": verbs(ctl)?, "nonResourceURLs": urls})]
    };
    let body = json!({
        "apiVersion": Kind::ClusterRole.api_version(), "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules,
    });
    Ok(New { kind: Kind::ClusterRole, body, what: Some("clusterrole".to_owned()) })
}

fn verbs(ctl: &Ctl<'_, '_>) -> Result<Vec<String>, Failure> {
    let mut all: Vec<String> = Vec::new();
    for verb in ctl.args.texts("verb") {
        if verb == "*" {
            return Ok(vec!["*".to_owned()]);
        }
        if !all.contains(verb) {
            all.push(verb.clone());
        }
    }
    if all.is_empty() {
        return Err(Failure::plain("at least one verb must be specified"));
    }
    Ok(all)
}

/// One rule for each API group.
fn resource_rules(ctl: &mut Ctl<'_, '_>) -> Result<Vec<Value>, Failure> {
    let verbs = verbs(ctl)?;
    if ctl.args.texts("resource").is_empty() {
        return Err(Failure::plain("at least one resource must be specified"));
    }
    for verb in verbs.iter().filter(|v| *v != "*" && !VERBS.contains(&v.as_str())) {
        ctl.warn(&format!("'{verb}' is not a standard resource verb"));
    }
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    let names = ctl.args.texts("resource-name").to_vec();
    for text in ctl.args.texts("resource") {
        let (group, resource) = group_and_resource(text)?;
        match groups.iter_mut().find(|(g, _)| *g == group) {
            Some((_, all)) => all.push(resource),
            None => groups.push((group, vec![resource])),
        }
    }
    if !names.is_empty() && groups.iter().map(|(_, all)| all.len()).sum::<usize>() > 1 {
        return Err(Failure::plain("resourceName can not be applied to multiple resources"));
    }
    let rule = |(group, resources): (String, Vec<String>)| {
        let mut rule = json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
        if !names.is_empty() {
            rule["resourceNames"] = json!(names);
        }
        rule
    };
    Ok(groups.into_iter().map(rule).collect())
}

/// `pods`, `deployments.apps`, `pods/log`, `deployments.apps/scale`.
fn group_and_resource(text: &str) -> Result<(String, String), Failure> {
    if text == "*" {
        return Ok((String::new(), "*".to_owned()));
    }
    let (whole, sub) = text.split_once('/').map_or((text, None), |(w, s)| (w, Some(s)));
    let bare = whole.split('.').next().unwrap_or(whole);
    let resource = Resource::parse(whole).or_else(|_| Resource::parse(bare)).map_err(|failure| {
        if failure.what_is_not_modelled().is_some() {
            return failure;
        }
        Failure::plain(format!("the server doesn't have a resource type {bare:?}"))
    })?;
    let group = match resource {
        Resource::Kind(kind) => kind.group(),
        Resource::Event => "",
    };
    let sub = sub.map(|s| format!("/{s}")).unwrap_or_default();
    Ok((group.to_owned(), format!("{}{sub}", resource.plural())))
}

pub(super) fn role_binding(ctl: &mut Ctl<'_, '_>) -> Result<New, Failure> {
    binding(ctl, Kind::RoleBinding, "rolebinding")
}

pub(super) fn cluster_role_binding(ctl: &mut Ctl<'_, '_>) -> Result<New, Failure> {
    binding(ctl, Kind::ClusterRoleBinding, "clusterrolebinding")
}

fn binding(ctl: &mut Ctl<'_, '_>, kind: Kind, what: &str) -> Result<New, Failure> {
    let given = |flag: &str| ctl.args.text(flag).filter(|t| !t.is_empty());
    if !kind.namespaced() && given("clusterrole").is_none() {
        return Err(Failure::plain("required flag(s) \"clusterrole\" not set"));
    }
    let name = super::one_name(ctl)?;
    let (role_kind, role) = match (given("clusterrole"), given("role")) {
        (Some(role), None) => ("ClusterRole", role),
        (None, Some(role)) => ("Role", role),
        _ => return Err(Failure::plain("exactly one of clusterrole or role must be specified")),
    };
    let mut subjects = Vec::new();
    for (flag, of) in [("user", "User"), ("group", "Group")] {
        let named = |name: &String| json!({"apiGroup": rbac::GROUP, "kind": of, "name": name});
        subjects.extend(ctl.args.texts(flag).iter().map(named));
    }
    for account in ctl.args.texts("serviceaccount") {
        let (space, own) = account
            .split_once(':')
            .filter(|(s, n)| !s.is_empty() && !n.is_empty())
            .ok_or_else(|| Failure::plain("serviceaccount must be <namespace>:<name>"))?;
        subjects.push(json!({"kind": "ServiceAccount", "name": own, "namespace": space}));
    }
    let metadata = if kind.namespaced() { super::metadata(ctl, &name) } else { json!({"name": name}) };
    let mut body = json!({
        "apiVersion": kind.api_version(), "kind": kind.name(), "metadata": metadata,
        "roleRef": {"apiGroup": rbac::GROUP, "kind": role_kind, "name": role},
    });
    if !subjects.is_empty() {
        body["subjects"] = json!(subjects);
    }
    Ok(New { kind, body, what: Some(what.to_owned()) })
}

//! apps/v1 and policy/v1.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};

use super::super::names;
use super::{Faults, pod};
use crate::kube::objects::meta::LabelSelector;
use crate::kube::objects::pod::RestartPolicy;
use crate::kube::objects::template::{PodTemplateSpec, RollingUpdate, UpdateStrategy};
use crate::kube::objects::{
    ControllerRevision, DaemonSet, Deployment, IntOrString, PodDisruptionBudget, ReplicaSet, Selector,
    StatefulSet,
};

pub(super) fn deployment(o: &Deployment, faults: &mut Faults) {
    let spec = &o.spec;
    faults.not_negative("spec.replicas", spec.replicas.unwrap_or(1).into());
    let selector = required_selector(spec.selector.as_ref(), "deployment", faults);
    replica_set_template(&selector, &spec.template, faults);
    deployment_strategy(&spec.strategy, faults);
    faults.not_negative("spec.minReadySeconds", spec.min_ready_seconds.into());
    if let Some(limit) = spec.revision_history_limit {
        faults.not_negative("spec.revisionHistoryLimit", limit.into());
    }
    if let Some(seconds) = spec.progress_deadline_seconds {
        let at = "spec.progressDeadlineSeconds";
        faults.not_negative(at, seconds.into());
        if seconds <= spec.min_ready_seconds {
            faults.invalid(at, seconds, "must be greater than minReadySeconds");
        }
    }
}

pub(super) fn replica_set(o: &ReplicaSet, faults: &mut Faults) {
    let spec = &o.spec;
    faults.not_negative("spec.replicas", spec.replicas.unwrap_or(1).into());
    faults.not_negative("spec.minReadySeconds", spec.min_ready_seconds.into());
    // The server's own words name a Deployment here too.
    let selector = required_selector(spec.selector.as_ref(), "deployment", faults);
    replica_set_template(&selector, &spec.template, faults);
}

fn replica_set_template(selector: &Selected, template: &PodTemplateSpec, faults: &mut Faults) {
    if let Selected::By(selector) = selector
        && !selector.is_empty()
    {
        matches_template(selector, template, faults);
    }
    check_template("spec.template", template, &BTreeSet::new(), faults);
    always_running(template, "ReplicaSet", faults);
}

fn deployment_strategy(strategy: &UpdateStrategy, faults: &mut Faults) {
    let at = "spec.strategy.rollingUpdate";
    match (strategy.kind.as_str(), &strategy.rolling_update) {
        ("Recreate", Some(_)) => {
            faults.forbidden(at, "may not be specified when strategy `type` is 'Recreate'");
        }
        ("Recreate", None) => {}
        ("RollingUpdate", None) => faults.required(at, "this should be defaulted and never be nil"),
        ("RollingUpdate", Some(rolling)) => {
            int_or_percent(at, "maxUnavailable", rolling.max_unavailable.as_ref(), faults);
            int_or_percent(at, "maxSurge", rolling.max_surge.as_ref(), faults);
            if amount(rolling.max_unavailable.as_ref()) == 0 && amount(rolling.max_surge.as_ref()) == 0 {
                let value = shown(rolling.max_unavailable.as_ref());
                faults.invalid(format!("{at}.maxUnavailable"), value, "may not be 0 when `maxSurge` is 0");
            }
            at_most_all(at, "maxUnavailable", rolling.max_unavailable.as_ref(), faults);
        }
        (other, rolling) => {
            let value = format!("{{\"Type\":{},\"RollingUpdate\":{}}}", json!(other), go_rolling(rolling));
            let known = "supported values: \"Recreate\", \"RollingUpdate\"";
            faults.add("spec.strategy", format!("Unsupported value: {value}: {known}"));
        }
    }
}

pub(super) fn daemon_set(o: &DaemonSet, faults: &mut Faults) {
    let spec = &o.spec;
    if let Some(selector) = &spec.selector {
        check_selector("spec.selector", selector, faults);
    }
    // Without a selector nothing matches.
    let none = LabelSelector::default();
    let selector = spec.selector.as_ref().unwrap_or(&none);
    match Selector::from_label_selector(selector) {
        Some(s) if spec.selector.is_none() || !s.matches(&spec.template.metadata.labels) => {
            let labels = json!(spec.template.metadata.labels);
            faults.invalid("spec.template.metadata.labels", null_if_empty(labels), MISMATCH);
        }
        _ => {}
    }
    if spec.selector.as_ref().is_some_and(is_empty) {
        faults.invalid("spec.selector", json!(spec.selector), "empty selector is invalid for daemonset");
    }
    check_template("spec.template", &spec.template, &BTreeSet::new(), faults);
    always_running(&spec.template, "DaemonSet", faults);
    faults.not_negative("spec.minReadySeconds", spec.min_ready_seconds.into());
    daemon_set_strategy(&spec.update_strategy, faults);
    if let Some(limit) = spec.revision_history_limit {
        faults.not_negative("spec.revisionHistoryLimit", limit.into());
    }
}

fn daemon_set_strategy(strategy: &UpdateStrategy, faults: &mut Faults) {
    let at = "spec.updateStrategy.rollingUpdate";
    match (strategy.kind.as_str(), &strategy.rolling_update) {
        ("OnDelete", _) => {}
        ("RollingUpdate", None) => faults.required(at, ""),
        ("RollingUpdate", Some(rolling)) => {
            let (unavailable, surge) = (rolling.max_unavailable.as_ref(), rolling.max_surge.as_ref());
            for (name, value) in [("maxUnavailable", unavailable), ("maxSurge", surge)] {
                int_or_percent(at, name, value, faults);
            }
            for (name, value) in [("maxUnavailable", unavailable), ("maxSurge", surge)] {
                at_most_all(at, name, value, faults);
            }
            match (amount(unavailable) != 0, amount(surge) != 0) {
                (true, true) => {
                    let detail = "may not be set when maxUnavailable is non-zero";
                    faults.invalid(format!("{at}.maxSurge"), shown(surge), detail);
                }
                (false, false) => {
                    faults.required(format!("{at}.maxUnavailable"), "cannot be 0 when maxSurge is 0");
                }
                _ => {}
            }
        }
        (other, rolling) => {
            let value = format!("{{\"Type\":{},\"RollingUpdate\":{}}}", json!(other), go_rolling(rolling));
            let known = "supported values: \"RollingUpdate\", \"OnDelete\"";
            faults.add("spec.updateStrategy", format!("Unsupported value: {value}: {known}"));
        }
    }
}

pub(super) fn stateful_set(o: &StatefulSet, faults: &mut Faults) {
    let spec = &o.spec;
    if !matches!(spec.pod_management_policy.as_str(), "OrderedReady" | "Parallel") {
        let detail = "must be 'OrderedReady' or 'Parallel'";
        faults.invalid("spec.podManagementPolicy", spec.pod_management_policy.as_str(), detail);
    }
    stateful_set_strategy(&spec.update_strategy, faults);
    for when in ["whenDeleted", "whenScaled"] {
        let policy = spec.persistent_volume_claim_retention_policy.as_ref().map(|p| &p[when]);
        let policy = policy.and_then(Value::as_str).unwrap_or("Retain");
        if !matches!(policy, "Retain" | "Delete") {
            let at = format!("spec.persistentVolumeClaimRetentionPolicy.{when}");
            let known = "supported values: \"Retain\", \"Delete\"";
            faults.add(at, format!("Unsupported value: {policy:?}: {known}"));
        }
    }
    faults.not_negative("spec.replicas", spec.replicas.unwrap_or(1).into());
    faults.not_negative("spec.minReadySeconds", spec.min_ready_seconds.into());
    faults.not_negative("spec.ordinals.start", o.start().into());
    let selector = required_selector(spec.selector.as_ref(), "statefulset", faults);
    if let Selected::By(selector) = &selector
        && !selector.is_empty()
    {
        matches_template(selector, &spec.template, faults);
    }
    let claims = spec.volume_claim_templates.iter().filter_map(|c| c["metadata"]["name"].as_str());
    check_template("spec.template", &spec.template, &claims.collect(), faults);
    always_running(&spec.template, "StatefulSet", faults);
}

fn stateful_set_strategy(strategy: &UpdateStrategy, faults: &mut Faults) {
    let at = "spec.updateStrategy.rollingUpdate";
    match (strategy.kind.as_str(), &strategy.rolling_update) {
        ("OnDelete", Some(rolling)) => {
            faults.invalid(at, json!(rolling), "only allowed for updateStrategy 'RollingUpdate'");
        }
        ("RollingUpdate", Some(rolling)) => {
            faults.not_negative(format!("{at}.partition"), rolling.partition.unwrap_or(0).into());
            if let Some(most) = &rolling.max_unavailable {
                int_or_percent(at, "maxUnavailable", Some(most), faults);
                if amount(Some(most)) == 0 {
                    faults.invalid(format!("{at}.maxUnavailable"), json!(most), "cannot be 0");
                }
                at_most_all(at, "maxUnavailable", Some(most), faults);
            }
        }
        ("OnDelete" | "RollingUpdate", None) => {}
        (other, rolling) => {
            let value = format!("{{\"Type\":{},\"RollingUpdate\":{}}}", json!(other), go_rolling(rolling));
            let detail = "must be 'RollingUpdate' or 'OnDelete'";
            faults.add("spec.updateStrategy", format!("Invalid value: {value}: {detail}"));
        }
    }
}

pub(super) fn stateful_set_update(new: &StatefulSet, old: &StatefulSet, faults: &mut Faults) {
    let mut munged = new.spec.clone();
    munged.replicas = old.spec.replicas;
    munged.min_ready_seconds = old.spec.min_ready_seconds;
    munged.revision_history_limit = old.spec.revision_history_limit;
    munged.template.clone_from(&old.spec.template);
    munged.update_strategy.clone_from(&old.spec.update_strategy);
    munged.ordinals.clone_from(&old.spec.ordinals);
    munged
        .persistent_volume_claim_retention_policy
        .clone_from(&old.spec.persistent_volume_claim_retention_policy);
    if munged != old.spec {
        let detail = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
                      'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and \
                      'minReadySeconds' are forbidden";
        faults.forbidden("spec", detail);
    }
}

pub(super) fn controller_revision(o: &ControllerRevision, faults: &mut Faults) {
    if o.data.is_none() {
        faults.required("data", "data is mandatory");
    }
    faults.not_negative("revision", o.revision);
}

pub(super) fn disruption_budget(o: &PodDisruptionBudget, faults: &mut Faults) {
    let spec = &o.spec;
    if let (Some(most), Some(_)) = (&spec.max_unavailable, &spec.min_available) {
        let both = format!(
            "{{\"MinAvailable\":{},\"Selector\":{},\"MaxUnavailable\":{},\"UnhealthyPodEvictionPolicy\":{}}}",
            json!(spec.min_available),
            json!(spec.selector),
            json!(most),
            json!(spec.unhealthy_pod_eviction_policy)
        );
        faults.add(
            "spec",
            format!("Invalid value: {both}: minAvailable and maxUnavailable cannot be both set"),
        );
    }
    for (name, value) in [("minAvailable", &spec.min_available), ("maxUnavailable", &spec.max_unavailable)] {
        if let Some(value) = value {
            int_or_percent("spec", name, Some(value), faults);
            at_most_all("spec", name, Some(value), faults);
        }
    }
    if let Some(selector) = &spec.selector {
        check_selector("spec.selector", selector, faults);
    }
    if let Some(policy) = spec.unhealthy_pod_eviction_policy.as_deref()
        && !matches!(policy, "AlwaysAllow" | "IfHealthyBudget")
    {
        let known = "supported values: \"AlwaysAllow\", \"IfHealthyBudget\"";
        let at = "spec.unhealthyPodEvictionPolicy";
        faults.add(at, format!("Unsupported value: {policy:?}: {known}"));
    }
}

/// A field that keeps its first value.
pub(super) fn immutable<T: PartialEq + Serialize>(at: &str, new: &T, old: &T, faults: &mut Faults) {
    if new != old {
        faults.invalid(at, json!(new), "field is immutable");
    }
}

/// A selector as far as it can be used.
enum Selected {
    Nothing,
    By(Selector),
}

/// The selector of a kind that must have one.
fn required_selector(selector: Option<&LabelSelector>, kind: &str, faults: &mut Faults) -> Selected {
    let Some(labels) = selector else {
        faults.required("spec.selector", "");
        return Selected::Nothing;
    };
    check_selector("spec.selector", labels, faults);
    if is_empty(labels) {
        faults.invalid("spec.selector", json!(labels), &format!("empty selector is invalid for {kind}"));
    }
    match Selector::from_label_selector(labels) {
        Some(selector) => Selected::By(selector),
        None => {
            let detail = if kind == "deployment" { "invalid label selector" } else { "" };
            faults.invalid("spec.selector", json!(labels), detail);
            Selected::Nothing
        }
    }
}

fn is_empty(selector: &LabelSelector) -> bool {
    selector.match_labels.is_empty() && selector.match_expressions.is_empty()
}

const MISMATCH: &str = "`selector` does not match template `labels`";

/// The pods must be the selector's own.
pub(super) fn matches_template(selector: &Selector, template: &PodTemplateSpec, faults: &mut Faults) {
    let labels = &template.metadata.labels;
    if !selector.matches(labels) {
        faults.invalid("spec.template.metadata.labels", null_if_empty(json!(labels)), MISMATCH);
    }
}

/// Go's form of a map that was never made.
fn null_if_empty(value: Value) -> Value {
    if value.as_object().is_some_and(serde_json::Map::is_empty) { Value::Null } else { value }
}

/// A label selector's own rules.
pub(super) fn check_selector(at: &str, selector: &LabelSelector, faults: &mut Faults) {
    faults.labels(&format!("{at}.matchLabels"), &selector.match_labels);
    for (i, expression) in selector.match_expressions.iter().enumerate() {
        let at = format!("{at}.matchExpressions[{i}]");
        match expression.operator.as_str() {
            "In" | "NotIn" if expression.values.is_empty() => {
                let detail = "must be specified when `operator` is 'In' or 'NotIn'";
                faults.required(format!("{at}.values"), detail);
            }
            "Exists" | "DoesNotExist" if !expression.values.is_empty() => {
                let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                faults.forbidden(format!("{at}.values"), detail);
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => {
                faults.invalid(format!("{at}.operator"), other, "not a valid selector operator");
            }
        }
        faults.text(format!("{at}.key"), &expression.key, names::qualified_name);
        for (n, value) in expression.values.iter().enumerate() {
            faults.text(format!("{at}.values[{n}]"), value, names::label_value);
        }
    }
}

/// A pod template. `claimed`: volumes that its owner makes.
pub(super) fn check_template(
    at: &str,
    template: &PodTemplateSpec,
    claimed: &BTreeSet<&str>,
    faults: &mut Faults,
) {
    faults.labels(&format!("{at}.labels"), &template.metadata.labels);
    for key in template.metadata.annotations.keys() {
        for fault in names::qualified_name(&key.to_lowercase()) {
            faults.invalid(format!("{at}.annotations"), key.as_str(), &fault);
        }
    }
    pod::check_spec(&format!("{at}.spec"), &template.spec, claimed, faults);
}

/// Pods of these kinds never end by themselves.
fn always_running(template: &PodTemplateSpec, kind: &str, faults: &mut Faults) {
    let policy = template.spec.restart_policy.unwrap_or_default();
    if policy != RestartPolicy::Always {
        let message = format!("Unsupported value: {}: supported values: \"Always\"", json!(policy));
        faults.add("spec.template.spec.restartPolicy", message);
    }
    if template.spec.rest.contains_key("activeDeadlineSeconds") {
        let detail = format!("activeDeadlineSeconds in {kind} is not Supported");
        faults.forbidden("spec.template.spec.activeDeadlineSeconds", &detail);
    }
}

fn shown(value: Option<&IntOrString>) -> Value {
    json!(value.cloned().unwrap_or_default())
}

fn percent(value: &IntOrString) -> Option<i32> {
    let IntOrString::String(text) = value else { return None };
    let digits = text.strip_suffix('%')?;
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

/// The number, or the number before the percent sign.
fn amount(value: Option<&IntOrString>) -> i32 {
    match value {
        Some(IntOrString::Int(n)) => *n,
        Some(value) => percent(value).unwrap_or(0),
        None => 0,
    }
}

fn int_or_percent(at: &str, name: &str, value: Option<&IntOrString>, faults: &mut Faults) {
    match value {
        Some(IntOrString::Int(n)) => faults.not_negative(format!("{at}.{name}"), i64::from(*n)),
        Some(text) if percent(text).is_none() => {
            let detail = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', \
                          regex used for validation is '[0-9]+%')";
            faults.invalid(format!("{at}.{name}"), json!(text), detail);
        }
        _ => {}
    }
}

fn at_most_all(at: &str, name: &str, value: Option<&IntOrString>, faults: &mut Faults) {
    if value.and_then(percent).is_some_and(|p| p > 100) {
        faults.invalid(format!("{at}.{name}"), json!(value), "must not be greater than 100%");
    }
}

/// The server's own struct, whose fields have no JSON names.
fn go_rolling(rolling: &Option<RollingUpdate>) -> String {
    match rolling {
        None => "null".to_owned(),
        Some(r) => format!(
            "{{\"MaxUnavailable\":{},\"MaxSurge\":{}}}",
            shown(r.max_unavailable.as_ref()),
            shown(r.max_surge.as_ref())
        ),
    }
}

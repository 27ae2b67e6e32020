//! `kubectl create poddisruptionbudget`, `priorityclass`, `quota`.

use serde_json::{Value, json};
use sim_core::kube::objects::{Kind, Selector};

use super::super::args::{Flag, Kind as F, flag};
use super::super::ctl::Ctl;
use super::super::failure::Failure;
use super::super::quantity;
use super::New;

pub(super) static BUDGET_FLAGS: &[Flag] =
    &[flag("min-available", F::Text), flag("max-unavailable", F::Text), flag("selector", F::Text)];
pub(super) static PRIORITY_FLAGS: &[Flag] = &[
    flag("value", F::Int),
    flag("global-default", F::Bool),
    flag("description", F::Text),
    flag("preemption-policy", F::Text),
];
pub(super) static QUOTA_FLAGS: &[Flag] = &[flag("hard", F::Text), flag("scopes", F::List)];

/// A number or a share.
fn amount(text: &str) -> Value {
    text.parse::<i32>().map_or_else(|_| json!(text), |n| json!(n))
}

pub(super) fn budget(ctl: &mut Ctl<'_, '_>) -> Result<New, Failure> {
    let name = super::one_name(ctl)?;
    let Some(selector) = ctl.args.text("selector").filter(|s| !s.is_empty()) else {
        return Err(Failure::plain("a selector must be specified"));
    };
    let selector = Selector::parse(selector).and_then(|s| s.to_label_selector()).map_err(Failure::plain)?;
    let (least, most) = (ctl.args.text("min-available"), ctl.args.text("max-unavailable"));
    let (field, value) = match (least, most) {
        (None, None) => {
            return Err(Failure::plain("one of min-available or max-unavailable must be specified"));
        }
        (Some(_), Some(_)) => {
            return Err(Failure::plain("min-available and max-unavailable cannot be both specified"));
        }
        (Some(least), None) => ("minAvailable", least),
        (None, Some(most)) => ("maxUnavailable", most),
    };
    let body = json!({
        "apiVersion": Kind::PodDisruptionBudget.api_version(), "kind": "PodDisruptionBudget",
        "metadata": super::metadata(ctl, &name),
        "spec": {field: amount(value), "selector": selector},
    });
    Ok(New { kind: Kind::PodDisruptionBudget, body, what: Some("poddisruptionbudgets".to_owned()) })
}

pub(super) fn priority(ctl: &mut Ctl<'_, '_>) -> Result<New, Failure> {
    let name = super::one_name(ctl)?;
    let mut body = json!({
        "apiVersion": Kind::PriorityClass.api_version(), "kind": "PriorityClass", "metadata": {"name": name},
        "value": ctl.args.int("value").unwrap_or(0),
        "globalDefault": ctl.args.bool("global-default", false),
        "preemptionPolicy": ctl.args.text("preemption-policy").unwrap_or("PreemptLowerPriority"),
    });
    if let Some(description) = ctl.args.text("description") {
        body["description"] = json!(description);
    }
    Ok(New { kind: Kind::PriorityClass, body, what: Some("priorityclass".to_owned()) })
}

pub(super) fn quota(ctl: &mut Ctl<'_, '_>) -> Result<New, Failure> {
    let name = super::one_name(ctl)?;
    let hard = quantity::list(ctl.args.text("hard"))?;
    let mut spec = json!({});
    if !hard.is_empty() {
        spec["hard"] = Value::Object(hard);
    }
    let scopes = ctl.args.texts("scopes");
    if !scopes.is_empty() {
        spec["scopes"] = json!(scopes);
    }
    let body = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": super::metadata(ctl, &name), "spec": spec,
    });
    ctl.cx.remark(format!("ResourceQuota {name} is stored, but nothing is held to it"));
    Ok(New { kind: Kind::ResourceQuota, body, what: Some("quota".to_owned()) })
}

//! `kubectl autoscale`.

use serde_json::{Value, json};
use sim_core::kube::objects::Kind;
use sim_core::kube::version::Version;

use super::args::{Flag, Kind as F, flag};
use super::changes;
use super::create;
use super::ctl::Ctl;
use super::failure::Failure;
use super::resource::Resource;
use super::target::Found;
use super::value::{name, namespace, text};

pub(crate) static FLAGS: &[Flag] = &[
    flag("min", F::Int),
    flag("max", F::Int),
    flag("cpu-percent", F::Int),
    flag("cpu", F::Text),
    flag("memory", F::Text),
    flag("name", F::Text),
    flag("save-config", F::Bool),
];

/// Since when targets may be amounts too.
const AMOUNTS: Version = Version::new(1, 34, 0);

/// Runs the verb.
///
/// # Errors
/// What kubectl reports at the end.
pub(crate) fn run(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    let newer = ctl.version() >= AMOUNTS;
    if let Some(flag) = ctl.args.first_given(&["cpu", "memory"]).filter(|_| !newer) {
        return Err(Failure::plain(format!("unknown flag: --{flag}\nSee '{} --help' for usage.", ctl.path)));
    }
    if newer && ctl.args.given("cpu-percent") {
        ctl.err(
            "Flag --cpu-percent has been deprecated, Use --cpu with percentage or resource quantity format (e.g., '70%' for \
             utilization or '500m' for milliCPU).",
        );
    }
    let Some(most) = ctl.args.int("max") else {
        return Err(Failure::plain("required flag(s) \"max\" not set"));
    };
    if most < 1 {
        return Err(Failure::plain(format!("--max=MAXPODS is required and must be at least 1, max: {most}")));
    }
    let least = ctl.args.int("min").unwrap_or(-1);
    if most < least {
        return Err(Failure::plain(format!(
            "--max=MAXPODS must be larger or equal to --min=MINPODS, max: {most}, min: {least}"
        )));
    }
    let metrics = metrics(ctl)?;
    let words = ctl.args.words.clone();
    let (found, failures) = changes::objects(ctl, &words)?;
    changes::each(ctl, &found, failures, |ctl, found| one(ctl, found, least, most, &metrics))
}

fn metrics(ctl: &Ctl<'_, '_>) -> Result<Vec<Value>, Failure> {
    let share = |resource: &str, percent: i64| {
        let target = json!({"type": "Utilization", "averageUtilization": percent});
        json!({"type": "Resource", "resource": {"name": resource, "target": target}})
    };
    let mut all = Vec::new();
    if let Some(percent) = ctl.args.int("cpu-percent").filter(|p| *p >= 0) {
        all.push(share("cpu", percent));
    }
    for (resource, unit) in [("cpu", "m"), ("memory", "Mi")] {
        let Some(wanted) = ctl.args.text(resource) else { continue };
        if let Some(percent) = wanted.strip_suffix('%') {
            let percent =
                percent.parse().map_err(|_| Failure::plain(format!("invalid percentage value: {wanted}")))?;
            all.push(share(resource, percent));
            continue;
        }
        let plain = wanted.bytes().all(|b| b.is_ascii_digit());
        let amount = if plain { format!("{wanted}{unit}") } else { wanted.to_owned() };
        if super::quantity::Quantity::parse(&amount).is_none() {
            return Err(Failure::plain(format!("invalid {resource} value: {wanted}")));
        }
        let target = json!({"type": "AverageValue", "averageValue": amount});
        all.push(json!({"type": "Resource", "resource": {"name": resource, "target": target}}));
    }
    Ok(all)
}

/// Kinds with a `scale` subresource.
const SCALABLE: [Kind; 3] = [Kind::Deployment, Kind::ReplicaSet, Kind::StatefulSet];

fn one(
    ctl: &mut Ctl<'_, '_>,
    found: &Found,
    least: i64,
    most: i64,
    metrics: &[Value],
) -> Result<(), Failure> {
    let kind = found.resource.kind_name();
    if !SCALABLE.iter().any(|k| Resource::Kind(*k) == found.resource) {
        return Err(Failure::plain(format!(
            "cannot autoscale a {kind}: could not find scale subresource for {} in discovery information",
            found.resource.qualified_plural()
        )));
    }
    let own = ctl.args.text("name").unwrap_or(name(&found.value)).to_owned();
    let mut body = json!({
        "apiVersion": Kind::HorizontalPodAutoscaler.api_version(), "kind": "HorizontalPodAutoscaler",
        "metadata": create::metadata(ctl, &own),
        "spec": {
            "maxReplicas": most,
            "scaleTargetRef": {"apiVersion": text(&found.value, "/apiVersion"), "kind": kind, "name": name(&found.value)},
        },
    });
    if least > 0 {
        body["spec"]["minReplicas"] = json!(least);
    }
    if !metrics.is_empty() {
        body["spec"]["metrics"] = json!(metrics);
    }
    let namespace = namespace(&found.value).to_owned();
    create::send(ctl, Kind::HorizontalPodAutoscaler, &namespace, &body, "autoscaled", Failure::from)
}

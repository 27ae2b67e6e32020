//! Autoscalers, priorities, leases, quotas.

use serde_json::Value;
use sim_core::kube::version::Version;

use super::super::super::value::{int, is_true, list, map, name, scalar, text};
use super::{Layout, age, col};

/// The resource's name stands before its target since 1.30.
pub(super) fn autoscaler(version: Version) -> Layout {
    if version < Version::new(1, 30, 0) { OLD_AUTOSCALER } else { AUTOSCALER }
}

const AUTOSCALER: Layout = Layout {
    columns: AUTOSCALER_COLUMNS,
    cells: |object, view| autoscaler_cells(object, &age(object, view), true),
};

const OLD_AUTOSCALER: Layout = Layout {
    columns: AUTOSCALER_COLUMNS,
    cells: |object, view| autoscaler_cells(object, &age(object, view), false),
};

const AUTOSCALER_COLUMNS: &[super::Column] = &[
    col("NAME"),
    col("REFERENCE"),
    col("TARGETS"),
    col("MINPODS"),
    col("MAXPODS"),
    col("REPLICAS"),
    col("AGE"),
];

fn autoscaler_cells(object: &Value, age: &str, named: bool) -> Vec<String> {
    let least = object.pointer("/spec/minReplicas").map_or("<unset>".to_owned(), |n| scalar(Some(n)));
    let of = |field: &str| text(object, &format!("/spec/scaleTargetRef/{field}"));
    vec![
        name(object).to_owned(),
        format!("{}/{}", of("kind"), of("name")),
        targets(object, named),
        least,
        int(object, "/spec/maxReplicas").to_string(),
        int(object, "/status/currentReplicas").to_string(),
        age.to_owned(),
    ]
}

/// What is aimed at; nothing is ever measured, so what there is is unknown.
pub(crate) fn targets(object: &Value, named: bool) -> String {
    let metrics = list(object, "/spec/metrics");
    if metrics.is_empty() {
        return "<none>".to_owned();
    }
    let shown: Vec<String> = metrics.iter().take(2).map(|m| target(m, named)).collect();
    let more = metrics.len() - shown.len();
    let more = if more > 0 { format!(" + {more} more...") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

fn target(metric: &Value, named: bool) -> String {
    let source = ["resource", "containerResource", "pods", "object", "external"];
    let Some(kind) = source.iter().find(|s| metric.get(**s).is_some()) else {
        return "<unknown type>".to_owned();
    };
    let at = |field: &str| scalar(metric.pointer(&format!("/{kind}/target/{field}")));
    let share = at("averageUtilization");
    let average = at("averageValue");
    let prefix = match *kind {
        "resource" if named => format!("{}: ", text(metric, "/resource/name")),
        "containerResource" if named => {
            let own = |f: &str| text(metric, &format!("/containerResource/{f}"));
            format!("{}/{}: ", own("container"), own("name"))
        }
        _ => String::new(),
    };
    if matches!(*kind, "resource" | "containerResource") {
        let share = if share.is_empty() { average } else { format!("{share}%") };
        return format!("{prefix}<unknown>/{share}");
    }
    if average.is_empty() {
        format!("<unknown>/{}", at("value"))
    } else if *kind == "pods" {
        format!("<unknown>/{average}")
    } else {
        format!("<unknown>/{average} (avg)")
    }
}

pub(super) const PRIORITY_CLASS: Layout = Layout {
    columns: &[col("NAME"), col("VALUE"), col("GLOBAL-DEFAULT"), col("AGE"), col("PREEMPTIONPOLICY")],
    cells: |object, view| {
        vec![
            name(object).to_owned(),
            int(object, "/value").to_string(),
            is_true(object, "/globalDefault").to_string(),
            age(object, view),
            text(object, "/preemptionPolicy").to_owned(),
        ]
    },
};

pub(super) const LEASE: Layout = Layout {
    columns: &[col("NAME"), col("HOLDER"), col("AGE")],
    cells: |object, view| {
        vec![name(object).to_owned(), text(object, "/spec/holderIdentity").to_owned(), age(object, view)]
    },
};

pub(super) const QUOTA: Layout = Layout {
    columns: &[col("NAME"), col("REQUEST"), col("LIMIT"), col("AGE")],
    cells: |object, view| {
        let hard = || map(object, "/spec/hard").into_iter().flatten();
        let used = |name: &str| {
            let known = object.pointer("/status/used").and_then(|u| u.get(name));
            super::or(&scalar(known), "0")
        };
        let list = |limits: bool| {
            let some = hard().filter(|(name, _)| name.starts_with("limits.") == limits);
            let one =
                |(name, most): (&String, &Value)| format!("{name}: {}/{}", used(name), scalar(Some(most)));
            some.map(one).collect::<Vec<_>>().join(", ")
        };
        vec![name(object).to_owned(), list(false), list(true), age(object, view)]
    },
};

pub(super) const LIMIT_RANGE: Layout = Layout {
    columns: &[col("NAME"), col("CREATED AT")],
    cells: |object, _| vec![name(object).to_owned(), text(object, "/metadata/creationTimestamp").to_owned()],
};

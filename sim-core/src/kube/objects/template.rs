//! Pod templates, which workload kinds make pods from, and what their update strategies share.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::meta::ObjectMeta;
use super::pod::PodSpec;
use super::port::IntOrString;

/// `v1.PodTemplateSpec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PodTemplateSpec {
    /// Labels and annotations of the pods.
    pub metadata: ObjectMeta,
    /// What the pods run; shared between the versions of an object, because it seldom changes and the status often does.
    pub spec: Arc<PodSpec>,
}

/// How pods are replaced: `type` and its parameters, as Deployments and daemon sets have it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdateStrategy {
    /// Parameters of `RollingUpdate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rolling_update: Option<RollingUpdate>,
    /// `RollingUpdate`; `Recreate` of Deployments, `OnDelete` of daemon sets and stateful sets.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
}

/// How many pods a rolling update may add and take away at a time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RollingUpdate {
    /// Pods beyond the wanted number: a number, or a share of that number, rounded up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_surge: Option<IntOrString>,
    /// Pods that may be missing: a number, or a share, rounded down (up for daemon sets).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<IntOrString>,
    /// Of a stateful set: pods with a smaller ordinal are left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<i32>,
}

impl IntOrString {
    /// A number, or a share of `total` such as `25%`; none if the text is not a share.
    #[must_use]
    pub fn of_total(&self, total: i32, round_up: bool) -> Option<i32> {
        let percent = match self {
            Self::Int(n) => return Some(*n),
            Self::String(text) => i64::from(text.strip_suffix('%')?.parse::<i32>().ok()?),
        };
        let scaled = percent * i64::from(total);
        let rounded = if round_up { (scaled + 99).div_euclid(100) } else { scaled.div_euclid(100) };
        i32::try_from(rounded).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_rounded_as_asked() {
        let quarter = IntOrString::String("25%".to_owned());
        assert_eq!((quarter.of_total(3, true), quarter.of_total(3, false)), (Some(1), Some(0)));
        assert_eq!((quarter.of_total(10, true), quarter.of_total(10, false)), (Some(3), Some(2)));
        assert_eq!(IntOrString::Int(2).of_total(0, true), Some(2));
        assert_eq!(IntOrString::String("25".to_owned()).of_total(10, true), None);
    }
}

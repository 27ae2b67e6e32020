//! Network policies, and policies for the cluster as their custom resources lay them out.

use serde_json::Value;

use super::super::super::value::{name, scalar};
use super::{Layout, age, col, selector};

pub(super) const NETWORK_POLICY: Layout = Layout {
    columns: &[col("NAME"), col("POD-SELECTOR"), col("AGE")],
    cells: |object, view| {
        vec![name(object).to_owned(), selector(object.pointer("/spec/podSelector")), age(object, view)]
    },
};

pub(super) const CLUSTER: Layout = Layout {
    columns: &[col("NAME"), col("TIER"), col("PRIORITY"), col("AGE")],
    cells: |object, view| {
        vec![name(object).to_owned(), of(object, "tier"), of(object, "priority"), age(object, view)]
    },
};

pub(super) const ADMIN: Layout = Layout {
    columns: &[col("NAME"), col("PRIORITY"), col("AGE")],
    cells: |object, view| vec![name(object).to_owned(), of(object, "priority"), age(object, view)],
};

fn of(object: &Value, field: &str) -> String {
    scalar(object.pointer(&format!("/spec/{field}")))
}

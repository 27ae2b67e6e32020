//! Kinds with little to say.

use serde_json::Value;

use super::super::super::value::{map, name, text};
use super::{Layout, View, age, col};

pub(super) const NAMESPACE: Layout = Layout {
    columns: &[col("NAME"), col("STATUS"), col("AGE")],
    cells: |object, view| {
        vec![name(object).to_owned(), text(object, "/status/phase").to_owned(), age(object, view)]
    },
};

pub(super) const CONFIG_MAP: Layout =
    Layout { columns: &[col("NAME"), col("DATA"), col("AGE")], cells: config_map };

pub(super) const OTHER: Layout = Layout {
    columns: &[col("NAME"), col("AGE")],
    cells: |object, view| vec![name(object).to_owned(), age(object, view)],
};

fn config_map(object: &Value, view: View) -> Vec<String> {
    let entries = |field| map(object, field).map_or(0, serde_json::Map::len);
    vec![name(object).to_owned(), (entries("/data") + entries("/binaryData")).to_string(), age(object, view)]
}

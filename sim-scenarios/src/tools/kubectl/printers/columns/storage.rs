//! Claims, volumes, classes of storage.

use serde_json::Value;
use sim_core::kube::version::Version;

use super::super::super::value::{is_true, name, scalar, text, texts};
use super::{Column, Layout, View, age, col, or, wide};

/// Access modes in their short form, as `GetAccessModesAsString` has it.
pub(crate) fn modes(object: &Value, pointer: &str) -> String {
    let short = [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ];
    let there = texts(object, pointer);
    let all: Vec<&str> = short.iter().filter(|(long, _)| there.contains(long)).map(|(_, s)| *s).collect();
    all.join(",")
}

fn phase(object: &Value) -> String {
    let gone = !text(object, "/metadata/deletionTimestamp").is_empty();
    if gone { "Terminating".to_owned() } else { text(object, "/status/phase").to_owned() }
}

fn or_unset(object: &Value, pointer: &str) -> String {
    or(text(object, pointer), "<unset>")
}

/// The column VOLUMEATTRIBUTESCLASS is there since 1.29.
pub(super) fn claim(version: Version) -> Layout {
    if version < Version::new(1, 29, 0) { OLD_CLAIM } else { CLAIM }
}

/// As [`claim`].
pub(super) fn volume(version: Version) -> Layout {
    if version < Version::new(1, 29, 0) { OLD_VOLUME } else { VOLUME }
}

const CLAIM: Layout = Layout {
    columns: &[
        col("NAME"),
        col("STATUS"),
        col("VOLUME"),
        col("CAPACITY"),
        col("ACCESS MODES"),
        col("STORAGECLASS"),
        ATTRIBUTES,
        col("AGE"),
        wide("VOLUMEMODE"),
    ],
    cells: claim_cells,
};

const OLD_CLAIM: Layout = Layout {
    columns: &[
        col("NAME"),
        col("STATUS"),
        col("VOLUME"),
        col("CAPACITY"),
        col("ACCESS MODES"),
        col("STORAGECLASS"),
        col("AGE"),
        wide("VOLUMEMODE"),
    ],
    cells: |object, view| without(claim_cells(object, view), 6),
};

const ATTRIBUTES: Column = col("VOLUMEATTRIBUTESCLASS");

fn without(mut cells: Vec<String>, place: usize) -> Vec<String> {
    cells.remove(place);
    cells
}

fn claim_cells(object: &Value, view: View) -> Vec<String> {
    let volume = text(object, "/spec/volumeName");
    let (mut capacity, mut access) = (String::new(), String::new());
    if !volume.is_empty() {
        capacity = or(&scalar(object.pointer("/status/capacity/storage")), "0");
        access = modes(object, "/status/accessModes");
    }
    vec![
        name(object).to_owned(),
        phase(object),
        volume.to_owned(),
        capacity,
        access,
        text(object, "/spec/storageClassName").to_owned(),
        or_unset(object, "/spec/volumeAttributesClassName"),
        age(object, view),
        or_unset(object, "/spec/volumeMode"),
    ]
}

const VOLUME: Layout = Layout {
    columns: &[
        col("NAME"),
        col("CAPACITY"),
        col("ACCESS MODES"),
        col("RECLAIM POLICY"),
        col("STATUS"),
        col("CLAIM"),
        col("STORAGECLASS"),
        ATTRIBUTES,
        col("REASON"),
        col("AGE"),
        wide("VOLUMEMODE"),
    ],
    cells: volume_cells,
};

const OLD_VOLUME: Layout = Layout {
    columns: &[
        col("NAME"),
        col("CAPACITY"),
        col("ACCESS MODES"),
        col("RECLAIM POLICY"),
        col("STATUS"),
        col("CLAIM"),
        col("STORAGECLASS"),
        col("REASON"),
        col("AGE"),
        wide("VOLUMEMODE"),
    ],
    cells: |object, view| without(volume_cells(object, view), 7),
};

fn volume_cells(object: &Value, view: View) -> Vec<String> {
    let claim = object
        .pointer("/spec/claimRef")
        .map(|c| format!("{}/{}", text(c, "/namespace"), text(c, "/name")))
        .unwrap_or_default();
    vec![
        name(object).to_owned(),
        or(&scalar(object.pointer("/spec/capacity/storage")), "0"),
        modes(object, "/spec/accessModes"),
        text(object, "/spec/persistentVolumeReclaimPolicy").to_owned(),
        phase(object),
        claim,
        text(object, "/spec/storageClassName").to_owned(),
        or_unset(object, "/spec/volumeAttributesClassName"),
        text(object, "/status/reason").to_owned(),
        age(object, view),
        or_unset(object, "/spec/volumeMode"),
    ]
}

pub(super) const CLASS: Layout = Layout {
    columns: &[
        col("NAME"),
        col("PROVISIONER"),
        col("RECLAIMPOLICY"),
        col("VOLUMEBINDINGMODE"),
        col("ALLOWVOLUMEEXPANSION"),
        col("AGE"),
    ],
    cells: |object, view| {
        let marked = text(object, "/metadata/annotations/storageclass.kubernetes.io~1is-default-class");
        let default = if marked == "true" { " (default)" } else { "" };
        vec![
            format!("{}{default}", name(object)),
            text(object, "/provisioner").to_owned(),
            or(text(object, "/reclaimPolicy"), "Delete"),
            or_unset(object, "/volumeBindingMode"),
            is_true(object, "/allowVolumeExpansion").to_string(),
            age(object, view),
        ]
    },
};

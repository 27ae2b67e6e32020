//! Names of namespaces that a file system and a shell take as they are.

use std::collections::{BTreeMap, BTreeSet};

use sim_core::linux::World;
use sim_core::trace::NsId;

/// The name of each namespace in the script.
pub(super) type Names = BTreeMap<NsId, String>;

/// Longer names are cut: `PREFIX-NAME` is the name of a file.
const LONGEST: usize = 60;

/// A name for each namespace: its own, with `-` for whatever is no letter or digit. Names that would be the same get a number.
#[must_use]
pub fn names(world: &World) -> Names {
    let mut taken = BTreeSet::new();
    world
        .namespaces()
        .map(|ns| {
            let plain: String =
                ns.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
            let plain: String = plain.trim_matches('-').chars().take(LONGEST).collect();
            let name = (1_u32..)
                .map(|n| if n == 1 && !plain.is_empty() { plain.clone() } else { format!("{plain}-{n}") })
                .find(|name| !taken.contains(name))
                .unwrap_or_default();
            taken.insert(name.clone());
            (ns.id, name)
        })
        .collect()
}

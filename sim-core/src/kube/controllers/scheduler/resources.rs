//! What pods ask of a node's CPU, memory and other resources (the plugin `NodeResourcesFit`).

use std::collections::BTreeMap;

use super::Load;
use super::refusal::Unfit;
use crate::kube::objects::quantity;
use crate::kube::objects::{Container, PodSpec};

/// Amounts by resource, in thousandths of its unit.
pub(super) type Amounts = BTreeMap<String, i128>;

/// Reads amounts as objects have them.
pub(super) fn amounts<'a>(texts: impl IntoIterator<Item = (&'a String, &'a String)>) -> Amounts {
    let read = |(name, text): (&String, &String)| Some((name.clone(), quantity::parse(text)?));
    texts.into_iter().filter_map(read).collect()
}

/// What a pod asks for: the sum of its containers, or more if an init container alone asks for more.
pub(super) fn requested(spec: &PodSpec) -> Amounts {
    let mut all = Amounts::new();
    for container in &spec.containers {
        for (name, amount) in of_container(container) {
            *all.entry(name).or_default() += amount;
        }
    }
    for container in &spec.init_containers {
        for (name, amount) in of_container(container) {
            let most = all.entry(name).or_default();
            *most = amount.max(*most);
        }
    }
    let overhead = spec.rest.get("overhead").and_then(serde_json::Value::as_object);
    for (name, amount) in overhead.into_iter().flatten() {
        if let Some(amount) = amount.as_str().and_then(quantity::parse) {
            *all.entry(name.clone()).or_default() += amount;
        }
    }
    all
}

fn of_container(container: &Container) -> impl Iterator<Item = (String, i128)> + '_ {
    let requests = container.resources.get("requests").and_then(serde_json::Value::as_object);
    requests
        .into_iter()
        .flatten()
        .filter_map(|(name, amount)| Some((name.clone(), quantity::parse(amount.as_str()?)?)))
}

/// Whether what is left of a node is enough. A node that does not say what it has, has enough.
pub(super) fn check(wanted: &Amounts, load: &Load) -> Result<(), Unfit> {
    let has = |name: &str| load.allocatable.get(name).copied().unwrap_or(0);
    if load.allocatable.is_empty() {
        return Ok(());
    }
    let mut short = Vec::new();
    let mut hopeless = false;
    if i128::from(load.pods + 1) * quantity::ONE > has("pods") {
        short.push("Too many pods".to_owned());
    }
    const FIRST: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];
    let first = FIRST.iter().filter_map(|name| wanted.get_key_value(*name));
    let others = wanted.iter().filter(|(name, _)| !FIRST.contains(&name.as_str()));
    for (name, amount) in first.chain(others).filter(|(_, amount)| **amount > 0) {
        let used = load.requested.get(name).copied().unwrap_or(0);
        if *amount > has(name) - used {
            short.push(format!("Insufficient {name}"));
            hopeless |= *amount > has(name);
        }
    }
    if short.is_empty() { Ok(()) } else { Err(Unfit::short_of(short, hopeless)) }
}

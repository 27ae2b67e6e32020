//! `kubectl taint`.

use std::fmt;

use serde_json::{Value, json};
use sim_core::kube::objects::Kind;
use sim_core::kube::store::PatchType;

use super::super::changes;
use super::super::ctl::Ctl;
use super::super::failure::Failure;
use super::super::resource::Resource;
use super::super::target::Found;
use super::super::value::{list, name, text};

/// `key=value:Effect`, with parts left out.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Taint {
    key: String,
    value: String,
    effect: String,
}

impl fmt::Display for Taint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        if !self.value.is_empty() {
            write!(f, "={}", self.value)?;
        }
        if !self.effect.is_empty() {
            write!(f, ":{}", self.effect)?;
        }
        Ok(())
    }
}

/// Runs the verb.
///
/// # Errors
/// What kubectl reports at the end.
pub(super) fn run(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    let words = ctl.args.words.clone();
    let is_taint = |w: &str| w.contains('=') || w.contains(':') || w.ends_with('-');
    let (resources, specs) = changes::split_pairs(&words, "taint", is_taint)?;
    let (add, remove) = parse(specs)?;
    if add.is_empty() && remove.is_empty() {
        return Err(Failure::plain("at least one taint update is required"));
    }
    let Some(kind) = resources.first() else {
        return Err(Failure::plain("one or more resources must be specified as <resource> <name>"));
    };
    let of_nodes =
        |w: &str| Resource::parse(w.split('/').next().unwrap_or(w)) == Ok(Resource::Kind(Kind::Node));
    if !resources.iter().filter(|w| w.contains('/')).chain([kind]).all(|w| of_nodes(w)) {
        return Err(Failure::plain(format!(
            "invalid resource type {kind}, only [\"node\" \"nodes\"] are supported"
        )));
    }
    let alone = resources.len() == 1 && !kind.contains('/');
    if alone && !ctl.args.bool("all", false) && !ctl.args.given("selector") {
        return Err(Failure::plain(
            "at least one resource name must be specified since 'all' parameter is not set",
        ));
    }
    let (found, failures) = changes::objects(ctl, resources)?;
    changes::each(ctl, &found, failures, |ctl, found| one(ctl, found, &add, &remove))
}

fn parse(specs: &[String]) -> Result<(Vec<Taint>, Vec<Taint>), Failure> {
    let (mut add, mut remove): (Vec<Taint>, Vec<Taint>) = (Vec::new(), Vec::new());
    for spec in specs {
        if let Some(spec) = spec.strip_suffix('-') {
            remove.push(taint(spec)?);
            continue;
        }
        let new = taint(spec)?;
        if new.effect.is_empty() {
            return Err(Failure::plain(format!("invalid taint spec: {spec}")));
        }
        if add.iter().any(|t| t.key == new.key && t.effect == new.effect) {
            return Err(Failure::plain(format!("duplicated taints with the same key and effect: {new}")));
        }
        add.push(new);
    }
    Ok((add, remove))
}

fn taint(spec: &str) -> Result<Taint, Failure> {
    let wrong = || Failure::plain(format!("invalid taint spec: {spec}"));
    let (head, effect) = match spec.split(':').collect::<Vec<_>>().as_slice() {
        [head] => (*head, ""),
        [head, effect] => (*head, *effect),
        _ => return Err(wrong()),
    };
    if spec.contains(':') && !matches!(effect, "NoSchedule" | "PreferNoSchedule" | "NoExecute") {
        return Err(Failure::plain(format!("invalid taint effect: {effect}, unsupported taint effect")));
    }
    let (key, value) = match head.split('=').collect::<Vec<_>>().as_slice() {
        [key] => (*key, ""),
        [key, value] if !effect.is_empty() => (*key, *value),
        _ => return Err(wrong()),
    };
    if key.is_empty() {
        return Err(wrong());
    }
    Ok(Taint { key: key.to_owned(), value: value.to_owned(), effect: effect.to_owned() })
}

fn one(ctl: &mut Ctl<'_, '_>, found: &Found, add: &[Taint], remove: &[Taint]) -> Result<(), Failure> {
    let old = list(&found.value, "/spec/taints");
    let matches = |t: &Taint, v: &Value| t.key == text(v, "/key") && t.effect == text(v, "/effect");
    let overwrite = ctl.args.bool("overwrite", false);
    let clashes: Vec<&str> =
        add.iter().filter(|t| old.iter().any(|v| matches(t, v))).map(|t| t.key.as_str()).collect();
    if !clashes.is_empty() && !overwrite {
        return Err(Failure::plain(format!(
            "node {} already has {} taint(s) with same effect(s) and --overwrite is false",
            name(&found.value),
            clashes.join(",")
        )));
    }
    let mut new: Vec<Value> = add.iter().map(|t| value(ctl, t)).collect();
    new.extend(old.iter().filter(|v| !add.iter().any(|t| matches(t, v))).cloned());
    let added = new.len() != old.len();
    let (mut missing, mut deleted) = (Vec::new(), false);
    for gone in remove {
        let before = new.len();
        new.retain(|v| {
            text(v, "/key") != gone.key || (!gone.effect.is_empty() && text(v, "/effect") != gone.effect)
        });
        if new.len() == before {
            missing.push(Failure::Bare(format!("taint \"{gone}\" not found")));
        }
        deleted |= new.len() != before;
    }
    if !missing.is_empty() {
        return Err(Failure::Many(missing));
    }
    let done = match (added, deleted) {
        (true, true) => "modified",
        _ if overwrite => "modified",
        (true, false) => "tainted",
        (false, _) => "untainted",
    };
    let taints = if new.is_empty() { Value::Null } else { Value::Array(new) };
    let after = changes::patch(ctl, found, PatchType::Merge, &json!({"spec": {"taints": taints}}))?;
    changes::tell(ctl, found.resource, &after, done)
}

fn value(ctl: &Ctl<'_, '_>, taint: &Taint) -> Value {
    let mut value = json!({"key": taint.key, "effect": taint.effect});
    if !taint.value.is_empty() {
        value["value"] = json!(taint.value);
    }
    if taint.effect == "NoExecute" {
        value["timeAdded"] = json!(super::super::clock::rfc3339(ctl.now()));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taints_are_read_as_kubectl_reads_them() {
        let told = |spec: &str| match parse(&[spec.to_owned()]) {
            Ok((add, remove)) => add.iter().chain(&remove).map(Taint::to_string).collect::<String>(),
            Err(e) => e.to_string(),
        };
        let all = [
            "a=b:NoSchedule",
            "a:NoExecute",
            "a:NoSchedule-",
            "a-",
            "a=b",
            "a=b:No",
            "a:b:c",
            "a=b=c:NoSchedule",
        ];
        insta::assert_snapshot!(all.map(told).join("\n"));
    }
}

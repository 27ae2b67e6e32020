//! `kubectl set image`.

use serde_json::{Value, json};

use super::super::changes;
use super::super::ctl::Ctl;
use super::super::failure::Failure;
use super::super::value::text;
use super::{change, objects};

/// Runs the verb.
///
/// # Errors
/// What kubectl reports at the end.
pub(super) fn run(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    let words = ctl.args.words.clone();
    let (resources, pairs) = changes::split_pairs(&words, "image", changes::is_pair)?;
    let images: Vec<(&str, &str)> = pairs.iter().map(|p| pair(p)).collect::<Result<_, Failure>>()?;
    let (found, failures) = objects(ctl, resources)?;
    if images.is_empty() {
        return Err(Failure::plain("at least one image update is required"));
    }
    if images.len() > 1 && images.iter().any(|(name, _)| *name == "*") {
        return Err(Failure::plain(
            "all containers are already specified by *, but saw more than one container_name=container_image pairs",
        ));
    }
    let mut missing = Vec::new();
    let result = changes::each(ctl, &found, failures, |ctl, found| {
        change(ctl, found, "image updated", "failed to patch image update to pod template", |spec| {
            for (name, image) in &images {
                let mut known = false;
                for list in ["initContainers", "containers"] {
                    known |= set_image(changes::containers(spec, list), name, image);
                }
                if !known {
                    missing.push(Failure::Bare(format!("error: unable to find container named {name:?}")));
                }
            }
            Ok(())
        })
    });
    if let Err(failure) = result {
        missing.push(failure);
    }
    Failure::from_many(missing).map(|()| 0)
}

fn pair(text: &str) -> Result<(&str, &str), Failure> {
    match text.split_once('=') {
        Some((name, image)) if !image.is_empty() => Ok((name, image)),
        _ => Err(Failure::plain(format!("invalid image format: {text}"))),
    }
}

fn set_image(containers: &mut [Value], name: &str, image: &str) -> bool {
    let mut known = false;
    for container in containers.iter_mut().filter(|c| name == "*" || text(c, "/name") == name) {
        container["image"] = json!(image);
        known = true;
    }
    known
}

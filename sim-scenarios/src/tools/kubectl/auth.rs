//! `kubectl auth can-i`: the administrator may do everything.

use super::args::{Flag, Kind as F, flag, short};
use super::commands::Verb;
use super::ctl::Ctl;
use super::failure::Failure;
use super::resource::Resource;

static CAN_I: &[Flag] = &[
    short("all-namespaces", 'A', F::Bool),
    short("quiet", 'q', F::Bool),
    flag("subresource", F::Text),
    flag("list", F::Bool),
    flag("no-headers", F::Bool),
];

pub(crate) static VERBS: &[Verb] = &[Verb { name: "auth can-i", flags: &[CAN_I], run: can_i }];

fn can_i(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    ctl.refuse(&["list"])?;
    let words = ctl.args.words.clone();
    let [_, on] = words.as_slice() else {
        let [_, on, _] = words.as_slice() else {
            return Err(Failure::plain(
                "you must specify two arguments: verb resource or verb resource/resourceName.\nSee 'kubectl auth can-i -h' for help and examples.",
            ));
        };
        return answer(ctl, on);
    };
    answer(ctl, on)
}

fn answer(ctl: &mut Ctl<'_, '_>, on: &str) -> Result<i32, Failure> {
    let kind = on.split('/').next().unwrap_or(on);
    if !on.starts_with('/') && kind != "*" {
        match Resource::parse(kind) {
            Ok(resource) if !resource.namespaced() && !ctl.args.bool("all-namespaces", false) => {
                let group = match resource {
                    Resource::Kind(kind) if !kind.group().is_empty() => {
                        format!(" in group '{}'", kind.group())
                    }
                    _ => String::new(),
                };
                ctl.err(format!(
                    "Warning: resource '{}' is not namespace scoped{group}\n",
                    resource.plural()
                ));
            }
            Err(failure) if failure.what_is_not_modelled().is_none() => {
                ctl.err(format!("Warning: the server doesn't have a resource type '{kind}'\n"));
            }
            _ => {}
        }
    }
    if !ctl.args.bool("quiet", false) {
        ctl.line("yes");
    }
    Ok(0)
}

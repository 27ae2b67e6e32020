//! The command line of `kubectl describe`.

use sim_core::kube::version::Version;

use super::super::args::{Flag, Kind as F, flag, short};
use super::super::ctl::Ctl;
use super::super::failure::Failure;
use super::super::manifest;
use super::super::resource::Resource;
use super::super::target::{Found, Scope, Wanted};
use super::super::value;
use super::{Look, describe};

pub(crate) static FLAGS: &[Flag] = &[
    short("filename", 'f', F::List),
    short("kustomize", 'k', F::Text),
    short("recursive", 'R', F::Bool),
    short("selector", 'l', F::Text),
    short("all-namespaces", 'A', F::Bool),
    flag("show-events", F::Bool),
    flag("chunk-size", F::Int),
];

/// Runs the verb.
///
/// # Errors
/// What kubectl reports at the end.
pub(crate) fn run(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    let wanted = if ctl.args.texts("filename").is_empty() && !ctl.args.given("kustomize") {
        if ctl.args.words.is_empty() {
            return Err(Failure::plain(
                "You must specify the type of resource to describe. Use \"kubectl api-resources\" for a complete list of supported \
                 resources.",
            ));
        }
        Wanted::parse(&ctl.args.words)?
    } else {
        Wanted::Named(manifest::names(ctl)?)
    };
    wanted.resources().into_iter().for_each(|r| ctl.warn_deprecated(r));
    let of_files = !ctl.args.texts("filename").is_empty();
    let (found, mut failures) = if of_files { manifest::found(ctl)? } else { find(ctl, &wanted) };
    // Since 1.36 several descriptions at once come without events, for speed.
    let few = found.len() < 2 || ctl.version() < Version::new(1, 36, 0);
    let look = Look {
        store: ctl.store(),
        now: ctl.now(),
        events: ctl.args.bool("show-events", few),
        version: ctl.version(),
    };
    let text: Vec<String> = found.iter().map(|f| describe(f, look)).collect();
    if found.is_empty() && failures.is_empty() {
        if ctl.args.bool("all-namespaces", false) || !wanted.resources().iter().any(|r| r.namespaced()) {
            ctl.err("No resources found");
        } else {
            ctl.err(format!("No resources found in {} namespace.", ctl.namespace()));
        }
    }
    ctl.print(text.join("\n\n"));
    Failure::from_many(std::mem::take(&mut failures)).map(|()| 0)
}

fn find(ctl: &Ctl<'_, '_>, wanted: &Wanted) -> (Vec<Found>, Vec<Failure>) {
    let namespace = ctl.namespace();
    let scope = Scope {
        namespace: (!ctl.args.bool("all-namespaces", false)).then_some(namespace.as_str()),
        labels: ctl.args.text("selector"),
        fields: None,
    };
    let (mut found, failures) = wanted.find(ctl.store(), &scope);
    let Wanted::Named(names) = wanted else { return (found, failures) };
    let mut left = Vec::new();
    for failure in failures {
        // A name that nothing has is taken for a prefix.
        let by_prefix = match names.as_slice() {
            [(resource, prefix)] if failure.is_not_found() => starting_with(ctl, *resource, prefix, &scope),
            _ => Vec::new(),
        };
        if by_prefix.is_empty() {
            left.push(failure);
        }
        found.extend(by_prefix);
    }
    (found, left)
}

fn starting_with(ctl: &Ctl<'_, '_>, resource: Resource, prefix: &str, scope: &Scope<'_>) -> Vec<Found> {
    let (mut all, _) = Wanted::All(vec![resource]).find(ctl.store(), scope);
    all.retain(|f| value::name(&f.value).starts_with(prefix));
    all
}

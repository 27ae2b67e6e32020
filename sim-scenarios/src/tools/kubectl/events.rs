//! `kubectl events`.

use serde_json::Value;

use super::args::{Flag, Kind as F, flag, short};
use super::clock;
use super::ctl::Ctl;
use super::failure::Failure;
use super::get;
use super::printers::tabwriter::TabWriter;
use super::resource::Resource;
use super::target::{Scope, Wanted};
use super::value::{int, namespace, text};

pub(crate) static FLAGS: &[Flag] = &[
    short("all-namespaces", 'A', F::Bool),
    short("watch", 'w', F::Bool),
    flag("for", F::Text),
    flag("types", F::List),
    flag("no-headers", F::Bool),
    flag("chunk-size", F::Int),
];

/// Runs the verb.
///
/// # Errors
/// What kubectl reports at the end.
pub(crate) fn run(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    ctl.refuse(&["watch"])?;
    let types: Vec<String> = ctl.args.texts("types").to_vec();
    if types.iter().any(|t| !["normal", "warning"].contains(&t.to_lowercase().as_str())) {
        return Err(Failure::plain("valid --types are Normal or Warning"));
    }
    let only = match ctl.args.text("for") {
        None => None,
        Some(word) => {
            let (kind, name) = word
                .split_once('/')
                .filter(|(k, n)| !k.is_empty() && !n.is_empty())
                .ok_or_else(|| Failure::plain("--for must be in resource/name form"))?;
            Some((Resource::parse(kind)?.kind_name(), name.to_owned()))
        }
    };
    let everywhere = ctl.args.bool("all-namespaces", false);
    let space = ctl.namespace();
    let scope = Scope { namespace: (!everywhere).then_some(space.as_str()), ..Scope::default() };
    let (found, failures) = Wanted::All(vec![Resource::Event]).find(ctl.store(), &scope);
    Failure::from_many(failures)?;
    let of_type =
        |e: &Value| types.is_empty() || types.iter().any(|t| t.eq_ignore_ascii_case(text(e, "/type")));
    let about = |e: &Value| {
        only.as_ref().is_none_or(|(kind, name)| {
            text(e, "/involvedObject/kind") == *kind && text(e, "/involvedObject/name") == name
        })
    };
    let all: Vec<Value> = found.into_iter().map(|f| f.value).filter(|e| of_type(e) && about(e)).collect();
    let output = get::output(ctl)?;
    if !output.is_human() {
        let prefixes = vec!["event".to_owned(); all.len()];
        let text = output.list(&all, &prefixes)?;
        ctl.print(text);
        return Ok(0);
    }
    if all.is_empty() {
        ctl.err(if everywhere {
            "No events found.".to_owned()
        } else {
            format!("No events found in {space} namespace.")
        });
        return Ok(0);
    }
    let text = table(ctl, &all, everywhere);
    ctl.print(text);
    Ok(0)
}

fn table(ctl: &Ctl<'_, '_>, all: &[Value], with_namespace: bool) -> String {
    let mut table = TabWriter::get();
    let first = |text: &str| if with_namespace { format!("{text}\t") } else { String::new() };
    if !ctl.args.bool("no-headers", false) {
        table.write(&format!("{}LAST SEEN\tTYPE\tREASON\tOBJECT\tMESSAGE\n", first("NAMESPACE")));
    }
    for e in all {
        let age = |field: &str| clock::age(text(e, field), ctl.now());
        let seen = match int(e, "/count") {
            n if n > 1 => format!("{} (x{n} over {})", age("/lastTimestamp"), age("/firstTimestamp")),
            _ => age("/lastTimestamp"),
        };
        let object = format!("{}/{}", text(e, "/involvedObject/kind"), text(e, "/involvedObject/name"));
        table.write(&format!(
            "{}{seen}\t{}\t{}\t{object}\t{}\n",
            first(namespace(e)),
            text(e, "/type"),
            text(e, "/reason"),
            text(e, "/message").trim()
        ));
    }
    table.flush()
}

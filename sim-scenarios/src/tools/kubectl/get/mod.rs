//! `kubectl get`.

use super::api::through::{self, Sent};
use super::api::{self, Answer, Refusal};
use super::args::{Flag, Kind as F, flag, short};
use super::ctl::Ctl;
use super::failure::Failure;
use super::files;
use super::manifest;
use super::printers::columns::{View, layout};
use super::printers::output::Output;
use super::printers::table::{self, TableOptions};
use super::printers::tabwriter::TabWriter;
use super::resource::Resource;
use super::target::{Found, Scope, Wanted};

mod sort;
mod watch;

pub(crate) static FLAGS: &[Flag] = &[
    short("output", 'o', F::Text),
    short("all-namespaces", 'A', F::Bool),
    short("selector", 'l', F::Text),
    short("label-columns", 'L', F::List),
    short("filename", 'f', F::List),
    short("kustomize", 'k', F::Text),
    short("recursive", 'R', F::Bool),
    short("watch", 'w', F::Bool),
    flag("watch-only", F::Bool),
    flag("output-watch-events", F::Bool),
    flag("field-selector", F::Text),
    flag("show-labels", F::Bool),
    flag("show-kind", F::Bool),
    flag("no-headers", F::Bool),
    flag("sort-by", F::Text),
    flag("ignore-not-found", F::Bool),
    flag("show-managed-fields", F::Bool),
    flag("allow-missing-template-keys", F::Bool),
    flag("template", F::Text),
    flag("chunk-size", F::Int),
    flag("server-print", F::Bool),
    flag("raw", F::Text),
    flag("subresource", F::Text),
];

/// Runs the verb.
///
/// # Errors
/// What kubectl reports at the end; objects that were found are printed before.
pub(crate) fn run(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    ctl.refuse(&["subresource"])?;
    if let Some(path) = ctl.args.text("raw").map(str::to_owned) {
        return raw(ctl, &path);
    }
    let output = output(ctl)?;
    let wanted = wanted(ctl)?;
    for resource in wanted.resources() {
        ctl.warn_deprecated(resource);
    }
    if ctl.args.bool("watch", false) || ctl.args.bool("watch-only", false) {
        return watch::run(ctl, &wanted, &output);
    }
    let of_files = !ctl.args.texts("filename").is_empty();
    let (mut found, mut failures) = if of_files { manifest::found(ctl)? } else { find(ctl, &wanted) };
    if ctl.args.bool("ignore-not-found", false) {
        failures.retain(|f| !f.is_not_found());
    }
    if let Some(path) = ctl.args.text("sort-by") {
        sort::by_path(&mut found, path)?;
    }
    if let Output::Human { wide } = output {
        human(ctl, &wanted, &found, wide, failures.is_empty());
    } else if failures.is_empty() || !found.is_empty() {
        generic(ctl, &wanted, &found, &output)?;
    }
    Failure::from_many(failures).map(|()| 0)
}

/// `--raw`: a path of the API server, as it answers.
fn raw(ctl: &mut Ctl<'_, '_>, path: &str) -> Result<i32, Failure> {
    let refused = |r: &Refusal| Failure::Bare(format!("Error from server ({}): {}", r.reason, r.message));
    let text = match api::get(ctl, path) {
        Answer::Text(text) => text,
        Answer::Document(document) => format!("{}\n", api::text(&document, false)),
        Answer::Through(to, inner) => {
            let headers = [("Accept".to_owned(), "application/json, */*".to_owned())];
            let sent = Sent { method: "GET", target: path, headers: &headers, body: &[] };
            let (head, body) = through::ask(ctl, &sent, to, &inner).map_err(|r| refused(&r))?;
            match head.status {
                200..300 => String::from_utf8_lossy(&body).into_owned(),
                404 => return Err(refused(&Refusal::unknown())),
                code => {
                    return Err(Failure::not_modelled(format!(
                        "kubectl's words for the status {code} of a pod"
                    )));
                }
            }
        }
        Answer::Refused(refusal) => return Err(refused(&refusal)),
        Answer::NoPage => return Err(refused(&Refusal::unknown())),
        Answer::NotModelled => {
            return Err(Failure::not_modelled(format!("the path {path} of the API server")));
        }
    };
    ctl.print(text);
    Ok(0)
}

/// The printer that `-o` names, for this and other verbs.
///
/// # Errors
/// There is none, or its template has a mistake.
pub(crate) fn output(ctl: &Ctl<'_, '_>) -> Result<Output, Failure> {
    let strict = !ctl.args.bool("allow-missing-template-keys", true);
    let value = match ctl.args.text("output") {
        // A template alone is a Go template.
        None if ctl.args.given("template") => "go-template",
        value => value.unwrap_or(""),
    };
    let mut output =
        Output::parse(value, ctl.args.text("template"), strict, |path| files::read_text(ctl, path))?;
    if let Output::CustomColumns(columns) = &mut output
        && ctl.args.bool("no-headers", false)
    {
        columns.without_headers();
    }
    Ok(output)
}

fn wanted(ctl: &mut Ctl<'_, '_>) -> Result<Wanted, Failure> {
    if !ctl.args.texts("filename").is_empty() || ctl.args.given("kustomize") {
        let named = manifest::names(ctl)?;
        return Ok(Wanted::Named(named));
    }
    if ctl.args.words.is_empty() {
        ctl.err("You must specify the type of resource to get. Use \"kubectl api-resources\" for a complete list of supported resources.\n");
        return Err(Failure::usage(
            &ctl.path,
            "Required resource not specified.\nUse \"kubectl explain <resource>\" for a detailed description of that resource \
             (e.g. kubectl explain pods).",
        ));
    }
    Wanted::parse(&ctl.args.words)
}

fn find(ctl: &Ctl<'_, '_>, wanted: &Wanted) -> (Vec<Found>, Vec<Failure>) {
    let namespace = ctl.namespace();
    let scope = Scope {
        namespace: (!ctl.args.bool("all-namespaces", false)).then_some(namespace.as_str()),
        labels: ctl.args.text("selector"),
        fields: ctl.args.text("field-selector"),
    };
    wanted.find(ctl.store(), &scope)
}

fn generic(ctl: &mut Ctl<'_, '_>, wanted: &Wanted, found: &[Found], output: &Output) -> Result<(), Failure> {
    let text = match found {
        [one] if wanted.is_single() => output.one(&one.value, &one.resource.prefix())?,
        _ if wanted.is_single() => return Ok(()),
        all => {
            let items: Vec<_> = all.iter().map(|f| f.value.clone()).collect();
            let prefixes: Vec<String> = all.iter().map(|f| f.resource.prefix()).collect();
            output.list(&items, &prefixes)?
        }
    };
    ctl.print(text);
    Ok(())
}

/// What the flags add to the tables of this command.
fn table_options(ctl: &Ctl<'_, '_>, resource: Resource, wide: bool, several: bool) -> TableOptions {
    let with_kind = several || ctl.args.bool("show-kind", false);
    TableOptions {
        wide,
        show_labels: ctl.args.bool("show-labels", false),
        label_columns: ctl.args.texts("label-columns").to_vec(),
        with_namespace: ctl.args.bool("all-namespaces", false) && resource.namespaced(),
        prefix: if with_kind { format!("{}/", resource.prefix()) } else { String::new() },
    }
}

/// One table per type, with an empty line between two.
fn human(ctl: &mut Ctl<'_, '_>, wanted: &Wanted, found: &[Found], wide: bool, complete: bool) {
    if found.is_empty() {
        if complete && !ctl.args.bool("ignore-not-found", false) {
            nothing(ctl, wanted);
        }
        return;
    }
    let several = wanted.resources().len() > 1;
    let headers = !ctl.args.bool("no-headers", false);
    let view = View { now: ctl.now(), wide };
    let version = ctl.version();
    let mut text = String::new();
    for group in found.chunk_by(|a, b| a.resource == b.resource) {
        let resource = group[0].resource;
        let layout = layout(resource.kind_name(), version);
        let options = table_options(ctl, resource, wide, several);
        let mut table = TabWriter::get();
        if headers {
            table.write(&table::header(&layout, &options));
        }
        for found in group {
            table.write(&table::row(&layout, &options, &found.value, view));
        }
        if headers && !text.is_empty() {
            text.push('\n');
        }
        text += &table.flush();
    }
    ctl.print(text);
}

fn nothing(ctl: &mut Ctl<'_, '_>, wanted: &Wanted) {
    let namespaced = wanted.resources().iter().any(|r| r.namespaced());
    if namespaced && !ctl.args.bool("all-namespaces", false) {
        ctl.err(format!("No resources found in {} namespace.", ctl.namespace()));
    } else {
        ctl.err("No resources found");
    }
}

//! `kubectl cluster-info`, `kubectl api-resources`, `kubectl api-versions`.

use std::collections::BTreeSet;

use sim_core::kube::objects::{Kind, older};

use super::args::{Flag, Kind as F, flag, short};
use super::ctl::Ctl;
use super::failure::Failure;
use super::printers::tabwriter::TabWriter;
use super::value::{list, text};

pub(crate) static API_RESOURCES_FLAGS: &[Flag] = &[
    short("output", 'o', F::Text),
    flag("no-headers", F::Bool),
    flag("namespaced", F::Bool),
    flag("api-group", F::Text),
    flag("cached", F::Bool),
    flag("sort-by", F::Text),
    flag("verbs", F::List),
    flag("categories", F::List),
];

/// Runs `kubectl cluster-info`.
///
/// # Errors
/// A word, which it does not take.
pub(crate) fn cluster_info(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    if let Some(word) = ctl.args.words.first() {
        return Err(Failure::usage(&ctl.path, format!("unknown command {word:?}")));
    }
    let server = server(ctl);
    ctl.line(format!("Kubernetes control plane is running at {server}"));
    if ctl.store().find(Kind::Service, "kube-system", "kube-dns").is_some() {
        ctl.line(format!(
            "CoreDNS is running at {server}/api/v1/namespaces/kube-system/services/kube-dns:dns/proxy"
        ));
    }
    ctl.line("\nTo further debug and diagnose cluster problems, use 'kubectl cluster-info dump'.");
    Ok(0)
}

/// The address of the API server, as the kubeconfig file has it.
pub(crate) fn server(ctl: &Ctl<'_, '_>) -> String {
    let nodes: Vec<_> = ctl.store().iter(Kind::Node, None).map(|n| n.to_value()).collect();
    let first = nodes.iter().find(|n| {
        let labels = n.pointer("/metadata/labels");
        let roles = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];
        labels.is_some_and(|l| roles.iter().any(|role| l.get(role).is_some()))
    });
    let address = first
        .and_then(|n| list(n, "/status/addresses").iter().find(|a| text(a, "/type") == "InternalIP"))
        .map_or("", |a| text(a, "/address"))
        .to_owned();
    format!("https://{address}:6443")
}

/// Runs `kubectl api-resources`: what this server serves.
///
/// # Errors
/// A flag that is not modelled.
pub(crate) fn api_resources(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    let output = ctl.args.text("output").unwrap_or("").to_owned();
    if !matches!(output.as_str(), "" | "name" | "wide") {
        return Err(Failure::not_modelled(format!("the output format {output:?} of {:?}", ctl.path)));
    }
    let mut rows: Vec<ApiResource> = served(ctl).map(ApiResource::of).collect();
    rows.push(ApiResource {
        short: "ev".to_owned(),
        ..ApiResource::named("events", "Event", "", "v1", true)
    });
    let namespaced = ctl.args.given("namespaced").then(|| ctl.args.bool("namespaced", true));
    let categories = ctl.args.texts("categories");
    let verbs = ctl.args.texts("verbs");
    rows.retain(|r| {
        namespaced.is_none_or(|n| n == r.namespaced)
            && ctl.args.text("api-group").is_none_or(|g| g == r.group)
            && (categories.is_empty() || categories.iter().all(|c| c == r.categories))
            && verbs.iter().all(|v| VERBS.split(',').any(|known| known == v))
    });
    match ctl.args.text("sort-by") {
        None => rows.sort_by(|a, b| (a.group, a.name).cmp(&(b.group, b.name))),
        Some("name") => rows.sort_by_key(|r| r.name),
        Some("kind") => rows.sort_by_key(|r| r.kind),
        Some(_) => return Err(Failure::plain("--sort-by accepts only name or kind")),
    }
    if output == "name" {
        rows.iter().for_each(|r| ctl.line(r.qualified()));
        return Ok(0);
    }
    let wide = output == "wide";
    let mut table = TabWriter::get();
    if !ctl.args.bool("no-headers", false) {
        let more = if wide { "\tVERBS\tCATEGORIES" } else { "" };
        table.write(&format!("NAME\tSHORTNAMES\tAPIVERSION\tNAMESPACED\tKIND{more}\n"));
    }
    for r in &rows {
        let more = if wide { format!("\t{VERBS}\t{}", r.categories) } else { String::new() };
        table.write(&format!("{}\t{}\t{}\t{}\t{}{more}\n", r.name, r.short, r.version, r.namespaced, r.kind));
    }
    let text = table.flush();
    ctl.print(text);
    Ok(0)
}

/// The types that this server has: of the custom ones those that somebody uses.
fn served<'a>(ctl: &'a Ctl<'_, '_>) -> impl Iterator<Item = Kind> + 'a {
    Kind::ALL.into_iter().filter(|k| !k.is_custom() || ctl.store().iter(*k, None).next().is_some())
}

/// What can be done to every type that is modelled.
const VERBS: &str = "create,delete,deletecollection,get,list,patch,update,watch";

/// A line of `api-resources`.
struct ApiResource {
    name: &'static str,
    short: String,
    group: &'static str,
    version: String,
    namespaced: bool,
    kind: &'static str,
    categories: &'static str,
}

impl ApiResource {
    fn of(kind: Kind) -> Self {
        let all = super::resource::ALL_CATEGORY.contains(&kind.plural());
        let plain =
            Self::named(kind.plural(), kind.name(), kind.group(), &kind.api_version(), kind.namespaced());
        Self { short: kind.short_names().join(","), categories: if all { "all" } else { "" }, ..plain }
    }

    fn named(
        name: &'static str,
        kind: &'static str,
        group: &'static str,
        version: &str,
        namespaced: bool,
    ) -> Self {
        Self {
            name,
            short: String::new(),
            group,
            version: version.to_owned(),
            namespaced,
            kind,
            categories: "",
        }
    }

    fn qualified(&self) -> String {
        if self.group.is_empty() { self.name.to_owned() } else { format!("{}.{}", self.name, self.group) }
    }
}

/// Runs `kubectl api-versions`.
///
/// # Errors
/// None.
pub(crate) fn api_versions(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    let mut versions: BTreeSet<String> = older::versions(ctl.version()).collect();
    versions.extend(served(ctl).filter(|k| k.is_custom()).map(Kind::api_version));
    versions.iter().for_each(|v| ctl.line(v));
    Ok(0)
}

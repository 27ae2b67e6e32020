//! `kubectl cluster-info`, `kubectl api-resources`, `kubectl api-versions`.

use std::collections::BTreeSet;

use sim_core::kube::objects::Kind;

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
        labels.is_some_and(|l| l.get("node-role.kubernetes.io/control-plane").is_some())
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
    ctl.refuse(&["sort-by", "verbs", "categories"])?;
    let output = ctl.args.text("output").unwrap_or("").to_owned();
    let mut kinds: Vec<Kind> = Kind::ALL.to_vec();
    kinds.retain(|k| !ctl.args.given("namespaced") || k.namespaced() == ctl.args.bool("namespaced", true));
    kinds.retain(|k| ctl.args.text("api-group").is_none_or(|g| g == k.group()));
    kinds.sort_by_key(|k| (k.group(), k.plural()));
    let mut table = TabWriter::get();
    match output.as_str() {
        "name" => {
            kinds.iter().for_each(|k| ctl.line(k.qualified_resource()));
            return Ok(0);
        }
        "" => {
            if !ctl.args.bool("no-headers", false) {
                table.write("NAME\tSHORTNAMES\tAPIVERSION\tNAMESPACED\tKIND\n");
            }
            for k in &kinds {
                let short = k.short_names().join(",");
                let (version, namespaced) = (k.api_version(), k.namespaced());
                table.write(&format!("{}\t{short}\t{version}\t{namespaced}\t{}\n", k.plural(), k.name()));
            }
        }
        other => return Err(Failure::not_modelled(format!("the output format {other:?} of {:?}", ctl.path))),
    }
    let text = table.flush();
    ctl.print(text);
    Ok(0)
}

/// Runs `kubectl api-versions`.
///
/// # Errors
/// None.
pub(crate) fn api_versions(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    let versions: BTreeSet<String> = Kind::ALL.iter().map(|k| k.api_version()).collect();
    versions.iter().for_each(|v| ctl.line(v));
    Ok(0)
}

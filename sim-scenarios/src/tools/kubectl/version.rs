//! `kubectl version`.

use serde_json::{Value, json};
use sim_core::kube::version::Version;

use super::args::{Flag, Kind as F, flag, short};
use super::ctl::Ctl;
use super::failure::Failure;
use super::printers::{json as json_printer, yaml};

pub(crate) static FLAGS: &[Flag] = &[flag("client", F::Bool), short("output", 'o', F::Text)];

/// Runs the verb.
///
/// # Errors
/// An output format that it does not have.
pub(crate) fn run(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    let version = ctl.version();
    let client_only = ctl.args.bool("client", false);
    match ctl.args.text("output").unwrap_or("") {
        "" => {
            ctl.line(format!("Client Version: v{version}"));
            ctl.line(format!("Kustomize Version: {}", kustomize(version)));
            if !client_only {
                ctl.line(format!("Server Version: v{version}"));
            }
        }
        format @ ("yaml" | "json") => {
            let mut all = json!({"clientVersion": build(version), "kustomizeVersion": kustomize(version)});
            if !client_only {
                all["serverVersion"] = build(version);
            }
            let text = if format == "yaml" { yaml::document(&all) } else { json_printer::pretty(&all) };
            ctl.print(text);
        }
        _ => return Err(Failure::plain("--output must be 'yaml' or 'json'")),
    }
    Ok(0)
}

/// The kustomize inside each kubectl.
const fn kustomize(version: Version) -> &'static str {
    match version.minor {
        ..=26 => "v4.5.7",
        27 => "v5.0.1",
        28..=30 => "v5.0.4-0.20230601165947-6ce0bf390ce3",
        31 => "v5.4.2",
        32 => "v5.5.0",
        33 => "v5.6.0",
        34.. => "v5.7.1",
    }
}

/// What is known of a build without its exact day: commit and date are those of no real binary and are left out.
pub(super) fn build(version: Version) -> Value {
    json!({
        "compiler": "gc",
        "gitTreeState": "clean",
        "gitVersion": format!("v{version}"),
        "major": version.major.to_string(),
        "minor": version.minor.to_string(),
        "platform": "linux/amd64",
    })
}

//! What tools print: the command is typed on a client whose programs are those of the record.

use std::path::Path;

use serde_json::Value;
use sim_core::cluster::{Libc, ToolSet};

use super::lab::{Lab, RESOLV_CONF};
use super::pattern::{compare, compare_blocks};
use super::servers::Table;
use super::{other, text_of};

pub(super) fn record(case: &Value, _file: &Value, folder: &Path) -> Result<(), String> {
    let (tool, command) = (text_of(case, "tool")?, text_of(case, "command")?);
    let mut lab = Lab::new(tools(tool)?, RESOLV_CONF)?;
    match text_of(case, "server")? {
        "coredns-handler" => lab.serve_cluster(&kubeadm(folder)?)?,
        server if server.starts_with("logging-server") => {
            let mut table = Table::of(&other(folder, "resolver-search.json")?["answer_table"]);
            table.pointers = pointers();
            lab.serve_table("dns1", table)?;
        }
        server => return Err(format!("no server {server}")),
    }
    let run = lab.run(&quoted(command));
    let unordered =
        tool.starts_with("busybox 1.29") || (tool.starts_with("busybox 1.3") && command.contains("nslookup"));
    let check = if unordered { compare_blocks } else { compare };
    let (stdout, stderr) = (text_of(case, "stdout")?, text_of(case, "stderr")?);
    check("standard output", stdout, &run.stdout)
        .map_err(|e| format!("{command}\n{e}\nstandard error:\n{}", run.stderr))?;
    compare("standard error", stderr, &run.stderr).map_err(|e| format!("{command}\n{e}"))?;
    if case["exit_code"].as_i64() != Some(run.status.into()) {
        return Err(format!("{command}\nstatus {}, expected {}", run.status, case["exit_code"]));
    }
    // Recorded times are rounded to seconds, and only those of note are there.
    let expected = case["elapsed_s"].as_f64().unwrap_or(0.0);
    if (run.seconds - expected).abs() > 0.6 {
        return Err(format!("{command}\ntook {} s, expected {expected} s", run.seconds));
    }
    Ok(())
}

/// The command as a shell must be given it to see the recorded words: formats with a backslash stand in quotes.
fn quoted(command: &str) -> String {
    let quote = |word: &str| {
        let plain = word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./:@+=%,".contains(&b));
        if plain { word.to_owned() } else { format!("'{}'", word.replace("\\\\", "\\")) }
    };
    command.split(' ').map(quote).collect::<Vec<_>>().join(" ")
}

/// Pointers that the logging server has.
pub(super) fn pointers() -> std::collections::BTreeMap<String, String> {
    [
        ("10.0.96.10.in-addr.arpa.", "kube-dns.kube-system.svc.cluster.local."),
        ("1.0.96.10.in-addr.arpa.", "kubernetes.default.svc.cluster.local."),
        ("5.5.96.10.in-addr.arpa.", "web.app.svc.cluster.local."),
    ]
    .map(|(n, t)| (n.to_owned(), t.to_owned()))
    .into()
}

fn kubeadm(folder: &Path) -> Result<Value, String> {
    let file = other(folder, "kubernetes-plugin.json")?;
    let scenarios = file["scenarios"].as_array().into_iter().flatten();
    scenarios
        .into_iter()
        .find(|s| s["id"] == "kubeadm")
        .cloned()
        .ok_or_else(|| "no scenario kubeadm".to_owned())
}

/// The programs of a machine where a tool was recorded.
pub(super) fn tools(tool: &str) -> Result<ToolSet, String> {
    let Some(rest) = tool.strip_prefix("busybox ").or_else(|| tool.strip_prefix("busybox-")) else {
        return Ok(ToolSet { busybox: None, ..ToolSet::HOST });
    };
    let (version, libc) = rest.split_once([' ', '/']).ok_or_else(|| format!("no C library: {tool}"))?;
    let libc = if libc.contains("musl") { Libc::Musl } else { Libc::Glibc };
    Ok(ToolSet { libc, ..ToolSet::busybox(version) })
}

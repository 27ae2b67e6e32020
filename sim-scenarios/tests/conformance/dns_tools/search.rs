//! Which queries resolvers and tools send, in which order, from which sockets, and when.

use std::path::Path;

use serde_json::Value;
use sim_core::cluster::{Libc, ToolSet};
use sim_core::kube::dns::resolver::{Family, Libc as Rules, LookupError};

use super::lab::{Lab, Query};
use super::output::{pointers, tools};
use super::servers::Table;
use super::text_of;

/// `getaddrinfo` of a C library.
pub(super) fn resolver(case: &Value, file: &Value, _folder: &Path) -> Result<(), String> {
    let (libc, rules) = match text_of(case, "resolver")? {
        "glibc" => (Libc::Glibc, Rules::Glibc),
        "musl" => (Libc::Musl, Rules::Musl),
        other => return Err(format!("no resolver {other}")),
    };
    let family = match text_of(case, "family")? {
        "AF_UNSPEC" => Family::Any,
        "AF_INET" => Family::V4,
        "AF_INET6" => Family::V6,
        other => return Err(format!("no family {other}")),
    };
    let mut lab = Lab::new(ToolSet { libc, ..ToolSet::HOST }, text_of(case, "resolv_conf")?)?;
    let name = text_of(case, "name")?;
    serve(&mut lab, case, file)?;
    let started = lab.cluster.now();
    let client = lab.client.clone();
    let result = lab.cluster.lookup(&client, name, family, (None, None));
    let took = lab.cluster.now().since(started).as_secs_f64();
    queries(&lab.queries(), case)?;
    let expected = case["elapsed_s"].as_f64().unwrap_or(0.0);
    if (took - expected).abs() > 0.3 {
        return Err(format!("it took {took} s, expected {expected} s"));
    }
    match result {
        Ok(found) => {
            let got: Vec<String> = found.addresses.iter().map(ToString::to_string).collect();
            let got = serde_json::json!({"addresses": got, "answered_by": found.asked});
            same("result", &got["addresses"], &case["addresses"])?;
            same("answered by", &got["answered_by"], &case["answered_by"])
        }
        Err(error) => {
            let code = match (rules, error) {
                (_, LookupError::NotFound) | (Rules::Musl, LookupError::NoData) => -2,
                (_, LookupError::TryAgain) => -3,
                (_, LookupError::Failed) => -4,
                (_, LookupError::NoData) => -5,
            };
            let got = serde_json::json!({"getaddrinfo": error.message(rules), "code": code});
            same("error", &got, &case["error"])
        }
    }
}

/// A tool's queries.
pub(super) fn tool(case: &Value, file: &Value, _folder: &Path) -> Result<(), String> {
    let (set, program) = text_of(case, "tool")?.rsplit_once(' ').ok_or("no program")?;
    let mut lab = Lab::new(tools(set)?, text_of(case, "resolv_conf")?)?;
    serve(&mut lab, case, file)?;
    let args = case["args"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let line = std::iter::once(program).chain(args).collect::<Vec<_>>().join(" ");
    let run = lab.run(&line);
    queries(&lab.queries(), case).map_err(|e| format!("{e}\n{}{}", run.stdout, run.stderr))
}

/// Starts the name servers. The identifiers of some cases say in what a server differs from the table.
fn serve(lab: &mut Lab, case: &Value, file: &Value) -> Result<(), String> {
    let mut table = Table::of(&file["answer_table"]);
    table.pointers = pointers();
    // Pointers are not in the table: who had one shows in the recording.
    for query in case["queries"].as_array().into_iter().flatten().filter(|q| q["type"] == "PTR") {
        let name = text_of(query, "name")?;
        if query["result"] == "NOERROR" {
            table.pointers.entry(name.to_owned()).or_insert_with(|| "host.example.".to_owned());
        } else {
            table.pointers.remove(name);
        }
    }
    let id = text_of(case, "id")?;
    let (kind, what) = id.split_once(':').unwrap_or((id, ""));
    let name = format!("{}.app.svc.cluster.local.", what.split('/').next().unwrap_or_default());
    let mut first = table.clone();
    match kind {
        "first-server-silent" => first.silent = true,
        "first-server-servfail" => drop(first.names.insert(name, "SERVFAIL".into())),
        "first-server-nxdomain" => drop(first.names.insert(name, "NXDOMAIN".into())),
        "aaaa-lost" => {
            if let Some(said) = first.names.get_mut(&name) {
                said["AAAA"] = "DROP".into();
            }
        }
        _ => {}
    }
    lab.serve_table("dns1", first)?;
    lab.serve_table("dns2", table)
}

fn queries(sent: &[Query], case: &Value) -> Result<(), String> {
    let mut ports: Vec<u16> = Vec::new();
    let mut got = Vec::new();
    for query in sent {
        let socket = ports.iter().position(|p| *p == query.port).unwrap_or_else(|| {
            ports.push(query.port);
            ports.len() - 1
        });
        let since = query.at.since(sent[0].at).as_secs_f64();
        let at = if since > 0.3 { format!(" at {since:.1}") } else { String::new() };
        got.push(format!("{} {} {} {}{at}", socket + 1, query.server, query.name, query.rtype));
    }
    let wanted = case["queries"].as_array().into_iter().flatten().map(|q| {
        let word = |key: &str| q[key].as_str().unwrap_or_default().to_owned();
        let at = q["at_s"].as_f64().map_or(String::new(), |at| format!(" at {at:.1}"));
        format!("{} {} {} {}{at}", q["socket"], word("server"), word("name"), word("type"))
    });
    let wanted: Vec<String> = wanted.collect();
    if got == wanted {
        return Ok(());
    }
    Err(format!("queries:\n{}\n---- expected:\n{}", got.join("\n"), wanted.join("\n")))
}

fn same(what: &str, got: &Value, wanted: &Value) -> Result<(), String> {
    if got == wanted { Ok(()) } else { Err(format!("{what}: {got}, expected {wanted}")) }
}

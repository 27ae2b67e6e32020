//! `rulesets`: the text of rules, in the canonical order that the file defines.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use sim_core::kube::node::proxy::iptables::{Changes, block, sync};
use sim_core::kube::node::proxy::nftables;
use sim_core::kube::node::proxy::select::{Viewpoint, select};

use super::input::{Config, ports};

/// All rules for a set of Services.
pub(super) fn case(case: &Value, defaults: &Value) -> Result<(), String> {
    match case["backend"].as_str() {
        Some("iptables") => {
            let text = iptables(case, defaults)?;
            for table in ["filter", "nat"] {
                if case["expect"].get(table).is_some() {
                    same(
                        table,
                        &iptables_parts(table_of(&text, table)),
                        &iptables_parts(lines(&case["expect"][table])),
                    )?;
                }
            }
        }
        Some("nftables") => {
            let mut text = nftables::base(&Config { case, defaults }.nftables()?);
            text.push_str(&nftables(case, defaults)?);
            let expect = if case["expect"].is_array() { &case["expect"] } else { &case["expect"]["rules"] };
            same("table kube-proxy", &nftables_parts(text.lines()), &nftables_parts(lines(expect)))?;
        }
        other => return Err(format!("no runner for backend {other:?}")),
    }
    if case.get("expectNftables").is_some() {
        let text = nftables(case, defaults)?;
        same("nftables", &nftables_parts(text.lines()), &nftables_parts(lines(&case["expectNftables"])))?;
    }
    Ok(())
}

/// The rules of one chain.
pub(super) fn fragment(case: &Value, defaults: &Value) -> Result<(), String> {
    if case["backend"] != "iptables" {
        return Err(format!("no runner for fragments of backend {}", case["backend"]));
    }
    let text = iptables(case, defaults)?;
    let (table, chain) = (string(case, "table"), string(case, "chain"));
    let rules = iptables_parts(table_of(&text, table));
    let declared = case["chainDeclared"].as_bool().unwrap_or(true);
    if rules.contains_key(chain) != declared {
        return Err(format!("chain {chain} declared: {}, really {declared}", !declared));
    }
    let got = rules.get(chain).cloned().unwrap_or_default();
    let want: Vec<&str> = lines(&case["expectRules"]).collect();
    if got == want { Ok(()) } else { Err(format!("got\n{}\nwant\n{}", got.join("\n"), want.join("\n"))) }
}

fn iptables(case: &Value, defaults: &Value) -> Result<String, String> {
    let config = Config { case, defaults };
    let settings = config.iptables()?;
    let here = Viewpoint { node: config.node(), zone: "" };
    let ports = ports(&case["services"], &case["endpointSlices"])?;
    let blocks = ports.iter().map(|(service, endpoints)| {
        (service.key.clone(), Arc::new(block(&settings, service, &select(service, endpoints, here))))
    });
    Ok(sync(&settings, &blocks.collect(), Changes::ALL))
}

/// The service part of the table.
fn nftables(case: &Value, defaults: &Value) -> Result<String, String> {
    let config = Config { case, defaults };
    let settings = config.nftables()?;
    let here = Viewpoint { node: config.node(), zone: "" };
    let ports = ports(&case["services"], &case["endpointSlices"])?;
    let text = ports.iter().map(|(service, endpoints)| {
        nftables::block(&settings, service, &select(service, endpoints, here)).text(&settings)
    });
    Ok(text.collect())
}

/// The lines of one table of a dump.
fn table_of<'a>(text: &'a str, table: &str) -> impl Iterator<Item = &'a str> {
    let head = format!("*{table}");
    text.lines().skip_while(move |l| *l != head).skip(1).take_while(|l| *l != "COMMIT")
}

/// Rules by chain. Services have no order among themselves, so the chains that hold rules of several are sorted.
fn iptables_parts<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut parts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in lines {
        if let Some(declared) = line.strip_prefix(':') {
            parts.entry(declared.split(' ').next().unwrap_or_default()).or_default();
        } else if let Some(chain) = line.strip_prefix("-A ").and_then(|l| l.split(' ').next()) {
            parts.entry(chain).or_default().push(line);
        }
    }
    for (chain, rules) in &mut parts {
        if matches!(
            *chain,
            "KUBE-NODEPORTS" | "KUBE-SERVICES" | "KUBE-EXTERNAL-SERVICES" | "KUBE-PROXY-FIREWALL"
        ) {
            let last = rules.last().copied().filter(|l| l.contains("NOTE: this must be the last rule"));
            rules.retain(|l| Some(*l) != last);
            rules.sort_unstable();
            rules.extend(last);
        }
    }
    parts
}

/// What is added, by object: rules of a chain in their order, elements in any.
fn nftables_parts<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut parts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in lines {
        let is_rule = line.starts_with("add rule ");
        let end = line.match_indices(' ').nth(4).map_or(line.len(), |(at, _)| at);
        let object = if is_rule { &line[..end] } else { "" };
        parts.entry(object).or_default().push(line);
    }
    if let Some(rest) = parts.get_mut("") {
        rest.sort_unstable();
    }
    parts
}

fn same(what: &str, got: &BTreeMap<&str, Vec<&str>>, want: &BTreeMap<&str, Vec<&str>>) -> Result<(), String> {
    if got == want {
        return Ok(());
    }
    let mut message = format!("{what} differs:\n");
    for part in got.keys().chain(want.keys()).collect::<std::collections::BTreeSet<_>>() {
        let (g, w) = (got.get(part), want.get(part));
        if g != w {
            let text = |lines: Option<&Vec<&str>>| lines.map_or("(none)".to_owned(), |l| l.join("\n    "));
            message.push_str(&format!("  {part}\n  got\n    {}\n  want\n    {}\n", text(g), text(w)));
        }
    }
    Err(message)
}

fn lines(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn string<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

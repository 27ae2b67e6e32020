//! `kubeproxy/chain-names`: the names of kube-proxy's chains and the texts of its probabilities.

use serde_json::Value;
use sim_core::kube::node::proxy::names::{
    ServiceChain, iptables_endpoint_chain, iptables_service_chain, nftables_endpoint_base,
    nftables_service_base, probability,
};
use sim_core::linux::netfilter::{RestoreOptions, Ruleset};
use sim_core::trace::{Family, TableId};

use crate::cases::Case;

pub(crate) fn cases(prefix: &str, file: &Value) -> Vec<Case> {
    let list = |pointer: &str| file.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut cases = Vec::new();
    let mut add = |name: String, item: Value, check: fn(&Value) -> Result<(), String>| {
        cases.push(Case { name: format!("{prefix}/{name}"), run: Box::new(move || check(&item)) });
    };
    for item in list("/iptables/examples") {
        add(
            format!("iptables/{}/{}", text(&item, "servicePortName"), text(&item, "protocol")),
            item,
            iptables,
        );
    }
    for item in list("/iptables/computedOnly") {
        add(
            format!("iptables/{}/{}", text(&item, "servicePortName"), text(&item, "protocol")),
            item,
            computed,
        );
    }
    for item in list("/nftables/examples") {
        add(format!("nftables/{}", text(&item, "input")), item, nftables);
    }
    for item in list("/probability/upstreamVectors") {
        add(format!("probability/upstream/{}", item["n"]), item, written);
    }
    for item in list("/probability/table") {
        add(format!("probability/table/{}", item["n"]), item, saved);
    }
    cases
}

fn text(item: &Value, key: &str) -> String {
    item[key].as_str().unwrap_or_default().to_owned()
}

fn same(what: &str, got: &str, want: &str) -> Result<(), String> {
    if got == want { Ok(()) } else { Err(format!("{what}: got {got}, the real one is {want}")) }
}

fn iptables(item: &Value) -> Result<(), String> {
    let (name, protocol) = (text(item, "servicePortName"), text(item, "protocol"));
    let kinds = [
        ("service", ServiceChain::Cluster),
        ("serviceLocal", ServiceChain::Local),
        ("external", ServiceChain::External),
        ("firewall", ServiceChain::Firewall),
        ("externalLocalBeforeV1_24", ServiceChain::ExternalLocal),
    ];
    for (key, kind) in kinds {
        if let Some(want) = item[key].as_str() {
            same(key, &iptables_service_chain(kind, &name, &protocol), want)?;
        }
    }
    for (endpoint, want) in item["endpoints"].as_object().into_iter().flatten() {
        same(
            endpoint,
            &iptables_endpoint_chain(&name, &protocol, endpoint),
            want.as_str().unwrap_or_default(),
        )?;
    }
    Ok(())
}

fn computed(item: &Value) -> Result<(), String> {
    iptables(item)?;
    let (name, protocol) = (text(item, "servicePortName"), text(item, "protocol"));
    let got = iptables_endpoint_chain(&name, &protocol, &text(item, "endpoint"));
    same("endpoint chain", &got, &text(item, "endpointChain"))
}

fn nftables(item: &Value) -> Result<(), String> {
    let input = text(item, "input");
    let (service, endpoint) = match input.split_once("__") {
        Some((service, endpoint)) => (service, Some(endpoint)),
        None => (input.as_str(), None),
    };
    let parts: Vec<&str> = service.splitn(4, '/').collect();
    let [namespace, name, protocol, port] = parts[..] else { return Err(format!("odd input {input}")) };
    let base = match endpoint {
        None => nftables_service_base(namespace, name, protocol, port),
        Some(endpoint) => {
            let (ip, at) = endpoint.rsplit_once('/').ok_or("an endpoint has a port")?;
            nftables_endpoint_base(namespace, name, protocol, port, ip, at.parse().map_err(|_| "port")?)
        }
    };
    same("name", &base, &text(item, "name"))?;
    if let Some(length) = item["length"].as_u64() {
        same("length", &base.len().to_string(), &length.to_string())?;
    }
    for chain in item["chains"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let chain = chain.trim_end_matches(" (set)");
        let prefix = chain.split_once('-').map_or("", |(p, _)| p);
        same("chain", &format!("{prefix}-{base}"), chain)?;
    }
    Ok(())
}

fn written(item: &Value) -> Result<(), String> {
    let n = item["n"].as_u64().ok_or("n")? as usize;
    same("written", &probability(n, 10), &text(item, "text"))
}

/// What kube-proxy writes comes out of the kernel as `iptables-save` prints it.
fn saved(item: &Value) -> Result<(), String> {
    let n = item["n"].as_u64().ok_or("n")? as usize;
    for (digits, written, prints) in [(10, "written", "savePrints"), (5, "oldWritten", "oldSavePrints")] {
        let text_written = probability(n, digits);
        same(written, &text_written, &text(item, written))?;
        let mut rules = Ruleset::new(Family::V4);
        let input = format!(
            "*filter\n-A INPUT -m statistic --mode random --probability {text_written} -j ACCEPT\nCOMMIT\n"
        );
        rules.restore(&input, RestoreOptions::default()).map_err(|e| e.to_string())?;
        let save = rules.save(Some(TableId::Filter), false);
        let got = save.split("--probability ").nth(1).and_then(|r| r.split(' ').next()).unwrap_or_default();
        same(prints, got, &text(item, prints))?;
    }
    Ok(())
}

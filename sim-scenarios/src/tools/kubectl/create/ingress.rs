//! `kubectl create ingress NAME --rule=host/path=service:port[,tls[=secret]]`.

use serde_json::{Map, Value, json};
use sim_core::kube::objects::Kind;

use super::super::args::{Flag, Kind as F, flag};
use super::super::ctl::Ctl;
use super::super::failure::Failure;
use super::New;

pub(super) static FLAGS: &[Flag] = &[
    flag("rule", F::Texts),
    flag("class", F::Text),
    flag("default-backend", F::Text),
    flag("annotation", F::Texts),
];

pub(super) fn make(ctl: &mut Ctl<'_, '_>) -> Result<New, Failure> {
    let name = super::one_name(ctl)?;
    let rules = ctl.args.texts("rule");
    let default = ctl.args.text("default-backend").filter(|d| !d.is_empty());
    if rules.is_empty() && default.is_none() {
        return Err(Failure::plain(
            "not enough information provided: every ingress has to either specify a default-backend (which catches all traffic) or a \
             list of rules (which catch specific paths)",
        ));
    }
    let mut annotations = Map::new();
    for text in ctl.args.texts("annotation") {
        let (key, value) = text.split_once('=').filter(|(_, v)| !v.contains('=')).ok_or_else(|| {
            Failure::plain(format!("annotation {text} is invalid and should be in format key=[value]"))
        })?;
        annotations.insert(key.to_owned(), json!(value));
    }
    let mut spec = Map::new();
    if let Some(class) = ctl.args.text("class").filter(|c| !c.is_empty()) {
        spec.insert("ingressClassName".to_owned(), json!(class));
    }
    if let Some(default) = default {
        let backend = backend(default)
            .ok_or_else(|| Failure::plain("default-backend should be in format servicename:serviceport"))?;
        spec.insert("defaultBackend".to_owned(), backend);
    }
    let rules: Vec<Rule> = rules.iter().map(|r| Rule::parse(r)).collect::<Result<_, Failure>>()?;
    let tls = tls(&rules);
    if !tls.is_empty() {
        spec.insert("tls".to_owned(), Value::Array(tls));
    }
    if !rules.is_empty() {
        spec.insert("rules".to_owned(), Value::Array(by_host(&rules)));
    }
    let mut metadata = super::metadata(ctl, &name);
    if !annotations.is_empty() {
        metadata["annotations"] = Value::Object(annotations);
    }
    let body = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec,
        "status": {"loadBalancer": {}},
    });
    Ok(New { kind: Kind::Ingress, body, what: Some("ingress".to_owned()) })
}

/// `service:port`.
fn backend(text: &str) -> Option<Value> {
    let (service, port) = text.split_once(':').filter(|(s, p)| !s.is_empty() && !p.is_empty())?;
    if port.contains(':') {
        return None;
    }
    let port = match port.parse::<i64>() {
        Ok(number) => json!({"number": number}),
        Err(_) => json!({"name": port}),
    };
    Some(json!({"service": {"name": service, "port": port}}))
}

struct Rule {
    host: String,
    path: String,
    exact: bool,
    backend: Value,
    /// None: no TLS; empty: TLS without a secret.
    secret: Option<String>,
}

impl Rule {
    fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = || {
            Failure::plain(format!(
                "rule {text} is invalid and should be in format host/path=svcname:svcport[,tls[=secret]]"
            ))
        };
        let (rule, tls) = text.split_once(',').map_or((text, None), |(r, t)| (r, Some(t)));
        let (place, service) = rule.split_once('=').ok_or_else(wrong)?;
        let (host, path) = place.split_once('/').ok_or_else(wrong)?;
        let secret = match tls {
            None => None,
            Some("tls") => Some(String::new()),
            Some(tls) => Some(tls.strip_prefix("tls=").ok_or_else(wrong)?.to_owned()),
        };
        Ok(Self {
            host: host.to_owned(),
            path: format!("/{}", path.trim_end_matches('*')),
            exact: !path.ends_with('*'),
            backend: backend(service).ok_or_else(wrong)?,
            secret,
        })
    }
}

/// One rule for each host, in the order in which hosts come first.
fn by_host(rules: &[Rule]) -> Vec<Value> {
    let mut all: Vec<(&str, Vec<Value>)> = Vec::new();
    for rule in rules {
        let kind = if rule.exact { "Exact" } else { "Prefix" };
        let path = json!({"path": rule.path, "pathType": kind, "backend": rule.backend});
        match all.iter_mut().find(|(host, _)| *host == rule.host) {
            Some((_, paths)) => paths.push(path),
            None => all.push((&rule.host, vec![path])),
        }
    }
    let rule = |(host, paths): (&str, Vec<Value>)| {
        let mut rule = json!({"http": {"paths": paths}});
        if !host.is_empty() {
            rule["host"] = json!(host);
        }
        rule
    };
    all.into_iter().map(rule).collect()
}

/// One entry for each secret, and one for each host without.
fn tls(rules: &[Rule]) -> Vec<Value> {
    let mut all: Vec<(String, Vec<&str>)> = Vec::new();
    for rule in rules {
        let Some(secret) = &rule.secret else { continue };
        let known = all.iter_mut().find(|(s, _)| s == secret && !secret.is_empty());
        match known {
            Some((_, hosts)) if hosts.contains(&rule.host.as_str()) => {}
            Some((_, hosts)) => hosts.push(&rule.host),
            None => all.push((secret.clone(), vec![&rule.host])),
        }
    }
    let entry = |(secret, hosts): (String, Vec<&str>)| {
        let mut entry = json!({});
        let hosts: Vec<&str> = hosts.into_iter().filter(|h| !h.is_empty()).collect();
        if !hosts.is_empty() {
            entry["hosts"] = json!(hosts);
        }
        if !secret.is_empty() {
            entry["secretName"] = json!(secret);
        }
        entry
    };
    all.into_iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_become_hosts_with_paths() {
        let rules: Vec<Rule> =
            ["a.example.com/x*=one:80", "a.example.com/y=two:web,tls=cert", "/=three:8080,tls"]
                .iter()
                .map(|r| Rule::parse(r).unwrap())
                .collect();
        insta::assert_json_snapshot!(json!({"rules": by_host(&rules), "tls": tls(&rules)}));
        assert!(Rule::parse("a=b").is_err());
    }
}

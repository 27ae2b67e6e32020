//! Services.

use serde_json::Value;

use super::super::super::value::{int, labels, list, name, text, texts};
use super::{Layout, View, age, col, or, wide};

/// Load balancer addresses are cut to this many characters, except with `-o wide`.
const LOAD_BALANCER_WIDTH: usize = 16;

pub(super) const LAYOUT: Layout = Layout {
    columns: &[
        col("NAME"),
        col("TYPE"),
        col("CLUSTER-IP"),
        col("EXTERNAL-IP"),
        col("PORT(S)"),
        col("AGE"),
        wide("SELECTOR"),
    ],
    cells,
};

fn cells(service: &Value, view: View) -> Vec<String> {
    vec![
        name(service).to_owned(),
        text(service, "/spec/type").to_owned(),
        or(text(service, "/spec/clusterIP"), "<none>"),
        external_ip(service, view.wide),
        or(&ports(service), "<none>"),
        age(service, view),
        labels(service, "/spec/selector"),
    ]
}

fn external_ip(service: &Value, wide: bool) -> String {
    let mut all: Vec<&str> = Vec::new();
    let balancer = load_balancer(service, wide);
    match text(service, "/spec/type") {
        "LoadBalancer" => all.extend(balancer.split(',').filter(|ip| !ip.is_empty())),
        "ExternalName" => return text(service, "/spec/externalName").to_owned(),
        _ => {}
    }
    all.extend(texts(service, "/spec/externalIPs"));
    match (all.is_empty(), text(service, "/spec/type")) {
        (false, _) => all.join(","),
        (true, "LoadBalancer") => "<pending>".to_owned(),
        (true, "ClusterIP" | "NodePort") => "<none>".to_owned(),
        (true, _) => "<unknown>".to_owned(),
    }
}

fn load_balancer(service: &Value, wide: bool) -> String {
    let mut all: Vec<&str> = list(service, "/status/loadBalancer/ingress")
        .iter()
        .map(|i| if text(i, "/ip").is_empty() { text(i, "/hostname") } else { text(i, "/ip") })
        .filter(|a| !a.is_empty())
        .collect();
    all.sort_unstable();
    all.dedup();
    let all = all.join(",");
    match all.get(..LOAD_BALANCER_WIDTH - 3) {
        Some(start) if !wide && all.len() > LOAD_BALANCER_WIDTH => format!("{start}..."),
        _ => all,
    }
}

fn ports(service: &Value) -> String {
    let port = |p: &Value| match int(p, "/nodePort") {
        0 => format!("{}/{}", int(p, "/port"), text(p, "/protocol")),
        node => format!("{}:{node}/{}", int(p, "/port"), text(p, "/protocol")),
    };
    list(service, "/spec/ports").iter().map(port).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use sim_core::time::SimTime;

    fn row(spec: Value, status: Value, wide: bool) -> String {
        let service = json!({
            "metadata": {"name": "s", "creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": spec, "status": status,
        });
        cells(&service, View { now: SimTime::from_secs(5), wide }).join(" | ")
    }

    #[test]
    fn each_type_has_its_external_address() {
        let ports =
            json!([{"port": 80, "protocol": "TCP"}, {"port": 53, "protocol": "UDP", "nodePort": 30053}]);
        let spec = |kind: &str| json!({"type": kind, "clusterIP": "10.96.0.9", "ports": ports, "selector": {"app": "a"}});
        assert_eq!(
            row(spec("ClusterIP"), json!({}), false),
            "s | ClusterIP | 10.96.0.9 | <none> | 80/TCP,53:30053/UDP | 5s | app=a"
        );
        assert!(row(spec("LoadBalancer"), json!({}), false).contains("| <pending> |"));
        let balanced = json!({"loadBalancer": {"ingress": [{"hostname": "a-very-long-name.example.com"}]}});
        assert!(row(spec("LoadBalancer"), balanced.clone(), false).contains("| a-very-long-n... |"));
        assert!(row(spec("LoadBalancer"), balanced, true).contains("| a-very-long-name.example.com |"));
        assert_eq!(
            row(json!({"type": "ExternalName", "externalName": "x.example.com"}), json!({}), false),
            "s | ExternalName | <none> | x.example.com | <none> | 5s | <none>"
        );
    }
}

//! Endpoints and EndpointSlices.

use serde_json::Value;

use super::super::super::value::{list, name, scalar, text, texts};
use super::{Layout, View, age, at_most_three, col, host_port};

pub(super) const ENDPOINTS: Layout =
    Layout { columns: &[col("NAME"), col("ENDPOINTS"), col("AGE")], cells: endpoints };

pub(super) const SLICES: Layout = Layout {
    columns: &[col("NAME"), col("ADDRESSTYPE"), col("PORTS"), col("ENDPOINTS"), col("AGE")],
    cells: slice,
};

fn endpoints(object: &Value, view: View) -> Vec<String> {
    vec![name(object).to_owned(), addresses(object), age(object, view)]
}

fn addresses(object: &Value) -> String {
    let subsets = list(object, "/subsets");
    if subsets.is_empty() {
        return "<none>".to_owned();
    }
    let mut all = Vec::new();
    for subset in subsets {
        let ips = || list(subset, "/addresses").iter().map(|a| text(a, "/ip"));
        let ports = list(subset, "/ports");
        if ports.is_empty() {
            all.extend(ips().map(str::to_owned));
        }
        for port in ports {
            all.extend(ips().map(|ip| host_port(ip, &scalar(port.get("port")))));
        }
    }
    at_most_three(&all)
}

fn slice(object: &Value, view: View) -> Vec<String> {
    let ports: Vec<String> = list(object, "/ports").iter().map(port).collect();
    let addresses: Vec<String> =
        list(object, "/endpoints").iter().flat_map(|e| texts(e, "/addresses")).map(str::to_owned).collect();
    let or_unset = |all: &[String]| if all.is_empty() { "<unset>".to_owned() } else { at_most_three(all) };
    vec![
        name(object).to_owned(),
        text(object, "/addressType").to_owned(),
        or_unset(&ports),
        or_unset(&addresses),
        age(object, view),
    ]
}

fn port(port: &Value) -> String {
    match (scalar(port.get("port")).as_str(), text(port, "/name")) {
        ("", "") => "*".to_owned(),
        ("", name) => name.to_owned(),
        (number, _) => number.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn three_addresses_are_shown() {
        let ips: Vec<Value> = (1..=5).map(|i| json!({"ip": format!("10.0.0.{i}")})).collect();
        let object = json!({"subsets": [{"addresses": ips, "ports": [{"port": 80}]}]});
        assert_eq!(addresses(&object), "10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 2 more...");
        assert_eq!(
            addresses(&json!({"subsets": [{"addresses": [{"ip": "fd00::1"}], "ports": [{"port": 80}]}]})),
            "[fd00::1]:80"
        );
        assert_eq!(addresses(&json!({})), "<none>");
    }

    #[test]
    fn a_slice_lists_ports_and_addresses_apart() {
        let object = json!({"addressType": "IPv4", "ports": [{"port": 80}, {"name": "x"}], "endpoints": [{"addresses": ["10.0.0.1"]}]});
        let view = View { now: sim_core::time::SimTime::ZERO, wide: false };
        assert_eq!(slice(&object, view)[1..4], ["IPv4", "80,x", "10.0.0.1"]);
        assert_eq!(slice(&json!({}), view)[2..4], ["<unset>", "<unset>"]);
    }
}

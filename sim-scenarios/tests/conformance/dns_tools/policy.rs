//! What the kubelet writes into a pod's resolv.conf.

use std::path::Path;

use serde_json::Value;
use sim_core::kube::node::kubelet::dns::{NodeDns, ResolvLines, form};
use sim_core::kube::objects::pod::PodSpec;

use super::text_of;

pub(super) fn case(case: &Value, _file: &Value, _folder: &Path) -> Result<(), String> {
    let mut spec = case["pod_spec"].clone();
    spec["containers"] = serde_json::json!([]);
    let spec: PodSpec = serde_json::from_value(spec).map_err(|e| e.to_string())?;
    let words = |v: &Value| -> Vec<String> {
        v.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let (kubelet, own) = (&case["kubelet"], &case["node_resolv_conf"]);
    // The node's file goes through the kubelet's own reading.
    let file = ResolvLines {
        servers: words(&own["nameservers"]),
        searches: words(&own["search"]),
        options: words(&own["options"]),
    };
    let node = NodeDns {
        cluster_dns: words(&kubelet["clusterDNS"]),
        cluster_domain: text_of(kubelet, "clusterDomain")?.to_owned(),
        own: ResolvLines::parse(&file.text()),
    };
    let dns = form(text_of(case, "pod_namespace")?, &spec, &node).lines;
    let expect = &case["expect"];
    // The options of a pod are merged by a map, whose order is not settled.
    let mut options = (dns.options, words(&expect["options"]));
    options.0.sort();
    options.1.sort();
    for (what, got, wanted) in [
        ("nameservers", dns.servers, words(&expect["nameservers"])),
        ("search", dns.searches, words(&expect["search"])),
        ("options", options.0, options.1),
    ] {
        if got != wanted {
            return Err(format!("{what}: {got:?}, expected {wanted:?}"));
        }
    }
    Ok(())
}

//! `topology`: which endpoints count on one node.

use serde_json::{Value, json};
use sim_core::kube::node::proxy::model::Endpoint;
use sim_core::kube::node::proxy::select::{Viewpoint, select};

use super::input::ports;

/// One Service as one node sees it.
pub(super) fn case(case: &Value, _: &Value) -> Result<(), String> {
    let label = |key: &str| case["node"]["labels"][key].as_str().unwrap_or_default();
    let node = Viewpoint {
        node: case["node"]["name"].as_str().unwrap_or_default(),
        zone: label("topology.kubernetes.io/zone"),
    };
    let mut ports = ports(&json!([case["service"]]), &json!([case["endpointSlice"]]))?;
    let (service, mut endpoints) = ports.pop().ok_or("the Service has no port")?;
    if case["preferSameTrafficDistribution"] == false {
        // The feature gate of hints for nodes, on since 1.35: without it they are not read.
        endpoints.iter_mut().for_each(|e| e.node_hints.clear());
    }
    let chosen = select(&service, &endpoints, node);
    let texts = |list: &[&Endpoint]| json!(list.iter().map(|e| e.at.to_string()).collect::<Vec<_>>());
    let got = json!({
        "clusterEndpoints": texts(&chosen.cluster),
        "localEndpoints": texts(&chosen.local),
        "allReachable": texts(&chosen.all()),
        "hasAnyEndpoints": chosen.any,
    });
    for (key, want) in case["expect"].as_object().into_iter().flatten() {
        // A set that is not used for the Service is as good as an empty one.
        let want = if want.is_null() { &json!([]) } else { want };
        if got[key] != *want {
            return Err(format!("{key}: got {}, really {want}", got[key]));
        }
    }
    Ok(())
}

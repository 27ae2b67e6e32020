//! Sequences: things happen between the packets of a flow, told in the words of a person.

mod act;
mod step;
pub(super) mod tcp;
pub(super) mod udp;

use serde_json::Value;

use super::super::topology::Lab;
use super::lab;

/// The cluster and the Services that are in force.
struct Stage {
    lab: Lab,
    services: Vec<Value>,
    /// What the Service that is probed looks like when it exists.
    template: Value,
}

impl Stage {
    fn build(file: &Value, case: &Value, seed: u64) -> Result<Self, String> {
        let mut lab = lab(file, case, seed)?;
        super::super::probe::warm_up(&mut lab)?;
        // Whether nodes had just heard of their pods is not recorded: both are tried.
        if seed.is_multiple_of(2) {
            super::super::probe::meet_pods(&mut lab, |_| true)?;
        }
        super::super::change::all(&mut lab, file, case)?;
        let services = case["services"].as_array().cloned().unwrap_or_default();
        let template = template(file, case, &services)?;
        Ok(Self { lab, services, template })
    }

    /// The Service that is probed.
    fn service(&mut self) -> Option<&mut Value> {
        let address = self.template["clusterIP"].clone();
        self.services.iter_mut().find(|s| s["clusterIP"] == address)
    }

    fn endpoints(&mut self) -> Vec<Value> {
        self.service().and_then(|s| s["endpoints"].as_array().cloned()).unwrap_or_default()
    }

    fn apply_services(&mut self) -> Result<(), String> {
        self.lab.set_services(self.services.clone())
    }
}

/// A case lists the Services as they are in the end; one that is gone by then is in another case of the file, or is as all Services
/// of the recordings are.
fn template(file: &Value, case: &Value, services: &[Value]) -> Result<Value, String> {
    let dst = &case["probe"]["dst"];
    let has_it = |s: &&Value| {
        let listed = |key: &str| s[key].as_array().is_some_and(|l| l.contains(dst));
        s["clusterIP"] == *dst || listed("loadBalancerIPs") || listed("externalIPs")
    };
    let others = file["experiments"].as_array().into_iter().flatten();
    let mut others = others.flat_map(|e| e["services"].as_array().into_iter().flatten());
    if let Some(found) = services.iter().find(has_it).or_else(|| others.find(has_it)) {
        return Ok(found.clone());
    }
    // A node port, or a Service that no case lists.
    if let Some(first) = services.first() {
        return Ok(first.clone());
    }
    let port = case["probe"]["port"].as_u64().ok_or("no port")?;
    let tcp = case["probe"]["kind"].as_str().is_some_and(|k| k.starts_with("tcp"));
    let (protocol, target) = if tcp { ("TCP", 8080) } else { ("UDP", 5353) };
    Ok(serde_json::json!({
        "name": "svc-u", "namespace": "default", "type": "ClusterIP", "clusterIP": dst, "endpoints": [],
        "ports": [{"name": "p", "protocol": protocol, "port": port, "targetPort": target}],
    }))
}

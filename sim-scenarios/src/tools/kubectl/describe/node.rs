//! Nodes.

use serde_json::Value;
use sim_core::kube::objects::Kind;
use sim_core::time::SimTime;

use super::super::clock;
use super::super::printers::columns::roles;
use super::super::quantity::Quantity;
use super::super::value::{is_true, list, map, name, namespace, scalar, text, texts};
use super::Look;
use super::writer::Writer;

/// How often a kubelet renews its node's lease (`nodeLeaseDurationSeconds` 40, a quarter of it), in nanoseconds.
const LEASE_RENEWAL: u64 = 10_000_000_000;

pub(super) fn describe(w: &mut Writer, node: &Value, look: Look<'_>) {
    w.field(0, "Name", name(node));
    w.field(0, "Roles", roles(node));
    w.labels("Labels", node, "/metadata/labels");
    w.annotations("Annotations", node, "/metadata/annotations");
    w.field(0, "CreationTimestamp", clock::rfc1123(text(node, "/metadata/creationTimestamp")));
    taints(w, node);
    w.field(0, "Unschedulable", is_true(node, "/spec/unschedulable"));
    lease(w, node, look.now);
    conditions(w, node);
    w.line(0, "Addresses:");
    list(node, "/status/addresses").iter().for_each(|a| w.field(1, text(a, "/type"), text(a, "/address")));
    for (title, pointer) in [("Capacity", "/status/capacity"), ("Allocatable", "/status/allocatable")] {
        if let Some(all) = map(node, pointer) {
            w.line(0, format!("{title}:"));
            all.iter().for_each(|(resource, quantity)| w.field(1, resource, scalar(Some(quantity))));
        }
    }
    system_info(w, node);
    w.field_if(0, "PodCIDR", text(node, "/spec/podCIDR"));
    w.field_if(0, "PodCIDRs", &texts(node, "/spec/podCIDRs").join(","));
    w.field_if(0, "ProviderID", text(node, "/spec/providerID"));
    pods(w, node, look);
}

fn taints(w: &mut Writer, node: &Value) {
    let mut all: Vec<&Value> = list(node, "/spec/taints").iter().collect();
    all.sort_by_key(|t| format!("{},{}", text(t, "/effect"), text(t, "/key")));
    let line = |t: &&Value| match (text(t, "/value"), text(t, "/effect")) {
        ("", effect) => format!("{}:{effect}", text(t, "/key")),
        (value, effect) => format!("{}={value}:{effect}", text(t, "/key")),
    };
    w.lines("", "Taints", &all.iter().map(line).collect::<Vec<_>>());
}

/// Leases are not objects of the store: a ready kubelet has renewed its lease within the last ten seconds.
fn lease(w: &mut Writer, node: &Value, now: SimTime) {
    let ready = list(node, "/status/conditions").iter().find(|c| text(c, "/type") == "Ready");
    let alive = ready.is_none_or(|c| text(c, "/status") == "True");
    let renewed = if alive {
        sim_core::kube::objects::Timestamp::at(SimTime(now.0 / LEASE_RENEWAL * LEASE_RENEWAL)).to_string()
    } else {
        ready.map_or("", |c| text(c, "/lastHeartbeatTime")).to_owned()
    };
    w.line(0, "Lease:");
    w.field(1, "HolderIdentity", name(node));
    w.field(1, "AcquireTime", "<unset>");
    w.field(1, "RenewTime", clock::rfc1123(&renewed));
}

fn conditions(w: &mut Writer, node: &Value) {
    let all = list(node, "/status/conditions");
    if all.is_empty() {
        return;
    }
    w.line(0, "Conditions:");
    w.line(1, "Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage");
    w.line(1, "----\t------\t-----------------\t------------------\t------\t-------");
    for c in all {
        w.line(
            1,
            format!(
                "{} \t{} \t{} \t{} \t{} \t{}",
                text(c, "/type"),
                text(c, "/status"),
                clock::rfc1123(text(c, "/lastHeartbeatTime")),
                clock::rfc1123(text(c, "/lastTransitionTime")),
                text(c, "/reason"),
                text(c, "/message")
            ),
        );
    }
}

fn system_info(w: &mut Writer, node: &Value) {
    w.line(0, "System Info:");
    for (title, field) in [
        ("Machine ID", "machineID"),
        ("System UUID", "systemUUID"),
        ("Boot ID", "bootID"),
        ("Kernel Version", "kernelVersion"),
        ("OS Image", "osImage"),
        ("Operating System", "operatingSystem"),
        ("Architecture", "architecture"),
        ("Container Runtime Version", "containerRuntimeVersion"),
        ("Kubelet Version", "kubeletVersion"),
    ] {
        w.field(1, title, text(node, &format!("/status/nodeInfo/{field}")));
    }
}

/// Requests and limits of one resource.
#[derive(Clone, Copy, Default)]
struct Use {
    requests: Quantity,
    limits: Quantity,
}

impl Use {
    fn of(pod: &Value, resource: &str) -> Self {
        let mut all = Self::default();
        for container in list(pod, "/spec/containers") {
            let read = |kind: &str| {
                let quantity = container.pointer(&format!("/resources/{kind}/{resource}"));
                Quantity::parse(&scalar(quantity)).unwrap_or_default()
            };
            all.requests = all.requests.plus(read("requests"));
            all.limits = all.limits.plus(read("limits"));
        }
        all
    }

    fn plus(self, other: Self) -> Self {
        Self { requests: self.requests.plus(other.requests), limits: self.limits.plus(other.limits) }
    }

    fn cells(self, whole: Quantity) -> String {
        let cell = |q: Quantity| format!("{q} ({}%)", q.percent_of(whole));
        format!("{}\t{}", cell(self.requests), cell(self.limits))
    }
}

fn pods(w: &mut Writer, node: &Value, look: Look<'_>) {
    let pods: Vec<Value> = look.store.iter(Kind::Pod, None).map(|p| p.to_value()).collect();
    let here = |p: &&Value| {
        text(p, "/spec/nodeName") == name(node) && !matches!(text(p, "/status/phase"), "Succeeded" | "Failed")
    };
    let pods: Vec<&Value> = pods.iter().filter(here).collect();
    let whole = |resource: &str| {
        let found = map(node, "/status/allocatable").or_else(|| map(node, "/status/capacity"));
        Quantity::parse(&scalar(found.and_then(|m| m.get(resource)))).unwrap_or_default()
    };
    w.field(0, "Non-terminated Pods", format!("({} in total)", pods.len()));
    w.line(1, "Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge");
    w.line(1, "---------\t----\t\t------------\t----------\t---------------\t-------------\t---");
    for pod in &pods {
        w.line(
            1,
            format!(
                "{}\t{}\t\t{}\t{}\t{}",
                namespace(pod),
                name(pod),
                Use::of(pod, "cpu").cells(whole("cpu")),
                Use::of(pod, "memory").cells(whole("memory")),
                clock::age(text(pod, "/metadata/creationTimestamp"), look.now)
            ),
        );
    }
    w.line(0, "Allocated resources:");
    w.line(1, "(Total limits may be over 100 percent, i.e., overcommitted.)");
    w.line(1, "Resource\tRequests\tLimits");
    w.line(1, "--------\t--------\t------");
    let huge = map(node, "/status/allocatable").into_iter().flatten().map(|(k, _)| k.as_str());
    let huge = huge.filter(|k| k.starts_with("hugepages-"));
    for resource in ["cpu", "memory", "ephemeral-storage"].into_iter().chain(huge) {
        let sum = pods.iter().fold(Use::default(), |sum, pod| sum.plus(Use::of(pod, resource)));
        w.line(1, format!("{resource}\t{}", sum.cells(whole(resource))));
    }
}

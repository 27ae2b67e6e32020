//! Probes of a container.

use super::super::names;
use super::Faults;
use crate::kube::objects::container::Probe;
use crate::kube::objects::{Container, IntOrString};

pub(super) fn check(at: &str, container: &Container, faults: &mut Faults) {
    let probes = [
        ("livenessProbe", &container.liveness_probe),
        ("readinessProbe", &container.readiness_probe),
        ("startupProbe", &container.startup_probe),
    ];
    for (name, probe) in probes {
        let Some(probe) = probe else { continue };
        let at = format!("{at}.{name}");
        handler(&at, probe, faults);
        if name != "readinessProbe" && probe.success_threshold.is_some_and(|n| n != 1) {
            let threshold = probe.success_threshold.unwrap_or_default();
            faults.invalid(format!("{at}.successThreshold"), threshold, "must be 1");
        }
    }
}

fn handler(at: &str, probe: &Probe, faults: &mut Faults) {
    let given = [
        ("exec", probe.exec.is_some()),
        ("httpGet", probe.http_get.is_some()),
        ("tcpSocket", probe.tcp_socket.is_some()),
        ("grpc", probe.grpc.is_some()),
    ];
    let mut given = given.into_iter().filter(|(_, there)| *there).map(|(name, _)| name);
    if given.next().is_none() {
        faults.required(at, "must specify a handler type");
    }
    for more in given {
        faults.forbidden(format!("{at}.{more}"), "may not specify more than 1 handler type");
    }
    if probe.exec.as_ref().is_some_and(|e| e.command.is_empty()) {
        faults.required(format!("{at}.exec.command"), "");
    }
    if let Some(http) = &probe.http_get {
        if http.path.is_empty() {
            faults.required(format!("{at}.httpGet.path"), "");
        }
        port(&format!("{at}.httpGet.port"), &http.port, faults);
    }
    if let Some(tcp) = &probe.tcp_socket {
        port(&format!("{at}.tcpSocket.port"), &tcp.port, faults);
    }
}

/// A port by number or name.
pub(super) fn port(at: &str, port: &IntOrString, faults: &mut Faults) {
    match port {
        IntOrString::Int(n) => faults.port(at, i64::from(*n)),
        IntOrString::String(name) => faults.text(at, name, names::port_name),
    }
}

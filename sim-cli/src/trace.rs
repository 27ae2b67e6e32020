//! `ksim trace`: one flow, hop by hop.

use std::process::ExitCode;

use sim_core::cluster::{Cluster, Place};
use sim_core::flow::{Outcome, Protocol};
use sim_scenarios::lab::run;

use crate::args::{Proto, TraceArgs, TraceFormat};
use crate::{Trouble, print, shell};

pub(crate) fn trace(args: &TraceArgs) -> Result<ExitCode, Trouble> {
    let from: Place = place(&args.from).ok_or_else(|| {
        Trouble::Input(format!(
            "ksim: --from {}: write pod/NAMESPACE/NAME, node/NAME, host/NAME, or workstation\n",
            args.from
        ))
    })?;
    let protocol = protocol(args);
    let mut cluster = last_with(args, &from)?;
    let report = cluster.flow_in_detail(&from, &args.to, protocol, args.show_skipped);
    if report.outcome == Outcome::Unusable {
        let message = format!("ksim: --to {}: write NAME or ADDRESS, with :PORT for tcp and udp\n", args.to);
        return Err(Trouble::Input(message));
    }
    print(&match args.format {
        TraceFormat::Text => report.to_text(&cluster.world),
        TraceFormat::Picture => report.to_picture(&cluster.world),
        TraceFormat::Json => format!("{:#}\n", report.to_json(&cluster.world)),
    });
    // A refused flow is an answer too.
    Ok(ExitCode::SUCCESS)
}

/// The lab's cluster after its commands; if the place is gone by then, as it was when the place was last there.
fn last_with(args: &TraceArgs, from: &Place) -> Result<Cluster, Trouble> {
    let (lab, mut session) = shell::ready(&args.lab)?;
    let mut kept = None;
    run::play(&lab, &mut session, |session| {
        if session.cluster().machine(from).is_some() {
            kept = Some(session.cluster().fork());
        }
    });
    let end = session.into_cluster();
    if end.machine(from).is_some() {
        return Ok(end);
    }
    kept.ok_or_else(|| {
        let there = places(&end).join(", ");
        Trouble::Input(format!("ksim: --from {}: no such place in this lab; there are {there}\n", args.from))
    })
}

/// Places where a flow can start.
fn places(cluster: &Cluster) -> Vec<String> {
    let machines = cluster.machines().whole().map(|(place, _)| place.to_string());
    let pods = cluster.pods(None).map(|pod| Place::pod(&pod.metadata.namespace, &pod.metadata.name));
    let running = pods.filter(|place| cluster.machine(place).is_some()).map(|place| place.to_string());
    machines.chain(running).collect()
}

fn protocol(args: &TraceArgs) -> Protocol {
    let has_port = args.to.rsplit_once(':').is_some_and(|(host, port)| {
        // Without brackets, the colons of an IPv6 address are its own.
        let whole = !host.contains(':') || host.ends_with(']');
        whole && port.parse::<u16>().is_ok()
    });
    match args.proto {
        Some(Proto::Tcp) => Protocol::Tcp,
        Some(Proto::Udp) => Protocol::Udp,
        Some(Proto::Icmp) => Protocol::Icmp,
        None if has_port => Protocol::Tcp,
        None => Protocol::Icmp,
    }
}

/// `pod/default/pod-a`, `pod/pod-a`, `node/node1`, `host/db`, `workstation`
fn place(text: &str) -> Option<Place> {
    let parts: Vec<&str> = text.split('/').collect();
    match parts.as_slice() {
        ["workstation"] => Some(Place::Workstation),
        ["node", name] => Some(Place::Node((*name).to_owned())),
        ["host", name] => Some(Place::Host((*name).to_owned())),
        ["pod", name] => Some(Place::pod("default", name)),
        ["pod", namespace, name] => Some(Place::pod(namespace, name)),
        ["pod", namespace, pod, container] => Some(Place::Container {
            namespace: (*namespace).to_owned(),
            pod: (*pod).to_owned(),
            container: Some((*container).to_owned()),
        }),
        _ => None,
    }
}

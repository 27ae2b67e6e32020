//! The rig that the like-for-like program and the criterion benches share: three nodes, six pods, ten Services.
//!
//! Pod `i` stands on node `i / 2` and asks pod `(i + 2) mod 6`, which is always on another node. Host routes join the nodes
//! (CNI `bridge`), kube-proxy's rules are loaded, connection tracking is on. A request is a UDP datagram of 64 bytes, and the
//! answer carries the same bytes back.

pub mod proxy;
pub mod services;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use sim_core::cluster::Cluster;
use sim_core::kube::config::Cni;
use sim_core::kube::node::machine::Place;
use sim_core::linux::socket::ReceivedBody;
use sim_core::packet::Payload;
use sim_core::trace::{NsId, SockId};

/// Pods of the rig.
pub const PODS: usize = 6;
/// Services of the rig. The first six lead to one pod each, the others to all.
pub const SERVICES: usize = 10;
/// Bytes of a request.
pub const REQUEST_LEN: usize = 64;

const PORT: u16 = 9000;

/// As in `ksim`: what a cluster is made of are many small things that come and go.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// One pod's end: its namespace, the socket that asks and the socket that answers.
#[derive(Clone, Copy, Debug)]
struct End {
    ns: NsId,
    client: SockId,
    server: SockId,
}

/// The cluster and its sockets.
#[derive(Debug)]
pub struct Rig {
    /// The cluster.
    pub cluster: Cluster,
    ends: Vec<End>,
    targets: Vec<SocketAddr>,
    payload: Payload,
    digest: u64,
}

/// Why the rig could not be built or an exchange failed.
pub type Failure = Box<dyn std::error::Error>;

impl Rig {
    /// Builds the rig; requests go to pod addresses, or to cluster IPs with `service`.
    ///
    /// # Errors
    /// The cluster does not come up as expected.
    pub fn new(service: bool) -> Result<Self, Failure> {
        let built = Cluster::builder().cni(Cni::Bridge).build();
        let mut cluster = built.map_err(|mistakes| format!("{mistakes:?}"))?;
        cluster.apply(&manifests()).map_err(|mistakes| format!("{mistakes:?}"))?;
        cluster.settle();
        let mut ends = Vec::new();
        let mut targets = Vec::new();
        for i in 0..PODS {
            let name = format!("p{i}");
            let ns = cluster.netns(&Place::pod("default", &name)).ok_or("a pod did not start")?;
            let any = |port| SocketAddr::from(([0, 0, 0, 0], port));
            let client = cluster.world.udp_bind(ns, any(PORT + 1))?;
            let server = cluster.world.udp_bind(ns, any(PORT))?;
            ends.push(End { ns, client, server });
            let ip = if service {
                cluster_ip(&cluster, i).ok_or("a Service has no cluster IP")?
            } else {
                cluster.pod_ip("default", &name).ok_or("a pod has no address")?
            };
            targets.push(SocketAddr::new(ip, PORT));
        }
        Ok(Self {
            cluster,
            ends,
            targets,
            payload: Payload::from(vec![7; REQUEST_LEN]),
            digest: 0xcbf2_9ce4_8422_2325,
        })
    }

    /// One request and its answer, number `k`.
    ///
    /// # Errors
    /// The answer did not come, or something else did.
    pub fn exchange(&mut self, k: u64) -> Result<(), Failure> {
        let from = (k % PODS as u64) as usize;
        let to = (from + 2) % PODS;
        let (asking, answering) = (self.ends[from], self.ends[to]);
        let world = &mut self.cluster.world;
        world.udp_send(asking.ns, asking.client, self.targets[to], self.payload.clone())?;
        let limit = world.now() + Duration::from_secs(1);
        while world.run(limit) {
            let Some((ns, sock)) = world.pop_ready() else { break };
            let Some(got) = world.recv(ns, sock)? else { continue };
            let ReceivedBody::Datagram(bytes) = got.body else { continue };
            if (ns, sock) == (answering.ns, answering.server) {
                world.udp_send(ns, sock, got.from, bytes)?;
            } else if (ns, sock) == (asking.ns, asking.client) && got.from == self.targets[to] {
                let seen = world.now().0 ^ bytes.len() as u64;
                self.digest = (self.digest ^ seen).wrapping_mul(0x0100_0000_01b3);
                return Ok(());
            }
        }
        Err(format!("exchange {k} was not answered").into())
    }

    /// A number that depends on when every answer arrived, and on nothing else.
    #[must_use]
    pub const fn digest(&self) -> u64 {
        self.digest
    }
}

fn cluster_ip(cluster: &Cluster, i: usize) -> Option<std::net::IpAddr> {
    let service = cluster.store.find(sim_core::kube::objects::Kind::Service, "default", &format!("s{i}"))?;
    service.to_value()["spec"]["clusterIP"].as_str()?.parse().ok()
}

fn manifests() -> String {
    let mut yaml = String::new();
    for (i, node) in ["master", "master", "node1", "node1", "node2", "node2"].iter().enumerate() {
        let _ = writeln!(
            yaml,
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p{i}, labels: {{app: rig, number: \"{i}\"}}}}\nspec:\n  \
             nodeName: {node}\n  containers:\n  - {{name: busybox, image: busybox, command: [sleep, infinity]}}"
        );
    }
    for i in 0..SERVICES {
        let selector = if i < PODS { format!("number: \"{i}\"") } else { "app: rig".to_owned() };
        let _ = writeln!(
            yaml,
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: s{i}}}\nspec:\n  selector: {{{selector}}}\n  \
             ports:\n  - {{port: {PORT}, protocol: UDP}}"
        );
    }
    yaml
}

/// CPU time of this process' only thread so far; none where the kernel does not tell (not Linux).
#[must_use]
pub fn cpu_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// The most memory that the process has had, in MiB (`VmHWM` of proc(5)).
///
/// # Errors
/// The kernel does not tell.
pub fn peak_mib() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1024)
}

//! A deterministic simulator of a Kubernetes cluster's network: a library for tests.
//!
//! It is a pure function. A cluster, manifests, questions and a seed go in; answers and packets come out. Nothing here reads a
//! clock, a file, an environment variable or a thread, and nothing prints: the same input gives the same bytes on every machine.
//!
//! # A tour
//!
//! The door is [`cluster::Cluster`]. Build one, apply manifests, let it come to rest, and ask the network a question with
//! [`Cluster::flow`](cluster::Cluster::flow). A real first packet is sent and followed; names are looked up through the cluster's
//! DNS first, with packets of their own.
//!
//! ```
//! use sim_core::cluster::{Cluster, Place};
//! use sim_core::flow::{FlowVerdict, Protocol};
//!
//! let mut cluster = Cluster::builder().seed(17).build().expect("the default cluster is valid");
//! cluster
//!     .apply(
//!         r#"
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: client}
//! spec:
//!   containers: [{name: c, image: busybox, command: [sleep, infinity]}]
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: web, labels: {app: web}}
//! spec:
//!   containers: [{name: c, image: nginx}]
//! ---
//! apiVersion: v1
//! kind: Service
//! metadata: {name: web}
//! spec:
//!   selector: {app: web}
//!   ports: [{port: 80}]
//! "#,
//!     )
//!     .expect("the manifests are good");
//! cluster.settle();
//!
//! // From a pod to a Service's name: delivered, by a socket in the pod `web`.
//! let client = Place::pod("default", "client");
//! let report = cluster.flow(&client, "web:80", Protocol::Tcp);
//! assert!(report.verdict.is_delivered(), "{}", report.to_text(&cluster.world));
//!
//! // The story of the packet names the rule that chose the backend.
//! let story = report.to_text(&cluster.world);
//! assert!(story.contains("KUBE-SVC-") && story.contains("destination translated"));
//!
//! // Nobody listens on port 81 of the pod itself: refused, and the verdict says by whom.
//! let ip = cluster.pod_ip("default", "web").expect("the pod has an address");
//! let refused = cluster.flow(&client, &format!("{ip}:81"), Protocol::Tcp);
//! assert!(matches!(refused.verdict, FlowVerdict::Rejected { .. }));
//!
//! // Equal runs have equal digests; an insta snapshot of `story` pins every hop.
//! assert_eq!(report.trace.digest().len(), 64);
//! ```
//!
//! # What is where
//!
//! - [`flow`]: one question to the network, answered with a verdict and the whole story
//! - [`cluster`]: the door: configuration, manifests, time, machines
//! - [`kube`]: API objects, the store, controllers, node agents, DNS
//! - [`linux`]: one Linux network stack per namespace; knows no Kubernetes word and can be used alone
//! - [`trace`]: events, verdicts and their renderings
//! - [`packet`], [`time`], [`chance`]: headers as values, virtual time, random draws by purpose
//! - [`diagnostic`]: mistakes in what people write, as data
//!
//! # What it leaves out
//!
//! Congestion control, wire-level timing beyond a delay per cable, and what the README lists as not modelled yet. A known thing
//! that is not modelled is an error that names it.

pub mod chance;
pub mod cluster;
pub mod diagnostic;
pub mod flow;
pub mod kube;
pub mod linux;
pub mod packet;
pub mod time;
pub mod trace;

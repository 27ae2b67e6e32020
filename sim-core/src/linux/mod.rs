//! One Linux network stack per network namespace. Knows no Kubernetes word.
//!
//! [`World`] holds the namespaces and the wires between them, and virtual time. A [`Netns`] is one stack as plain data:
//! interfaces ([`link`]), bridges ([`bridge`]), VXLAN ([`tunnel`]), routes ([`route`]), neighbours ([`neigh`]), switches
//! ([`sysctl`]), packet filter ([`netfilter`]), connection tracking and address translation ([`conntrack`]), virtual servers ([`ipvs`]), sockets
//! ([`socket`]), copies of frames for who watches ([`tap`]). IPv4 and IPv6 share all of it ([`ipv6`]). What it leaves out: traffic control, multicast routing.

pub mod bridge;
pub mod conntrack;
mod errno;
pub mod exception;
pub mod icmp;
pub mod ipip;
pub mod ipset;
pub mod ipv6;
pub mod ipvs;
mod jhash;
pub mod kmsg;
pub mod link;
pub mod neigh;
pub mod netfilter;
mod netns;
pub mod nftables;
pub mod policy;
pub mod reassembly;
pub mod route;
mod skb;
pub mod socket;
mod stack;
pub mod sysctl;
pub mod tap;
pub mod tunnel;
mod world;

pub use errno::Errno;
pub use link::Iface;
pub use netns::{NetError, Netns};
pub use skb::{BridgeNf, Skb, SkbCt, partial_inside, partial_outside};
pub use world::{Plan, Wire, World};

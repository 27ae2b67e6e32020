//! One Linux network stack per network namespace. Knows no Kubernetes word.

pub mod conntrack;
mod errno;
pub mod netfilter;
mod skb;
pub mod socket;

pub use errno::Errno;
pub use skb::{BridgeNf, Skb, SkbCt};

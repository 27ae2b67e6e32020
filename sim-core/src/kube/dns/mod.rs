//! Cluster DNS: what CoreDNS answers, what the world outside answers, and how resolvers ask.
//!
//! [`wire`] turns messages into bytes and back. [`server`] is CoreDNS over the store, [`upstream`] the resolver outside the
//! cluster. [`resolver`] holds the client side: glibc, musl and busybox' own `nslookup`, each a state machine that is fed
//! with datagrams and the virtual time and says what to send next. Nothing here opens a socket: whoever hosts a server or
//! drives a resolver moves the bytes.

pub mod corefile;
pub mod name;
pub mod resolver;
pub mod server;
pub mod upstream;
pub mod wire;

//! The Corefile: CoreDNS' configuration file, as the server reads it and complains about it.
//!
//! ```text
//!  text ─► words ─► server blocks: keys and the words of each plugin ─► zones and ports ─► each plugin reads its own words
//!         [lexer]   [parser]                                            [zones]           server::setup, with a [Dispenser]
//! ```
//!
//! The first four are Caddy's, of which CoreDNS keeps a copy (github.com/coredns/caddy, `caddyfile/`). Messages are theirs.

mod digest;
mod dispenser;
mod lexer;
mod parser;
#[cfg(test)]
mod tests;
mod zones;

pub use self::digest::digest;
pub use self::dispenser::Dispenser;
pub use self::lexer::Token;
pub use self::parser::{ServerBlock, parse};
pub(in crate::kube::dns) use self::zones::overlaps;
pub use self::zones::{DEFAULT_PORT, ServerKey, normalize_all, normalize_one, server_keys};

/// What a Corefile can refer to: files and environment of the process.
pub trait Surroundings {
    /// An environment variable.
    fn env(&self, name: &str) -> Option<String>;
    /// A file's text, by absolute path.
    fn read(&self, path: &str) -> Option<String>;
    /// Names of the files in a folder, sorted.
    fn list(&self, folder: &str) -> Vec<String>;
}

/// No files and no environment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nowhere;

impl Surroundings for Nowhere {
    fn env(&self, _: &str) -> Option<String> {
        None
    }

    fn read(&self, _: &str) -> Option<String> {
        None
    }

    fn list(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
}

/// Directives that CoreDNS 1.12 is built with, in the order of its `plugin.cfg`: the order in which they are set up and in which
/// a query meets them.
pub const DIRECTIVES: [&str; 53] = [
    "root",
    "metadata",
    "geoip",
    "cancel",
    "tls",
    "timeouts",
    "multisocket",
    "reload",
    "nsid",
    "bufsize",
    "bind",
    "debug",
    "trace",
    "ready",
    "health",
    "pprof",
    "prometheus",
    "errors",
    "log",
    "dnstap",
    "local",
    "dns64",
    "acl",
    "any",
    "chaos",
    "loadbalance",
    "tsig",
    "cache",
    "rewrite",
    "header",
    "dnssec",
    "autopath",
    "minimal",
    "template",
    "transfer",
    "hosts",
    "route53",
    "azure",
    "clouddns",
    "k8s_external",
    "kubernetes",
    "file",
    "auto",
    "secondary",
    "etcd",
    "loop",
    "forward",
    "grpc",
    "erratic",
    "whoami",
    "on",
    "sign",
    "view",
];

//! What `ksim` understands.

use std::ops::Range;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use sim_core::kube::objects::Protocol;

/// Run labs on a simulated Kubernetes network: every packet walks through namespaces, bridges, tunnels, routes, netfilter, and
/// conntrack, deterministically, without a cluster.
#[derive(Debug, Parser)]
#[command(name = "ksim", version, after_help = "Exit status: 0 all held, 1 some failed, 2 bad input.")]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run labs and compare what comes with what they say
    Run(RunArgs),
    /// Read manifests and labs without running them, and show every mistake
    Check(CheckArgs),
    /// A prompt on the workstation of a simulated cluster
    Shell(ShellArgs),
    /// Send one flow and print its way, hop by hop
    Trace(TraceArgs),
    /// What network policies in manifests let through, without a cluster
    Policy(PolicyArgs),
    /// Write a lab's network down for other tools
    Export(ExportArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// Labs, or folders: every *.md below that has a console block
    #[arg(required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// Write what came into the labs, keeping elisions that still match
    #[arg(long, conflicts_with = "seeds")]
    pub(crate) bless: bool,
    /// Run each lab under the seeds A, A+1, … B-1 instead of its own
    #[arg(long, value_name = "A..B", value_parser = seeds)]
    pub(crate) seeds: Option<Range<u64>>,
    /// How to print the results
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Formats of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// Everything, as one JSON object
    Json,
    /// JUnit XML, for continuous integration
    Junit,
    /// Test Anything Protocol 14
    Tap,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// Labs (*.md) and manifests
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ShellArgs {
    /// The lab whose cluster to take, after all its commands; without it the default cluster
    pub(crate) lab: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct TraceArgs {
    /// The lab whose cluster to take: its commands are run first
    pub(crate) lab: PathBuf,
    /// Where the flow starts: pod/NAMESPACE/NAME, node/NAME, host/NAME, workstation
    #[arg(long, value_name = "PLACE")]
    pub(crate) from: String,
    /// Where it goes: NAME or ADDRESS, with :PORT for tcp and udp
    #[arg(long, value_name = "TARGET")]
    pub(crate) to: String,
    /// The protocol; icmp without a port, tcp with one
    #[arg(long, value_enum)]
    pub(crate) proto: Option<Proto>,
    /// Also show the rules that were tried and did not match, and what the packet failed
    #[arg(long)]
    pub(crate) show_skipped: bool,
    /// How to print the flow
    #[arg(long, value_enum, default_value_t = TraceFormat::Text)]
    pub(crate) format: TraceFormat,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    #[command(subcommand)]
    pub(crate) to: ExportTo,
}

/// What a network is written down as.
#[derive(Debug, Subcommand)]
pub(crate) enum ExportTo {
    /// A shell script that builds the same network in real network namespaces
    Netns {
        /// The lab whose cluster to take, after all its commands
        lab: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct PolicyArgs {
    #[command(subcommand)]
    pub(crate) what: PolicyQuestion,
}

/// Questions to policies.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyQuestion {
    /// Every connection that may be made between workloads, and with the world outside
    List {
        /// Manifests, or folders: every *.yaml, *.yml and *.json below
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// What becomes different; exit status 1 if anything does
    Diff {
        /// Manifests before: a file or folder
        before: PathBuf,
        /// Manifests after
        after: PathBuf,
    },
    /// Tables of who reaches whom: what destinations say, what sources say, and both
    Table {
        /// Manifests, or folders
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// A port such as TCP/80 or UDP/53; may be given several times
        #[arg(short, long = "port", value_name = "PROTOCOL/PORT", required = true, value_parser = policy_port)]
        ports: Vec<(Protocol, u16)>,
    },
    /// Whether one connection may be made, and which policy and rule decides; exit status 1 if it may not
    Ask {
        /// Manifests, or folders
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// Who asks for it: NAMESPACE/NAME of a pod or workload, node/NAME or an address
        #[arg(long, value_name = "END")]
        from: String,
        /// Whom it is for: as above, or service/NAMESPACE/NAME
        #[arg(long, value_name = "END")]
        to: String,
        /// A port such as TCP/80 or UDP/53
        #[arg(short, long, value_name = "PROTOCOL/PORT", value_parser = policy_port)]
        port: (Protocol, u16),
    },
}

/// Protocols of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Proto {
    /// Open a connection and close it
    Tcp,
    /// Send a datagram and wait for one
    Udp,
    /// Send an echo request
    Icmp,
}

/// Formats of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TraceFormat {
    /// For people
    Text,
    /// Every step, as one JSON object
    Json,
    /// The machines and interfaces on the way, drawn
    Picture,
}

/// `A..B`
fn seeds(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or("write A..B, for example 0..100")?;
    let number = |s: &str| s.parse::<u64>().map_err(|_| format!("'{s}' is not a whole number"));
    let range = number(from)?..number(to)?;
    if range.is_empty() { Err("no seed at all: B must be larger than A".to_owned()) } else { Ok(range) }
}

/// `TCP/80`
fn policy_port(text: &str) -> Result<(Protocol, u16), String> {
    let wanted = "write PROTOCOL/PORT, for example TCP/80";
    let (protocol, port) = text.split_once('/').ok_or(wanted)?;
    let protocol = match protocol.to_ascii_uppercase().as_str() {
        "TCP" => Protocol::Tcp,
        "UDP" => Protocol::Udp,
        "SCTP" => Protocol::Sctp,
        other => return Err(format!("'{other}' is none of TCP, UDP, SCTP")),
    };
    let port = port.parse().ok().filter(|p| *p > 0).ok_or_else(|| format!("'{port}' is not a port"))?;
    Ok((protocol, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_make_sense() {
        use clap::CommandFactory as _;
        Args::command().debug_assert();
        assert_eq!(seeds("3..5"), Ok(3..5));
        assert_eq!(policy_port("udp/53"), Ok((Protocol::Udp, 53)));
        assert!(
            policy_port("TCP/0").is_err() && policy_port("ICMP/1").is_err() && policy_port("80").is_err()
        );
        assert!(seeds("5..5").is_err() && seeds("x..1").is_err() && seeds("7").is_err());
    }
}

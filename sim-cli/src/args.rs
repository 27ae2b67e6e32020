//! What `ksim` understands.

use std::ops::Range;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_make_sense() {
        use clap::CommandFactory as _;
        Args::command().debug_assert();
        assert_eq!(seeds("3..5"), Ok(3..5));
        assert!(seeds("5..5").is_err() && seeds("x..1").is_err() && seeds("7").is_err());
    }
}

//! The kernel as a test partner: random networks and probes, played by the simulator and by the Linux kernel of this machine, and compared.
//!
//! A case is a lab (a cluster block, manifests, commands that set it up) and one probe. The lab is played in the simulator; the script of
//! `ksim export netns` builds the same network in real namespaces; the probe is made in both, by the same code ([`play`]) over two kinds
//! of sockets ([`side`]). Compared are what the client is told, with errno; what the servers saw; every frame at every interface; and the
//! tuples of connection tracking. Ports that nobody chose are masked, and the draw of a backend, which a kernel cannot be told, is
//! repeated in the simulator until it is the kernel's.
//!
//! Probes of one lab share its namespaces, whose memory is emptied in between. What differs is asked again in fresh ones, and only if
//! it differs there every time, it counts; then it is made smaller, and printed as a lab.
//!
//! Cases that once differed stand in `found/`, each with what the kernel said; they are played without it every time. The rest runs with
//! `KSIM_KERNEL=1` or with arguments, as root:
//!
//! ```text
//! cargo test -p sim-scenarios --test kernel -- --cases 300 --seed 1 [--first NETWORK] [--jobs N] [--stop N] [--shrink SECONDS] [--verbose]
//! cargo test -p sim-scenarios --test kernel -- --lab case.md [--bless]
//! ```

#![expect(clippy::print_stdout, reason = "a test program: it says what it found")]

mod args;
mod case;
mod compare;
mod detour;
mod draw;
mod family;
mod frame;
mod generate;
mod ground;
mod nft;
mod play;
mod real;
mod rules;
mod shrink;
mod side;
mod sim;
mod space;
mod work;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|w| w == "--list") {
        return ExitCode::SUCCESS;
    }
    let args = match args::Args::read(words.into_iter()) {
        Ok(args) => args,
        Err(what) => {
            println!("kernel: {what}");
            return ExitCode::from(2);
        }
    };
    let mut failed = args.as_ref().is_none_or(|a| a.lab.is_none()) && work::found();
    match (args, space::possible()) {
        (None, _) => println!(
            "kernel: live comparison skipped: set KSIM_KERNEL=1 or give --cases N to ask the kernel of this machine (as root)"
        ),
        (_, Err(why)) => println!("kernel: live comparison skipped: {why}"),
        (Some(args), Ok(())) => {
            space::sweep();
            failed |= match &args.lab {
                Some(path) => work::one_lab(path, args.bless),
                None => work::many(&args),
            };
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

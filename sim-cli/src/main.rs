//! `ksim`: labs on a simulated Kubernetes network.
//!
//! Arguments in, exit code out: 0 all held, 1 some failed, 2 bad input. Standard output carries results and nothing else.

mod args;
mod check;
mod export;
mod policy;
mod run;
mod shell;
mod trace;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};

/// What a cluster is made of are many small things that come and go.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Why nothing could be done.
enum Trouble {
    /// Bad input, already worded for people.
    Input(String),
}

fn main() -> ExitCode {
    let outcome = match Args::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::check(&args),
        Command::Shell(args) => shell::shell(&args),
        Command::Trace(args) => trace::trace(&args),
        Command::Policy(args) => policy::policy(&args),
        Command::Export(args) => export::export(&args),
    };
    match outcome {
        Ok(code) => code,
        Err(Trouble::Input(message)) => {
            say(&message);
            ExitCode::from(2)
        }
    }
}

/// Prints results. A reader that went away is no mistake of ours.
fn print(text: &str) {
    use std::io::Write as _;
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Says something to the person at the terminal.
fn say(text: &str) {
    use std::io::Write as _;
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

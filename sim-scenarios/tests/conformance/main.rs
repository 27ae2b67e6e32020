//! What real systems do, case by case: every case of the vectors is a test of its own, `<folder>/<file>/<case id>`.
//!
//! The vectors are in `tests/vectors`, or in the folder that `KSIM_VECTORS` names. What is left out is listed with its reason in
//! `exclusions.txt` and counted in the closing line.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test program: it stops at what is wrong and says so"
)]

mod cases;
mod chain_names;
mod dns_server;
mod dns_tools;
mod exclusions;
mod ingress;
mod kernel;
mod kubeproxy;
mod netpol;

use std::path::PathBuf;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let folder = std::env::var_os("KSIM_VECTORS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors"), PathBuf::from);
    let exclusions = exclusions::load();
    let trials = cases::all(&folder)
        .into_iter()
        .map(|case| {
            let reason = exclusions.reason(&case.name);
            Trial::test(case.name.clone(), move || (case.run)().map_err(Into::into))
                .with_ignored_flag(reason.is_some())
        })
        .collect();
    let done = libtest_mimic::run(&args, trials);
    println!("{} passed, {} failed, {} skipped", done.num_passed, done.num_failed, done.num_ignored);
    if done.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

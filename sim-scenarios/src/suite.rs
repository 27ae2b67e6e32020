//! A folder of labs as tests: one test each.

use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::lab::parse::Lab;
use crate::lab::{check, find, report, run};

/// Runs every lab below a folder as a test of its own, with the arguments of `cargo test`. The whole `main` of an integration test that
/// says `harness = false`:
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     sim_scenarios::lab_tests("book/src/labs")
/// }
/// ```
pub fn lab_tests(folder: impl AsRef<Path>) -> ExitCode {
    lab_tests_of([folder])
}

/// The same for several folders.
pub fn lab_tests_of<P: AsRef<Path>>(folders: impl IntoIterator<Item = P>) -> ExitCode {
    let trials = folders.into_iter().flat_map(|folder| trials(folder.as_ref())).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trials(folder: &Path) -> Vec<Trial> {
    match find::labs(folder) {
        Ok(documents) => documents.into_iter().map(trial).collect(),
        Err(e) => {
            let message = format!("{}: {e}", folder.display());
            vec![Trial::test(folder.display().to_string(), move || Err(Failed::from(message)))]
        }
    }
}

fn trial(document: find::Document) -> Trial {
    Trial::test(document.name(), move || {
        let name = document.name();
        let outcome = Lab::parse(&name, &document.text).and_then(|lab| run::run(&lab, None));
        match outcome {
            Ok(result) if result.passed() => Ok(()),
            Ok(result) => Err(Failed::from(report::text(&[result], false))),
            Err(mistakes) => {
                let shown: String = mistakes.iter().map(|d| check::render(d, &document.text)).collect();
                Err(Failed::from(shown))
            }
        }
    })
}

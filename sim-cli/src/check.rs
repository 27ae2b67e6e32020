//! `ksim check`, and how mistakes are shown.

use std::process::ExitCode;

use sim_core::diagnostic::{Diagnostic, Severity};
use sim_scenarios::lab::check::{self, render};
use sim_scenarios::lab::find::{self, Document};
use sim_scenarios::lab::parse::Lab;
use sim_scenarios::lab::setup;

use crate::args::CheckArgs;
use crate::{Trouble, print};

pub(crate) fn check(args: &CheckArgs) -> Result<ExitCode, Trouble> {
    let (mut errors, mut warnings) = (0, 0);
    for path in &args.files {
        let document =
            find::read(path).map_err(|e| Trouble::Input(format!("ksim: {}: {e}\n", path.display())))?;
        for mistake in check::check(&document.name(), &document.text) {
            match mistake.severity {
                Severity::Error => errors += 1,
                Severity::Warning => warnings += 1,
            }
            print(&(render(&mistake, &document.text) + "\n"));
        }
    }
    let files = args.files.len();
    print(&format!("{files} checked, {errors} errors, {warnings} warnings\n"));
    Ok(ExitCode::from(if errors > 0 { 2 } else { 0 }))
}

/// Reads documents as labs. Mistakes in any of them, all of them shown, keep everything from running.
pub(crate) fn labs(documents: &[Document]) -> Result<Vec<(Lab, Document)>, Trouble> {
    let mut labs = Vec::new();
    let mut shown = String::new();
    for document in documents {
        let mistakes = match Lab::parse(&document.name(), &document.text) {
            Err(mistakes) => mistakes,
            Ok(lab) => {
                let mistakes = setup::mistakes(&lab);
                labs.push((lab, document.clone()));
                if setup::is_fatal(&mistakes) { mistakes } else { Vec::new() }
            }
        };
        shown.extend(mistakes.iter().map(|d| render(d, &document.text) + "\n"));
    }
    if shown.is_empty() { Ok(labs) } else { Err(Trouble::Input(shown)) }
}

/// Mistakes that only showed when a cluster was built.
pub(crate) fn bad_input(mistakes: &[Diagnostic], labs: &[(Lab, Document)]) -> Trouble {
    let text = |d: &Diagnostic| {
        labs.iter().find(|(lab, _)| lab.source == d.source).map_or("", |(lab, _)| lab.text.as_str())
    };
    Trouble::Input(mistakes.iter().map(|d| render(d, text(d)) + "\n").collect())
}

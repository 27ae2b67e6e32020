//! `ksim run`

use std::process::ExitCode;

use sim_scenarios::lab::find::{self, Document};
use sim_scenarios::lab::parse::Lab;
use sim_scenarios::lab::run::{self, LabResult, RunOptions};
use sim_scenarios::lab::{bless, report};

use crate::args::{Format, RunArgs};
use crate::{Trouble, check, print, say};

pub(crate) fn run(args: &RunArgs) -> Result<ExitCode, Trouble> {
    let mut documents = Vec::new();
    for path in &args.paths {
        let found =
            find::labs(path).map_err(|e| Trouble::Input(format!("ksim: {}: {e}\n", path.display())))?;
        if found.is_empty() {
            return Err(Trouble::Input(format!("ksim: {}: no lab below this folder\n", path.display())));
        }
        documents.extend(found);
    }
    let labs = check::labs(&documents)?;
    if let Some((lab, _)) = labs.iter().find(|(lab, _)| lab.commands().next().is_none()) {
        let why = "no `console` block with a command in it: nothing to run";
        return Err(Trouble::Input(format!("ksim: {}: {why}\n", lab.source)));
    }
    // Whoever compares runs reads JSON, and a digest says more than outputs do.
    let options = RunOptions { seeds: args.seeds.clone(), digest: matches!(args.format, Format::Json) };
    let results = if args.bless { blessed(&labs)? } else { all(&labs, &options)? };
    let with_seed = args.seeds.is_some();
    print(&match args.format {
        Format::Text => report::text(&results, with_seed) + &report::closing_line(&results),
        Format::Json => report::json(&results),
        Format::Junit => report::junit(&results, with_seed),
        Format::Tap => report::tap(&results, with_seed),
    });
    Ok(ExitCode::from(u8::from(!results.iter().all(LabResult::passed))))
}

/// The labs of documents, in order.
fn all(labs: &[(Lab, Document)], options: &RunOptions) -> Result<Vec<LabResult>, Trouble> {
    let only: Vec<Lab> = labs.iter().map(|(lab, _)| lab.clone()).collect();
    run::run_all(&only, options).map_err(|mistakes| check::bad_input(&mistakes, labs))
}

/// Writes what came into the documents, and runs those again that changed.
fn blessed(labs: &[(Lab, Document)]) -> Result<Vec<LabResult>, Trouble> {
    let mut results = all(labs, &RunOptions::default())?;
    for ((lab, document), result) in labs.iter().zip(&mut results) {
        let text = bless::bless(lab, &result.commands);
        if text == document.text {
            continue;
        }
        std::fs::write(&document.path, &text)
            .map_err(|e| Trouble::Input(format!("ksim: {}: {e}\n", document.name())))?;
        say(&format!("blessed {}\n", document.name()));
        let again = check::labs(&[Document { text, ..document.clone() }])?;
        if let Some(new) = all(&again, &RunOptions::default())?.pop() {
            *result = new;
        }
    }
    Ok(results)
}

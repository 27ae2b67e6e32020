//! Running a lab.

mod session;

use rayon::prelude::*;
use serde::Serialize;
use sim_core::diagnostic::Diagnostic;
use sim_core::kube::objects::manifest;

use super::compare::{Pattern, diff};
use super::parse::{Command, Lab, LabFile, Step};
use super::setup;
use crate::tools::SIGINT_STATUS;
pub use session::{Answer, Session};

/// How a lab went under one seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LabResult {
    /// The document.
    pub source: String,
    /// The seed it ran under.
    pub seed: u64,
    /// Its commands, in order.
    pub commands: Vec<CommandResult>,
    /// What a person should know: an image that is unknown, a field without effect.
    pub remarks: Vec<String>,
    /// The digest of every step of every packet, if it was asked for: equal runs have equal digests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// How to run labs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// Run each lab under every seed of this range instead of its own.
    pub seeds: Option<std::ops::Range<u64>>,
    /// Record every packet and take the digest of the whole.
    pub digest: bool,
}

/// How a command went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CommandResult {
    /// The line of its prompt.
    pub line: u32,
    /// What was typed.
    pub command: String,
    /// What came.
    pub output: String,
    /// Its exit status.
    pub status: i32,
    /// What was not as expected.
    pub failures: Vec<Failure>,
}

/// What was not as expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Failure {
    /// Another output.
    Output {
        /// A unified diff, with lines of the document.
        diff: String,
    },
    /// Another exit status.
    Status {
        /// The line that says so: `? N`, or the prompt.
        line: u32,
        /// What the document says.
        expected: i32,
        /// What came.
        actual: i32,
    },
    /// It would have run for ever, and no `^C` stands in the document.
    Endless {
        /// What had to be stopped.
        what: String,
    },
    /// It asked for something real that is not modelled: no output of it can be right.
    NotModelled {
        /// What that is.
        what: String,
    },
    /// It wrote more than anybody reads.
    Flood,
    /// Nobody is there to be asked.
    Nobody {
        /// Why.
        why: String,
    },
}

impl LabResult {
    /// Whether everything was as expected.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.commands.iter().all(|c| c.failures.is_empty())
    }

    /// The commands that went wrong.
    pub fn failed_commands(&self) -> impl Iterator<Item = &CommandResult> {
        self.commands.iter().filter(|c| !c.failures.is_empty())
    }
}

/// Runs a lab. `seed` takes the place of its own.
///
/// # Errors
/// What is wrong with the cluster block; then nothing ran.
pub fn run(lab: &Lab, seed: Option<u64>) -> Result<LabResult, Vec<Diagnostic>> {
    run_one(lab, seed, false)
}

fn run_one(lab: &Lab, seed: Option<u64>, digest: bool) -> Result<LabResult, Vec<Diagnostic>> {
    let mistakes = setup::mistakes(lab);
    if setup::is_fatal(&mistakes) {
        return Err(mistakes);
    }
    let mut cluster = setup::cluster(lab, seed)?;
    if digest {
        cluster.start_recording();
    }
    let mut session = Session::new(cluster);
    let commands = play(lab, &mut session, |_| {});
    let seed = session.cluster().config().seed;
    let mut remarks = session.take_remarks();
    remarks.extend(remarks_on_manifests(lab));
    let digest = digest.then(|| session.into_cluster().take_trace().digest());
    Ok(LabResult { source: lab.source.clone(), seed, commands, remarks, digest })
}

/// What a person wants to know of manifests that kubectl cannot read, beside kubectl's own words in the transcript.
fn remarks_on_manifests(lab: &Lab) -> Vec<String> {
    let read =
        |text: &str, source: &str, line, release| manifest::read(text, source, line, release).diagnostics();
    let mistakes = setup::manifest_mistakes(lab, read).into_iter();
    let told = mistakes.map(|d| {
        let help = d.help.map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{}:{}:{}: {}{help}", d.source, d.line, d.column, d.message)
    });
    told.collect()
}

/// Runs labs, each under its own seed or all seeds of a range, on all cores. The order of the results is that of the arguments.
///
/// # Errors
/// What is wrong with the labs.
pub fn run_all(labs: &[Lab], options: &RunOptions) -> Result<Vec<LabResult>, Vec<Diagnostic>> {
    let jobs: Vec<(&Lab, Option<u64>)> = match &options.seeds {
        None => labs.iter().map(|lab| (lab, None)).collect(),
        Some(seeds) => labs.iter().flat_map(|lab| seeds.clone().map(move |seed| (lab, Some(seed)))).collect(),
    };
    let results: Vec<Result<LabResult, Vec<Diagnostic>>> =
        jobs.into_par_iter().map(|(lab, seed)| run_one(lab, seed, options.digest)).collect();
    results.into_iter().collect()
}

/// Types a lab's commands into a session. `after` sees the session after each of them.
pub fn play(lab: &Lab, session: &mut Session, mut after: impl FnMut(&mut Session)) -> Vec<CommandResult> {
    let mut named = std::collections::BTreeSet::new();
    // The first version of every file is there from the start, as in a folder that the reader has prepared.
    for file in lab.files().filter(|f| named.insert(f.name.as_str())) {
        save(session, file);
    }
    let mut results = Vec::new();
    for step in &lab.steps {
        match step {
            Step::File(file) => {
                // A later version takes its place where it stands; the first one may have been changed by then.
                if !named.remove(file.name.as_str()) {
                    save(session, file);
                }
            }
            Step::Command(command) => {
                results.push(judge(command, session.answer(command), &lab.source));
                after(session);
            }
        }
    }
    results
}

fn save(session: &mut Session, file: &LabFile) {
    session.save(&file.name, file.body.text.as_bytes());
}

/// Compares what came with what the document says.
fn judge(command: &Command, answer: Answer, source: &str) -> CommandResult {
    let mut failures = Vec::new();
    if let Some(why) = answer.nobody {
        failures.push(Failure::Nobody { why });
    } else if let Some(what) = answer.not_modelled {
        failures.push(Failure::NotModelled { what });
    } else if answer.flood {
        failures.push(Failure::Flood);
    } else {
        if let Some(what) = answer.endless {
            failures.push(Failure::Endless { what });
        }
        if !Pattern::new(&command.expected).matches(&answer.output) {
            failures.push(Failure::Output {
                diff: diff(source, command.expected_line, &command.expected, &answer.output),
            });
        }
        let expected = command.status.map_or(0, |s| s.value);
        // A program that SIGINT kills has status 130: whoever writes ^C expects that.
        let killed =
            command.interrupt.is_some() && command.status.is_none() && answer.status == SIGINT_STATUS;
        if expected != answer.status && !killed {
            let line = command.status.map_or(command.line, |s| s.line);
            failures.push(Failure::Status { line, expected, actual: answer.status });
        }
    }
    CommandResult {
        line: command.line,
        command: command.script.clone(),
        output: answer.output,
        status: answer.status,
        failures,
    }
}

#[cfg(test)]
mod tests;

//! `ksim shell`: a prompt in a simulated cluster.

use std::io::{BufRead as _, IsTerminal as _};
use std::process::ExitCode;

use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;
use sim_scenarios::lab::run::{self, Session};
use sim_scenarios::lab::{find, setup};
use sim_scenarios::shell::needs_more;
use sim_scenarios::tools::{Cluster, Out};

use crate::args::ShellArgs;
use crate::{Trouble, check, print, say};

pub(crate) fn shell(args: &ShellArgs) -> Result<ExitCode, Trouble> {
    let mut session = match &args.lab {
        Some(path) => after_lab(path)?,
        None => {
            let cluster = Cluster::builder().build().map_err(|mistakes| check::bad_input(&mistakes, &[]))?;
            Session::new(cluster)
        }
    };
    if std::io::stdin().is_terminal() {
        at_terminal(&mut session)
    } else {
        from_file(&mut session);
        Ok(ExitCode::SUCCESS)
    }
}

/// The session of a lab after all its commands.
pub(crate) fn after_lab(path: &std::path::Path) -> Result<Session, Trouble> {
    let (lab, session) = ready(path)?;
    let mut session = session;
    run::play(&lab, &mut session, |_| {});
    Ok(session)
}

/// A lab, and the session in which its commands would run.
pub(crate) fn ready(path: &std::path::Path) -> Result<(sim_scenarios::lab::parse::Lab, Session), Trouble> {
    let document =
        find::read(path).map_err(|e| Trouble::Input(format!("ksim: {}: {e}\n", path.display())))?;
    let mut labs = check::labs(&[document])?;
    let Some((lab, document)) = labs.pop() else { return Err(Trouble::Input("ksim: no lab\n".to_owned())) };
    let cluster = setup::cluster(&lab, None)
        .map_err(|mistakes| check::bad_input(&mistakes, &[(lab.clone(), document)]))?;
    Ok((lab, Session::new(cluster)))
}

fn at_terminal(session: &mut Session) -> Result<ExitCode, Trouble> {
    let mut editor = DefaultEditor::new().map_err(|e| Trouble::Input(format!("ksim: {e}\n")))?;
    let mut typed = String::new();
    loop {
        let (_, prompt) = session.prompt();
        let shown = if typed.is_empty() { prompt.as_str() } else { "> " };
        match editor.readline(shown) {
            Ok(line) => {
                typed.push_str(&line);
                if needs_more(&typed) {
                    typed.push('\n');
                    continue;
                }
                let _ = editor.add_history_entry(typed.as_str());
                let line = std::mem::take(&mut typed);
                answer(session, &line);
                if ends(session, &line) {
                    return Ok(ExitCode::SUCCESS);
                }
            }
            Err(ReadlineError::Interrupted) => typed.clear(),
            Err(_) => return Ok(ExitCode::SUCCESS),
        }
    }
}

/// Commands from a pipe: their output only, no prompts.
fn from_file(session: &mut Session) {
    let mut typed = String::new();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        typed.push_str(&line);
        if needs_more(&typed) {
            typed.push('\n');
            continue;
        }
        let line = std::mem::take(&mut typed);
        let last = ends(session, &line);
        answer(session, &line);
        if last {
            return;
        }
    }
    if !typed.is_empty() {
        answer(session, &typed);
    }
}

fn answer(session: &mut Session, line: &str) {
    let (prompt, _) = session.prompt();
    let answer = session.type_line(&prompt, line, Out::new());
    print(&answer.output);
    if !answer.output.is_empty() && !answer.output.ends_with('\n') {
        print("\n");
    }
    for remark in answer.nobody.into_iter().chain(session.take_remarks()) {
        say(&format!("note: {remark}\n"));
    }
    if let Some(what) = answer.endless {
        say(&format!("note: `{what}` does not end by itself; it was stopped after ten virtual seconds\n"));
    }
}

/// Whether a line leaves the outermost shell.
fn ends(session: &Session, line: &str) -> bool {
    let leaves = matches!(line.split_whitespace().next(), Some("exit" | "logout"));
    leaves && session.prompt().0 == sim_scenarios::lab::parse::Prompt::Workstation
}

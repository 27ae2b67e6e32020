//! `&`, `jobs`, `wait`, `kill`, `fg`, `bg`: a shell's table of its jobs, and what it says of them.

use brush_parser::ast::AndOrList;
use sim_core::time::SimTime;

use super::eval::{Eval, Halt, Step};
use super::jobs::{self, JobState, Jobs, Signal};
use super::{SessionState, Shell, ShellKind};
use crate::tools::{Out, SIGINT_STATUS, Stream};

/// The jobs of one shell, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    rows: Vec<Row>,
    last: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    /// `%1`
    number: usize,
    pid: u32,
    /// The command, as the shell writes it.
    text: String,
}

impl Table {
    /// `$!`
    pub(super) fn last_pid(&self) -> Option<u32> {
        self.last
    }

    fn add(&mut self, pid: u32, text: String) -> usize {
        let number = self.rows.last().map_or(1, |r| r.number + 1);
        self.rows.push(Row { number, pid, text });
        self.last = Some(pid);
        number
    }

    /// `%1`, `%+`, `%%`, `%-`, `%name`
    fn find(&self, spec: &str) -> Option<&Row> {
        match spec.strip_prefix('%')? {
            "" | "+" | "%" => self.rows.last(),
            "-" => self.rows.iter().rev().nth(1).or(self.rows.last()),
            word => match word.parse::<usize>() {
                Ok(n) => self.rows.iter().find(|r| r.number == n),
                Err(_) => self.rows.iter().find(|r| r.text.starts_with(word)),
            },
        }
    }

    fn forget(&mut self, pid: u32) {
        self.rows.retain(|r| r.pid != pid);
    }
}

impl Shell {
    /// Tells of jobs that have ended, as an interactive shell does before its prompt.
    pub(crate) fn report_jobs(&mut self, out: &mut Out, session: &SessionState) {
        let ended: Vec<(u32, String)> = self
            .jobs
            .rows
            .iter()
            .filter_map(|row| {
                let state = session.jobs.state(row.pid)?;
                (state != JobState::Running).then(|| (row.pid, self.row(row, state, false)))
            })
            .collect();
        for (pid, line) in ended {
            self.jobs.forget(pid);
            out.write_on_screen(format!("{line}\n").as_bytes());
        }
    }

    /// A line of `jobs`.
    fn row(&self, row: &Row, state: JobState, with_pid: bool) -> String {
        let from_end = self.jobs.rows.iter().rev().position(|r| r.pid == row.pid);
        let mark = match from_end {
            Some(0) => '+',
            Some(1) => '-',
            _ => ' ',
        };
        let bash = self.kind == ShellKind::Bash;
        let words = match state {
            JobState::Running => "Running".to_owned(),
            JobState::Exited(0) => "Done".to_owned(),
            JobState::Exited(n) if bash => format!("Exit {n}"),
            JobState::Exited(n) => format!("Done({n})"),
            JobState::Killed(signal) => signal.text().to_owned(),
        };
        let pid = if with_pid { format!("{} ", row.pid) } else { String::new() };
        let text = &row.text;
        if bash {
            let running = if state == JobState::Running { " &" } else { "" };
            format!("[{}]{mark}  {pid}{words:<24}{text}{running}", row.number)
        } else {
            let head = format!("[{}]{mark}  {pid}{words}", row.number);
            format!("{head:<33}{text}")
        }
    }
}

impl Eval<'_, '_> {
    /// `list &`
    pub(super) fn in_background(&mut self, list: &AndOrList) -> Step {
        self.check()?;
        if matches!(self.io.out.streams().stdout, Stream::Buffer(n) if n > 0) {
            return Err(
                self.not_modelled("a background job whose output goes where the whole command's goes")
            );
        }
        let work = list.clone();
        let started = jobs::start(self.sh, self.io, move |shell, io| {
            Eval { sh: shell, io, stdin: super::eval::Input::default() }.and_or(&work)
        });
        let Ok(pid) = started else { return Err(self.fail(254, "fork: Resource temporarily unavailable")) };
        let number = self.sh.jobs.add(pid, list.to_string().replace(";\n", "; ").replace('\n', " "));
        // bash says so before the job says anything; the other two say nothing.
        if self.sh.interactive && self.sh.kind == ShellKind::Bash {
            self.io.out.err(format!("[{number}] {pid}"));
        }
        jobs::first_turn(self.io);
        Ok(0)
    }

    /// Waits until a job has ended; its status, or none if ^C came first.
    fn await_job(&mut self, pid: u32) -> Option<i32> {
        let ended = |session: &SessionState| session.jobs.state(pid) != Some(JobState::Running);
        let limit = match self.io.out.link() {
            Some(_) => SimTime::MAX,
            None => self.io.session.endless_until(true),
        };
        if !jobs::wait(self.io, limit, |_, session| ended(session)) {
            if !self.io.out.interrupted() {
                self.io.session.note_endless("wait");
            }
            return None;
        }
        self.io.session.jobs.state(pid).map(JobState::status)
    }

    fn no_such_job(&mut self, tool: &str, spec: &str) -> Step {
        let status = if tool == "wait" { 127 } else { 1 };
        match self.sh.kind {
            ShellKind::Bash => self.complain(status, format!("{tool}: {spec}: no such job")),
            ShellKind::Ash => self.complain(2, format!("{spec}: no such job")),
            ShellKind::Dash => self.complain(2, format!("{tool}: No such job: {spec}")),
        }
    }

    /// The job that the first operand names, or the current one.
    fn current_job(&mut self, argv: &[String]) -> Result<Row, Step> {
        let spec = argv.get(1).map_or("%+", String::as_str);
        let spec = if spec.starts_with('%') { spec.to_owned() } else { format!("%{spec}") };
        let found = self.sh.jobs.find(&spec).cloned();
        let shown = argv.get(1).map_or("current", String::as_str);
        found.ok_or_else(|| self.no_such_job(&argv[0], shown))
    }
}

pub(super) fn jobs(eval: &mut Eval<'_, '_>, argv: &[String]) -> Step {
    let (mut with_pid, mut only_pid) = (false, false);
    for word in &argv[1..] {
        match word.as_str() {
            "-l" => with_pid = true,
            "-p" => only_pid = true,
            other => return Err(eval.not_modelled(format!("jobs {other}"))),
        }
    }
    for row in eval.sh.jobs.rows.clone() {
        let Some(state) = eval.io.session.jobs.state(row.pid) else { continue };
        let line = if only_pid { row.pid.to_string() } else { eval.sh.row(&row, state, with_pid) };
        eval.io.out.line(line);
        if state != JobState::Running {
            eval.sh.jobs.forget(row.pid);
        }
    }
    Ok(0)
}

pub(super) fn wait(eval: &mut Eval<'_, '_>, argv: &[String]) -> Step {
    let mut pids = Vec::new();
    for word in &argv[1..] {
        if word.starts_with('-') {
            return Err(eval.not_modelled(format!("wait {word}")));
        }
        let pid = match word.parse::<u32>() {
            Ok(pid) if eval.io.session.jobs.state(pid).is_some() => pid,
            Ok(pid) if eval.sh.kind == ShellKind::Bash => {
                return eval.complain(127, format!("wait: pid {pid} is not a child of this shell"));
            }
            Ok(_) => return Ok(127),
            Err(_) => match eval.sh.jobs.find(word) {
                Some(row) => row.pid,
                None => return eval.no_such_job("wait", word),
            },
        };
        pids.push(pid);
    }
    let all = pids.is_empty();
    if all {
        pids.extend(eval.sh.jobs.rows.iter().map(|r| r.pid));
    }
    let mut status = 0;
    for pid in pids {
        match eval.await_job(pid) {
            Some(s) => status = if all { 0 } else { s },
            None => return Err(Halt::Interrupted),
        }
    }
    Ok(status)
}

pub(super) fn kill(eval: &mut Eval<'_, '_>, argv: &[String]) -> Step {
    let mut words = argv[1..].iter().peekable();
    let mut signal = Signal::Term;
    if let Some(word) = words.peek().filter(|w| w.starts_with('-') && w.len() > 1) {
        let word = word.as_str();
        words.next();
        let name = match word {
            "-s" | "-n" => words.next().map_or("", String::as_str),
            "-l" | "-L" => return Err(eval.not_modelled("kill -l")),
            "--" => "TERM",
            _ => &word[1..],
        };
        match Signal::parse(name) {
            Some(s) => signal = s,
            None => return Err(eval.not_modelled(format!("the signal {name}"))),
        }
    }
    let operands: Vec<String> = words.cloned().collect();
    if operands.is_empty() {
        let usage =
            "kill: usage: kill [-s sigspec | -n signum | -sigspec] pid | jobspec ... or kill -l [sigspec]";
        eval.io.out.err(if eval.sh.kind == ShellKind::Bash {
            usage
        } else {
            "sh: you need to specify whom to kill"
        });
        return Ok(if eval.sh.kind == ShellKind::Bash { 2 } else { 1 });
    }
    let mut status = 0;
    for word in operands {
        if word.starts_with('%') {
            let Some(pid) = eval.sh.jobs.find(&word).map(|r| r.pid) else {
                status = eval.no_such_job("kill", &word)?;
                continue;
            };
            eval.io.session.jobs.signal(pid, signal);
            continue;
        }
        let Ok(pid) = word.parse::<u32>() else {
            status = match eval.sh.kind {
                ShellKind::Bash => {
                    eval.complain(1, format!("kill: {word}: arguments must be process or job IDs"))?
                }
                ShellKind::Ash => eval.complain(1, format!("invalid number '{word}'"))?,
                ShellKind::Dash => eval.complain(2, format!("kill: Illegal number: {word}"))?,
            };
            continue;
        };
        if !eval.io.session.jobs.signal(pid, signal) {
            status = match eval.sh.kind {
                ShellKind::Bash => eval.complain(1, format!("kill: ({pid}) - No such process"))?,
                ShellKind::Ash => eval.complain(1, format!("can't kill pid {pid}: No such process"))?,
                ShellKind::Dash => eval.complain(1, "kill: No such process")?,
            };
        }
    }
    jobs::first_turn(eval.io);
    Ok(status)
}

/// Waits for a job as if it had been started without `&`: ^C goes to it.
pub(super) fn fg(eval: &mut Eval<'_, '_>, argv: &[String]) -> Step {
    let row = match eval.current_job(argv) {
        Ok(row) => row,
        Err(step) => return step,
    };
    eval.io.out.line(&row.text);
    let status = match eval.await_job(row.pid) {
        Some(status) => status,
        None if eval.io.out.control_c() => {
            eval.io.session.jobs.signal(row.pid, Signal::Int);
            jobs::first_turn(eval.io);
            eval.io.session.jobs.state(row.pid).map_or(SIGINT_STATUS, JobState::status)
        }
        None => SIGINT_STATUS,
    };
    if still_runs(&eval.io.session.jobs, row.pid) {
        return Ok(status);
    }
    eval.sh.jobs.forget(row.pid);
    Ok(status)
}

fn still_runs(jobs: &Jobs, pid: u32) -> bool {
    jobs.state(pid) == Some(JobState::Running)
}

/// A job that was not stopped runs in the background already.
pub(super) fn bg(eval: &mut Eval<'_, '_>, argv: &[String]) -> Step {
    let row = match eval.current_job(argv) {
        Ok(row) => row,
        Err(step) => return step,
    };
    match eval.sh.kind {
        ShellKind::Bash => eval.complain(0, format!("bg: job {} already in background", row.number)),
        ShellKind::Ash | ShellKind::Dash => Ok(0),
    }
}

//! Background jobs: commands that run while others do.
//!
//! A tool is a plain function that blocks, so a job needs a stack of its own: a thread. Never do two of them run at once. The cluster and the
//! session go from hand to hand: whoever has them runs until it waits for virtual time, and the foreground, which always waits in
//! [`wait`], lets every job look at the world after each instant in which something happened, in the order in which they were
//! started. So a run with jobs is as deterministic as one without.
//!
//! - `link`: a job's end of the line, and how it waits and dies
//! - here: the foreground's end
//!
//! A copy of a session has no jobs: threads cannot be copied. While a program looks names up, jobs stand still.

mod link;

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use sim_core::time::SimTime;

use super::eval::Step;
use super::{Io, SessionState, Shell};
use crate::tools::{Cluster, Out, Place};
pub(crate) use link::{Link, is_alarm};

/// A signal, as far as jobs are sent any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Hup,
    Int,
    Quit,
    Kill,
    Term,
}

impl Signal {
    /// Reads `TERM`, `SIGTERM`, `15`.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Some(match word.to_ascii_uppercase().trim_start_matches("SIG") {
            "HUP" | "1" => Self::Hup,
            "INT" | "2" => Self::Int,
            "QUIT" | "3" => Self::Quit,
            "KILL" | "9" => Self::Kill,
            "TERM" | "15" => Self::Term,
            _ => return None,
        })
    }

    /// Its number on every architecture that matters.
    pub(crate) const fn number(self) -> i32 {
        match self {
            Self::Hup => 1,
            Self::Int => 2,
            Self::Quit => 3,
            Self::Kill => 9,
            Self::Term => 15,
        }
    }

    /// `strsignal(3)`.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Hup => "Hangup",
            Self::Int => "Interrupt",
            Self::Quit => "Quit",
            Self::Kill => "Killed",
            Self::Term => "Terminated",
        }
    }
}

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobState {
    Running,
    Exited(i32),
    Killed(Signal),
}

impl JobState {
    /// `$?` after waiting for it.
    pub(crate) const fn status(self) -> i32 {
        match self {
            Self::Running => 0,
            Self::Exited(status) => status,
            Self::Killed(signal) => 128 + signal.number(),
        }
    }
}

/// What goes from hand to hand.
struct Token {
    cluster: Box<Cluster>,
    session: Box<SessionState>,
}

/// To a job.
struct Resume {
    token: Token,
    signal: Option<Signal>,
}

/// From a job.
struct Yield {
    token: Token,
    /// What it has written on its terminal.
    output: Vec<u8>,
    news: News,
}

enum News {
    /// It waits until then at the latest; whether it did anything before that.
    Waits {
        until: SimTime,
        moved: bool,
    },
    Ended(JobState),
    /// A defect of ours.
    Panicked(Box<dyn std::any::Any + Send>),
}

/// A job that runs.
struct Job {
    pid: u32,
    /// The terminal on which it writes.
    terminal: Option<Place>,
    wakes: SimTime,
    /// Written while another terminal was in use.
    unseen: Vec<u8>,
    to: Sender<Resume>,
    from: Receiver<Yield>,
}

/// The jobs of a session.
#[derive(Default)]
pub(crate) struct Jobs {
    running: Vec<Job>,
    /// How every job that was ever started stands.
    states: BTreeMap<u32, JobState>,
    signals: Vec<(u32, Signal)>,
    /// Stands in for the cluster while a job has it.
    spare: Option<Box<Cluster>>,
    /// Written by jobs that have ended, on terminals that were not in use.
    left: Vec<(Option<Place>, Vec<u8>)>,
    started: u32,
}

impl Clone for Jobs {
    fn clone(&self) -> Self {
        Self { states: self.states.clone(), started: self.started, ..Self::default() }
    }
}

impl std::fmt::Debug for Jobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jobs").field("states", &self.states).finish_non_exhaustive()
    }
}

/// The number of the first process that a transcript starts, and how far apart they are: other processes come and go meanwhile.
const FIRST_PID: u32 = 4117;

impl Jobs {
    pub(crate) fn state(&self, pid: u32) -> Option<JobState> {
        self.states.get(&pid).copied()
    }

    /// Sends a signal; it arrives when the job next gets its turn. False: there is no such process.
    pub(crate) fn signal(&mut self, pid: u32, signal: Signal) -> bool {
        let there = self.state(pid) == Some(JobState::Running);
        if there {
            self.signals.push((pid, signal));
        }
        there
    }

    fn next_wake(&self) -> SimTime {
        self.running.iter().map(|j| j.wakes).min().unwrap_or(SimTime::MAX)
    }
}

/// Starts a job that runs `work` in a copy of the shell, and returns its process number.
pub(super) fn start(
    sh: &Shell,
    io: &mut Io<'_>,
    work: impl FnOnce(&mut Shell, &mut Io<'_>) -> Step + Send + 'static,
) -> std::io::Result<u32> {
    let jobs = &mut io.session.jobs;
    let pid = FIRST_PID + jobs.started;
    jobs.started += 1;
    let (to, orders) = channel();
    let (reports, from) = channel();
    let spare = Box::new(io.cluster.clone());
    let mut shell = sh.clone();
    shell.depth += 1;
    shell.interactive = false;
    let out = io.out.for_job(Link::new(reports, orders));
    // A job in a job has the terminal of the outer one.
    let terminal = io.session.terminal.clone();
    std::thread::Builder::new().name(format!("job {pid}")).stack_size(STACK).spawn(move || {
        link::run(spare, shell, out, work);
    })?;
    let jobs = &mut io.session.jobs;
    if jobs.spare.is_none() {
        jobs.spare = Some(Box::new(io.cluster.clone()));
    }
    jobs.states.insert(pid, JobState::Running);
    jobs.running.push(Job { pid, terminal, wakes: SimTime::ZERO, unseen: Vec::new(), to, from });
    Ok(pid)
}

/// Lets jobs that were just started, or sent a signal, have their turn at once. Those that a job starts have it after that job's own.
pub(crate) fn first_turn(io: &mut Io<'_>) {
    if io.out.link().is_none() {
        turn(io.cluster, io.out, io.session);
    }
}

/// Address space for a job's stack; memory is used only as far as it grows.
const STACK: usize = 16 << 20;

/// Lets virtual time pass until `done` or `until`, as [`Cluster::wait`], and lets jobs run meanwhile. Returns whether `done`.
pub(crate) fn wait(
    io: &mut Io<'_>,
    until: SimTime,
    mut done: impl FnMut(&mut Cluster, &SessionState) -> bool,
) -> bool {
    let alarm = io.out.alarm();
    let limit = alarm.map_or(until, |at| until.min(at));
    let kept = if io.out.link().is_some() {
        link::wait(io, limit, &mut done)
    } else {
        wait_in_front(io, limit, &mut done)
    };
    if !kept && alarm.is_some_and(|at| io.cluster.now() >= at) {
        link::ring(io);
    }
    kept
}

fn wait_in_front(
    io: &mut Io<'_>,
    until: SimTime,
    done: &mut dyn FnMut(&mut Cluster, &SessionState) -> bool,
) -> bool {
    if io.session.jobs.running.is_empty() {
        let session = &*io.session;
        return io.cluster.wait(until, |cluster| done(cluster, session));
    }
    loop {
        turn(io.cluster, io.out, io.session);
        if done(io.cluster, io.session) {
            return true;
        }
        if io.out.interrupted() || io.cluster.now() >= until {
            return false;
        }
        let stop = until.min(io.session.jobs.next_wake()).max(io.cluster.now() + Duration::from_nanos(1));
        let _ = io.cluster.step(stop);
    }
}

/// Lets every job run as far as it gets without time passing.
pub(crate) fn turn(cluster: &mut Cluster, out: &mut Out, session: &mut SessionState) {
    let Some(mut spare) = session.jobs.spare.take() else { return };
    loop {
        let mut moved = false;
        let mut running = std::mem::take(&mut session.jobs.running);
        let mut signals = std::mem::take(&mut session.jobs.signals);
        for job in &mut running {
            let signal = signals.iter().position(|(pid, _)| *pid == job.pid).map(|i| signals.remove(i).1);
            let (report, back) = hand_over(job, signal, cluster, session, spare);
            spare = back;
            show(job, &report.0, out, session);
            match report.1 {
                News::Waits { until, moved: m } => {
                    job.wakes = until;
                    moved |= m;
                }
                News::Ended(state) => {
                    moved = true;
                    session.jobs.states.insert(job.pid, state);
                    let unseen = std::mem::take(&mut job.unseen);
                    if !unseen.is_empty() {
                        session.jobs.left.push((job.terminal.clone(), unseen));
                    }
                }
                News::Panicked(why) => std::panic::resume_unwind(why),
            }
        }
        let states = &session.jobs.states;
        running.retain(|job| states.get(&job.pid) == Some(&JobState::Running));
        // What jobs have started themselves comes behind them.
        running.append(&mut session.jobs.running);
        session.jobs.running = running;
        moved |= !session.jobs.signals.is_empty();
        if !moved {
            break;
        }
    }
    session.jobs.spare = Some(spare);
}

/// Gives everything to a job, and waits until it gives it back.
fn hand_over(
    job: &Job,
    signal: Option<Signal>,
    cluster: &mut Cluster,
    session: &mut SessionState,
    mut spare: Box<Cluster>,
) -> ((Vec<u8>, News), Box<Cluster>) {
    let depth = session.depth;
    std::mem::swap(cluster, &mut spare);
    let token = Token { cluster: spare, session: Box::new(std::mem::take(session)) };
    let sent = job.to.send(Resume { token, signal });
    let report = sent.ok().and_then(|()| job.from.recv().ok());
    let Some(Yield { token, output, news }) = report else {
        // A job's thread ends with a report; without one there is no cluster to go on with.
        unreachable!("a job ended without giving the cluster back")
    };
    let mut back = token.cluster;
    std::mem::swap(cluster, &mut back);
    *session = *token.session;
    session.depth = depth;
    ((output, news), back)
}

/// Writes what a job wrote on its terminal, or keeps it until somebody looks at that.
fn show(job: &mut Job, output: &[u8], out: &mut Out, session: &SessionState) {
    if job.terminal == session.terminal {
        let unseen = std::mem::take(&mut job.unseen);
        out.write_on_screen(&unseen);
        out.write_on_screen(output);
    } else {
        job.unseen.extend_from_slice(output);
    }
}

/// Shows what jobs wrote on this terminal while another was in use.
pub(crate) fn look_at_terminal(out: &mut Out, session: &mut SessionState) {
    let terminal = session.terminal.clone();
    let jobs = &mut session.jobs;
    for (of, bytes) in std::mem::take(&mut jobs.left) {
        if of == terminal {
            out.write_on_screen(&bytes);
        } else {
            jobs.left.push((of, bytes));
        }
    }
    for job in jobs.running.iter_mut().filter(|j| j.terminal == terminal) {
        out.write_on_screen(&std::mem::take(&mut job.unseen));
    }
}

#[cfg(test)]
mod tests;

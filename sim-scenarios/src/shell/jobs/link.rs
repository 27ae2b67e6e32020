//! A job's end of the line: how it waits, how signals reach it, how it dies.
//!
//! A signal that a program does not handle unwinds its stack, as the end of a process does.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};

use sim_core::time::SimTime;

use super::{JobState, News, Resume, Signal, Token, Yield};
use crate::shell::eval::{Halt, Step};
use crate::shell::{Io, SessionState, Shell};
use crate::tools::{Cluster, Out, SIGINT_STATUS};

/// Carried by [`Out`], which every program has and no other job touches.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    reports: Sender<Yield>,
    orders: Arc<Mutex<Receiver<Resume>>>,
    /// Stands in for the cluster while others have it.
    spare: Option<Box<Cluster>>,
    /// The job has run since it was last resumed.
    moved: bool,
}

/// Why a program's stack unwinds.
enum Dead {
    /// A signal that it does not handle.
    Signal(Signal),
    /// `timeout` has had enough of it.
    Alarm,
    /// The lab is over.
    Abandoned,
}

/// Whether an unwinding is that of a program which `timeout` ends.
pub(crate) fn is_alarm(why: &(dyn std::any::Any + Send)) -> bool {
    matches!(why.downcast_ref::<Dead>(), Some(Dead::Alarm))
}

impl Link {
    pub(super) fn new(reports: Sender<Yield>, orders: Receiver<Resume>) -> Self {
        Self { reports, orders: Arc::new(Mutex::new(orders)), spare: None, moved: true }
    }

    fn receive(&self) -> Option<Resume> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
    }
}

/// A job's thread.
pub(super) fn run(
    spare: Box<Cluster>,
    mut shell: Shell,
    mut out: Out,
    work: impl FnOnce(&mut Shell, &mut Io<'_>) -> Step,
) {
    let Some(link) = out.link_mut() else { return };
    link.spare = Some(spare);
    let reports = link.reports.clone();
    let Some(Resume { token, .. }) = link.receive() else { return };
    let (mut cluster, mut session) = (token.cluster, token.session);
    let mut io = Io { cluster: &mut cluster, out: &mut out, session: &mut session };
    let ended = catch_unwind(AssertUnwindSafe(|| work(&mut shell, &mut io)));
    let news = match ended {
        Ok(Ok(status) | Err(Halt::Exit(status) | Halt::Fail(status))) => {
            News::Ended(JobState::Exited(status))
        }
        Ok(Err(Halt::Break(_) | Halt::Continue(_))) => News::Ended(JobState::Exited(0)),
        Ok(Err(Halt::Interrupted)) => News::Ended(JobState::Exited(SIGINT_STATUS)),
        Err(why) => match why.downcast::<Dead>() {
            Ok(dead) => match *dead {
                Dead::Signal(signal) => News::Ended(JobState::Killed(signal)),
                Dead::Alarm => News::Ended(JobState::Killed(Signal::Term)),
                Dead::Abandoned => return,
            },
            Err(defect) => News::Panicked(defect),
        },
    };
    for held in out.take_held() {
        held.close(&mut cluster);
    }
    let output = out.take_screen();
    let _ = reports.send(Yield { token: Token { cluster, session }, output, news });
}

/// Waits in a job: others run until there is news for it.
pub(super) fn wait(
    io: &mut Io<'_>,
    until: SimTime,
    done: &mut dyn FnMut(&mut Cluster, &SessionState) -> bool,
) -> bool {
    loop {
        if done(io.cluster, io.session) {
            moved(io);
            return true;
        }
        if io.out.interrupted() || io.cluster.now() >= until {
            moved(io);
            return false;
        }
        if let Some(signal) = give_way(io, until) {
            deliver(io, signal);
        }
    }
}

fn moved(io: &mut Io<'_>) {
    if let Some(link) = io.out.link_mut() {
        link.moved = true;
    }
}

/// Gives everything back to the foreground and waits for the next turn.
fn give_way(io: &mut Io<'_>, until: SimTime) -> Option<Signal> {
    let output = io.out.take_screen();
    let depth = io.session.depth;
    let link = io.out.link_mut()?;
    let moved = std::mem::take(&mut link.moved);
    let spare = link.spare.take();
    let mut cluster = spare?;
    std::mem::swap(io.cluster, &mut *cluster);
    let token = Token { cluster, session: Box::new(std::mem::take(io.session)) };
    let sent = link.reports.send(Yield { token, output, news: News::Waits { until, moved } });
    let Some(Resume { token, signal }) = sent.ok().and_then(|()| link.receive()) else {
        resume_unwind(Box::new(Dead::Abandoned))
    };
    let mut back = token.cluster;
    std::mem::swap(io.cluster, &mut *back);
    link.spare = Some(back);
    *io.session = *token.session;
    io.session.depth = depth;
    signal
}

/// A program that handles SIGINT sees it as a pressed ^C. One that handles the others says so ([`Out::handle_signals`]).
fn deliver(io: &mut Io<'_>, signal: Signal) {
    let handled = match signal {
        Signal::Int => io.out.handles_interrupt(),
        Signal::Hup | Signal::Term => io.out.handles_signals(),
        Signal::Quit | Signal::Kill => false,
    };
    if handled {
        io.out.interrupt();
    } else {
        resume_unwind(Box::new(Dead::Signal(signal)))
    }
}

/// The time that `timeout` has given the running program is over: SIGTERM.
pub(super) fn ring(io: &mut Io<'_>) {
    io.out.set_alarm(None);
    io.out.note_alarm();
    if io.out.handles_signals() {
        io.out.interrupt();
    } else {
        resume_unwind(Box::new(Dead::Alarm))
    }
}

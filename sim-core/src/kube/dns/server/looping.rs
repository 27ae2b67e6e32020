//! The plugin loop: the process asks itself for a name that nobody knows, and ends if the question comes back.

use std::time::Duration;

use super::chain::{Cx, Halt, Plugin, Step, next};
use super::setup::{Setup, once_more};
use crate::kube::dns::corefile::Dispenser;
use crate::kube::dns::name;
use crate::kube::dns::wire::{Message, RecordType};
use crate::time::SimTime;

/// How often the question may be seen.
const SEEN_MAX: u32 = 2;
/// How long the process goes on asking itself, and how long it waits for an answer and then before it asks again.
const PROBING: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(2);

/// The plugin.
#[derive(Clone, Debug)]
pub(super) struct Loop {
    zone: String,
    /// The name, once it was drawn.
    probe: String,
    seen: u32,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Does not watch.
    Off,
    /// Has to ask at the first time, until the second.
    Ask(SimTime, SimTime),
    /// Waits for an answer until the first time.
    Wait(SimTime, SimTime),
}

impl Loop {
    pub(super) fn setup(c: &mut Dispenser, cx: &Setup<'_>) -> Result<Self, String> {
        let mut found = None;
        while c.advance() {
            once_more(&found)?;
            if c.next_arg() {
                return Err(c.arg_err());
            }
            let zone = cx.keys.first().cloned().unwrap_or_else(|| ".".to_owned());
            found = Some(Self { zone, probe: String::new(), seen: 0, state: State::Off });
        }
        found.ok_or_else(|| c.arg_err())
    }

    /// Starts watching for a name of two random numbers.
    pub(super) fn start(&mut self, [a, b]: [u64; 2], now: SimTime) {
        let zone = if self.zone == "." { "" } else { &self.zone };
        self.probe = format!("{a}.{b}.{zone}");
        self.state = State::Ask(now, now + PROBING);
    }

    /// There was an answer: all is well.
    pub(super) const fn stop(&mut self) {
        self.state = State::Off;
    }

    pub(super) const fn next_timer(&self) -> Option<SimTime> {
        match self.state {
            State::Off => None,
            State::Ask(at, _) | State::Wait(at, _) => Some(at),
        }
    }

    /// The name to ask for, if it is time.
    pub(super) fn on_timer(&mut self, now: SimTime) -> Option<String> {
        match self.state {
            State::Ask(_, end) | State::Wait(_, end) if now >= end => self.state = State::Off,
            State::Wait(at, end) if at <= now => {
                self.seen = 0;
                self.state = State::Ask(now + PATIENCE, end);
            }
            State::Ask(at, end) if at <= now => {
                self.state = State::Wait(now + PATIENCE, end);
                return Some(self.probe.clone());
            }
            _ => {}
        }
        None
    }

    pub(super) fn serve(&mut self, query: &Message, rest: &mut [Plugin], cx: &mut Cx<'_>) -> Step {
        let asked = query.question.as_ref().filter(|q| q.rtype == RecordType::HINFO).map(|q| &q.name);
        let watching = self.state != State::Off;
        let Some(asked) = asked.filter(|n| watching && name::zone_start(n, &self.zone).is_some()) else {
            return next(rest, query, cx, "loop");
        };
        let probe = name::relative(&self.probe);
        if name::relative(asked).eq_ignore_ascii_case(probe) {
            self.seen += u32::from(cx.first);
            if self.seen > SEEN_MAX {
                let (remote, zone) = (cx.client.addr, &self.zone);
                cx.log.push(format!(
                    "[FATAL] plugin/loop: Loop ({remote} -> :53) detected for zone \"{zone}\", see \
                     https://coredns.io/plugins/loop#troubleshooting. Query: \"HINFO {probe}.\""
                ));
                return Err(Halt::Exit);
            }
        }
        next(rest, query, cx, "loop")
    }
}

//! `timeout [-s SIGNAL] [-k TIME] TIME COMMAND…`: ends a command that takes too long.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use super::sleep::duration;
use crate::shell::jobs::{Signal, is_alarm};
use crate::tools::{Cx, busybox};

const USAGE: &str = "timeout [-s SIG] [-k KILL_SECS] SECS PROG ARGS

Run PROG. Send SIG to it if it is not gone in SECS seconds.
Default SIG: TERM.If it still exists in KILL_SECS seconds, send KILL.
";

/// Status of a command that was ended (`EXIT_TIMEDOUT`).
const TIMED_OUT: i32 = 124;

pub(in crate::tools) fn run(cx: &mut Cx<'_>) -> i32 {
    let mut words = cx.operands().iter().cloned().peekable();
    let mut preserve = false;
    let mut signal = Signal::Term;
    while let Some(word) = words.next_if(|w| w.starts_with('-') && w.len() > 1) {
        match word.as_str() {
            "--" => break,
            "--preserve-status" => preserve = true,
            "--foreground" | "-f" => {}
            // What handles the signal ends at once here.
            "-k" => drop(words.next()),
            flag => {
                let name = match (flag.strip_prefix("--signal="), flag.strip_prefix("-s")) {
                    (Some(name), _) => Some(name.to_owned()),
                    (_, Some("")) => words.next(),
                    (_, Some(name)) => Some(name.to_owned()),
                    _ if flag.starts_with("-k") || flag.starts_with("--kill-after") => continue,
                    _ => return cx.not_modelled(format!("timeout {flag}")),
                };
                match name.as_deref().and_then(Signal::parse) {
                    Some(s) => signal = s,
                    None => {
                        return cx.not_modelled(format!("timeout: the signal {}", name.unwrap_or_default()));
                    }
                }
            }
        }
    }
    let old = super::is_busybox(cx);
    let (time, command) = (words.next(), words.collect::<Vec<_>>());
    let (Some(time), false) = (time, command.is_empty()) else {
        if old {
            return busybox::usage(cx, USAGE);
        }
        cx.out.err("timeout: missing operand\nTry 'timeout --help' for more information.");
        return 125;
    };
    let Some(limit) = duration(&time) else {
        cx.out.err(if old {
            format!("timeout: invalid number '{time}'")
        } else {
            format!("timeout: invalid time interval '{time}'\nTry 'timeout --help' for more information.")
        });
        return if old { 1 } else { 125 };
    };
    let Some((status, rang)) = limited(cx, limit, signal, &command) else {
        let name = &command[0];
        cx.out.err(if old {
            format!("timeout: can't execute '{name}': No such file or directory")
        } else {
            format!("timeout: failed to run command '{name}': No such file or directory")
        });
        return 127;
    };
    match rang {
        true if old || preserve => status,
        true if signal == Signal::Kill => 128 + signal.number(),
        true => TIMED_OUT,
        false => status,
    }
}

/// Runs a command with a limit: its status, and whether the limit was reached. None: there is no such command.
fn limited(cx: &mut Cx<'_>, limit: Duration, signal: Signal, command: &[String]) -> Option<(i32, bool)> {
    let outer = cx.out.alarm();
    // Zero is no limit.
    let at = (!limit.is_zero()).then(|| cx.now() + limit);
    cx.out.set_alarm(match (outer, at) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    });
    let (streams, depth, place, stdin) = (cx.out.streams(), cx.session.depth, cx.place.clone(), cx.stdin);
    let ended = catch_unwind(AssertUnwindSafe(|| cx.exec(&place, command, stdin)));
    cx.out.set_streams(streams);
    cx.session.depth = depth;
    cx.out.set_alarm(outer);
    let rang = cx.out.take_alarmed();
    match ended {
        Ok(Ok(status)) => Some((status, rang)),
        Ok(Err(_)) => None,
        Err(why) if is_alarm(&*why) => {
            for held in cx.out.take_held() {
                held.close(cx.cluster);
            }
            Some((128 + signal.number(), true))
        }
        Err(why) => resume_unwind(why),
    }
}

//! `conntrack -E`: what happens to the table, until somebody stops it.

use std::time::Duration;

use sim_core::linux::conntrack::{EventKind, Heard};
use sim_core::trace::NsId;

use super::options::{Format, Request, Table};
use super::{NAME, formats};
use crate::tools::Cx;

/// How often entries are looked for whose time is over. The kernel's worker (`gc_worker`) takes its time, up to a minute.
const SWEEP: Duration = Duration::from_secs(1);

const LOST: &str = "WARNING: We have hit ENOBUFS! We are losing events.
This message means that the current netlink socket buffer size is too small.
Please, check --buffer-size in conntrack(8) manpage.";

/// Runs until ^C.
pub(super) fn run(cx: &mut Cx<'_>, ns: NsId, request: &Request) -> i32 {
    let handled = cx.out.set_handles_interrupt(true);
    let signals = cx.out.set_handles_signals(true);
    let listener = cx.cluster.world.ns_mut(ns).conntrack.listen();
    let mut shown = 0u64;
    let mut begun = false;
    loop {
        let now = cx.now();
        let ct = &mut cx.cluster.world.ns_mut(ns).conntrack;
        ct.expire(now);
        let heard = ct.hear(listener);
        shown += show(cx, request, &heard, &mut begun);
        if cx.interrupted() {
            break;
        }
        let until = (cx.now() + SWEEP).min(cx.deadline());
        let mut more = false;
        cx.wait(until, |cluster| {
            more |= cluster.world.ns(ns).conntrack.has_news(listener);
            more
        });
    }
    cx.cluster.world.ns_mut(ns).conntrack.hang_up(listener);
    cx.out.set_handles_interrupt(handled);
    cx.out.set_handles_signals(signals);
    if begun {
        cx.out.line(formats::XML_END);
    }
    let what = if request.table == Table::Expect { "expectation" } else { "flow" };
    cx.out.err(format!("{NAME}: {shown} {what} events have been shown."));
    0
}

/// Writes the events that are wanted; how many.
fn show(cx: &mut Cx<'_>, request: &Request, heard: &Heard, begun: &mut bool) -> u64 {
    if heard.lost {
        cx.out.err(LOST);
    }
    let mut shown = 0;
    for event in &heard.events {
        let wanted = match event.kind {
            EventKind::New => request.events.new,
            EventKind::Update => request.events.updates,
            EventKind::Destroy => request.events.destroy,
        };
        if request.table != Table::Conntrack || !wanted || !request.filter.matches(&event.conn) {
            continue;
        }
        if request.format == Format::Xml && !std::mem::replace(begun, true) {
            cx.out.line(formats::XML_HEAD);
        }
        cx.out.line(formats::event(event, request));
        shown += 1;
        if cx.out.interrupted() {
            break;
        }
    }
    shown
}

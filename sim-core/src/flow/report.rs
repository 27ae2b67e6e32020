//! What a flow's answer says in words: the verdict, the request and the reply hop by hop, and the same as JSON.

use std::fmt::{self, Write as _};
use std::net::SocketAddr;

use serde::Serialize;

use super::{FlowReport, Outcome};
use crate::linux::Errno;
use crate::packet::{FrameBody, Icmp, IpPacket, Transport};
use crate::trace::{DropReason, Journey, Names, NsId, Step, StepView, Trace, Verdict};

/// How a flow ended: never a bool, always with the place and the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowVerdict {
    /// The request arrived and the answer came back.
    Delivered {
        /// The namespace that took the request.
        by: NsId,
        /// How it took it.
        verdict: Verdict,
    },
    /// The request was refused, and the sender was told.
    Rejected {
        /// The namespace where it ended.
        by: NsId,
        /// Who refused it, and why.
        verdict: Verdict,
        /// What the sender's program is told.
        errno: Errno,
    },
    /// The request was thrown away, or never left the sender.
    Dropped {
        /// The namespace where it ended.
        by: NsId,
        /// Why.
        verdict: Verdict,
        /// What the sender's program is told, if anything.
        errno: Option<Errno>,
    },
    /// The request arrived, but no answer came back.
    Unanswered {
        /// The namespace that took the request.
        by: NsId,
        /// Where the answer ended and how, if there was one.
        reply: Option<(NsId, Verdict)>,
    },
    /// Nothing was sent: no such place, no such name, no usable target.
    NotAsked {
        /// Why.
        why: String,
    },
}

impl FlowVerdict {
    /// Whether an answer came back.
    #[must_use]
    pub const fn is_delivered(&self) -> bool {
        matches!(self, Self::Delivered { .. })
    }

    /// The verdict in one line.
    #[must_use]
    pub fn text(&self, names: &dyn Names) -> String {
        match self {
            Self::Delivered { by, verdict } => {
                format!("{verdict}, in {}; the answer came back", names.ns(*by))
            }
            Self::Rejected { by, verdict, errno } => {
                format!("{verdict}, in {}; the program gets \"{errno}\"", names.ns(*by))
            }
            Self::Dropped { by, verdict, errno: Some(e) } => {
                format!("{verdict}, in {}; the program gets \"{e}\"", names.ns(*by))
            }
            Self::Dropped { by, verdict, errno: None } => {
                format!("{verdict}, in {}; the sender hears nothing", names.ns(*by))
            }
            Self::Unanswered { by, reply: Some((place, verdict)) } => {
                format!(
                    "unanswered: {} took it; of the answer: {verdict}, in {}",
                    names.ns(*by),
                    names.ns(*place)
                )
            }
            Self::Unanswered { by, reply: None } => {
                format!("unanswered: {} took it and sent nothing back", names.ns(*by))
            }
            Self::NotAsked { why } => format!("not asked: {why}"),
        }
    }
}

/// Which packets of a trace are the flow's request and the first answer to it, by position among the journeys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Roles {
    request: Option<usize>,
    reply: Option<usize>,
}

impl Roles {
    pub(super) fn find(trace: &Trace, from: Option<NsId>, to: Option<SocketAddr>) -> Self {
        let (Some(from), Some(to)) = (from, to) else { return Self::default() };
        let journeys = trace.journeys();
        let request = journeys.iter().position(|j| is_request(j, from, to));
        let reply = request.and_then(|r| {
            let later = journeys.iter().skip(r + 1);
            later.into_iter().position(|j| is_reply(j, &journeys[r], trace)).map(|p| p + r + 1)
        });
        Self { request, reply }
    }
}

/// Reads the verdict off the trace.
pub(super) fn judge(
    trace: &Trace,
    roles: Roles,
    from: Option<NsId>,
    to: Option<SocketAddr>,
    outcome: &Outcome,
) -> FlowVerdict {
    let journeys = trace.journeys();
    let end = |role: Option<usize>| end_of(journeys.get(role?)?);
    // No packet was made: the socket itself refused.
    let silent = || {
        let reason = to.map_or(DropReason::SocketRefused, |to| DropReason::NoRoute { dst: to.ip() });
        (from.unwrap_or_default(), Verdict::Dropped { reason })
    };
    match outcome {
        Outcome::Unresolved(e) => FlowVerdict::NotAsked { why: e.to_string() },
        Outcome::Unusable => {
            FlowVerdict::NotAsked { why: "no such place, or the target is not host:port".to_owned() }
        }
        Outcome::Answered { .. } => {
            let (by, verdict) = end(roles.request).unwrap_or_else(silent);
            FlowVerdict::Delivered { by, verdict }
        }
        Outcome::Failed { errno, .. } => match end(roles.request).unwrap_or_else(silent) {
            (by, verdict @ Verdict::Rejected { .. }) => FlowVerdict::Rejected { by, verdict, errno: *errno },
            (by, verdict) => FlowVerdict::Dropped { by, verdict, errno: Some(*errno) },
        },
        Outcome::Silent => match end(roles.request).unwrap_or_else(silent) {
            (by, Verdict::Delivered { .. } | Verdict::Consumed { .. }) => {
                FlowVerdict::Unanswered { by, reply: end(roles.reply) }
            }
            (by, verdict) => FlowVerdict::Dropped { by, verdict, errno: None },
        },
    }
}

fn ip_of<'a>(journey: &'a Journey<'_>) -> Option<&'a IpPacket> {
    match &journey.first()?.body {
        FrameBody::Ip(p) => Some(p),
        FrameBody::Arp(_) => None,
    }
}

fn is_request(journey: &Journey<'_>, from: NsId, to: SocketAddr) -> bool {
    let here = journey.events.first().is_some_and(|e| e.ns == from);
    let port_fits = |p: &IpPacket| to.port() == 0 || p.destination().port() == to.port();
    here && ip_of(journey).is_some_and(|p| p.dst == to.ip() && port_fits(p))
}

/// Whether a packet that somebody made answers the request: it comes to where the request came from or from where the request
/// went to (either may be hidden by a translation part of the way), or it is an ICMP error that quotes the request.
fn is_reply(journey: &Journey<'_>, request: &Journey<'_>, trace: &Trace) -> bool {
    let ends = |j: &Journey<'_>| Some((ip_of(j)?.clone(), last_ip(j, trace)?.clone()));
    let (Some((asked, asked_last)), Some((made, made_last))) = (ends(request), ends(journey)) else {
        return false;
    };
    match (&made.body, &asked.body) {
        (Transport::Icmp(Icmp::Error { quote, .. }), _) => {
            [&asked, &asked_last].iter().any(|p| (p.dst, p.ports()) == (quote.dst, quote.ports()))
                && made.dst != asked.dst
        }
        (
            Transport::Icmp(Icmp::EchoReply { seq, .. }),
            Transport::Icmp(Icmp::EchoRequest { seq: sent, .. }),
        ) => seq == sent && (made_last.dst == asked.src || made.src == asked_last.dst),
        (Transport::Tcp(_), Transport::Tcp(_)) | (Transport::Udp(_), Transport::Udp(_)) => {
            made_last.destination() == asked.source() || made.source() == asked_last.destination()
        }
        _ => false,
    }
}

/// The packet as it was last seen.
fn last_ip<'a>(journey: &Journey<'_>, trace: &'a Trace) -> Option<&'a IpPacket> {
    match &trace.frame(journey.events.last()?).body {
        FrameBody::Ip(p) => Some(p),
        FrameBody::Arp(_) => None,
    }
}

fn end_of(journey: &Journey<'_>) -> Option<(NsId, Verdict)> {
    let verdict = journey.verdict()?;
    let event = journey.events.iter().rfind(|e| matches!(e.step, Step::End(v) if v == verdict))?;
    Some((event.ns, verdict.clone()))
}

impl FlowReport {
    /// The request's journey.
    #[must_use]
    pub fn request(&self) -> Option<Journey<'_>> {
        self.trace.journeys().into_iter().nth(self.roles.request?)
    }

    /// The journey of what came back first.
    #[must_use]
    pub fn reply(&self) -> Option<Journey<'_>> {
        self.trace.journeys().into_iter().nth(self.roles.reply?)
    }

    /// The flow as text: the question, the request hop by hop, the reply hop by hop, the verdict.
    #[must_use]
    pub fn to_text(&self, names: &dyn Names) -> String {
        let mut out = String::new();
        let address =
            self.destination.map(|a| a.ip().to_string()).filter(|ip| !self.to.contains(ip.as_str()));
        let resolved = address.map_or_else(String::new, |ip| format!(" ({ip})"));
        let _ = writeln!(out, "{} to {}{resolved}, {}\n", self.from, self.to, self.protocol);
        for (title, journey) in [("request", self.request()), ("reply", self.reply())] {
            let _ = match journey {
                Some(j) => writeln!(out, "{title}, {}", j.to_text(names)),
                None => writeln!(out, "{title}: none\n"),
            };
        }
        let _ = writeln!(out, "verdict: {}", self.verdict.text(names));
        out
    }

    /// The flow as JSON: the question, the verdict, and the steps of every packet.
    #[must_use]
    pub fn to_json(&self, names: &dyn Names) -> serde_json::Value {
        #[derive(Serialize)]
        struct PacketView<'a> {
            packet: u32,
            role: &'static str,
            steps: Vec<StepView<'a>>,
        }
        let journeys = self.trace.journeys();
        let role = |i: usize| match i {
            _ if Some(i) == self.roles.request => "request",
            _ if Some(i) == self.roles.reply => "reply",
            _ => "other",
        };
        let views = journeys.iter().enumerate();
        let packets: Vec<PacketView<'_>> = views
            .map(|(i, j)| PacketView { packet: j.packet.0, role: role(i), steps: j.steps(names) })
            .collect();
        serde_json::json!({
            "from": self.from.to_string(),
            "to": self.to,
            "destination": self.destination.map(|d| d.to_string()),
            "protocol": self.protocol.to_string(),
            "verdict": self.verdict,
            "text": self.verdict.text(names),
            "took_ns": u64::try_from(self.took.as_nanos()).unwrap_or(u64::MAX),
            "digest": self.trace.digest(),
            "packets": packets,
        })
    }
}

impl fmt::Display for super::Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
        })
    }
}

impl std::str::FromStr for super::Protocol {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let known = [Self::Tcp, Self::Udp, Self::Icmp];
        known
            .into_iter()
            .find(|p| p.to_string() == s)
            .ok_or_else(|| format!("\"{s}\" is not tcp, udp or icmp"))
    }
}

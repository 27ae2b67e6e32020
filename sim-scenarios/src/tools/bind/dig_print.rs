//! What `dig` prints of an answer.

use std::fmt::Write;

use sim_core::kube::dns::resolver::Transport;
use sim_core::kube::dns::resolver::bind::Answer;
use sim_core::kube::dns::wire::{Edns, Message, Question, Record, RecordData};

use super::super::Cx;
use super::super::text::date::ctime;
use super::dig_options::{Options, Show};
use super::release::Release;
use super::{hashed, rdata};

/// Columns of TTL, class, type and data.
const COLUMNS: [usize; 4] = [24, 32, 40, 48];
/// EDNS option of a cookie (RFC 7873).
const COOKIE: u16 = 10;

/// The whole answer.
pub(super) fn answer(cx: &mut Cx<'_>, options: &Options, answer: &Answer) {
    let (message, show) = (&answer.message, options.show);
    if show.short {
        let by = if show.identify {
            format!(" from server {} in {} ms.", answer.server.ip(), answer.took.as_millis())
        } else {
            String::new()
        };
        message.answers.iter().for_each(|r| cx.out.line(rdata::text(&r.data) + &by));
        return;
    }
    let mut text = String::new();
    if show.comments {
        text += &head(options, message);
        text += &message.edns.as_ref().map_or(String::new(), opt);
    }
    if show.question {
        let line = message.question.as_ref().map_or(String::new(), question);
        text += &section(show, "QUESTION", &[line]);
    }
    for (on, title, records) in [
        (show.answer, "ANSWER", &message.answers),
        (show.authority, "AUTHORITY", &message.authority),
        (show.additional, "ADDITIONAL", &message.additional),
    ] {
        if on && !records.is_empty() {
            text += &section(show, title, &records.iter().map(|r| record(r, show)).collect::<Vec<_>>());
        }
    }
    if show.stats {
        let transport = match (Release::of(cx).names_transport(), answer.transport) {
            (false, _) => "",
            (true, Transport::Tcp) => " (TCP)",
            (true, Transport::Udp) => " (UDP)",
        };
        let (server, ip) = (hashed(answer.server), answer.server.ip());
        text += &format!(";; Query time: {} msec\n", answer.took.as_millis());
        text += &format!(";; SERVER: {server}({ip}){transport}\n;; WHEN: {}\n", when(&ctime(cx.now())));
        text += &format!(";; MSG SIZE  rcvd: {}\n\n", answer.size);
    }
    cx.out.print(text);
}

/// `Thu Jan  1 00:00:10 2026` as `dig` has it: `Thu Jan 01 00:00:10 UTC 2026`.
fn when(ctime: &str) -> String {
    match ctime.split_whitespace().collect::<Vec<_>>()[..] {
        [weekday, month, day, time, year] => format!("{weekday} {month} {day:0>2} {time} UTC {year}"),
        _ => ctime.to_owned(),
    }
}

fn section(show: Show, title: &str, lines: &[String]) -> String {
    let body: String = lines.iter().map(|l| format!("{l}\n")).collect();
    if show.comments { format!(";; {title} SECTION:\n{body}\n") } else { body }
}

fn head(options: &Options, message: &Message) -> String {
    let mut text = ";; Got answer:\n".to_owned();
    let asked = message.question.as_ref().map_or("", |q| q.name.as_str());
    if asked.to_ascii_lowercase().ends_with(".local.") {
        text += ";; WARNING: .local is reserved for Multicast DNS\n";
        text += ";; You are currently testing what happens when an mDNS query is leaked to DNS\n";
    }
    let flags = message.flags;
    let names = [
        (message.response, "qr"),
        (flags.aa, "aa"),
        (flags.tc, "tc"),
        (flags.rd, "rd"),
        (flags.ra, "ra"),
        (flags.ad, "ad"),
        (flags.cd, "cd"),
    ];
    let set: String = names.iter().filter(|(on, _)| *on).map(|(_, n)| format!(" {n}")).collect();
    let _ = writeln!(text, ";; ->>HEADER<<- opcode: QUERY, status: {}, id: {}", message.rcode, message.id);
    let _ = writeln!(
        text,
        ";; flags:{set}; QUERY: {}, ANSWER: {}, AUTHORITY: {}, ADDITIONAL: {}",
        usize::from(message.question.is_some()),
        message.answers.len(),
        message.authority.len(),
        message.additional.len() + usize::from(message.edns.is_some())
    );
    if options.recurse && flags.rd && !flags.ra {
        text += ";; WARNING: recursion requested but not available\n";
    }
    text + "\n"
}

fn opt(edns: &Edns) -> String {
    let bits = if edns.dnssec_ok { " do" } else { "" };
    let mut text =
        format!(";; OPT PSEUDOSECTION:\n; EDNS: version: 0, flags:{bits}; udp: {}\n", edns.udp_size);
    for (code, data) in &edns.options {
        let hex: String = data.iter().map(|b| format!("{b:02x}")).collect();
        // A server without cookies sends the client's eight bytes back.
        let note = if data.len() == 8 { "echoed" } else { "good" };
        if *code == COOKIE {
            text += &format!("; COOKIE: {hex} ({note})\n");
        }
    }
    text
}

fn question(question: &Question) -> String {
    let mut line = question.name.clone();
    let mut column = line.len();
    indent(&mut line, &mut column, COLUMNS[1]);
    let class = if question.class == 1 { "IN".to_owned() } else { format!("CLASS{}", question.class) };
    line += &class;
    column += class.len();
    indent(&mut line, &mut column, COLUMNS[2]);
    format!(";{line}{}", question.rtype)
}

fn record(record: &Record, show: Show) -> String {
    // A field that is left out leaves its column to the next.
    let mut fields = vec![(record.name.clone(), COLUMNS[0])];
    if show.ttl {
        fields.push((record.ttl.to_string(), COLUMNS[1]));
    }
    if show.class {
        fields.push(("IN".to_owned(), COLUMNS[2]));
    }
    fields.push((record.data.rtype().to_string(), COLUMNS[3]));
    let (mut line, mut column) = (String::new(), 0);
    for (field, next) in fields {
        line += &field;
        column += field.len();
        indent(&mut line, &mut column, next);
    }
    match &record.data {
        RecordData::Soa(soa) if show.multiline => line + &rdata::multiline(soa),
        data => line + &rdata::text(data),
    }
}

/// Goes on to column `to` with tabs where it can; at least one column (`indent` of bind's lib/dns/masterdump.c).
fn indent(line: &mut String, column: &mut usize, to: usize) {
    const TAB: usize = 8;
    let to = to.max(*column + 1);
    let tabs = to / TAB - *column / TAB;
    let from = if tabs > 0 { to / TAB * TAB } else { *column };
    line.extend(std::iter::repeat_n('\t', tabs));
    line.extend(std::iter::repeat_n(' ', to - from));
    *column = to;
}

//! How an entry is written: as a line, as XML (`-o xml`), or as options that would make it again (`-o save`).

use std::fmt::Write;

use sim_core::linux::conntrack::{
    Conn, ConnNews, Counter, Event, EventKind, ProtoState, SctpState, Status, TcpState, Tuple, protocol_name,
};
use sim_core::packet::proto;
use sim_core::time::SimTime;

use super::options::{Command, Format, Request};
use crate::tools::text::date;

/// What `-o xml` writes before the first entry of a list.
pub(super) const XML_HEAD: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<conntrack>";
/// And after the last.
pub(super) const XML_END: &str = "</conntrack>";

/// One entry as the options want it.
pub(super) fn line(conn: &Conn, request: &Request, now: SimTime) -> String {
    match request.format {
        Format::Line => {
            let id = if request.id { format!(" id={}", id(conn)) } else { String::new() };
            let line = format!("{}{}{id}", family(conn, request), conn.view(now));
            // The kernel holds the entry while it answers about it alone.
            let held = matches!(request.command, Command::Get | Command::Update);
            if held { line.replacen(" use=1", " use=2", 1) } else { line }
        }
        Format::Xml => {
            let uses = if matches!(request.command, Command::Get | Command::Update) { 2 } else { 1 };
            let state = Independent { mark: Some(conn.mark), uses: Some(uses) };
            xml(conn, "", state, now, false)
        }
        Format::Save => {
            let command = if request.command == Command::Delete { "-D" } else { "-A" };
            save(conn, command, now)
        }
    }
}

/// One event as the options want it, without its last newline.
pub(super) fn event(event: &Event, request: &Request) -> String {
    let (conn, now) = (&event.conn, event.at);
    // Who inserts by hand says the mark, even if it is none.
    let always_mark = event.kind == EventKind::New && event.port.is_some();
    let mut text = match request.format {
        Format::Line => {
            let (word, id) = (
                match event.kind {
                    EventKind::New => "    [NEW] ",
                    EventKind::Update => " [UPDATE] ",
                    EventKind::Destroy => "[DESTROY] ",
                },
                if request.id { format!(" id={}", id(conn)) } else { String::new() },
            );
            let since = date::since_1970(now);
            let when = if request.timestamp {
                format!("[{:08}.{:06}]\t", since / 1_000_000_000, since / 1_000 % 1_000_000)
            } else {
                String::new()
            };
            format!("{when}{word}{}{}{id}", family(conn, request), ConnNews { conn, now, always_mark })
        }
        Format::Xml => {
            let kind = match event.kind {
                EventKind::New => " type=\"new\"",
                EventKind::Update => " type=\"update\"",
                EventKind::Destroy => " type=\"destroy\"",
            };
            let mark = (conn.mark != 0 || always_mark).then_some(conn.mark);
            xml(conn, kind, Independent { mark, uses: None }, now, request.timestamp)
        }
        Format::Save => {
            let command = match event.kind {
                EventKind::New => "-A",
                EventKind::Update => "-U",
                EventKind::Destroy => "-D",
            };
            save(conn, command, now)
        }
    };
    if let Some(port) = event.port {
        let _ = write!(text, " [USERSPACE] portid={port} progname=conntrack");
    }
    text
}

const fn family(conn: &Conn, request: &Request) -> &'static str {
    match (request.extended, conn.orig.src.is_ipv4()) {
        (false, _) => "",
        (true, true) => "ipv4     2 ",
        (true, false) => "ipv6     10 ",
    }
}

/// A number that stays the same for an entry, as the kernel's keyed hash of it does.
fn id(conn: &Conn) -> u32 {
    let text = format!("{:?}{:?}", conn.orig, conn.reply);
    text.bytes().fold(0x811c_9dc5, |hash, b| (hash ^ u32::from(b)).wrapping_mul(0x0100_0193))
}

/// What XML says of a flow as a whole.
struct Independent {
    mark: Option<u32>,
    uses: Option<u32>,
}

fn xml(conn: &Conn, kind: &str, whole: Independent, now: SimTime, when: bool) -> String {
    let mut x = format!("<flow{kind}>");
    let counters = conn.counters.map_or([None; 2], |c| c.map(Some));
    for (direction, tuple, counter) in
        [("original", &conn.orig, counters[0]), ("reply", &conn.reply, counters[1])]
    {
        let _ = write!(x, "<meta direction=\"{direction}\">");
        xml_tuple(&mut x, tuple, counter);
        x += "</meta>";
    }
    x += "<meta direction=\"independent\">";
    match &conn.proto {
        ProtoState::Tcp(t) => {
            let _ = write!(x, "<state>{}</state>", t.state().name());
        }
        // The program looks an association's state up among those of TCP.
        ProtoState::Sctp(s) => {
            let _ = write!(x, "<state>{}</state>", sctp_as_tcp(*s).name());
        }
        _ => {}
    }
    let left = conn.expires.since(now).as_secs();
    if left > 0 || whole.uses.is_some() {
        let _ = write!(x, "<timeout>{left}</timeout>");
    }
    if let Some(mark) = whole.mark {
        let _ = write!(x, "<mark>{mark}</mark>");
    }
    if let Some(uses) = whole.uses {
        let _ = write!(x, "<use>{uses}</use>");
    }
    let _ = write!(x, "<id>{}</id>", id(conn));
    if conn.status.has(Status::ASSURED) {
        x += "<assured/>";
    }
    if !conn.status.has(Status::SEEN_REPLY) {
        x += "<unreplied/>";
    }
    x += "</meta>";
    if when {
        x += &date::xml_when(now);
    }
    x + "</flow>"
}

fn xml_tuple(x: &mut String, t: &Tuple, counter: Option<Counter>) {
    let (number, name) = if t.src.is_ipv4() { (2, "ipv4") } else { (10, "ipv6") };
    let _ = write!(
        x,
        "<layer3 protonum=\"{number}\" protoname=\"{name}\"><src>{}</src><dst>{}</dst></layer3>",
        t.src, t.dst
    );
    let _ = write!(x, "<layer4 protonum=\"{}\" protoname=\"{}\">", t.protocol, protocol_name(t.protocol));
    if matches!(t.protocol, proto::TCP | proto::UDP | proto::SCTP) {
        let _ = write!(x, "<sport>{}</sport><dport>{}</dport>", t.sport, t.dport);
    }
    x.push_str("</layer4>");
    if let Some(c) = counter {
        let _ = write!(x, "<counters><packets>{}</packets><bytes>{}</bytes></counters>", c.packets, c.bytes);
    }
}

const fn sctp_as_tcp(state: SctpState) -> TcpState {
    match state {
        SctpState::Closed => TcpState::SynSent,
        SctpState::CookieWait => TcpState::SynRecv,
        SctpState::CookieEchoed => TcpState::Established,
        SctpState::Established => TcpState::FinWait,
        SctpState::ShutdownSent => TcpState::CloseWait,
        SctpState::ShutdownRecd => TcpState::LastAck,
        SctpState::ShutdownAckSent => TcpState::TimeWait,
        SctpState::HeartbeatSent => TcpState::Close,
    }
}

fn save(conn: &Conn, command: &str, now: SimTime) -> String {
    let (o, r) = (&conn.orig, &conn.reply);
    let set: Vec<&str> = [
        (Status::SEEN_REPLY, "SEEN_REPLY"),
        (Status::ASSURED, "ASSURED"),
        (Status::FIXED_TIMEOUT, "FIXED_TIMEOUT"),
    ]
    .into_iter()
    .filter_map(|(bit, name)| conn.status.has(bit).then_some(name))
    .collect();
    let status = if set.is_empty() { "UNSET".to_owned() } else { set.join(",") };
    let left = conn.expires.since(now).as_secs();
    let from = if o.dst == r.src { "-r" } else { "-g" };
    let to = if o.src == r.dst { "-q" } else { "-n" };
    let mut text = format!(
        "{command} -t {left} -u {status} -s {} -d {} {from} {} {to} {} -p ",
        o.src, o.dst, r.src, r.dst
    );
    let _ = match protocol_name(o.protocol) {
        "unknown" => write!(text, "{}", o.protocol),
        name => write!(text, "{name}"),
    };
    match o.protocol {
        proto::TCP | proto::UDP | proto::SCTP => {
            let _ = write!(
                text,
                " --sport {} --dport {} --reply-port-src {} --reply-port-dst {}",
                o.sport, o.dport, r.sport, r.dport
            );
        }
        proto::ICMP | proto::ICMPV6 => {
            let _ = write!(
                text,
                " --icmp-type {} --icmp-code {} --icmp-id {}",
                o.icmp_type(),
                o.icmp_code(),
                o.sport
            );
        }
        _ => {}
    }
    let state = match &conn.proto {
        ProtoState::Tcp(t) => Some(t.state().name()),
        ProtoState::Sctp(s) => Some(s.name()),
        _ => None,
    };
    if let Some(state) = state {
        let _ = write!(text, " --state {state}");
    }
    text
}

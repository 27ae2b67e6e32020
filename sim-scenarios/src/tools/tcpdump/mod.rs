//! `tcpdump` 4.99.3 with libpcap 1.10.3, as Debian 12 has it: live captures, and capture files of the virtual file system.
//!
//! A live capture is a tap of the ground floor; its frames become bytes here, and everything behind works on bytes, whether they were seen
//! a moment ago or read from a file.

mod filter;
mod options;
mod pcap;
mod print;
mod view;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use sim_core::linux::link::IfKind;
use sim_core::linux::tap::{Seen, SeenKind, TapId};
use sim_core::packet::FrameBody;
use sim_core::packet::bytes::{Checksums, encode};
use sim_core::trace::NsId;

use self::filter::{Filter, Problem, Subject};
use self::options::{Refusal, Request, SNAPLEN, USAGE, VERSION, Way};
use self::pcap::{Link, Packet};
use self::print::{Printer, State};
use super::out::Held;
use super::privileges::NOT_PERMITTED;
use super::text::date;
use super::{Cx, net};

/// The program.
pub(crate) fn run(cx: &mut Cx<'_>) -> i32 {
    let done = options::parse(cx.args.get(1..).unwrap_or_default()).and_then(|request| {
        if request.list {
            list(cx);
            Ok(0)
        } else if let Some(file) = request.read.clone() {
            from_file(cx, &request, &file)
        } else {
            live(cx, &request)
        }
    });
    match done {
        Ok(status) => status,
        Err(Refusal::Text(text)) => {
            cx.out.err(format!("tcpdump: {text}"));
            1
        }
        Err(Refusal::Usage(None)) => {
            cx.out.line(VERSION);
            cx.out.line(USAGE);
            0
        }
        Err(Refusal::Usage(Some(text))) => {
            cx.out.err(format!("tcpdump: {text}\n{VERSION}\n{USAGE}"));
            1
        }
        Err(Refusal::Version) => {
            cx.out.line(VERSION);
            0
        }
        Err(Refusal::NotModelled(what)) => cx.not_modelled(what),
    }
}

/// `-D`
fn list(cx: &mut Cx<'_>) {
    let Ok(ns) = net::netns(cx) else { return };
    let all: Vec<_> = cx.cluster.world.ns(ns).ifaces().cloned().collect();
    let up = |loopback: bool| all.iter().filter(move |i| i.up && i.is_loopback() == loopback);
    let running = |i: &sim_core::linux::Iface| match (i.carrier, &i.kind) {
        (false, _) => "Up, Disconnected",
        (true, IfKind::Loopback) => "Up, Running, Loopback",
        (true, _) => "Up, Running, Connected",
    };
    let mut lines: Vec<String> = up(false).map(|i| format!("{} [{}]", i.name, running(i))).collect();
    lines.push("any (Pseudo-device that captures on all interfaces) [Up, Running]".to_owned());
    lines.extend(up(true).map(|i| format!("{} [{}]", i.name, running(i))));
    lines.extend(all.iter().filter(|i| !i.up).map(|i| format!("{} [none, Disconnected]", i.name)));
    lines.extend(
        [
            "bluetooth-monitor (Bluetooth Linux Monitor) [Wireless]",
            "nflog (Linux netfilter log (NFLOG) interface) [none]",
            "nfqueue (Linux netfilter queue (NFQUEUE) interface) [none]",
            "dbus-system (D-Bus system bus) [none]",
            "dbus-session (D-Bus session bus) [none]",
        ]
        .map(str::to_owned),
    );
    for (i, line) in lines.iter().enumerate() {
        cx.out.line(format!("{}.{line}", i + 1));
    }
}

fn compile(cx: &mut Cx<'_>, text: &str) -> Result<Option<Filter>, Refusal> {
    let mut look_up = |name: &str| net::resolve(cx, name).unwrap_or_default();
    filter::parse(text, &mut look_up).map_err(|problem| match problem {
        Problem::Text(text) => Refusal::Text(text),
        Problem::NotModelled(what) => Refusal::NotModelled(what),
    })
}

fn admits(filter: Option<&Filter>, link: Link, packet: &Packet) -> bool {
    let subject = Subject { link, bytes: &packet.bytes, length: packet.length };
    filter.is_none_or(|f| f.admits(&subject))
}

/// `-r`
fn from_file(cx: &mut Cx<'_>, request: &Request, file: &str) -> Result<i32, Refusal> {
    let bytes = cx.read_input(file).map_err(|e| Refusal::Text(format!("{file}: {e}")))?;
    let (link, snaplen, packets) = pcap::read(&bytes).map_err(Refusal::Text)?;
    let shown = if file == "-" { "-" } else { file };
    cx.out.err(format!("reading from file {shown}, link-type {}, snapshot length {snaplen}", link.name()));
    let filter = compile(cx, &request.filter)?;
    let wanted = packets.into_iter().filter(|p| admits(filter.as_ref(), link, p));
    let wanted: Vec<Packet> = wanted.take(request.count.map_or(usize::MAX, |n| n as usize)).collect();
    if let Some(to) = &request.write {
        save(cx, to, link, snaplen, &wanted)?;
        return Ok(0);
    }
    let ifaces = ifaces(cx);
    let mut names = Names::default();
    let mut state = State::default();
    for packet in &wanted {
        let text = words(cx, request, link, &ifaces, packet, &mut state, &mut names);
        cx.out.print(text);
        if cx.out.interrupted() {
            break;
        }
    }
    Ok(0)
}

fn save(cx: &mut Cx<'_>, to: &str, link: Link, snaplen: u32, packets: &[Packet]) -> Result<(), Refusal> {
    let bytes = pcap::write(link, snaplen, packets);
    if to == "-" {
        cx.out.write(&bytes);
        return Ok(());
    }
    cx.files().write(to, &bytes).map_err(|e| Refusal::Text(format!("{to}: {e}")))
}

/// Interfaces of this machine by the kernel's index.
fn ifaces(cx: &Cx<'_>) -> BTreeMap<u32, String> {
    let Ok(ns) = net::netns(cx) else { return BTreeMap::new() };
    cx.cluster.world.ns(ns).ifaces().map(|i| (i.id.0 + 1, i.name.to_string())).collect()
}

/// Names of addresses that were looked up already.
type Names = BTreeMap<IpAddr, Option<String>>;

fn words(
    cx: &mut Cx<'_>,
    request: &Request,
    link: Link,
    ifaces: &BTreeMap<u32, String>,
    packet: &Packet,
    state: &mut State,
    names: &mut Names,
) -> String {
    let mut name_of = |addr: IpAddr| names.entry(addr).or_insert_with(|| net::name_of(cx, addr)).clone();
    let before = std::mem::take(state);
    let mut printer = Printer::new(request.style, link, ifaces.clone(), before, &mut name_of);
    let text = printer.packet(packet);
    *state = std::mem::take(&mut printer.state);
    text
}

/// A capture under way.
struct Capture {
    ns: NsId,
    tap: TapId,
    link: Link,
    filter: Option<Filter>,
    /// Packets that have passed the filter and wait to be printed.
    queue: VecDeque<Packet>,
    captured: u64,
    received: u64,
    saved: Vec<Packet>,
}

fn live(cx: &mut Cx<'_>, request: &Request) -> Result<i32, Refusal> {
    let ns = net::netns(cx).map_err(|e| Refusal::Text(e.to_string()))?;
    let stack = cx.cluster.world.ns(ns);
    let first = stack.ifaces().find(|i| i.up && !i.is_loopback()).map_or("lo", |i| &*i.name).to_owned();
    let device = request.iface.clone().unwrap_or(first);
    let by_index = device.parse::<u32>().ok().and_then(|n| ifaces(cx).get(&n).cloned());
    let device = by_index.unwrap_or(device);
    if !cx.privileges().net_raw {
        return Err(Refusal::Text(format!(
            "{device}: You don't have permission to perform this capture on that device\n(socket: {NOT_PERMITTED})"
        )));
    }
    let (iface, link) = if device == "any" {
        (None, Link::Cooked)
    } else {
        let id = cx.cluster.world.ns(ns).iface_id(&device);
        let missing = || Refusal::Text(format!("{device}: No such device exists\n(No such device exists)"));
        let id = id.ok_or_else(missing)?;
        let iface = cx.cluster.world.ns(ns).iface(id);
        if !iface.is_some_and(|i| i.up) {
            return Err(Refusal::Text(format!("{device}: That device is not up")));
        }
        (Some(id), Link::Ethernet)
    };
    if link == Link::Cooked {
        cx.out.err("tcpdump: data link type LINUX_SLL2");
    }
    let filter = compile(cx, &request.filter)?;
    if let Some(file) = request.write.as_deref().filter(|f| *f != "-") {
        cx.files().write(file, b"").map_err(|e| Refusal::Text(format!("{file}: {e}")))?;
    }
    let silent = request.style.verbose == 0 && request.write.is_none();
    if silent {
        cx.out.err("tcpdump: verbose output suppressed, use -v[v]... for full protocol decode");
    } else {
        cx.out.eprint("tcpdump: ");
    }
    cx.out.err(format!(
        "listening on {device}, link-type {}, snapshot length {} bytes",
        link.name(),
        request.snaplen
    ));
    let tap = cx.cluster.world.tap_open(ns, iface);
    cx.out.hold(Held::Tap(ns, tap));
    let mut capture = Capture {
        ns,
        tap,
        link,
        filter,
        queue: VecDeque::new(),
        captured: 0,
        received: 0,
        saved: Vec::new(),
    };
    let interrupted = capture.run(cx, request);
    cx.cluster.world.tap_close(ns, tap);
    if let Some(file) = &request.write {
        save(cx, file, link, request.snaplen.min(SNAPLEN), &capture.saved)?;
    }
    // A line may have been cut off by the signal.
    if interrupted && request.write.is_none() {
        cx.out.print("\n");
    }
    capture.tell(cx);
    Ok(0)
}

impl Capture {
    /// Captures until somebody stops it or there are enough; whether somebody did.
    fn run(&mut self, cx: &mut Cx<'_>, request: &Request) -> bool {
        let handled = cx.out.set_handles_signals(true);
        let interrupt = cx.out.set_handles_interrupt(true);
        let interrupted = self.turns(cx, request);
        cx.out.set_handles_signals(handled);
        cx.out.set_handles_interrupt(interrupt);
        interrupted
    }

    fn turns(&mut self, cx: &mut Cx<'_>, request: &Request) -> bool {
        let (mut names, mut state) = (Names::default(), State::default());
        loop {
            self.take(cx, request);
            while let Some(packet) = self.queue.pop_front() {
                self.captured += 1;
                if request.write.is_none() || request.print_too {
                    let ifaces = ifaces(cx);
                    let text = words(cx, request, self.link, &ifaces, &packet, &mut state, &mut names);
                    cx.out.print(text);
                }
                if request.write.is_some() {
                    self.saved.push(packet);
                }
                if request.count.is_some_and(|n| self.captured >= n) {
                    self.take(cx, request);
                    return false;
                }
                if cx.out.interrupted() {
                    return true;
                }
            }
            if cx.interrupted() {
                return true;
            }
            let (ns, tap) = (self.ns, self.tap);
            let mut news = Vec::new();
            cx.wait(cx.deadline(), |cluster| {
                news = cluster.world.tap_take(ns, tap);
                !news.is_empty()
            });
            self.note(&news, request);
        }
    }

    fn take(&mut self, cx: &mut Cx<'_>, request: &Request) {
        let news = cx.cluster.world.tap_take(self.ns, self.tap);
        self.note(&news, request);
    }

    fn note(&mut self, news: &[Seen], request: &Request) {
        for seen in news {
            let outgoing = seen.kind == SeenKind::Outgoing;
            let wanted = match request.way {
                Way::Both => true,
                Way::In => !outgoing,
                Way::Out => outgoing,
            };
            let packet = packet(self.link, seen);
            if wanted && admits(self.filter.as_ref(), self.link, &packet) {
                self.received += 1;
                let kept = packet.bytes.len().min(request.snaplen as usize);
                self.queue.push_back(Packet { bytes: packet.bytes[..kept].to_vec(), ..packet });
            }
        }
    }

    fn tell(&self, cx: &mut Cx<'_>) {
        let packets = |n: u64| format!("{n} packet{}", if n == 1 { "" } else { "s" });
        cx.out.err(format!("{} captured", packets(self.captured)));
        cx.out.err(format!("{} received by filter", packets(self.received)));
        cx.out.err("0 packets dropped by kernel");
    }
}

/// A frame as a packet socket hands it over.
fn packet(link: Link, seen: &Seen) -> Packet {
    let checksums = seen.partial.map_or(Checksums::Full, Checksums::Partial);
    let frame = encode(&seen.frame, checksums);
    let bytes = match link {
        Link::Ethernet => frame,
        Link::Cooked => {
            let kind: u16 = match &seen.frame.body {
                FrameBody::Arp(_) => 0x0806,
                FrameBody::Ip(p) if p.dst.is_ipv4() => 0x0800,
                FrameBody::Ip(_) => 0x86dd,
            };
            // linux-cooked v2: protocol, reserved, index, hardware type, packet type, address.
            let mut out = Vec::with_capacity(frame.len() + 6);
            out.extend(kind.to_be_bytes());
            out.extend([0, 0]);
            out.extend((seen.iface.0 + 1).to_be_bytes());
            let loopback = seen.frame.src.0 == [0; 6] && seen.frame.dst.0 == [0; 6];
            out.extend(if loopback { 772u16 } else { 1 }.to_be_bytes());
            out.push(match seen.kind {
                SeenKind::Host => 0,
                SeenKind::Broadcast => 1,
                SeenKind::Multicast => 2,
                SeenKind::OtherHost => 3,
                SeenKind::Outgoing => 4,
            });
            out.push(6);
            out.extend(seen.frame.src.0);
            out.extend([0, 0]);
            out.extend(&frame[14..]);
            out
        }
    };
    Packet { at: date::since_1970(seen.at), length: bytes.len(), bytes }
}

#[cfg(test)]
mod tests;

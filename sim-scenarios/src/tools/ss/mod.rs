//! `ss` of iproute2 6.1: TCP and UDP sockets. Netlink, packet and Unix sockets are not in the model, and are not listed.

mod filter;
pub(super) mod owner;
mod table;

use std::net::{IpAddr, SocketAddr};

use sim_core::linux::socket::{SocketInfo, SocketProtocol, TcpState};

use self::filter::Expr;
use self::table::Table;
use super::getopt::{self, Word};
use super::nc::services;
use super::{Cx, net};

const USAGE_HINT: &str = "Usage: ss [ OPTIONS ]\n       ss [ OPTIONS ] [ FILTER ]";

/// A socket, as it is shown.
struct Row {
    info: SocketInfo,
    /// `IPV6_V6ONLY`
    v6only: bool,
}

struct Request {
    tcp: bool,
    udp: bool,
    unix: bool,
    family: Option<bool>,
    all: bool,
    listening: bool,
    numeric: bool,
    processes: bool,
    summary: bool,
    header: bool,
    states: Vec<TcpState>,
    filter: Option<Expr>,
}

/// The program.
pub(crate) fn run(cx: &mut Cx<'_>) -> i32 {
    let request = match parse(cx.operands()) {
        Ok(request) => request,
        Err(Refusal::NotModelled(what)) => return cx.not_modelled(what),
        Err(Refusal::Text(text)) => {
            cx.out.err(text);
            return 255;
        }
    };
    let rows = rows(cx);
    if request.summary {
        summary(cx, &rows);
        return 0;
    }
    let shown: Vec<&Row> = [SocketProtocol::Udp, SocketProtocol::Tcp]
        .into_iter()
        .filter(|p| if *p == SocketProtocol::Udp { request.udp } else { request.tcp })
        .flat_map(|p| rows.iter().filter(move |r| r.info.protocol == p))
        .filter(|r| request.wants(r))
        .collect();
    let width = cx.out.is_terminal().then_some(SCREEN);
    let mut table = Table::new(request.unix || request.tcp && request.udp, request.states.len() > 1);
    if request.header {
        table.header();
    }
    for row in shown {
        let process = if request.processes { owner::users(cx, row.info.id) } else { String::new() };
        table.row(&row.cells(request.numeric, process));
    }
    cx.out.print(table.render(width));
    0
}

/// Columns of a terminal of the usual size.
const SCREEN: usize = 80;

enum Refusal {
    Text(String),
    NotModelled(String),
}

/// States of connections that are neither waiting for one nor done with it.
const CONNECTED: [TcpState; 8] = [
    TcpState::Established,
    TcpState::SynSent,
    TcpState::FinWait1,
    TcpState::FinWait2,
    TcpState::CloseWait,
    TcpState::LastAck,
    TcpState::Closing,
    TcpState::SynReceived,
];

fn parse(args: &[String]) -> Result<Request, Refusal> {
    let mut r = Request {
        tcp: false,
        udp: false,
        unix: false,
        family: None,
        all: false,
        listening: false,
        numeric: false,
        processes: false,
        summary: false,
        header: true,
        states: Vec::new(),
        filter: None,
    };
    let short: Vec<String> = args.iter().map(|a| long(a)).collect();
    let mut words = Vec::new();
    for word in getopt::parse(&short, "hVnroamlepbsitudwx46f:A:D:F:HOQKNE:SZzTM") {
        match word {
            Word::Flag('t') => r.tcp = true,
            Word::Flag('u') => r.udp = true,
            Word::Flag('x') => r.unix = true,
            Word::Flag('a') => r.all = true,
            Word::Flag('l') => r.listening = true,
            Word::Flag('n') => r.numeric = true,
            Word::Flag('p') => r.processes = true,
            Word::Flag('s') => r.summary = true,
            Word::Flag('H') => r.header = false,
            Word::Flag('4') | Word::Value('f', "inet") => r.family = Some(true),
            Word::Flag('6') | Word::Value('f', "inet6") => r.family = Some(false),
            // One line for each socket is what there is anyway; names of hosts are looked up with -r only.
            Word::Flag('O') => {}
            Word::Flag(c) | Word::Value(c, _) => return Err(Refusal::NotModelled(format!("ss -{c}"))),
            Word::Operand(word) => words.push(word.to_owned()),
            Word::Unknown(c) => {
                return Err(Refusal::Text(format!("ss: invalid option -- '{c}'\n{USAGE_HINT}")));
            }
            Word::Missing(c) => {
                return Err(Refusal::Text(format!("ss: option requires an argument -- '{c}'\n{USAGE_HINT}")));
            }
        }
    }
    if !(r.tcp || r.udp || r.unix) {
        (r.tcp, r.udp) = (true, true);
    }
    r.states = match (r.all, r.listening) {
        (true, _) => [&CONNECTED[..], &[TcpState::Listen, TcpState::Closed, TcpState::TimeWait]].concat(),
        (false, true) => vec![TcpState::Listen, TcpState::Closed],
        (false, false) => CONNECTED.to_vec(),
    };
    let (states, rest) = filter::states(&words).map_err(Refusal::Text)?;
    if let Some(states) = states {
        r.states = states;
    }
    r.filter = filter::parse(&rest).map_err(Refusal::Text)?;
    Ok(r)
}

/// Long options as short ones.
fn long(arg: &str) -> String {
    let letter = match arg {
        "--tcp" => "-t",
        "--udp" => "-u",
        "--all" => "-a",
        "--listening" => "-l",
        "--numeric" => "-n",
        "--processes" => "-p",
        "--summary" => "-s",
        "--no-header" => "-H",
        "--ipv4" => "-4",
        "--ipv6" => "-6",
        "--unix" => "-x",
        other => other,
    };
    letter.to_owned()
}

impl Request {
    fn wants(&self, row: &Row) -> bool {
        let info = &row.info;
        let v4 = info.local.is_ipv4();
        self.family.is_none_or(|f| f == v4)
            && self.states.contains(&info.state)
            && self.filter.as_ref().is_none_or(|f| f.holds(info))
    }
}

fn rows(cx: &Cx<'_>) -> Vec<Row> {
    let Ok(ns) = net::netns(cx) else { return Vec::new() };
    let sockets = &cx.cluster.world.ns(ns).sockets;
    let mut rows: Vec<Row> = sockets
        .snapshot()
        .into_iter()
        .filter(|info| info.protocol != SocketProtocol::Icmp)
        .map(|info| Row { v6only: sockets.options(info.id).is_some_and(|o| o.v6only), info })
        .collect();
    // The kernel walks its listeners before its connections.
    rows.sort_by_key(|r| r.info.state != TcpState::Listen);
    rows
}

impl Row {
    fn cells(&self, numeric: bool, process: String) -> [String; 9] {
        let info = &self.info;
        let udp = info.protocol == SocketProtocol::Udp;
        let any = SocketAddr::new(unspecified(info.local.ip()), 0);
        let (local, lport) = self.address(info.local, udp, numeric);
        let (peer, pport) = self.address(info.remote.unwrap_or(any), udp, numeric);
        [
            if udp { "udp" } else { "tcp" }.to_owned(),
            state_name(info.state).to_owned(),
            info.recv_q.to_string(),
            info.send_q.to_string(),
            local,
            lport,
            peer,
            pport,
            process,
        ]
    }

    /// Address with its colon, and port.
    fn address(&self, addr: SocketAddr, udp: bool, numeric: bool) -> (String, String) {
        let host = match addr.ip() {
            IpAddr::V6(a) if a.is_unspecified() && !self.v6only => "*".to_owned(),
            IpAddr::V6(a) => format!("[{a}]"),
            IpAddr::V4(a) => a.to_string(),
        };
        let name = if numeric { None } else { services::name(addr.port(), udp) };
        let port = match (addr.port(), name) {
            (0, _) => "*".to_owned(),
            (_, Some(name)) => name.to_owned(),
            (n, None) => n.to_string(),
        };
        (format!("{host}:"), port)
    }
}

fn unspecified(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    }
}

const fn state_name(state: TcpState) -> &'static str {
    match state {
        TcpState::Closed => "UNCONN",
        TcpState::Listen => "LISTEN",
        TcpState::SynSent => "SYN-SENT",
        TcpState::SynReceived => "SYN-RECV",
        TcpState::Established => "ESTAB",
        TcpState::FinWait1 => "FIN-WAIT-1",
        TcpState::FinWait2 => "FIN-WAIT-2",
        TcpState::CloseWait => "CLOSE-WAIT",
        TcpState::Closing => "CLOSING",
        TcpState::LastAck => "LAST-ACK",
        TcpState::TimeWait => "TIME-WAIT",
    }
}

/// `-s`
fn summary(cx: &mut Cx<'_>, rows: &[Row]) {
    let count = |p: SocketProtocol, v4: Option<bool>| {
        let fits = |r: &&Row| {
            r.info.protocol == p
                && r.info.state != TcpState::TimeWait
                && v4.is_none_or(|v| r.info.local.is_ipv4() == v)
        };
        rows.iter().filter(fits).count()
    };
    let in_state = |s: TcpState| {
        rows.iter().filter(|r| r.info.protocol == SocketProtocol::Tcp && r.info.state == s).count()
    };
    let (tcp, udp) = (count(SocketProtocol::Tcp, None), count(SocketProtocol::Udp, None));
    let waiting = in_state(TcpState::TimeWait);
    let mut text = format!("Total: {}\n", tcp + udp);
    text += &format!(
        "TCP:   {} (estab {}, closed {waiting}, orphaned 0, timewait {waiting})\n\n",
        tcp + waiting,
        in_state(TcpState::Established)
    );
    text += "Transport Total     IP        IPv6\n";
    let v = |p, v4| count(p, Some(v4));
    let (t4, t6) = (v(SocketProtocol::Tcp, true), v(SocketProtocol::Tcp, false));
    let (u4, u6) = (v(SocketProtocol::Udp, true), v(SocketProtocol::Udp, false));
    let lines = [("RAW", 0, 0), ("UDP", u4, u6), ("TCP", t4, t6), ("INET", t4 + u4, t6 + u6), ("FRAG", 0, 0)];
    for (name, v4, v6) in lines {
        text += &format!("{name}\t  {:<10}{v4:<10}{v6:<10}\n", v4 + v6);
    }
    cx.out.line(text);
}

#[cfg(test)]
mod tests;

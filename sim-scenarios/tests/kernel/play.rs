//! Makes a probe, the same way on both sides.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sim_core::trace::NsId;

use crate::side::{Echo, Options, Progress, Side, Sock};

/// One question to the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Probe {
    /// Whose socket: the simulator's name of the namespace.
    pub(crate) from: String,
    pub(crate) kind: Kind,
    pub(crate) to: IpAddr,
    /// Port, 0 for echo requests.
    pub(crate) port: u16,
    /// The client's port, or its echo id.
    pub(crate) sport: u16,
    /// Bytes of data.
    pub(crate) size: usize,
    /// How often it is sent, on one socket.
    pub(crate) times: u8,
    /// Whether a UDP socket is connected.
    pub(crate) connected: bool,
    /// Where an unconnected UDP socket sends every second datagram.
    #[serde(default)]
    pub(crate) also: Option<SocketAddr>,
    pub(crate) options: Options,
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Ping,
    Udp,
    Tcp,
}

/// A server of the test.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) at: NsId,
    pub(crate) tcp: bool,
    pub(crate) local: SocketAddr,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) struct Played {
    /// What client and servers saw.
    pub(crate) lines: Vec<String>,
    /// When the client knew; none if it never did.
    pub(crate) decided: Option<Duration>,
}

/// After the client knows, what is still on its way may arrive.
pub(crate) const TAIL: Duration = Duration::from_millis(25);

/// Datagrams that a server answers in one probe: rules may lead its answers back to itself, and so without end.
const ANSWERS: usize = 8;

/// The servers' sockets.
pub(crate) struct Open {
    list: Vec<(Server, Sock)>,
}

/// Opens the servers.
pub(crate) fn open(side: &mut impl Side, servers: &[Server]) -> Open {
    let open = |s: &Server| {
        let with = Options { recverr: false, pmtu: 0, ..Options::default() };
        let sock = if s.tcp { side.listen(s.at, s.local) } else { side.udp(s.at, s.local, with) };
        (s.clone(), sock.unwrap_or_else(|e| panic!("{} cannot listen on {}: {e}", s.name, s.local)))
    };
    Open { list: servers.iter().map(open).collect() }
}

/// Forgets what is left of an earlier probe.
pub(crate) fn forget(side: &mut impl Side, open: &Open) {
    for (server, sock) in &open.list {
        if server.tcp {
            while let Some((conn, ..)) = side.accept(*sock) {
                side.close(conn);
            }
        } else {
            // A pending error counts as nothing.
            while !matches!(side.udp_recv(*sock), Ok(None)) {}
        }
    }
}

struct Play<'a, S> {
    side: &'a mut S,
    open: &'a Open,
    /// The servers' connections, whose they are, and what came by them.
    conns: Vec<(Sock, String, usize)>,
    /// What each UDP server has answered.
    answered: BTreeMap<Sock, usize>,
    lines: Vec<String>,
    decided: Option<Duration>,
    patience: Duration,
}

/// Makes a probe; waits for an answer as long as `patience`.
pub(crate) fn play<S: Side>(
    side: &mut S,
    open: &Open,
    at: NsId,
    probe: &Probe,
    patience: Duration,
) -> Played {
    let (conns, lines, answered) = (Vec::new(), Vec::new(), BTreeMap::new());
    let mut play = Play { side, open, conns, answered, lines, decided: None, patience };
    let sock = match probe.kind {
        Kind::Ping => play.ping(at, probe),
        Kind::Udp => play.udp(at, probe),
        Kind::Tcp => play.tcp(at, probe),
    };
    let until = play.side.elapsed() + TAIL;
    play.pump(until, |_| false);
    let Play { conns, mut lines, decided, .. } = play;
    side.finish();
    for (conn, name, bytes) in &conns {
        if *bytes > 0 {
            lines.push(format!("{name} has read {bytes} bytes"));
        }
        side.close(*conn);
    }
    if let Some(sock) = sock {
        side.close(sock);
    }
    Played { lines, decided }
}

/// The unspecified address of a family.
pub(crate) const fn unspecified(v6: bool) -> IpAddr {
    if v6 { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) }
}

/// Where the client of a probe is bound.
const fn client(probe: &Probe) -> SocketAddr {
    SocketAddr::new(unspecified(probe.to.is_ipv6()), probe.sport)
}

impl<S: Side> Play<'_, S> {
    /// Runs until `done` says so or time is up; the servers answer meanwhile.
    fn pump(&mut self, until: Duration, mut done: impl FnMut(&mut S) -> bool) -> bool {
        loop {
            self.serve();
            self.read();
            if done(self.side) {
                return true;
            }
            if self.side.elapsed() >= until {
                return false;
            }
            self.side.wait(until);
        }
    }

    fn serve(&mut self) {
        for (server, sock) in &self.open.list {
            if server.tcp {
                while let Some((conn, peer, own)) = self.side.accept(*sock) {
                    self.lines.push(format!("{} accepts {peer} at {own}", server.name));
                    self.side.write(conn, format!("{}\n", server.name).as_bytes());
                    self.conns.push((conn, server.name.clone(), 0));
                }
                continue;
            }
            while let Ok(Some(got)) = self.side.udp_recv(*sock) {
                let answered = self.answered.entry(*sock).or_default();
                *answered += 1;
                if *answered > ANSWERS {
                    continue;
                }
                let (to, port) = (got.to, server.local.port());
                let to = SocketAddr::new(to, port);
                let line = format!(
                    "{} gets {} bytes from {} at {to} ttl {}",
                    server.name,
                    got.bytes.len(),
                    got.from,
                    got.ttl
                );
                self.lines.push(line);
                let mut answer = format!("{} ", server.name).into_bytes();
                answer.resize(got.bytes.len().max(answer.len()), b'.');
                if let Err(e) = self.side.udp_send(*sock, got.from, false, &answer) {
                    self.lines.push(format!("{} cannot answer: {e}", server.name));
                }
            }
        }
    }

    fn read(&mut self) {
        for (conn, _, bytes) in &mut self.conns {
            while let Progress::Data(data) = self.side.progress(*conn) {
                *bytes += data.len();
            }
        }
    }

    fn say(&mut self, line: String) {
        self.decided = Some(self.side.elapsed());
        self.lines.push(line);
    }

    /// How long the next wait may last.
    fn deadline(&self) -> Duration {
        self.side.elapsed() + self.patience
    }

    fn udp(&mut self, at: NsId, probe: &Probe) -> Option<Sock> {
        let sock = match self.side.udp(at, client(probe), probe.options) {
            Ok(sock) => sock,
            Err(e) => {
                self.say(format!("bind: {e}"));
                return None;
            }
        };
        let first = SocketAddr::new(probe.to, probe.port);
        if probe.connected {
            if let Err(e) = self.side.udp_connect(sock, first) {
                self.say(format!("connect: {e}"));
                return Some(sock);
            }
            let own = self.side.local(sock);
            self.lines.push(format!("client is {own}"));
        }
        for i in 0..probe.times {
            let to = probe.also.filter(|_| i % 2 == 1 && !probe.connected).unwrap_or(first);
            if let Err(e) = self.side.udp_send(sock, to, probe.connected, &vec![b'x'; probe.size]) {
                let queued = self.side.errors(sock).join(", ");
                self.say(format!("send: {e} [{queued}]"));
                continue;
            }
            let mut queued = Vec::new();
            let mut got = None;
            let until = self.deadline();
            self.pump(until, |side| {
                queued = side.errors(sock);
                if queued.is_empty() {
                    got = side.udp_recv(sock).transpose();
                }
                !queued.is_empty() || got.is_some()
            });
            match got {
                _ if !queued.is_empty() => self.say(format!("error queue: {}", queued.join(", "))),
                None => self.lines.push("timeout".to_owned()),
                Some(Ok(d)) => {
                    let who = String::from_utf8_lossy(&d.bytes);
                    let who = who.split(' ').next().unwrap_or_default();
                    self.say(format!(
                        "reply of {who} from {}, {} bytes, ttl {}",
                        d.from,
                        d.bytes.len(),
                        d.ttl
                    ));
                }
                Some(Err(e)) => self.say(format!("recv: {e}")),
            }
        }
        Some(sock)
    }

    fn ping(&mut self, at: NsId, probe: &Probe) -> Option<Sock> {
        let with = Options { recverr: false, ..probe.options };
        let sock = match self.side.echo(at, probe.to.is_ipv6(), probe.sport, with) {
            Ok(sock) => sock,
            Err(e) => {
                self.say(format!("socket: {e}"));
                return None;
            }
        };
        for seq in 1..=u16::from(probe.times) {
            if let Err(e) = self.side.echo_send(sock, probe.to, seq, probe.size) {
                self.say(format!("send: {e}"));
                continue;
            }
            let mut got = None;
            let until = self.deadline();
            self.pump(until, |side| {
                got = side.echo_recv(sock).transpose();
                got.is_some()
            });
            match got {
                None => self.lines.push("timeout".to_owned()),
                Some(Ok(Echo::Reply { from, ttl, seq, len })) => {
                    self.say(format!("echo reply {seq} from {from}, {len} bytes, ttl {ttl}"));
                }
                Some(Ok(Echo::Error { from, text })) => self.say(format!("{text} from {from}")),
                Some(Err(e)) => self.say(format!("recv: {e}")),
            }
        }
        Some(sock)
    }

    fn tcp(&mut self, at: NsId, probe: &Probe) -> Option<Sock> {
        let to = SocketAddr::new(probe.to, probe.port);
        let sock = match self.side.connect(at, client(probe), to) {
            Ok(sock) => sock,
            Err(e) => {
                self.say(format!("connect: {e}"));
                return None;
            }
        };
        let own = self.side.local(sock);
        self.lines.push(format!("client is {own}"));
        let mut how = Progress::Pending;
        let until = self.deadline();
        self.pump(until, |side| {
            how = side.progress(sock);
            how != Progress::Pending
        });
        match how {
            Progress::Pending => self.lines.push("timeout".to_owned()),
            Progress::Data(d) => {
                self.say(format!("connected to {}", String::from_utf8_lossy(&d).trim()));
                self.stream(sock, probe.size);
            }
            Progress::Closed => self.say("connected and closed".to_owned()),
            Progress::Failed(e) => self.say(format!("failed: {e}")),
        }
        Some(sock)
    }

    /// Sends bytes on a connection and waits until the server has them.
    fn stream(&mut self, sock: Sock, size: usize) {
        if size <= 16 {
            return;
        }
        self.side.write(sock, &vec![b'y'; size]);
        let until = self.deadline();
        loop {
            self.serve();
            self.read();
            let read: usize = self.conns.iter().map(|c| c.2).sum();
            if read >= size || self.side.elapsed() >= until {
                break;
            }
            self.side.wait(until);
        }
        let read: usize = self.conns.iter().map(|c| c.2).sum();
        if read >= size {
            self.decided = Some(self.side.elapsed());
        } else {
            self.lines.push("timeout".to_owned());
        }
    }
}

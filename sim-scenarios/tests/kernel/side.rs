//! What a probe needs of a network, whether simulated or real.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sim_core::trace::NsId;

/// A socket of one side.
pub(crate) type Sock = usize;

/// An error number by its name: `ECONNREFUSED`.
pub(crate) type Errno = String;

/// What is set on a socket before it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Options {
    /// `IP_TTL`, if not the default.
    pub(crate) ttl: Option<u8>,
    /// `IP_MTU_DISCOVER`: 0 dont, 1 want, 2 do, 3 probe.
    pub(crate) pmtu: u8,
    /// `IP_RECVERR`.
    pub(crate) recverr: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { ttl: None, pmtu: 1, recverr: true }
    }
}

/// A datagram as the program that reads it sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Datagram {
    pub(crate) from: SocketAddr,
    pub(crate) to: IpAddr,
    pub(crate) ttl: u8,
    pub(crate) bytes: Vec<u8>,
}

/// What an echo socket got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Echo {
    /// An answer to one of its requests.
    Reply { from: IpAddr, ttl: u8, seq: u16, len: usize },
    /// An error about one of them, in words.
    Error { from: IpAddr, text: String },
}

/// A TCP client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Nothing yet.
    Pending,
    /// These bytes came.
    Data(Vec<u8>),
    /// The other side has closed.
    Closed,
    /// It failed.
    Failed(Errno),
}

/// One side.
pub(crate) trait Side {
    /// A bound UDP socket.
    fn udp(&mut self, at: NsId, local: SocketAddr, with: Options) -> Result<Sock, Errno>;
    /// `connect` on it.
    fn udp_connect(&mut self, sock: Sock, to: SocketAddr) -> Result<(), Errno>;
    /// Sends to where it is connected or to an address.
    fn udp_send(&mut self, sock: Sock, to: SocketAddr, connected: bool, bytes: &[u8]) -> Result<(), Errno>;
    /// The next datagram, or the pending error.
    fn udp_recv(&mut self, sock: Sock) -> Result<Option<Datagram>, Errno>;
    /// The error queue, one line an entry.
    fn errors(&mut self, sock: Sock) -> Vec<String>;
    /// An echo socket of a family.
    fn echo(&mut self, at: NsId, v6: bool, id: u16, with: Options) -> Result<Sock, Errno>;
    /// Sends a request.
    fn echo_send(&mut self, sock: Sock, to: IpAddr, seq: u16, size: usize) -> Result<(), Errno>;
    /// The next answer.
    fn echo_recv(&mut self, sock: Sock) -> Result<Option<Echo>, Errno>;
    /// A listening TCP socket.
    fn listen(&mut self, at: NsId, local: SocketAddr) -> Result<Sock, Errno>;
    /// The next connection: its socket, the peer, the own address.
    fn accept(&mut self, sock: Sock) -> Option<(Sock, SocketAddr, SocketAddr)>;
    /// Starts a connection.
    fn connect(&mut self, at: NsId, local: SocketAddr, to: SocketAddr) -> Result<Sock, Errno>;
    /// How a connection goes.
    fn progress(&mut self, sock: Sock) -> Progress;
    /// Sends on a connection; what does not fit is left out.
    fn write(&mut self, sock: Sock, bytes: &[u8]);
    /// The address of a socket.
    fn local(&mut self, sock: Sock) -> String;
    /// Closes a socket at once (a connection is reset).
    fn close(&mut self, sock: Sock);
    /// The probe is over: what comes from now on does not count.
    fn finish(&mut self);
    /// Time since the probe began.
    fn elapsed(&self) -> Duration;
    /// Waits until something may have happened, or until that time.
    fn wait(&mut self, until: Duration);
}

/// What came of a probe on one side, ready to be compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Observation {
    /// What client and servers saw.
    pub(crate) lines: Vec<String>,
    /// `namespace/interface in|out`: frames, sorted.
    pub(crate) frames: std::collections::BTreeMap<String, Vec<String>>,
    /// Namespace: tuples, sorted.
    pub(crate) conntrack: std::collections::BTreeMap<String, Vec<String>>,
}

impl Observation {
    /// Every line once: of what is repeated until somebody gives up, a kernel's timers decide how often, because they are up to a 32nd
    /// of a second late.
    pub(crate) fn without_repetitions(mut self) -> Self {
        self.frames.values_mut().chain(self.conntrack.values_mut()).for_each(Vec::dedup);
        self
    }
}

impl std::fmt::Display for Observation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        for (what, map) in [("frames at", &self.frames), ("conntrack of", &self.conntrack)] {
            for (place, list) in map {
                writeln!(f, "{what} {place}")?;
                for line in list {
                    writeln!(f, "  {line}")?;
                }
            }
        }
        Ok(())
    }
}

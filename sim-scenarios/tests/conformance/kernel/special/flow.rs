//! A UDP socket that is kept over several datagrams.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use sim_core::packet::Payload;
use sim_core::trace::{NsId, SockId};

use super::super::probe::{self, Observed};
use super::super::topology::{Lab, addr, str_err};

/// A connected socket.
pub(super) struct Flow {
    ns: NsId,
    sock: SockId,
    remote: SocketAddr,
    timeout: Duration,
}

impl Flow {
    /// Opens the socket of a probe: its source, destination and port, with this source port.
    pub(super) fn open(lab: &mut Lab, probe: &Value, sport: u16) -> Result<Self, String> {
        let ns = lab.ns(probe["src"].as_str().ok_or("the probe has no source")?)?;
        let dst = addr(probe["dst"].as_str().ok_or("the probe has no destination")?)?;
        let remote = SocketAddr::new(dst, probe["port"].as_u64().ok_or("no port")? as u16);
        let sock = lab.world.udp_bind(ns, SocketAddr::from(([0, 0, 0, 0], sport))).map_err(str_err)?;
        let with = probe::options(lab, ns, probe);
        lab.world.set_options(ns, sock, with).map_err(str_err)?;
        lab.world.udp_connect(ns, sock, remote).map_err(str_err)?;
        Ok(Self { ns, sock, remote, timeout: probe::timeout(probe, 0.5) })
    }

    /// Sends, without waiting.
    pub(super) fn fire(&self, lab: &mut Lab, size: usize) -> Result<(), String> {
        let payload = Payload::from(vec![b'x'; size]);
        lab.world.udp_send(self.ns, self.sock, self.remote, payload).map_err(probe::errno)
    }

    /// Sends and waits for an answer or an error, in the recordings' words.
    pub(super) fn send(&self, lab: &mut Lab, seen: &mut Observed, size: usize) -> Result<Value, String> {
        if let Err(errno) = self.fire(lab, size) {
            let queued = probe::errors(lab, self.ns, self.sock);
            return Ok(json!({"result": "local-error", "errno": errno, "icmp_errors": queued}));
        }
        let until = lab.world.now() + self.timeout;
        let (ns, sock) = (self.ns, self.sock);
        let (mut queued, mut got) = (Vec::new(), None);
        probe::pump(lab, seen, until, |lab| {
            queued = probe::errors(lab, ns, sock);
            if queued.is_empty() {
                got = lab.world.recv(ns, sock).transpose();
            }
            !queued.is_empty() || got.is_some()
        });
        probe::settle(lab, seen, Duration::from_millis(20));
        if !queued.is_empty() {
            let result = if queued[0]["origin"] == "icmp" { "icmp-error" } else { "local-error" };
            return Ok(json!({"result": result, "icmp_errors": queued}));
        }
        Ok(match got {
            None => json!({"result": "timeout"}),
            Some(Ok(r)) => json!({"result": "reply", "answered_by": first_word(r.bytes())}),
            Some(Err(e)) => json!({"result": "error", "errno": probe::errno(e)}),
        })
    }

    /// Who has answered so far.
    pub(super) fn answers(&self, lab: &mut Lab) -> Vec<String> {
        std::iter::from_fn(|| lab.world.recv(self.ns, self.sock).ok().flatten())
            .map(|r| first_word(r.bytes()))
            .collect()
    }

    /// Closes the socket.
    pub(super) fn close(&self, lab: &mut Lab) {
        lab.world.close(self.ns, self.sock);
    }
}

fn first_word(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).split(' ').next().unwrap_or_default().to_owned()
}

//! `tracepath` of iputils 20221126: finds the MTU of a path on the way along it.

use std::net::IpAddr;
use std::time::Duration;

use sim_core::kube::dns::resolver::{Family, Libc};
use sim_core::linux::Errno;
use sim_core::linux::socket::PmtuDiscovery;
use sim_core::packet::IcmpError;

use super::probe::{Method, Plan, Probe};
use crate::tools::getopt::{self, Word};
use crate::tools::{Cx, SIGINT_STATUS, net};

const USAGE: &str = "
Usage
  tracepath [options] <destination>

Options:
  -4             use IPv4
  -6             use IPv6
  -b             print both name and ip
  -l <length>    use packet <length>
  -m <hops>      use maximum <hops>
  -n             no dns name resolution
  -p <port>      use destination <port>
  -V             print version and exit
  <destination>  dns name or ip address

For more details see tracepath(8).";

/// The port of the first probe (`BASEPORT`).
const PORT: u16 = 44444;
/// How wide the column of hosts is (`HOST_COLUMN_SIZE`).
const COLUMN: usize = 52;
const TRIES: usize = 3;

/// The program.
pub(crate) fn run(cx: &mut Cx<'_>) -> i32 {
    let (mut numeric, mut both, mut family) = (false, false, Family::Any);
    let (mut hops, mut port, mut length) = (30u8, PORT, None);
    let mut host = None;
    let args = cx.operands().to_vec();
    for word in getopt::parse(&args, "46nbhl:m:p:V") {
        match word {
            Word::Flag('n') => numeric = true,
            Word::Flag('b') => both = true,
            Word::Flag('4') => family = Family::V4,
            Word::Flag('6') => family = Family::V6,
            Word::Flag('V') => {
                cx.out.line("tracepath from iputils 20221126");
                return 0;
            }
            Word::Value('m', v) if v.parse().is_ok_and(|n: u8| n > 0) => hops = v.parse().unwrap_or(hops),
            Word::Value('p', v) if v.parse::<u16>().is_ok() => port = v.parse().unwrap_or(port),
            Word::Value('l', v) if v.parse::<usize>().is_ok() => length = v.parse().ok(),
            Word::Operand(word) if host.is_none() => host = Some(word.to_owned()),
            Word::Value(_, v) => {
                cx.out.err(format!("tracepath: invalid argument: '{v}'"));
                return 1;
            }
            Word::Unknown(c) => {
                cx.out.err(format!("tracepath: invalid option -- '{c}'\n{USAGE}"));
                return 255;
            }
            Word::Flag(_) | Word::Operand(_) | Word::Missing(_) => {
                cx.out.err(USAGE);
                return 255;
            }
        }
    }
    let Some(host) = host else {
        cx.out.err(USAGE);
        return 255;
    };
    let found = match net::lookup(cx, &host, family) {
        Ok(found) => found.addresses.first().copied(),
        Err(e) => {
            cx.out.err(format!("tracepath: {host}: {}", e.message(Libc::Glibc)));
            return 1;
        }
    };
    let Some(dst) = found else { return 1 };
    let mut path = Path { dst, numeric, both, port, mtu: length.unwrap_or(65_535), number: 0 };
    path.follow(cx, hops)
}

struct Path {
    dst: IpAddr,
    numeric: bool,
    both: bool,
    port: u16,
    /// What is known of the MTU so far, in bytes.
    mtu: usize,
    number: u16,
}

/// How a hop ended.
enum Hop {
    Next,
    /// The destination, and how many hops away it says it is.
    Reached {
        back: Option<u8>,
    },
    Over,
    Interrupted,
}

/// How many hops an answer has come, by the TTL that it has left: senders start with 64, 128 or 255.
const fn hops_back(ttl: u8) -> u8 {
    match ttl {
        ..=64 => 65 - ttl,
        65..=128 => 129 - ttl,
        129.. => 255 - ttl + 1,
    }
}

impl Path {
    fn follow(&mut self, cx: &mut Cx<'_>, hops: u8) -> i32 {
        for ttl in 1..=hops {
            // The first hop is asked twice: once the sender's own MTU is known, and once for good.
            let turns = if ttl == 1 { 2 } else { 1 };
            for _ in 0..turns {
                match self.hop(cx, ttl) {
                    Hop::Next => {}
                    Hop::Reached { back } => {
                        let back = back.map_or(String::new(), |b| format!("back {b} "));
                        cx.out.line(format!("     Resume: pmtu {} hops {ttl} {back}", self.mtu));
                        return 0;
                    }
                    Hop::Over => {
                        cx.out.line(format!("     Resume: pmtu {} ", self.mtu));
                        return 0;
                    }
                    Hop::Interrupted => return SIGINT_STATUS,
                }
            }
        }
        cx.out.line(format!("     Too many hops: pmtu {}", self.mtu));
        cx.out.line(format!("     Resume: pmtu {} ", self.mtu));
        0
    }

    fn hop(&mut self, cx: &mut Cx<'_>, ttl: u8) -> Hop {
        // The kernel takes no longer packet.
        if self.mtu > usize::from(u16::MAX) {
            cx.out.line(format!("{ttl:2}:  send failed"));
            return Hop::Over;
        }
        let headers = if self.dst.is_ipv4() { 28 } else { 48 };
        let mut tries = 0;
        while tries < TRIES {
            let plan = Plan {
                method: Method::Udp,
                dst: self.dst,
                source: None,
                port: self.port,
                size: self.mtu.saturating_sub(headers),
                pmtu: PmtuDiscovery::Do,
                tos: 0,
            };
            let number = self.number;
            self.number += 1;
            let probe = match Probe::send(cx, &plan, ttl, number) {
                Ok(probe) => probe,
                Err((call, errno)) => {
                    let text = if errno == Errno::ENETUNREACH {
                        errno.message().to_owned()
                    } else {
                        errno.to_string()
                    };
                    cx.out.err(format!("tracepath: {call}: {text}"));
                    return Hop::Over;
                }
            };
            let until = cx.now() + Duration::from_secs(1);
            let reply = probe.wait(cx, until);
            probe.close(cx);
            if cx.out.interrupted() {
                return Hop::Interrupted;
            }
            let Some(reply) = reply else {
                tries += 1;
                continue;
            };
            if let Some(IcmpError::FragmentationNeeded { mtu }) = reply.error {
                let smaller = usize::from(mtu) < self.mtu;
                self.mtu = self.mtu.min(mtu.into());
                if reply.local {
                    cx.out.line(format!("{ttl:2}?: {:<32} pmtu {mtu}", "[LOCALHOST]"));
                } else {
                    let line = self.line(cx, ttl, reply.from, reply.time);
                    cx.out.line(format!("{line}pmtu {mtu}"));
                }
                tries += usize::from(!smaller);
                continue;
            }
            let line = self.line(cx, ttl, reply.from, reply.time);
            let back = reply.ttl.map(hops_back);
            let asymmetric = back.filter(|b| *b != ttl).map_or(String::new(), |b| format!("asymm {b:2} "));
            let (word, end) = match reply.error {
                None => ("reached", Hop::Reached { back }),
                Some(IcmpError::TtlExceeded) => (asymmetric.as_str(), Hop::Next),
                Some(IcmpError::HostUnreachable) => ("!H", Hop::Over),
                Some(IcmpError::NetUnreachable) => ("!N", Hop::Over),
                Some(IcmpError::ProtocolUnreachable) => ("!P", Hop::Over),
                Some(IcmpError::AdminProhibited) => ("!A", Hop::Over),
                Some(_) => ("!", Hop::Over),
            };
            cx.out.line(format!("{line}{word}"));
            return end;
        }
        cx.out.line(format!("{ttl:2}:  no reply"));
        Hop::Next
    }

    fn line(&self, cx: &mut Cx<'_>, ttl: u8, from: IpAddr, time: Duration) -> String {
        let name = if self.numeric { None } else { Some(net::name_or_number(cx, from)) };
        let host = match name {
            None => from.to_string(),
            Some(name) => {
                let name = name.unwrap_or_else(|| "???".to_owned());
                if self.both { format!("{name} ({from})") } else { name }
            }
        };
        let micros = time.as_micros();
        format!("{ttl:2}:  {host:<COLUMN$}{:3}.{:03}ms ", micros / 1000, micros % 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::hops_back;

    #[test]
    fn the_ttl_that_is_left_tells_the_way_back() {
        for (ttl, hops) in [(64, 1), (62, 3), (128, 1), (65, 64), (255, 1), (250, 6)] {
            assert_eq!(hops_back(ttl), hops, "{ttl}");
        }
    }
}

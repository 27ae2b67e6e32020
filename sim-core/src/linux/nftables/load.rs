//! What an expression yields for a packet. Where a packet has no such thing, nothing: the rule does not match.

use std::net::IpAddr;

use super::env::Env;
use super::expr::{Ct, CtKey, Expr, Fib, FibResult, Field, Meta, Proto, SetRef, What};
use super::model::Table;
use super::types::{Ty, address_bits, bits_of, ifname};
use crate::chance::{Chance, Purpose};
use crate::linux::conntrack::{CtState, Direction};
use crate::linux::policy::Flow as RouteFlow;
use crate::linux::{Iface, Skb};
use crate::packet::{Frame, FrameBody, IpPacket, Transport};
use crate::trace::Hook;

/// The parts of a key, at most as many as a concatenation may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    values: [u128; Self::MAX],
    len: usize,
}

impl Parts {
    pub(super) const MAX: usize = 8;

    pub(super) fn as_slice(&self) -> &[u128] {
        &self.values[..self.len]
    }

    const fn one(value: u128) -> Self {
        let mut values = [0; Self::MAX];
        values[0] = value;
        Self { values, len: 1 }
    }
}

/// A packet as rules see it.
pub(super) struct Packet<'p> {
    pub(super) frame: &'p Frame,
    pub(super) ip: &'p IpPacket,
    pub(super) mark: u32,
}

impl<'p> Packet<'p> {
    pub(super) fn of(skb: &'p Skb) -> Option<Self> {
        let FrameBody::Ip(ip) = &skb.frame.body else { return None };
        Some(Self { frame: &skb.frame, ip, mark: skb.mark })
    }

    /// The transport header; none in a fragment that is not the first.
    fn transport(&self) -> Option<&'p Transport> {
        if self.ip.frag.is_some_and(|f| f.offset > 0) {
            return None;
        }
        match &self.ip.body {
            Transport::Piece { whole, .. } => Some(whole),
            body => Some(body),
        }
    }

    fn field(&self, field: &Field, env: &Env<'_>) -> Option<u128> {
        match field.proto {
            Proto::Ether => self.ether(field, env),
            Proto::Ip if self.ip.dst.is_ipv4() => self.network(field),
            Proto::Ip6 if self.ip.dst.is_ipv6() => self.network(field),
            Proto::Ip | Proto::Ip6 => None,
            Proto::Icmp | Proto::Icmp6 => {
                (self.ip.protocol() == field.proto.number()?).then_some(())?;
                self.icmp(field)
            }
            Proto::Th => self.ports(field),
            Proto::Tcp => {
                let Some(Transport::Tcp(tcp)) = self.transport() else { return None };
                Some(match field.what {
                    What::Sequence => u128::from(tcp.seq),
                    What::AckSeq => u128::from(tcp.ack),
                    What::Doff => tcp.header_len() as u128 / 4,
                    What::Flags => u128::from(tcp.flags.0),
                    What::Window => u128::from(tcp.window),
                    _ => return self.ports(field),
                })
            }
            Proto::Udp | Proto::Udplite | Proto::Sctp | Proto::Dccp => {
                (self.ip.protocol() == field.proto.number()?).then_some(())?;
                if field.what == What::Length {
                    return self.transport().map(|t| t.len() as u128);
                }
                self.ports(field)
            }
        }
    }

    /// Known only of a frame that came in.
    fn ether(&self, field: &Field, env: &Env<'_>) -> Option<u128> {
        env.iif?;
        Some(match field.what {
            What::Saddr => bits_of(&self.frame.src.0),
            What::Daddr => bits_of(&self.frame.dst.0),
            _ => self.ethertype(),
        })
    }

    const fn ethertype(&self) -> u128 {
        if self.ip.dst.is_ipv4() { 0x0800 } else { 0x86dd }
    }

    fn network(&self, field: &Field) -> Option<u128> {
        let ip = self.ip;
        Some(match field.what {
            What::Saddr => address_bits(ip.src),
            What::Daddr => address_bits(ip.dst),
            What::Protocol => u128::from(ip.protocol()),
            What::Ttl => u128::from(ip.ttl),
            What::Version => {
                if ip.dst.is_ipv4() {
                    4
                } else {
                    6
                }
            }
            What::HeaderLength => 5,
            What::Dscp => u128::from(ip.tos >> 2),
            What::Ecn => u128::from(ip.tos & 3),
            What::Length if ip.dst.is_ipv4() => ip.len() as u128,
            What::Length => ip.body.len() as u128,
            What::Id => u128::from(ip.id),
            What::FragOff => {
                let frag = ip.frag.map_or(0, |f| u128::from(f.offset / 8) | u128::from(f.more) << 13);
                frag | u128::from(ip.df) << 14
            }
            _ => return None,
        })
    }

    fn ports(&self, field: &Field) -> Option<u128> {
        let (source, destination) = self.transport()?.ports()?;
        Some(u128::from(if field.what == What::Sport { source } else { destination }))
    }

    fn icmp(&self, field: &Field) -> Option<u128> {
        let Transport::Icmp(message) = self.transport()? else { return None };
        let (kind, code) = if self.ip.dst.is_ipv4() { message.type_code() } else { message.type_code_v6() };
        Some(u128::from(if field.what == What::Type { kind } else { code }))
    }

    fn meta(&self, meta: Meta, env: &Env<'_>) -> u128 {
        let index = |i: Option<&Iface>| i.map_or(0, |i| u128::from(i.id.0) + 1);
        let name = |i: Option<&Iface>| i.map_or(0, |i| ifname(&i.name));
        match meta {
            Meta::Length => self.ip.len() as u128,
            Meta::Protocol => self.ethertype(),
            Meta::Mark => u128::from(self.mark),
            Meta::Iif => index(env.iif),
            Meta::Oif => index(env.oif),
            Meta::Iifname => name(env.iif),
            Meta::Oifname => name(env.oif),
            Meta::Nfproto => {
                if self.ip.dst.is_ipv4() {
                    2
                } else {
                    10
                }
            }
            Meta::L4proto => u128::from(self.ip.protocol()),
            Meta::Pkttype => self.pkttype(env),
        }
    }

    fn pkttype(&self, env: &Env<'_>) -> u128 {
        let mac = self.frame.dst.0;
        match env.iif {
            None => 0,
            Some(_) if mac == [0xff; 6] => 1,
            Some(_) if mac[0] & 1 == 1 => 2,
            Some(_) => 0,
        }
    }

    fn ct(&self, ct: Ct, env: &Env<'_>) -> Option<u128> {
        let view = &env.ct.view;
        if ct.key == CtKey::State {
            return Some(match view.state {
                CtState::Invalid => 1,
                CtState::Established => 2,
                CtState::Related => 4,
                CtState::New => 8,
                CtState::Untracked => 64,
            });
        }
        let (original, reply) = view.tuples?;
        let tuple = if ct.dir == Some(Direction::Reply) { reply } else { original };
        let counted = |of: fn(&crate::linux::conntrack::Counter) -> u64| {
            let [forth, back] = env.ct.counters?;
            Some(u128::from(match ct.dir {
                Some(Direction::Original) => of(&forth),
                Some(Direction::Reply) => of(&back),
                None => of(&forth) + of(&back),
            }))
        };
        Some(match ct.key {
            CtKey::State => return None,
            CtKey::Direction => u128::from(view.reply),
            CtKey::Status => u128::from(env.ct.status?),
            CtKey::Mark => u128::from(view.mark),
            CtKey::Expiration => u128::from(env.ct.expires_ms),
            CtKey::L3proto => {
                if original.src.is_ipv4() {
                    2
                } else {
                    10
                }
            }
            CtKey::Protocol => u128::from(original.protocol),
            CtKey::Saddr => address_bits(tuple.src),
            CtKey::Daddr => address_bits(tuple.dst),
            CtKey::IpSaddr | CtKey::Ip6Saddr => {
                (tuple.src.is_ipv4() == (ct.key == CtKey::IpSaddr)).then(|| address_bits(tuple.src))?
            }
            CtKey::IpDaddr | CtKey::Ip6Daddr => {
                (tuple.dst.is_ipv4() == (ct.key == CtKey::IpDaddr)).then(|| address_bits(tuple.dst))?
            }
            CtKey::ProtoSrc => u128::from(tuple.sport),
            CtKey::ProtoDst => u128::from(tuple.dport),
            CtKey::Bytes => counted(|c| c.bytes)?,
            CtKey::Packets => counted(|c| c.packets)?,
            CtKey::Avgpkt => counted(|c| c.bytes)?.checked_div(counted(|c| c.packets)?)?,
        })
    }

    fn fib(&self, fib: Fib, env: &Env<'_>) -> u128 {
        let addr: IpAddr = if fib.source { self.ip.src } else { self.ip.dst };
        let dev = if fib.iif {
            env.iif
        } else if fib.oif {
            env.oif
        } else {
            None
        };
        let flow = self.flow_of(fib, addr, env);
        if fib.result == FibResult::Type {
            return u128::from(env.fib.addr_type(&flow, dev.map(|d| &*d.name)).number());
        }
        // A packet that came in by the loopback interface is not looked up (`nft_fib_is_loopback`).
        let looped = matches!(env.hook, Hook::Prerouting | Hook::Input | Hook::Forward)
            && env.iif.is_some_and(Iface::is_loopback);
        let found =
            if looped { env.iif.map(|i| i.id) } else { env.fib.out_interface(&flow, dev.map(|d| d.id)) };
        match fib.result {
            FibResult::Oif => found.map_or(0, |id| u128::from(id.0) + 1),
            FibResult::Present => u128::from(found.is_some()),
            _ => found.and_then(|id| env.fib.interface_name(id)).map_or(0, ifname),
        }
    }

    /// The look-up that `fib` makes: by the packet's addresses, in the other direction for its source (`nft_fib4_eval`).
    fn flow_of(&self, fib: Fib, dst: IpAddr, env: &Env<'_>) -> RouteFlow {
        let src = if fib.source { self.ip.dst } else { self.ip.src };
        let nobody = match src {
            IpAddr::V4(a) => a.is_multicast() || a.is_broadcast() || a.octets()[0] == 0,
            IpAddr::V6(a) => a.is_multicast() || a.is_unspecified(),
        };
        let back = fib.source && fib.iif && env.hook == Hook::Forward;
        RouteFlow {
            src: Some(src).filter(|_| !nobody),
            dst,
            iif: env.oif.filter(|_| back).map(|i| i.id),
            mark: if fib.mark { self.mark } else { 0 },
        }
    }

    /// The value of an expression that is no concatenation.
    pub(super) fn value(&self, expr: &mut Expr, table: &Table, env: &mut Env<'_>) -> Option<u128> {
        match expr {
            Expr::Field(field) => self.field(field, env),
            Expr::Meta(meta) => Some(self.meta(*meta, env)),
            Expr::Ct(ct) => self.ct(*ct, env),
            Expr::Fib(fib) => Some(self.fib(*fib, env)),
            Expr::Numgen { random: true, modulus, offset, .. } => {
                let drawn = env.dice.below(Purpose::Statistic, u64::from(env.ns.0), *modulus);
                Some(u128::from(drawn.wrapping_add(*offset)))
            }
            Expr::Numgen { modulus, offset, next, .. } => {
                let now = *next;
                *next = (now + 1) % (*modulus).max(1);
                Some(u128::from(now.wrapping_add(*offset)))
            }
            Expr::Jhash { of, modulus, seed, offset } => {
                let types = of.types();
                let parts = self.parts(of, table, env)?;
                let bytes = hash_input(&types, parts.as_slice());
                let hash = crate::linux::jhash::jhash(&bytes, seed.unwrap_or(0));
                let scaled = (u64::from(hash) * u64::from(*modulus)) >> 32;
                Some(u128::from((scaled as u32).wrapping_add(*offset)))
            }
            Expr::Op(left, op, right) => {
                let max = left.ty().max();
                Some(op.apply(self.value(left, table, env)?, *right) & max)
            }
            Expr::Map(key, set) => {
                let key = self.parts(key, table, env)?;
                match &look_up(set, table, key.as_slice(), env.now)?.data {
                    super::elements::Data::Values(values) => values.first().copied(),
                    _ => None,
                }
            }
            Expr::Value(_, value) => Some(*value),
            Expr::Concat(parts) => {
                let first = parts.first_mut()?;
                self.value(first, table, env)
            }
        }
    }

    /// The values of an expression.
    pub(super) fn parts(&self, expr: &mut Expr, table: &Table, env: &mut Env<'_>) -> Option<Parts> {
        match expr {
            Expr::Concat(list) => {
                let mut parts = Parts { values: [0; Parts::MAX], len: 0 };
                for part in list {
                    *parts.values.get_mut(parts.len)? = self.value(part, table, env)?;
                    parts.len += 1;
                }
                Some(parts)
            }
            Expr::Map(key, set) => {
                let key = self.parts(key, table, env)?;
                let super::elements::Data::Values(values) =
                    &look_up(set, table, key.as_slice(), env.now)?.data
                else {
                    return None;
                };
                let mut parts = Parts { values: [0; Parts::MAX], len: values.len() };
                parts.values.get_mut(..values.len())?.copy_from_slice(values);
                Some(parts)
            }
            other => self.value(other, table, env).map(Parts::one),
        }
    }
}

/// The element of a set that a key falls into.
pub(super) fn look_up<'s>(
    set: &'s SetRef,
    table: &'s Table,
    key: &[u128],
    now: crate::time::SimTime,
) -> Option<&'s super::elements::Element> {
    match set {
        SetRef::Named(name) => table.sets.get(name)?.elements.find(key, now),
        SetRef::Anonymous(set) => set.elements.find(key, now),
    }
}

/// The bytes that `jhash` hashes: each part as it stands in the kernel's registers, filled up to four bytes.
fn hash_input(types: &[Ty], parts: &[u128]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (ty, value) in types.iter().zip(parts) {
        let width = usize::from(ty.bits().div_ceil(8));
        let all = value.to_be_bytes();
        let mut own = all[16 - width..].to_vec();
        if ty.is_host_endian() && *ty != Ty::Ifname {
            own.reverse();
        }
        bytes.extend(own);
        while types.len() > 1 && bytes.len() % 4 != 0 {
            bytes.push(0);
        }
    }
    bytes
}

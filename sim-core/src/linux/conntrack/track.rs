//! A namespace's connection tracking: which flow a packet belongs to.

use super::conn::{Conn, ConnId, GRE, ProtoState, Status};
use super::events::EventKind;
use super::table::Table;
use super::tcp::{self, Outcome, TcpTrack};
use super::{Counter, CtState, CtView, Direction, Filter, SctpState, Settings, Stats, Tuple};
use crate::linux::{Skb, SkbCt};
use crate::packet::{Icmp, IpPacket, Transport, proto};
use crate::time::SimTime;
use crate::trace::DropReason;
use std::time::Duration;

/// UDP traffic in both directions after this time makes a flow a stream.
pub(super) const UDP_STREAM_AFTER: Duration = Duration::from_secs(2);
/// Lifetime of an entry that was inserted although another one has its original tuple.
const CLASH_LIFETIME: Duration = Duration::from_secs(1);
/// The table is swept when it has grown to this size, and then at twice its size after the sweep.
const FIRST_SWEEP: usize = 1024;

/// Connection tracking of one network namespace.
#[derive(Clone, Debug, Default)]
pub struct Conntrack {
    /// Sysctls `net.netfilter.nf_conntrack_*`.
    pub settings: Settings,
    pub(super) table: Table,
    pub(super) stats: Stats,
    sweep_at: usize,
    race: Option<Race>,
}

/// First packets of UDP flows that several processors look at together.
#[derive(Clone, Debug, Default)]
struct Race {
    /// Flows that were inserted at this instant.
    at: SimTime,
    inserted: Vec<Tuple>,
}

impl Conntrack {
    /// Lets UDP packets that one socket sends at one instant meet as on a machine with several processors: each makes a flow of its own
    /// before the first is inserted. Where their translations differ the later is dropped and `insert_failed` counts it, as kernels
    /// did before clashes were resolved (`nf_ct_resolve_clash_harder`, 5.7).
    pub fn set_race(&mut self, on: bool) {
        self.race = on.then(Race::default);
    }

    /// Finds or makes the flow of a packet (`nf_conntrack_in`, in PREROUTING and OUTPUT) and notes it on the buffer.
    ///
    /// A packet that carries a note already (it comes back by the loopback device, or rules said not to track it) keeps it.
    ///
    /// # Errors
    /// [`DropReason::ConntrackFull`] if a new flow finds no place in the table.
    pub fn track(&mut self, skb: &mut Skb, now: SimTime) -> Result<(), DropReason> {
        if !matches!(skb.ct, SkbCt::None | SkbCt::Invalid) {
            return Ok(());
        }
        if self.table.events.are_heard() {
            self.table.events.set(now, None);
        }
        // A checksum that is still to be filled in is not looked at (`nf_ip_checksum`).
        let checked = skb.iif.is_some() && skb.partial.is_none();
        if let Some(packet) = skb.ip() {
            skb.ct = self.classify(packet, checked, now)?;
        }
        Ok(())
    }

    /// A copy of a packet has one flow with the other copies (`skb_clone`): once one of them has put it into the table, with the
    /// translation that was set up for it, the others belong to it.
    pub fn share(&self, skb: &mut Skb) {
        if let SkbCt::New(conn) = &skb.ct
            && let Some((id, Direction::Original)) = self.table.lookup(&conn.orig)
        {
            skb.ct = SkbCt::Known { id, dir: Direction::Original, related: false, established: false };
        }
    }

    /// Puts the flow of a packet that nobody dropped into the table (`nf_conntrack_confirm`, last in POSTROUTING and INPUT).
    ///
    /// # Errors
    /// [`DropReason::ConntrackInsertFailed`] if another flow has one of its tuples.
    pub fn confirm(&mut self, skb: &mut Skb, now: SimTime) -> Result<(), DropReason> {
        if self.table.events.are_heard() {
            self.tell_change(skb, now);
        }
        if !matches!(skb.ct, SkbCt::New(_)) {
            return Ok(());
        }
        let SkbCt::New(mut conn) = std::mem::take(&mut skb.ct) else { return Ok(()) };
        let by_orig = self.table.find(&conn.orig, now);
        let by_reply = self.table.find(&conn.reply, now);
        let twin = by_orig.or(by_reply).filter(|(id, _)| {
            self.table.get(*id).is_some_and(|other| (other.orig, other.reply) == (conn.orig, conn.reply))
        });
        let id = match (by_orig, by_reply, twin) {
            (None, None, _) => {
                conn.status |= Status::CONFIRMED;
                if let Some(race) = self.race.as_mut().filter(|_| conn.orig.protocol == proto::UDP) {
                    if race.at != now {
                        *race = Race { at: now, inserted: Vec::new() };
                    }
                    race.inserted.push(conn.orig);
                }
                self.insert_new(conn, now)
            }
            // Another copy of the packet (a bridge sent it to several ports) was here before.
            (.., Some((id, _))) => {
                self.stats.clash_resolve += 1;
                id
            }
            // The replies at least can be told apart, which is enough for a short exchange (`nf_ct_resolve_clash_harder`).
            (Some(_), None, None) if conn.orig.protocol == proto::UDP && self.race.is_none() => {
                conn.status |= Status::CONFIRMED | Status::FIXED_TIMEOUT | Status::NAT_CLASH;
                conn.expires = now + CLASH_LIFETIME;
                self.stats.clash_resolve += 1;
                self.insert_new(conn, now)
            }
            _ => {
                self.stats.insert_failed += 1;
                self.stats.drop += 1;
                return Err(DropReason::ConntrackInsertFailed);
            }
        };
        skb.ct = SkbCt::Known { id, dir: Direction::Original, related: false, established: false };
        Ok(())
    }

    /// Tells listeners of what a packet has changed of its flow.
    fn tell_change(&mut self, skb: &Skb, now: SimTime) {
        self.table.events.set(now, None);
        if let SkbCt::Known { id, .. } = skb.ct
            && self.table.events.take_change(id)
            && let Some(conn) = self.table.get(id).cloned()
        {
            self.table.events.tell(EventKind::Update, &conn);
        }
    }

    fn insert_new(&mut self, conn: Box<Conn>, now: SimTime) -> ConnId {
        if self.table.events.are_heard() {
            self.table.events.tell(EventKind::New, &conn);
        }
        self.insert(conn, now)
    }

    /// Whether somebody listens to events, so that changes must be told.
    #[inline]
    #[must_use]
    pub const fn is_heard(&self) -> bool {
        self.table.events.are_heard()
    }

    /// Ties a packet that the stack makes because of another one to that one's flow, in the opposite direction
    /// (`nf_ct_attach`). Every ICMP error and every reset of a REJECT rule is tied so, even to a flow that never gets into
    /// the table; it is RELATED, and translated like a reply.
    pub fn attach(&self, made: &mut Skb, about: &Skb) {
        made.ct = match &about.ct {
            SkbCt::New(flow) => SkbCt::Loose { flow: flow.clone(), dir: Direction::Reply, related: true },
            SkbCt::Loose { flow, dir, .. } => {
                SkbCt::Loose { flow: flow.clone(), dir: dir.flip(), related: true }
            }
            SkbCt::Known { id, dir, established, .. } => {
                SkbCt::Known { id: *id, dir: dir.flip(), related: true, established: *established }
            }
            SkbCt::None | SkbCt::NoTrack | SkbCt::Invalid => return,
        };
    }

    /// Ends the TCP flow of a packet that is answered with a reset: its entry lives on in CLOSE for ten seconds
    /// (`nf_ct_set_closing`).
    pub fn set_closing(&mut self, about: &Skb, now: SimTime) {
        if let SkbCt::Known { id, .. } = about.ct
            && let Some(conn) = self.table.get_mut(id)
        {
            tcp::set_closing(conn, &self.settings, now);
        }
    }

    /// What rules may know about a packet.
    #[must_use]
    pub fn view(&self, skb: &Skb) -> CtView {
        let (state, dir) = match &skb.ct {
            SkbCt::None | SkbCt::Invalid => (CtState::Invalid, Direction::Original),
            SkbCt::NoTrack => (CtState::Untracked, Direction::Original),
            SkbCt::New(_) => (CtState::New, Direction::Original),
            SkbCt::Known { related: true, dir, .. } | SkbCt::Loose { related: true, dir, .. } => {
                (CtState::Related, *dir)
            }
            SkbCt::Known { established: true, dir, .. } => (CtState::Established, *dir),
            SkbCt::Known { dir, .. } => (CtState::New, *dir),
            SkbCt::Loose { dir: Direction::Reply, .. } => (CtState::Established, Direction::Reply),
            SkbCt::Loose { dir, .. } => (CtState::New, *dir),
        };
        let conn = self.of(skb);
        CtView {
            state,
            reply: dir == Direction::Reply,
            snat: conn.is_some_and(|c| c.status.has(Status::SRC_NAT)),
            dnat: conn.is_some_and(|c| c.status.has(Status::DST_NAT)),
            mark: conn.map_or(0, |c| c.mark),
            status: conn.map_or(Status(0), |c| c.status),
            expires: conn.map_or(SimTime::ZERO, |c| c.expires),
            tuples: conn.map(|c| (c.orig, c.reply)),
        }
    }

    /// The flow of a packet.
    #[must_use]
    pub fn of<'a>(&'a self, skb: &'a Skb) -> Option<&'a Conn> {
        match &skb.ct {
            SkbCt::New(flow) | SkbCt::Loose { flow, .. } => Some(flow),
            SkbCt::Known { id, .. } => self.table.get(*id),
            SkbCt::None | SkbCt::NoTrack | SkbCt::Invalid => None,
        }
    }

    /// IPVS sends the packets of a new flow to a real server: replies come from there (`ip_vs_update_conntrack`). The flow does not count
    /// as translated; IPVS changes its packets.
    pub fn redirect_replies(&self, skb: &mut Skb, real: std::net::SocketAddr) {
        if let SkbCt::New(flow) = &mut skb.ct {
            flow.reply.src = real.ip();
            if !flow.reply.is_icmp() {
                flow.reply.sport = real.port();
            }
        }
    }

    /// Ends the flow whose first packet looked so.
    pub fn end_flow(&mut self, first: &Tuple) {
        if let Some((id, Direction::Original)) = self.table.lookup(first) {
            self.table.remove(id);
        }
    }

    /// Sets the mark of the packet's flow (`CONNMARK`).
    pub fn set_mark(&mut self, skb: &mut Skb, mark: u32) {
        match &mut skb.ct {
            SkbCt::New(flow) | SkbCt::Loose { flow, .. } => flow.mark = mark,
            SkbCt::Known { id, .. } => {
                let Some(conn) = self.table.get_mut(*id) else { return };
                let changed = std::mem::replace(&mut conn.mark, mark) != mark;
                if changed {
                    self.table.events.note_change(*id);
                }
            }
            SkbCt::None | SkbCt::NoTrack | SkbCt::Invalid => {}
        }
    }

    /// Removes the entries whose time is over. Look-ups do not need it; a reader of the whole table does.
    pub fn expire(&mut self, now: SimTime) {
        self.table.events.set(now, None);
        self.table.remove_if(|c| c.is_expired(now));
    }

    /// Empties the table (`conntrack -F`).
    pub fn flush(&mut self) {
        self.table.remove_if(|_| true);
    }

    /// Removes the entries that match and returns them (`conntrack -D`).
    pub fn delete(&mut self, filter: &Filter) -> Vec<Conn> {
        self.table.remove_if(|c| filter.matches(c))
    }

    /// Sets the counters of the entries that match to zero (`conntrack -L -z`).
    pub fn zero_counters(&mut self, filter: &Filter) {
        let ids: Vec<_> = self.iter().filter(|(_, c)| filter.matches(c)).map(|(id, _)| id).collect();
        for id in ids {
            if let Some(counters) = self.table.get_mut(id).and_then(|c| c.counters.as_mut()) {
                *counters = Default::default();
            }
        }
    }

    /// The flows in the order in which they came into the table, expired ones included until they are swept.
    pub fn iter(&self) -> impl Iterator<Item = (ConnId, &Conn)> {
        self.table.iter()
    }

    /// One flow.
    #[must_use]
    pub fn get(&self, id: ConnId) -> Option<&Conn> {
        self.table.get(id)
    }

    /// Number of entries, expired ones included until they are swept (`nf_conntrack_count`).
    #[must_use]
    pub const fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.table.len() == 0
    }

    /// What `conntrack -S` counts.
    #[must_use]
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    fn classify(&mut self, packet: &IpPacket, checked: bool, now: SimTime) -> Result<SkbCt, DropReason> {
        let checksum_fails = checked && packet.bad_checksum && self.settings.checksum;
        // An IPv6 redirect is looked into only if the quote is its first option (`nf_conntrack_icmpv6_redirect`).
        let opaque = |icmp: &Icmp| matches!(icmp, Icmp::Redirect { gateway_mac: Some(_), .. });
        if let Transport::Icmp(icmp) = &packet.body
            && let Some(quote) = icmp.quote().filter(|_| !opaque(icmp))
        {
            let related = if checksum_fails { None } else { self.related(packet, quote, now) };
            self.stats.error += u64::from(related.is_none());
            return Ok(related.unwrap_or(SkbCt::Invalid));
        }
        // Neighbour discovery belongs to no flow (`icmpv6_error`).
        if matches!(&packet.body, Transport::Icmp(icmp) if icmp.is_discovery()) {
            return Ok(SkbCt::NoTrack);
        }
        let checked = matches!(packet.body, Transport::Udp(_) | Transport::Tcp(_) | Transport::Icmp(_));
        let Some(tuple) = Tuple::of(packet).filter(|_| !(checked && checksum_fails)) else {
            self.stats.invalid += 1;
            return Ok(SkbCt::Invalid);
        };
        let racing = self.race.as_ref().is_some_and(|r| r.at == now && r.inserted.contains(&tuple));
        while let Some((id, dir)) = self.table.find(&tuple, now).filter(|_| !racing) {
            let heard = self.table.events.are_heard();
            let Some(conn) = self.table.get_mut(id) else { break };
            let before = heard.then(|| conn.face());
            match conn.packet(dir, packet, &self.settings, now) {
                Outcome::Accept => {
                    let established = dir == Direction::Reply || conn.status.has(Status::SEEN_REPLY);
                    if dir == Direction::Reply {
                        conn.status |= Status::SEEN_REPLY;
                    }
                    if before.is_some_and(|b| b != conn.face()) {
                        self.table.events.note_change(id);
                    }
                    return Ok(SkbCt::Known { id, dir, related: false, established });
                }
                Outcome::Kill => {
                    let Some(flow) = self.table.remove(id) else { break };
                    return Ok(SkbCt::Loose { flow, dir, related: false });
                }
                Outcome::Invalid => {
                    self.stats.invalid += 1;
                    return Ok(SkbCt::Invalid);
                }
                Outcome::Reopen => {
                    self.table.remove(id);
                }
            }
        }
        self.open(tuple, packet, now)
    }

    /// Makes a flow of its first packet.
    fn open(&mut self, orig: Tuple, packet: &IpPacket, now: SimTime) -> Result<SkbCt, DropReason> {
        let started = orig.inverted().zip(Conn::begin(&orig, packet, &self.settings, now));
        let Some((reply, proto)) = started else {
            self.stats.invalid += 1;
            return Ok(SkbCt::Invalid);
        };
        self.make_room(now)?;
        let mut conn = Box::new(Conn {
            orig,
            reply,
            status: Status::default(),
            mark: 0,
            expires: now,
            proto,
            masqueraded: None,
            counters: self.settings.acct.then(|| [Counter::default(); 2]),
        });
        match conn.packet(Direction::Original, packet, &self.settings, now) {
            Outcome::Accept => Ok(SkbCt::New(conn)),
            Outcome::Kill | Outcome::Invalid | Outcome::Reopen => {
                self.stats.invalid += 1;
                Ok(SkbCt::Invalid)
            }
        }
    }

    /// Drops the oldest flow that is not assured if the table is full (`early_drop`).
    fn make_room(&mut self, now: SimTime) -> Result<(), DropReason> {
        let max = self.settings.max as usize;
        if max == 0 || self.table.len() < max {
            return Ok(());
        }
        self.expire(now);
        if self.table.len() < max {
            return Ok(());
        }
        let victim = self.table.iter().find(|(_, c)| !c.status.has(Status::ASSURED)).map(|(id, _)| id);
        let Some(id) = victim else {
            self.stats.drop += 1;
            return Err(DropReason::ConntrackFull);
        };
        self.table.remove(id);
        self.stats.early_drop += 1;
        Ok(())
    }

    pub(super) fn insert(&mut self, conn: Box<Conn>, now: SimTime) -> ConnId {
        if self.table.len() >= self.sweep_at.max(FIRST_SWEEP) {
            self.expire(now);
            self.sweep_at = self.table.len() * 2;
        }
        self.table.insert(conn)
    }
}

impl Conn {
    /// The protocol's memory of a flow that begins with this packet; none if no flow begins so.
    fn begin(orig: &Tuple, packet: &IpPacket, settings: &Settings, now: SimTime) -> Option<ProtoState> {
        Some(match &packet.body {
            Transport::Udp(_) => ProtoState::Udp { stream_from: now + UDP_STREAM_AFTER },
            Transport::Tcp(tcp) => ProtoState::Tcp(TcpTrack::begin(tcp, settings)?),
            Transport::Sctp(s) => ProtoState::Sctp(SctpState::begin(s.chunk)?),
            Transport::Icmp(_) if !orig.is_icmp_request() => return None,
            Transport::Icmp(_) => ProtoState::Icmp,
            Transport::Other { protocol: GRE, .. } => ProtoState::Gre,
            Transport::Piece { .. } | Transport::Other { .. } => ProtoState::Generic,
        })
    }

    /// Takes one packet of the flow.
    #[inline]
    fn packet(&mut self, dir: Direction, packet: &IpPacket, settings: &Settings, now: SimTime) -> Outcome {
        let t = &settings.timeouts;
        let seconds = match (&self.proto, &packet.body) {
            (ProtoState::Tcp(_), Transport::Tcp(segment)) => {
                return tcp::packet(self, dir, segment, packet.len(), settings, now);
            }
            (ProtoState::Tcp(_), _) => return Outcome::Invalid,
            (ProtoState::Sctp(before), Transport::Sctp(s)) => {
                // The first packet has made the state.
                let fresh = dir == Direction::Original && !self.status.has(Status::CONFIRMED);
                let state = if fresh { *before } else { before.after(s.chunk, dir) };
                self.proto = ProtoState::Sctp(state);
                if state.assures(dir) {
                    self.status |= Status::ASSURED;
                }
                state.timeout(&t.sctp)
            }
            (ProtoState::Sctp(_), _) => return Outcome::Invalid,
            (ProtoState::Udp { stream_from }, _) => {
                let streaming = self.status.has(Status::SEEN_REPLY) && now > *stream_from;
                if streaming && !self.status.has(Status::NAT_CLASH) {
                    self.status |= Status::ASSURED;
                }
                if streaming { t.udp_stream } else { t.udp }
            }
            (ProtoState::Icmp, _) if self.orig.protocol == proto::ICMPV6 => t.icmpv6,
            (ProtoState::Icmp, _) => t.icmp,
            (ProtoState::Gre, _) if self.status.has(Status::SEEN_REPLY) => {
                self.status |= Status::ASSURED;
                t.gre_stream
            }
            (ProtoState::Gre, _) => t.gre,
            (ProtoState::Generic, _) => t.generic,
        };
        self.refresh(now, seconds, dir, if self.counters.is_some() { packet.len() } else { 0 });
        Outcome::Accept
    }
}

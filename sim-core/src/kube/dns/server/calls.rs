//! Calls: queries on their way through the chain.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::chain::{Ask, Cx, Failure, Halt, Memo, Plugin, next};
use super::{Action, Client, Server, Transport, edge};
use crate::chance::{Chance, Dice, Purpose};
use crate::kube::dns::wire::{Message, Rcode, RecordType};
use crate::time::SimTime;
use crate::trace::SockId;

/// Calls inside calls beyond which a lookup fails.
const DEPTH_MAX: u32 = 10;

/// A query on its way.
#[derive(Clone, Debug)]
pub(super) struct Call {
    whose: Whose,
    /// Where the query came from, also for calls of the server's own.
    pub(super) from: Client,
    block: usize,
    pub(super) query: Message,
    size: usize,
    arrived: SimTime,
    memo: Memo,
    walks: u32,
    depth: u32,
}

/// Who waits for the outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Whose {
    Client,
    /// Another call, by number.
    Call(u64, Ask),
    /// Nobody: a cache entry is renewed.
    Cache,
    /// The plugin loop of this block.
    Loop,
}

impl Call {
    pub(super) fn of_client(query: Message, from: Client, block: usize, size: usize, now: SimTime) -> Self {
        Self {
            whose: Whose::Client,
            from,
            block,
            query,
            size,
            arrived: now,
            memo: Memo::default(),
            walks: 0,
            depth: 0,
        }
    }
}

impl Server {
    /// Walks the chain with a call until it has its outcome or has to wait.
    pub(super) fn drive(&mut self, mut call: Call, now: SimTime, dice: &mut Dice) {
        let mut renew = Vec::new();
        let block = &mut self.blocks[call.block];
        let mut cx = Cx {
            now,
            arrived: call.arrived,
            client: call.from,
            size: call.size,
            first: call.walks == 0,
            refresh: call.whose == Whose::Cache,
            memo: &mut call.memo,
            dice: &mut *dice,
            place: self.place,
            forwards: &self.groups,
            log: &mut self.log,
            renew: &mut renew,
        };
        let step = next(&mut block.plugins, &call.query, &mut cx, "");
        call.walks += 1;
        let again = |query: Message| Call {
            whose: Whose::Cache,
            memo: Memo::default(),
            walks: 0,
            query,
            ..call.clone()
        };
        let renewals: Vec<Call> = renew.into_iter().map(again).collect();
        match step {
            Ok(done) => {
                let reply = done.reply.unwrap_or_else(|| call.query.reply(done.rcode));
                self.finish(call, reply, now, dice);
            }
            Err(Halt::Exit) => self.out.push(Action::Exit(1)),
            Err(Halt::Upstream(ask)) => {
                let id = self.keep(call);
                self.ask_upstream(id, ask, now, dice);
            }
            Err(Halt::Lookup(ask)) => self.lookup(call, ask, now, dice),
        }
        for call in renewals {
            self.drive(call, now, dice);
        }
    }

    fn keep(&mut self, call: Call) -> u64 {
        self.last += 1;
        self.calls.insert(self.last, call);
        self.last
    }

    /// A call waits for one about another name.
    fn lookup(&mut self, call: Call, ask: Ask, now: SimTime, dice: &mut Dice) {
        let mut query = Message::query(call.query.id, &ask.question.name, ask.question.rtype);
        query.edns.clone_from(&call.query.edns);
        query.flags.cd = call.query.flags.cd;
        let block = self.block_for(&ask.question.name, call.from.local);
        let size = query.to_bytes().map_or(0, |b| b.len());
        let (from, depth) = (call.from, call.depth + 1);
        let id = self.keep(call);
        match block.filter(|_| depth <= DEPTH_MAX) {
            Some(block) => {
                let whose = Whose::Call(id, ask);
                let inner = Call { whose, depth, ..Call::of_client(query, from, block, size, now) };
                self.drive(inner, now, dice);
            }
            None => self.answered(id, ask, Ok(query.reply(Rcode::SERVFAIL)), now, dice),
        }
    }

    /// What a call waited for is there.
    pub(super) fn answered(
        &mut self,
        call: u64,
        ask: Ask,
        answer: Result<Message, Failure>,
        now: SimTime,
        dice: &mut Dice,
    ) {
        if let Some(mut call) = self.calls.remove(&call) {
            call.memo.answers.push((ask, answer));
            self.drive(call, now, dice);
        }
    }

    fn finish(&mut self, call: Call, reply: Message, now: SimTime, dice: &mut Dice) {
        match call.whose {
            Whose::Client => {
                let sealed = edge::seal(&call.query, reply, call.from);
                self.out.extend(sealed.map(|bytes| Action::Reply(call.from, bytes)));
            }
            Whose::Call(waiting, ask) => self.answered(waiting, ask, Ok(reply), now, dice),
            Whose::Cache => {}
            Whose::Loop => {
                for plugin in &mut self.blocks[call.block].plugins {
                    if let Plugin::Loop(looping) = plugin {
                        looping.stop();
                    }
                }
            }
        }
    }

    /// Starts the process: the plugin loop asks its first question.
    pub fn start(&mut self, now: SimTime, dice: &mut Dice) -> Vec<Action> {
        for plugin in self.blocks.iter_mut().flat_map(|b| &mut b.plugins) {
            if let Plugin::Loop(looping) = plugin {
                let mut number = || {
                    let [high, low] = [0; 2].map(|_| u64::from(dice.bits(Purpose::Identifier, self.place)));
                    (high << 32 | low) >> 1
                };
                looping.start([number(), number()], now);
            }
        }
        self.probe_loops(now, dice);
        std::mem::take(&mut self.out)
    }

    /// Lets each plugin loop ask whose turn it is.
    pub(super) fn probe_loops(&mut self, now: SimTime, dice: &mut Dice) {
        for block in 0..self.blocks.len() {
            let port = self.blocks[block].keys.first().map_or(53, |k| k.port);
            let probe = self.blocks[block].plugins.iter_mut().find_map(|p| match p {
                Plugin::Loop(looping) => looping.on_timer(now),
                _ => None,
            });
            let Some(probe) = probe else { continue };
            let own = dice.below(Purpose::EphemeralPort, self.place, 28_232) as u16 + 32_768;
            let home = IpAddr::V4(Ipv4Addr::LOCALHOST);
            let from = Client {
                addr: SocketAddr::new(home, own),
                local: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port),
                transport: Transport::Udp,
                socket: SockId(u32::MAX),
            };
            let query =
                Message::query(dice.bits(Purpose::Identifier, self.place) as u16, &probe, RecordType::HINFO);
            let size = query.to_bytes().map_or(0, |b| b.len());
            let call = Call { whose: Whose::Loop, ..Call::of_client(query, from, block, size, now) };
            self.drive(call, now, dice);
        }
    }
}

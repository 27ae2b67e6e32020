//! Statements that tell somebody: `log` and `reject`.

use super::command::RuleSpec;
use super::lex::Kind;
use super::{Parser, Problem, Syntax};
use crate::linux::nftables::expr::{Cmp, Expr, Meta, Test};
use crate::linux::nftables::model::{Family, Log, Reject, RejectKind, Statement};
use crate::linux::nftables::types::Ty;

impl Parser<'_> {
    pub(super) fn log(&mut self) -> Syntax<Log> {
        const LEVELS: [&str; 9] =
            ["emerg", "alert", "crit", "err", "warn", "notice", "info", "debug", "audit"];
        let start = self.span();
        self.at += 1;
        let mut log = Log::default();
        loop {
            if self.take_word("prefix") {
                log.prefix = Some(self.string()?);
            } else if self.take_word("level") {
                let word = self.string()?;
                let Some(level) = LEVELS.iter().find(|l| ***l == *word) else {
                    return Err(Problem::new(self.last_span(), "invalid log level"));
                };
                log.level = Some(*level).filter(|l| *l != "warn");
            } else if self.take_word("group") {
                log.group = Some(self.small()?);
            } else if self.take_word("snaplen") {
                log.snaplen = Some(self.small()?);
            } else if self.take_word("queue-threshold") {
                log.threshold = Some(self.small()?);
            } else if self.take_word("flags") {
                log.flags |= self.log_flags()?;
            } else {
                break;
            }
        }
        if log.flags != 0 && log.group.is_some() {
            self.meaning.push(Problem::new(start, "flags and group are mutually exclusive"));
        }
        Ok(log)
    }

    fn log_flags(&mut self) -> Syntax<u8> {
        let word = self.string()?;
        Ok(match &*word {
            "all" => 47,
            "skuid" => 8,
            "ether" => 32,
            "ip" => {
                self.expect_word("options", &["options"])?;
                4
            }
            "tcp" => {
                let mut flags = 0;
                loop {
                    match &*self.string()? {
                        "sequence" => flags |= 1,
                        "options" => flags |= 2,
                        _ => {
                            self.at -= 1;
                            return Err(self.unexpected(&["options", "sequence"]));
                        }
                    }
                    if !self.take_sign(",") {
                        break flags;
                    }
                }
            }
            _ => {
                self.at -= 1;
                return Err(self.unexpected(&[]));
            }
        })
    }

    pub(super) fn reject(&mut self, family: Family, spec: &mut RuleSpec) -> Syntax<Statement> {
        let word = self.span();
        self.at += 1;
        let mut reject = match family {
            Family::Ip => Reject { kind: RejectKind::Icmp, code: 3, verbose: false },
            Family::Ip6 => Reject { kind: RejectKind::Icmp6, code: 4, verbose: false },
            Family::Inet => Reject { kind: RejectKind::Icmpx, code: 1, verbose: false },
        };
        if !self.take_word("with") {
            return Ok(Statement::Reject(reject));
        }
        let (kind, ty) = match &self.peek().kind {
            Kind::Word(w) => match &**w {
                "icmp" => (RejectKind::Icmp, Ty::IcmpCode),
                "icmpv6" => (RejectKind::Icmp6, Ty::Icmp6Code),
                "icmpx" => (RejectKind::Icmpx, Ty::IcmpxCode),
                "tcp" => {
                    self.at += 1;
                    self.expect_word("reset", &["reset"])?;
                    reject.kind = RejectKind::Reset;
                    if family == Family::Inet && self.transport.is_none() {
                        let tcp = Test::Value(Cmp::Implicit, 6);
                        spec.statements.push(Statement::Match(Expr::Meta(Meta::L4proto), tcp));
                    }
                    return Ok(Statement::Reject(reject));
                }
                _ => return Err(self.unexpected(&["icmp", "icmpv6", "tcp", "icmpx"])),
            },
            _ => return Err(self.unexpected(&["icmp", "icmpv6", "tcp", "icmpx"])),
        };
        self.at += 1;
        self.take_word("type");
        let code = self.raw_operand()?;
        match (family, kind) {
            (Family::Ip, RejectKind::Icmp6) => {
                self.meaning
                    .push(Problem::new(code.span, "conflicting protocols specified: ip vs ip6").and(word));
            }
            (Family::Ip6, RejectKind::Icmp) => {
                self.meaning
                    .push(Problem::new(code.span, "conflicting protocols specified: ip6 vs ip").and(word));
            }
            (Family::Ip | Family::Ip6, RejectKind::Icmpx) => {
                self.meaning
                    .push(Problem::new(code.span, "abstracted ICMP unreachable not supported").and(word));
            }
            _ => {}
        }
        reject.kind = kind;
        reject.code = self.note(code.low.resolve(ty)).unwrap_or_default() as u8;
        reject.verbose = family == Family::Inet && kind != RejectKind::Icmpx;
        let packets =
            if kind == RejectKind::Icmp6 { crate::trace::Family::V6 } else { crate::trace::Family::V4 };
        if reject.with(packets).is_none() {
            return Err(Problem::not_modelled(code.span, "nft: this ICMP error in reject"));
        }
        Ok(Statement::Reject(reject))
    }
}

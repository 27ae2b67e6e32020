//! Statements of a rule.

use std::sync::Arc;

use super::command::RuleSpec;
use super::lex::Kind;
use super::raw::RawRange;
use super::{Parser, Problem, Span, Syntax};
use crate::linux::nftables::expr::{Cmp, CtKey, Expr, FibResult, Meta, Op, Proto, Test};
use crate::linux::nftables::model::{
    Dynamic, DynamicOp, Family, Limit, Log, Nat, NatKind, NatTo, ObjectKind, Quota, Reject, RejectKind,
    SetData, Statement, Verdict,
};
use crate::linux::nftables::types::Ty;
use crate::time::SimTime;

/// Statements that exist and are not modelled.
const ELSE: [&str; 7] = ["queue", "tproxy", "dup", "fwd", "flow", "synproxy", "xt"];

impl Parser {
    /// A rule, up to its separator.
    pub(super) fn rule(&mut self, family: Family) -> Syntax<RuleSpec> {
        self.family = Some(family);
        (self.network, self.transport) = (None, None);
        let sets = std::mem::take(&mut self.sets);
        let chains = std::mem::take(&mut self.chains);
        let dynamics = std::mem::take(&mut self.dynamics);
        let start = self.span();
        let mut spec = RuleSpec::default();
        let mut terminal: Option<Span> = None;
        while !self.ends_rule() {
            let at = self.span();
            let begins = matches!(self.peek().kind, Kind::Word(_) | Kind::Quoted(_) | Kind::Number(_));
            if !begins && !self.is_sign("@") && !self.is_sign("(") && !spec.statements.is_empty() {
                break;
            }
            if self.is_word("comment") && !spec.statements.is_empty() {
                self.at += 1;
                spec.comment = Some(self.comment()?);
                break;
            }
            let before = spec.statements.len();
            self.statement(family, &mut spec)?;
            let span = at.until(self.last_span());
            if let Some(terminal) = terminal {
                let text = "Statement after terminal statement has no effect";
                self.meaning.push(Problem::new(span, text).and(terminal));
            }
            if spec.statements.iter().skip(before).any(Statement::is_terminal) {
                terminal = Some(at);
            }
        }
        if spec.statements.is_empty() {
            return Err(self.unexpected(&[]));
        }
        spec.span = start.until(self.last_span());
        spec.sets = std::mem::replace(&mut self.sets, sets);
        spec.chains = std::mem::replace(&mut self.chains, chains);
        spec.dynamics = std::mem::replace(&mut self.dynamics, dynamics);
        spec.transport = self.transport;
        reorder(&mut spec.statements);
        Ok(spec)
    }

    fn ends_rule(&self) -> bool {
        matches!(self.peek().kind, Kind::Newline | Kind::End | Kind::Sign(";" | "}"))
    }

    fn statement(&mut self, family: Family, spec: &mut RuleSpec) -> Syntax<()> {
        let start = self.span();
        self.statement_at = start;
        if let Some(verdict) = self.verdict()? {
            if let Some(chain) = verdict.chain() {
                self.chains.push((chain.clone(), self.last_span()));
            }
            spec.statements.push(Statement::Verdict(verdict));
            return Ok(());
        }
        let Kind::Word(word) = self.peek().kind.clone() else {
            if self.is_sign("@") {
                return Err(Problem::not_modelled(start, "nft: raw payload expressions"));
            }
            return self.comparison(spec);
        };
        if ELSE.contains(&&*word) {
            return Err(Problem::not_modelled(start, &format!("nft: {word}")));
        }
        let statement = match &*word {
            "counter" => self.counter(spec)?,
            "limit" | "quota" => self.limit_or_quota(spec)?,
            "log" => Statement::Log(self.log()?),
            "reject" => self.reject(family, spec)?,
            "dnat" | "snat" | "masquerade" | "redirect" => self.nat(family)?,
            "notrack" => {
                self.at += 1;
                Statement::Notrack
            }
            "add" | "update" | "delete" | "set" => self.dynamic()?,
            "tcp" if matches!(&self.peek_at(1).kind, Kind::Word(w) if **w == *"option") => {
                self.tcp_option()?
            }
            "meta" if matches!(&self.peek_at(1).kind, Kind::Word(w) if **w == *"nftrace") => {
                self.at += 2;
                self.expect_word("set", &["set"])?;
                Statement::SetTrace(self.number()?.what)
            }
            _ => return self.comparison(spec),
        };
        if let Statement::Nat(_) | Statement::Reject(_) = statement {
            spec.terminal = Some(start);
        }
        spec.statements.push(statement);
        Ok(())
    }

    /// A verdict; none if no such thing begins here.
    pub(super) fn verdict(&mut self) -> Syntax<Option<Verdict>> {
        let Kind::Word(word) = &self.peek().kind else { return Ok(None) };
        let verdict = match &**word {
            "accept" => Verdict::Accept,
            "drop" => Verdict::Drop,
            "continue" => Verdict::Continue,
            "return" => Verdict::Return,
            "jump" => {
                self.at += 1;
                return self.name(&["'{'"]).map(|n| Some(Verdict::Jump(n.what)));
            }
            "goto" => {
                self.at += 1;
                return self.name(&["'{'"]).map(|n| Some(Verdict::Goto(n.what)));
            }
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some(verdict))
    }

    /// `EXPR TEST`, `EXPR vmap …`, `EXPR set …`.
    fn comparison(&mut self, spec: &mut RuleSpec) -> Syntax<()> {
        let start = self.span();
        let Some(left) = self.expression()? else { return Err(self.no_statement()) };
        let left_span = start.until(self.last_span());
        self.left = left_span;
        if self.take_word("vmap") {
            let set = self.set_ref(&left, &SetData::Verdict)?;
            spec.statements.push(Statement::Vmap(left, set));
            return Ok(());
        }
        if self.is_word("set") {
            self.at += 1;
            spec.statements.push(self.set(left, left_span)?);
            return Ok(());
        }
        let (left, test) = self.test(left)?;
        self.learn(&left, &test, left_span);
        spec.statements.push(Statement::Match(left, test));
        Ok(())
    }

    /// A word that begins no statement. nft takes it for the value of an expression, which ends in another complaint.
    fn no_statement(&mut self) -> Problem {
        if self.peek().name().is_some() && self.peek_at(1).kind != Kind::End {
            let first = self.span();
            let follows = matches!(self.peek_at(1).kind, Kind::Word(_) | Kind::Number(_) | Kind::Quoted(_));
            if follows && self.peek_at(1).name().is_some() {
                return Problem::new(first, "No symbol type information");
            }
            self.at += 1;
        }
        self.unexpected(&[])
    }

    /// The rule goes on for one protocol only.
    fn learn(&mut self, left: &Expr, test: &Test, span: Span) {
        let Test::Value(Cmp::Implicit | Cmp::Eq, value) = test else {
            if let (Expr::Meta(Meta::L4proto) | Expr::Field(_), Test::Set(false, _)) = (left, test)
                && left.ty() == Ty::Proto
            {
                self.transport.get_or_insert(Proto::Th);
            }
            return;
        };
        match left {
            Expr::Meta(Meta::Nfproto) if self.family != Some(Family::Inet) => {
                let text = "meta nfproto is only useful in the inet family";
                self.meaning.push(Problem::new(span, text));
            }
            Expr::Meta(Meta::Nfproto) => {
                self.network = Some(if *value == 2 { Proto::Ip } else { Proto::Ip6 });
            }
            Expr::Meta(Meta::L4proto) => {
                self.transport = Some(Proto::of_number(*value).unwrap_or(Proto::Th));
            }
            Expr::Field(f) if f.ty == Ty::Proto => {
                self.transport = Some(Proto::of_number(*value).unwrap_or(Proto::Th));
            }
            _ => {}
        }
    }

    /// A header can be asked for only if it is not another one.
    pub(super) fn check_protocol(&mut self, proto: Proto, span: Span) {
        let clash =
            |a: Proto, b: Proto| format!("conflicting protocols specified: {} vs. {}", a.name(), b.name());
        if proto.is_network() {
            let own = match self.family {
                Some(Family::Ip) => Some(Proto::Ip),
                Some(Family::Ip6) => Some(Proto::Ip6),
                _ => self.network,
            };
            match own {
                Some(own) if own != proto => self.meaning.push(Problem::new(span, clash(own, proto))),
                _ => self.network = Some(proto),
            }
        } else if proto.number().is_some() {
            match self.transport {
                Some(own) if own != proto && own != Proto::Th => {
                    self.meaning.push(Problem::new(span, clash(own, proto)));
                }
                _ => self.transport = Some(proto),
            }
        }
    }

    fn operator(&mut self) -> Cmp {
        let cmp = match &self.peek().kind {
            Kind::Sign("==") => Cmp::Eq,
            Kind::Sign("!=") => Cmp::Ne,
            Kind::Sign("<") => Cmp::Lt,
            Kind::Sign("<=") => Cmp::Le,
            Kind::Sign(">") => Cmp::Gt,
            Kind::Sign(">=") => Cmp::Ge,
            Kind::Sign("!") => Cmp::Not,
            Kind::Word(w) => match &**w {
                "eq" => Cmp::Eq,
                "ne" => Cmp::Ne,
                "lt" => Cmp::Lt,
                "le" => Cmp::Le,
                "gt" => Cmp::Gt,
                "ge" => Cmp::Ge,
                _ => return Cmp::Implicit,
            },
            _ => return Cmp::Implicit,
        };
        self.at += 1;
        cmp
    }

    fn test(&mut self, mut left: Expr) -> Syntax<(Expr, Test)> {
        let cmp = self.operator();
        let not = cmp == Cmp::Ne;
        if let Expr::Fib(fib) = &mut left
            && fib.result == FibResult::Oif
            && (self.is_word("exists") || self.is_word("missing"))
        {
            fib.result = FibResult::Present;
        }
        if self.is_sign("@") {
            let set = self.set_ref(&left, &SetData::None)?;
            return Ok((left, Test::Set(not, set)));
        }
        if self.is_sign("{") {
            let start = self.span();
            self.at += 1;
            let elements = self.raw_elements(false)?;
            // A set of one value is that value.
            if let ([one], 1) = (&elements[..], left.types().len())
                && let [value] = &one.key[..]
                && one.statements.is_empty()
                && one.comment.is_none()
            {
                return Ok(self.one_value(left, cmp, value));
            }
            let set = self.anonymous(&elements, left.types(), SetData::None, start);
            return Ok((left, Test::Set(not, set)));
        }
        if let Expr::Concat(parts) = &left {
            let values = self.raw_concat()?;
            if values.len() != parts.len() {
                let text = "Can't parse symbolic invalid expressions";
                self.meaning.push(Problem::new(values[0].span, text));
                return Ok((left, Test::Values(cmp, Vec::new())));
            }
            let types = left.types();
            let resolved: Vec<u128> = values
                .iter()
                .zip(types)
                .map(|(v, ty)| self.note(v.low.resolve(ty)).unwrap_or_default())
                .collect();
            return Ok((left, Test::Values(cmp, resolved)));
        }
        let right = self.raw_operand_of(left.ty())?;
        if left.ty().is_bitmask() && self.take_sign("/") {
            let mask = self.raw_operand_of(left.ty())?;
            let value = self.note(right.low.resolve(left.ty())).unwrap_or_default();
            let mask = self.note(mask.low.resolve(left.ty())).unwrap_or_default();
            let cmp = if not { Cmp::Ne } else { Cmp::Eq };
            return Ok((Expr::Op(Box::new(left), Op::And, mask), Test::Value(cmp, value)));
        }
        Ok(self.one_value(left, cmp, &right))
    }

    /// Flags may be followed by a slash that is not a prefix's.
    fn raw_operand_of(&mut self, ty: Ty) -> Syntax<RawRange> {
        if !ty.is_bitmask() {
            return self.raw_operand();
        }
        let slash = (1..16).find(|n| self.peek_at(*n).kind == Kind::Sign("/"));
        let Some(slash) = slash.filter(|n| !(0..*n).any(|i| self.peek_at(i).kind == Kind::Newline)) else {
            return self.raw_operand();
        };
        // Hide what comes behind the slash for a moment.
        let at = self.at + slash;
        let token = std::mem::replace(&mut self.tokens[at].kind, Kind::Newline);
        let operand = self.raw_operand();
        self.tokens[at].kind = token;
        operand
    }

    fn one_value(&mut self, left: Expr, cmp: Cmp, right: &RawRange) -> (Expr, Test) {
        let ty = left.ty();
        let not = cmp == Cmp::Ne;
        let Some((low, high)) = self.note(right.resolve(ty)) else {
            return (left, Test::Value(cmp, 0));
        };
        if let Some(length) = right.low.wildcard(ty) {
            return (left, Test::Prefix(not, low, length));
        }
        if right.prefix.is_some() && low != high {
            return (left, Test::Prefix(not, low, right.prefix.unwrap_or_default() as u8));
        }
        if right.high.is_some() {
            return (left, Test::Range(not, low, high));
        }
        // A test of leading bits is a prefix.
        if let Expr::Op(inner, Op::And, mask) = &left
            && matches!(cmp, Cmp::Implicit | Cmp::Eq | Cmp::Ne)
            && matches!(ty, Ty::Ipv4 | Ty::Ipv6 | Ty::Mark)
            && let Some(length) = mask_length(ty, *mask)
        {
            return ((**inner).clone(), Test::Prefix(not, low, length));
        }
        if cmp == Cmp::Not {
            return (Expr::Op(Box::new(left), Op::And, low), Test::Value(Cmp::Eq, 0));
        }
        (left, Test::Value(cmp, low))
    }

    /// `meta mark set VALUE`, `ct mark set VALUE`.
    fn set(&mut self, left: Expr, span: Span) -> Syntax<Statement> {
        let value = match self.expression()? {
            Some(key) if self.is_word("map") => self.mapped(key, &SetData::Values(vec![left.ty()]))?,
            Some(value) => value,
            None => {
                let raw = self.raw_operand()?;
                let value = self.note(raw.low.resolve(left.ty())).unwrap_or_default();
                Expr::Value(left.ty(), value)
            }
        };
        match left {
            Expr::Meta(Meta::Mark) => Ok(Statement::SetMark(value)),
            Expr::Ct(ct) if ct.key == CtKey::Mark => Ok(Statement::SetCtMark(value)),
            _ => Err(Problem::not_modelled(span, "nft: to set anything but marks")),
        }
    }

    fn counter(&mut self, spec: &mut RuleSpec) -> Syntax<Statement> {
        self.at += 1;
        if self.take_word("name") {
            return self.object(ObjectKind::Counter, spec);
        }
        Ok(Statement::Counter(self.counter_values()?))
    }

    fn object(&mut self, kind: ObjectKind, spec: &mut RuleSpec) -> Syntax<Statement> {
        let span = self.span();
        let name = self.string()?;
        spec.objects.push((kind, name.clone(), span));
        Ok(Statement::Object(kind, name))
    }

    fn limit_or_quota(&mut self, spec: &mut RuleSpec) -> Syntax<Statement> {
        let kind = if self.is_word("limit") { ObjectKind::Limit } else { ObjectKind::Quota };
        if matches!(&self.peek_at(1).kind, Kind::Word(w) if **w == *"name") {
            self.at += 2;
            return self.object(kind, spec);
        }
        self.element_statement()
    }

    /// `limit …`, `quota …`.
    pub(super) fn element_statement(&mut self) -> Syntax<Statement> {
        if self.take_word("limit") {
            return self.limit().map(Statement::Limit);
        }
        self.expect_word("quota", &["quota"])?;
        self.quota().map(Statement::Quota)
    }

    /// `rate [over] N/UNIT [burst N packets]`.
    pub(super) fn limit(&mut self) -> Syntax<Limit> {
        self.expect_word("rate", &["rate"])?;
        let over = self.take_word("over");
        let rate: u64 = self.small()?;
        let (factor, unit) = self.rate_unit()?;
        if rate == 0 {
            let text = "Could not process rule: Invalid argument";
            self.meaning.push(Problem::new(self.statement_at.until(self.last_span()), text));
        }
        let bytes = factor.is_some();
        let mut limit = Limit {
            rate: rate.saturating_mul(factor.unwrap_or(1)),
            unit,
            burst: if bytes { 0 } else { 5 },
            bytes,
            over,
            tokens: u64::MAX,
            last: SimTime::ZERO,
        };
        let at = self.span();
        if self.take_word("burst") {
            let burst: u64 = self.small()?;
            limit.burst = match self.byte_unit() {
                Some(factor) => burst.saturating_mul(factor),
                None => {
                    self.expect_word("packets", &["packets"])?;
                    burst
                }
            };
            if limit.burst == 0 && !bytes {
                let span = at.until(self.last_span());
                return Err(Problem::new(span, "packet limit burst must be > 0"));
            }
        }
        Ok(limit)
    }

    /// `/second`, `mbytes/second`: bytes in the unit, and seconds.
    fn rate_unit(&mut self) -> Syntax<(Option<u64>, u64)> {
        let seconds = |word: &str| {
            Some(match word {
                "second" => 1,
                "minute" => 60,
                "hour" => 3600,
                "day" => 86_400,
                "week" => 604_800,
                _ => return None,
            })
        };
        if self.take_sign("/") {
            let Kind::Word(word) = &self.peek().kind else { return Err(self.unexpected(&[])) };
            let Some(unit) = seconds(word) else { return Err(self.unexpected(&[])) };
            self.at += 1;
            return Ok((None, unit));
        }
        let Kind::Word(word) = &self.peek().kind else { return Err(self.unexpected(&["/"])) };
        let found = word.split_once('/').and_then(|(bytes, unit)| Some((bytes_in(bytes)?, seconds(unit)?)));
        let Some((bytes, unit)) = found else {
            return Err(Problem::new(self.span(), "Wrong rate format"));
        };
        self.at += 1;
        Ok((Some(bytes), unit))
    }

    fn byte_unit(&mut self) -> Option<u64> {
        let Kind::Word(word) = &self.peek().kind else { return None };
        let factor = bytes_in(word)?;
        self.at += 1;
        Some(factor)
    }

    /// `[over] N mbytes [used N bytes]`.
    pub(super) fn quota(&mut self) -> Syntax<Quota> {
        let over = self.take_word("over");
        if !over {
            self.take_word("until");
        }
        let bytes: u64 = self.small()?;
        let Some(factor) = self.byte_unit() else {
            return Err(Problem::new(self.statement_at.until(self.span()), "Wrong rate format"));
        };
        let mut quota = Quota { bytes: bytes.saturating_mul(factor), used: 0, over };
        if self.take_word("used") {
            let used: u64 = self.small()?;
            quota.used = used.saturating_mul(self.byte_unit().unwrap_or(1));
        }
        Ok(quota)
    }

    fn log(&mut self) -> Syntax<Log> {
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

    fn reject(&mut self, family: Family, spec: &mut RuleSpec) -> Syntax<Statement> {
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

    fn nat(&mut self, family: Family) -> Syntax<Statement> {
        let word = self.span();
        let kind = match &self.next().kind {
            Kind::Word(w) => match &**w {
                "dnat" => NatKind::Dnat,
                "snat" => NatKind::Snat,
                "masquerade" => NatKind::Masquerade,
                _ => NatKind::Redirect,
            },
            _ => NatKind::Redirect,
        };
        let mut nat = Nat {
            kind,
            family: None,
            to: NatTo::None,
            ports: None,
            random: false,
            fully_random: false,
            persistent: false,
        };
        let own = self.nat_family();
        let with_port = self.take_word("addr") && {
            self.expect_sign(".", &["."])?;
            self.expect_word("port", &["port"])?;
            true
        };
        let to = self.take_word("to");
        let flags_next = matches!(&self.peek().kind, Kind::Word(w) if matches!(&**w, "random" | "fully-random" | "persistent"));
        if to || !(self.ends_rule() || flags_next || self.is_word("comment")) {
            if matches!(kind, NatKind::Dnat | NatKind::Snat) {
                self.nat_target(&mut nat, family, own, with_port, word)?;
            } else {
                self.take_sign(":");
                self.nat_ports(&mut nat, word)?;
            }
        }
        self.nat_flags(&mut nat)?;
        Ok(Statement::Nat(Box::new(nat)))
    }

    fn nat_family(&mut self) -> Option<Family> {
        if self.is_word("ip") || self.is_word("ip6") {
            // `dnat ip to …`, and not `dnat to ip saddr map …`.
            let follows = matches!(&self.peek_at(1).kind, Kind::Word(w) if matches!(&**w, "to" | "addr"));
            if follows {
                let family = if self.is_word("ip") { Family::Ip } else { Family::Ip6 };
                self.at += 1;
                return Some(family);
            }
        }
        None
    }

    fn nat_target(
        &mut self,
        nat: &mut Nat,
        family: Family,
        own: Option<Family>,
        with_port: bool,
        word: Span,
    ) -> Syntax<()> {
        let start = self.span();
        if self.take_sign(":") {
            return self.nat_ports(nat, word);
        }
        let effective = match (own, family) {
            (Some(own), _) => own,
            (None, Family::Inet) => {
                self.meaning
                    .push(Problem::new(word, "ip or ip6 must be specified with address for inet tables."));
                Family::Ip
            }
            (None, family) => family,
        };
        let ty = if effective == Family::Ip6 { Ty::Ipv6 } else { Ty::Ipv4 };
        if family == Family::Inet {
            nat.family = own;
        }
        if let Some(key) = self.expression()? {
            let looks_like_port = self.map_has_ports() || with_port;
            let data = if looks_like_port { vec![ty, Ty::Service] } else { vec![ty] };
            let map = self.mapped(key, &SetData::Values(data))?;
            if looks_like_port {
                if self.transport.is_none() {
                    let text = "transport protocol mapping is only valid after transport protocol match";
                    let span = start.until(self.last_span());
                    self.meaning.push(Problem::new(span, text).and(word));
                }
                nat.family = Some(effective);
                nat.to = NatTo::MapWithPort(map);
            } else {
                nat.to = NatTo::Map(map);
            }
            return Ok(());
        }
        let range = self.raw_range()?;
        if let Some((low, high)) = self.note(range.resolve(ty)) {
            nat.to = NatTo::Addresses(ty, low, high);
        }
        if self.take_sign(":") {
            self.nat_ports(nat, word)?;
        }
        Ok(())
    }

    /// Whether the elements of the map that follows lead to an address and a port.
    fn map_has_ports(&self) -> bool {
        let mut depth = 0;
        let mut data = false;
        for ahead in 0.. {
            match self.peek_at(ahead).kind {
                Kind::Sign("{") => depth += 1,
                Kind::Sign("}") => return false,
                Kind::Sign(":") if depth == 1 => data = true,
                Kind::Sign(".") if data => return true,
                Kind::Sign(",") => data = false,
                Kind::Newline if depth == 0 => return false,
                Kind::End => return false,
                _ => {}
            }
        }
        false
    }

    fn nat_ports(&mut self, nat: &mut Nat, word: Span) -> Syntax<()> {
        let range = self.raw_range()?;
        if self.transport.is_none() {
            let text = "transport protocol mapping is only valid after transport protocol match";
            self.meaning.push(Problem::new(range.span, text).and(word));
            return Ok(());
        }
        if let Some((low, high)) = self.note(range.resolve(Ty::Service)) {
            nat.ports = Some((low as u16, high as u16));
        }
        Ok(())
    }

    fn nat_flags(&mut self, nat: &mut Nat) -> Syntax<()> {
        loop {
            if self.take_word("random") {
                nat.random = true;
            } else if self.take_word("fully-random") {
                nat.fully_random = true;
            } else if self.take_word("persistent") {
                nat.persistent = true;
            } else {
                return Ok(());
            }
            if !self.take_sign(",") {
                return Ok(());
            }
        }
    }

    /// `add @set { KEY … }`, and the old way `set add KEY @set`.
    fn dynamic(&mut self) -> Syntax<Statement> {
        let start = self.span();
        let old = self.take_word("set");
        let op = match &self.peek().kind {
            Kind::Word(w) => match &**w {
                "add" => DynamicOp::Add,
                "update" => DynamicOp::Update,
                "delete" => DynamicOp::Delete,
                _ => return Err(self.unexpected(&["add", "update", "delete"])),
            },
            _ => return Err(self.unexpected(&["add", "update", "delete"])),
        };
        self.at += 1;
        let mut name = None;
        if !old {
            self.expect_sign("@", &["@"])?;
            name = Some(self.name(&["string"])?);
            self.expect_sign("{", &["'{'"])?;
        }
        let key_at = self.span();
        let Some(key) = self.expression()? else { return Err(self.unexpected(&[])) };
        let key_span = key_at.until(self.last_span());
        let timeout = if self.take_word("timeout") { Some(self.time()?) } else { None };
        let mut statements = Vec::new();
        loop {
            if self.take_word("counter") {
                statements.push(Statement::Counter(self.counter_values()?));
            } else if self.is_word("limit") || self.is_word("quota") {
                statements.push(self.element_statement()?);
            } else if self.is_word("ct") {
                return Err(Problem::not_modelled(self.span(), "nft: ct count"));
            } else {
                break;
            }
        }
        let mut data = None;
        if self.take_sign(":") {
            data = match self.expression()? {
                Some(data) => Some(data),
                None => return Err(Problem::not_modelled(self.span(), "nft: constants in a dynamic map")),
            };
        }
        let name = match name {
            Some(name) => {
                self.expect_sign("}", &["'}'"])?;
                name
            }
            None => {
                self.expect_sign("@", &["@"])?;
                self.name(&["string"])?
            }
        };
        let span = start.until(self.last_span());
        self.dynamics.push((name.clone(), key.types(), key_span, span));
        let set = name.what;
        Ok(Statement::Dynamic(Box::new(Dynamic { op, set, key, timeout, statements, data })))
    }

    /// `tcp option maxseg size set N`.
    fn tcp_option(&mut self) -> Syntax<Statement> {
        let start = self.span();
        let words = ["tcp", "option", "maxseg", "size", "set"];
        let fits = words
            .iter()
            .enumerate()
            .all(|(i, word)| matches!(&self.peek_at(i).kind, Kind::Word(w) if **w == **word));
        if !fits || !matches!(self.peek_at(words.len()).kind, Kind::Number(_)) {
            return Err(Problem::not_modelled(start, "nft: tcp option, but for maxseg size set NUMBER"));
        }
        self.at += words.len();
        Ok(Statement::SetMss(self.small()?))
    }
}

fn bytes_in(unit: &str) -> Option<u64> {
    match unit {
        "bytes" => Some(1),
        "kbytes" => Some(1024),
        "mbytes" => Some(1024 * 1024),
        _ => None,
    }
}

/// The length of the prefix that a mask is.
fn mask_length(ty: Ty, mask: u128) -> Option<u8> {
    let free = !mask & ty.max();
    (free & free.wrapping_add(1) == 0 && mask != 0).then(|| ty.bits() - free.count_ones() as u8)
}

/// Tests of neighbouring fields are one in the kernel, and come back in the order of the header.
fn reorder(statements: &mut [Statement]) {
    for _ in 0..statements.len() {
        for i in 1..statements.len() {
            if let (Some((proto, a, _)), Some((other, b, length))) =
                (mergeable(&statements[i - 1]), mergeable(&statements[i]))
                && proto == other
                && b + length == a
            {
                statements.swap(i - 1, i);
            }
        }
    }
}

/// Header, first bit and length of a field that is compared with one value.
fn mergeable(statement: &Statement) -> Option<(Proto, u16, u16)> {
    let Statement::Match(Expr::Field(field), Test::Value(Cmp::Implicit | Cmp::Eq, _)) = statement else {
        return None;
    };
    let plain = !field.ty.is_bitmask() && field.ty.bits() % 8 == 0 && field.ty != Ty::Ipv6;
    plain.then_some((field.proto, field.offset, u16::from(field.ty.bits())))
}

/// A set that a rule names: its name, the types of the key, the data that is wanted, the expression's place.
pub(super) type NamedSet = (super::Located<Arc<str>>, Vec<Ty>, SetData, Span);

/// The same of a dynamic set: the key's place and the statement's.
pub(super) type NamedDynamic = (super::Located<Arc<str>>, Vec<Ty>, Span, Span);

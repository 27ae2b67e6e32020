//! Expressions, and the sets that are written into a rule.

use std::sync::Arc;

use super::lex::Kind;
use super::raw::{RawData, RawElement};
use super::{Parser, Problem, Span, Syntax};
use crate::linux::conntrack::Direction;
use crate::linux::nftables::elements::{Data, Element, Elements};
use crate::linux::nftables::expr::{Ct, CtKey, Expr, Fib, FibResult, Field, Meta, Op, Proto, SetRef};
use crate::linux::nftables::load::Parts;
use crate::linux::nftables::model::{Set, SetData, SetFlags};
use crate::linux::nftables::types::Ty;

const PROTOS: [(&str, Proto); 11] = [
    ("ether", Proto::Ether),
    ("ip", Proto::Ip),
    ("ip6", Proto::Ip6),
    ("tcp", Proto::Tcp),
    ("udp", Proto::Udp),
    ("udplite", Proto::Udplite),
    ("sctp", Proto::Sctp),
    ("dccp", Proto::Dccp),
    ("icmp", Proto::Icmp),
    ("icmpv6", Proto::Icmp6),
    ("th", Proto::Th),
];

/// Keys of `meta` that exist and are not modelled.
const META_ELSE: [&str; 26] = [
    "priority",
    "iiftype",
    "oiftype",
    "skuid",
    "skgid",
    "nftrace",
    "rtclassid",
    "secmark",
    "ibrname",
    "obrname",
    "cpu",
    "iifgroup",
    "oifgroup",
    "cgroup",
    "random",
    "ipsec",
    "iifkind",
    "oifkind",
    "ibrpvid",
    "ibrvproto",
    "time",
    "day",
    "hour",
    "sdif",
    "sdifname",
    "secpath",
];
const META_KNOWN: &str = "known keys are length, protocol, priority, mark, iif, oif, iifname, oifname, iiftype, oiftype, skuid, \
skgid, nftrace, rtclassid, secmark, nfproto, l4proto, ibrname, obrname, pkttype, cpu, iifgroup, oifgroup, cgroup, random, ipsec, \
iifkind, oifkind, ibrpvid, ibrvproto, time, day, hour, sdif, sdifname";
/// Keys of `ct` that exist and are not modelled.
const CT_ELSE: [&str; 7] = ["helper", "zone", "label", "event", "id", "count", "secmark"];
/// What begins an expression that exists and is not modelled.
const ELSE: [&str; 11] =
    ["arp", "vlan", "symhash", "rt", "socket", "ipsec", "exthdr", "ah", "esp", "comp", "osf"];

impl Parser<'_> {
    /// An expression; none if no such thing begins here.
    pub(super) fn expression(&mut self) -> Syntax<Option<Expr>> {
        let Some(first) = self.operation()? else { return Ok(None) };
        let mut parts = vec![first];
        while self.is_sign(".") {
            self.at += 1;
            let Some(part) = self.operation()? else { return Err(self.unexpected(&[])) };
            parts.push(part);
        }
        if parts.len() > Parts::MAX {
            return Err(Problem::not_modelled(self.last_span(), "a concatenation of more than 8 parts"));
        }
        let expr = if parts.len() == 1 { parts.remove(0) } else { Expr::Concat(parts) };
        Ok(Some(expr))
    }

    /// `EXPR map { … }`, with data of these types.
    pub(super) fn mapped(&mut self, key: Expr, data: &SetData) -> Syntax<Expr> {
        self.expect_word("map", &["map"])?;
        let set = self.set_ref(&key, data)?;
        Ok(Expr::Map(Box::new(key), set))
    }

    /// `@name` or `{ … }`.
    pub(super) fn set_ref(&mut self, key: &Expr, data: &SetData) -> Syntax<SetRef> {
        if self.take_sign("@") {
            let name = self.name(&["string"])?;
            self.sets.push((name.clone(), key.types(), data.clone(), self.left));
            return Ok(SetRef::Named(name.what));
        }
        let start = self.span();
        self.expect_sign("{", &["'{'", "@"])?;
        let elements = self.raw_elements(*data == SetData::Verdict)?;
        Ok(self.anonymous(&elements, key.types(), data.clone(), start))
    }

    /// A set that is written into a rule.
    pub(super) fn anonymous(
        &mut self,
        raw: &[RawElement],
        key: Vec<Ty>,
        data: SetData,
        start: Span,
    ) -> SetRef {
        let interval = raw.iter().any(|e| e.key.iter().zip(&key).any(|(r, ty)| r.is_wide(*ty)));
        let mut set = Set {
            name: "__set%d".into(),
            handle: 0,
            key,
            data,
            typeof_text: None,
            flags: SetFlags { interval, constant: true, ..SetFlags::default() },
            timeout: None,
            gc_interval: None,
            size: None,
            policy_memory: false,
            auto_merge: false,
            comment: None,
            statements: Vec::new(),
            elements: Elements::default(),
        };
        let mut elements = Vec::new();
        for element in raw {
            match resolve(&set, element) {
                Ok(resolved) => {
                    self.chains_of(&resolved.data, element);
                    elements.push((resolved, element.key_span));
                }
                Err(problem) => {
                    self.meaning.push(problem);
                    break;
                }
            }
        }
        let _ = start;
        if interval && set.key.len() == 1 {
            if set.is_map() {
                self.check_conflicts(&elements);
            } else {
                elements = merged(elements);
            }
        }
        for (element, _) in elements {
            if element.low.is_empty() {
                set.elements.any = Some(Box::new(element));
            } else {
                set.elements.insert(element);
            }
        }
        SetRef::Anonymous(Arc::new(set))
    }

    fn chains_of(&mut self, data: &Data, raw: &RawElement) {
        if let Data::Verdict(verdict) = data
            && let Some(chain) = verdict.chain()
        {
            let span = match &raw.data {
                RawData::Verdict(_, span) => *span,
                _ => raw.key_span,
            };
            self.chains.push((chain.clone(), span));
        }
    }

    fn check_conflicts(&mut self, elements: &[(Element, Span)]) {
        for (i, (a, span)) in elements.iter().enumerate() {
            let clash = elements[i + 1..].iter().find(|(b, _)| {
                !a.low.is_empty() && !b.low.is_empty() && a.low[0] <= b.end()[0] && b.low[0] <= a.end()[0]
            });
            if let Some((_, other)) = clash {
                self.meaning.push(Problem::new(*span, "conflicting intervals specified").and(*other));
                return;
            }
        }
    }

    /// An expression with operators.
    fn operation(&mut self) -> Syntax<Option<Expr>> {
        let start = self.span();
        let Some(mut left) = self.primary()? else { return Ok(None) };
        loop {
            let op = match &self.peek().kind {
                Kind::Sign("&") => Op::And,
                Kind::Sign("|") => Op::Or,
                Kind::Sign("^") => Op::Xor,
                Kind::Sign("<<") => Op::Left,
                Kind::Sign(">>") => Op::Right,
                Kind::Word(w) => match &**w {
                    "and" => Op::And,
                    "or" => Op::Or,
                    "xor" => Op::Xor,
                    "lshift" => Op::Left,
                    "rshift" => Op::Right,
                    _ => break,
                },
                _ => break,
            };
            let at = self.span();
            self.at += 1;
            if self.begins_expression() {
                return Err(Problem::not_modelled(at, "arithmetic with two values of a packet"));
            }
            let flags = left.ty().is_bitmask() || self.is_sign("(");
            let right = if flags { self.raw_operand()? } else { self.raw_range()? };
            let value = self.note(right.low.resolve(left.ty()));
            left = Expr::Op(Box::new(left), op, value.unwrap_or_default());
        }
        self.left = start.until(self.last_span());
        Ok(Some(normal(left)))
    }

    /// Whether the next word begins an expression.
    fn begins_expression(&self) -> bool {
        let Kind::Word(word) = &self.peek().kind else { return false };
        matches!(
            &**word,
            "meta" | "ct" | "fib" | "numgen" | "jhash" | "mark" | "iif" | "oif" | "iifname" | "oifname"
        ) || PROTOS.iter().any(|(name, _)| **name == **word)
    }

    /// Keeps what is wrong with a value for later.
    pub(super) fn note<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(problem) => {
                self.meaning.push(problem);
                None
            }
        }
    }

    fn primary(&mut self) -> Syntax<Option<Expr>> {
        if self.take_sign("(") {
            let inner = self.operation()?;
            self.expect_sign(")", &["')'"])?;
            return Ok(inner);
        }
        let Kind::Word(word) = self.peek().kind.clone() else { return Ok(None) };
        let start = self.span();
        if let Some((_, proto)) = PROTOS.iter().find(|(name, _)| **name == *word) {
            self.at += 1;
            return self.field(*proto, start).map(Some);
        }
        if ELSE.contains(&&*word) {
            return Err(Problem::not_modelled(start, &format!("nft: {word}")));
        }
        Ok(Some(match &*word {
            "meta" => {
                self.at += 1;
                self.meta(start)?
            }
            "mark" | "iif" | "oif" | "iifname" | "oifname" | "pkttype" => self.meta(start)?,
            "iiftype" | "oiftype" | "skuid" | "skgid" | "nftrace" | "rtclassid" | "iifgroup" | "oifgroup"
            | "cgroup" => return Err(Problem::not_modelled(start, &format!("nft: meta {word}"))),
            "ct" => {
                self.at += 1;
                self.ct(start)?
            }
            "fib" => {
                self.at += 1;
                self.fib()?
            }
            "numgen" => {
                self.at += 1;
                self.numgen()?
            }
            "jhash" => {
                self.at += 1;
                self.jhash()?
            }
            _ => return Ok(None),
        }))
    }

    fn field(&mut self, proto: Proto, start: Span) -> Syntax<Expr> {
        let Kind::Word(name) = self.peek().kind.clone() else { return Err(self.unexpected(&[])) };
        let Some(field) = Field::find(proto, &name) else {
            let known = match proto {
                Proto::Ip
                | Proto::Ip6
                | Proto::Tcp
                | Proto::Udp
                | Proto::Udplite
                | Proto::Sctp
                | Proto::Dccp => [
                    "checksum",
                    "reserved",
                    "urgptr",
                    "option",
                    "csumcov",
                    "vtag",
                    "chunk",
                    "flowlabel",
                    "hdrlength",
                ]
                .contains(&&*name),
                Proto::Icmp | Proto::Icmp6 => [
                    "checksum",
                    "id",
                    "sequence",
                    "gateway",
                    "mtu",
                    "parameter-problem",
                    "packet-too-big",
                    "max-delay",
                ]
                .contains(&&*name),
                Proto::Ether | Proto::Th => false,
            };
            if known {
                let what = format!("nft: {} {name}", proto.name());
                return Err(Problem::not_modelled(start.until(self.span()), &what));
            }
            return Err(self.unexpected(&[]));
        };
        self.at += 1;
        self.check_protocol(proto, start.until(self.last_span()));
        // Where the transport is known, its own field is meant.
        let own = self.transport.filter(|_| proto == Proto::Th).and_then(|t| Field::find(t, field.name));
        Ok(Expr::Field(own.unwrap_or(field)))
    }

    fn meta(&mut self, start: Span) -> Syntax<Expr> {
        let Kind::Word(name) = self.peek().kind.clone() else { return Err(self.unexpected(&[])) };
        let span = start.until(self.span());
        let Some(meta) = Meta::ALL.into_iter().find(|m| *m.name() == *name) else {
            if META_ELSE.contains(&&*name) {
                return Err(Problem::not_modelled(span, &format!("nft: meta {name}")));
            }
            return Err(Problem::new(span, format!("syntax error, unexpected {name}, {META_KNOWN}")));
        };
        self.at += 1;
        Ok(Expr::Meta(meta))
    }

    fn ct(&mut self, start: Span) -> Syntax<Expr> {
        let dir = if self.take_word("original") {
            Some(Direction::Original)
        } else if self.take_word("reply") {
            Some(Direction::Reply)
        } else {
            None
        };
        let Kind::Word(name) = self.peek().kind.clone() else { return Err(self.unexpected(&[])) };
        let both = match &*name {
            "ip" | "ip6" => match &self.peek_at(1).kind {
                Kind::Word(second) => format!("{name} {second}"),
                _ => name.to_string(),
            },
            _ => name.to_string(),
        };
        let Some(key) = CtKey::ALL.into_iter().find(|k| *k.name() == *both) else {
            if CT_ELSE.contains(&&*name) {
                return Err(Problem::not_modelled(start.until(self.span()), &format!("nft: ct {name}")));
            }
            return Err(self.unexpected(&[]));
        };
        self.at += if both.contains(' ') { 2 } else { 1 };
        let span = start.until(self.last_span());
        let key = match (key, self.family) {
            (CtKey::Saddr, Some(super::super::model::Family::Ip)) => CtKey::IpSaddr,
            (CtKey::Daddr, Some(super::super::model::Family::Ip)) => CtKey::IpDaddr,
            (CtKey::Saddr, Some(super::super::model::Family::Ip6)) => CtKey::Ip6Saddr,
            (CtKey::Daddr, Some(super::super::model::Family::Ip6)) => CtKey::Ip6Daddr,
            (CtKey::Saddr | CtKey::Daddr, _) => {
                let name = key.name();
                let text = format!(
                    "cannot determine ip protocol version, use \"ip {name}\" or \"ip6 {name}\" instead"
                );
                self.meaning.push(Problem::new(span, text));
                let next = self.span();
                self.meaning.push(Problem::new(next, "Can't parse symbolic invalid expressions"));
                key
            }
            (other, _) => other,
        };
        if key.needs_direction() && dir.is_none() {
            return Err(self.unexpected(&[]));
        }
        // The tool knows the type of a port only behind a test of the protocol.
        if matches!(key, CtKey::ProtoSrc | CtKey::ProtoDst) && self.transport.is_none() {
            let next = self.span();
            self.meaning.push(Problem::new(next, "Can't parse symbolic invalid expressions"));
        }
        let dir = if key == CtKey::Protocol { None } else { dir };
        Ok(Expr::Ct(Ct { key, dir }))
    }

    fn fib(&mut self) -> Syntax<Expr> {
        let mut fib = Fib { source: false, mark: false, iif: false, oif: false, result: FibResult::Type };
        let mut any = false;
        while let Kind::Word(word) = &self.peek().kind {
            match &**word {
                "saddr" => fib.source = true,
                "daddr" => fib.source = false,
                "mark" => fib.mark = true,
                "iif" => fib.iif = true,
                "oif" if self.peek_at(1).kind == Kind::Sign(".") || !any => fib.oif = true,
                _ if !any => return Err(self.unexpected(&[])),
                _ => break,
            }
            any = true;
            self.at += 1;
            if !self.take_sign(".") {
                break;
            }
        }
        fib.result = if self.take_word("type") {
            FibResult::Type
        } else if self.take_word("oif") {
            FibResult::Oif
        } else if self.take_word("oifname") {
            FibResult::Oifname
        } else {
            return Err(self.unexpected(&["type", "oif", "oifname"]));
        };
        Ok(Expr::Fib(fib))
    }

    fn numgen(&mut self) -> Syntax<Expr> {
        let random = if self.take_word("random") {
            true
        } else if self.take_word("inc") {
            false
        } else {
            return Err(self.unexpected(&["random", "inc"]));
        };
        self.expect_word("mod", &["mod"])?;
        let modulus = self.small()?;
        let offset = if self.take_word("offset") { self.small()? } else { 0 };
        Ok(Expr::Numgen { random, modulus, offset, next: 0 })
    }

    fn jhash(&mut self) -> Syntax<Expr> {
        let Some(of) = self.expression()? else { return Err(self.unexpected(&[])) };
        self.expect_word("mod", &["mod"])?;
        let modulus = self.small()?;
        let seed = if self.take_word("seed") { Some(self.small()?) } else { None };
        let offset = if self.take_word("offset") { self.small()? } else { 0 };
        Ok(Expr::Jhash { of: Box::new(of), modulus, seed, offset })
    }
}

/// `&`, `|` and `^` with constants are one operation in the kernel, and listed as what that does (`netlink_parse_bitwise`).
fn normal(expr: Expr) -> Expr {
    let mut steps = Vec::new();
    let mut inner = expr;
    while let Expr::Op(left, op @ (Op::And | Op::Or | Op::Xor), value) = inner {
        steps.push((op, value));
        inner = *left;
    }
    if steps.is_empty() {
        return inner;
    }
    let all = inner.ty().max();
    let (mut mask, mut xor) = (all, 0);
    for (op, value) in steps.into_iter().rev() {
        match op {
            Op::And => (mask, xor) = (mask & value, xor & value),
            Op::Or => (mask, xor) = (mask & !value, (xor & !value) | value),
            _ => xor ^= value,
        }
    }
    let or = xor & !mask & all;
    let (mask, xor) = (mask | or, xor & mask);
    let wrap = |e: Expr, op, value| Expr::Op(Box::new(e), op, value);
    if mask != all {
        inner = wrap(inner, Op::And, mask);
    }
    if xor != 0 {
        inner = wrap(inner, Op::Xor, xor);
    }
    if or != 0 {
        inner = wrap(inner, Op::Or, or);
    }
    inner
}

/// An element with values of the set's types.
pub(in super::super) fn resolve(set: &Set, raw: &RawElement) -> Result<Element, Problem> {
    let mut low = Vec::with_capacity(raw.key.len());
    let mut high = Vec::with_capacity(raw.key.len());
    if !raw.key.is_empty() && raw.key.len() != set.key.len() {
        return Err(Problem::new(raw.key[0].span, "Can't parse symbolic invalid expressions"));
    }
    for (range, ty) in raw.key.iter().zip(&set.key) {
        let (from, to) = range.resolve(*ty)?;
        if from != to && !set.flags.interval {
            let kind = if range.high.is_some() { "range" } else { "prefix" };
            let text = format!(
                "You must add 'flags interval' to your set declaration if you want to add {kind} elements"
            );
            return Err(Problem::new(range.span, text));
        }
        low.push(from);
        high.push(to);
    }
    let high = (set.flags.interval && !low.is_empty()).then(|| high.into());
    let mut element = Element::new(low.into(), high);
    element.data = match (&raw.data, &set.data) {
        (RawData::None, _) => Data::None,
        (RawData::Verdict(verdict, _), _) => Data::Verdict(verdict.clone()),
        (RawData::Values(values, span), SetData::Values(types)) => {
            if values.len() != types.len() {
                return Err(Problem::new(*span, "Can't parse symbolic invalid expressions"));
            }
            let resolved = values.iter().zip(types).map(|(v, ty)| {
                if v.is_wide(*ty) {
                    return Err(Problem::not_modelled(v.span, "nft: ranges as data of a map"));
                }
                v.low.resolve(*ty)
            });
            Data::Values(resolved.collect::<Result<Vec<_>, _>>()?.into())
        }
        (RawData::Values(_, span), _) => {
            return Err(Problem::new(*span, "Can't parse symbolic invalid expressions"));
        }
    };
    element.comment = raw.comment.clone();
    element.timeout = raw.timeout;
    element.statements = raw.statements.clone();
    Ok(element)
}

/// Ranges that overlap or touch become one.
pub(in super::super) fn merged(mut elements: Vec<(Element, Span)>) -> Vec<(Element, Span)> {
    elements.sort_by(|a, b| a.0.low.cmp(&b.0.low));
    let mut out: Vec<(Element, Span)> = Vec::new();
    for (element, span) in elements {
        if let Some((last, _)) = out.last_mut()
            && let ([_], [from]) = (&last.low[..], &element.low[..])
            && last.end()[0].saturating_add(1) >= *from
        {
            let end = last.end()[0].max(element.end()[0]);
            last.high = Some([end].into());
            continue;
        }
        out.push((element, span));
    }
    out
}

//! Statements of a rule.

use std::sync::Arc;

use super::command::RuleSpec;
use super::lex::Kind;
use super::{Parser, Problem, Span, Syntax};
use crate::linux::nftables::expr::{Cmp, CtKey, Expr, Meta, Proto, Test};
use crate::linux::nftables::model::{Dynamic, DynamicOp, Family, SetData, Statement, Verdict};
use crate::linux::nftables::types::Ty;

/// Statements that exist and are not modelled.
const ELSE: [&str; 7] = ["queue", "tproxy", "dup", "fwd", "flow", "synproxy", "xt"];

impl Parser<'_> {
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

    pub(super) fn ends_rule(&self) -> bool {
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

    /// A word that begins no statement. nft takes it for the value of an expression, which ends in another complaint.
    pub(super) fn no_statement(&mut self) -> Problem {
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

    /// `meta mark set VALUE`, `ct mark set VALUE`.
    pub(super) fn set(&mut self, left: Expr, span: Span) -> Syntax<Statement> {
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

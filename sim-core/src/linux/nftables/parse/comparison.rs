//! Comparisons of a rule: `ip daddr 10.0.0.0/8`, `tcp dport { 80, 443 }`, `ct state new`.

use super::command::RuleSpec;
use super::lex::Kind;
use super::raw::RawRange;
use super::{Parser, Problem, Span, Syntax};
use crate::linux::nftables::expr::{Cmp, Expr, FibResult, Meta, Op, Proto, Test};
use crate::linux::nftables::model::{Family, SetData, Statement};
use crate::linux::nftables::types::Ty;

impl Parser<'_> {
    /// `EXPR TEST`, `EXPR vmap …`, `EXPR set …`.
    pub(super) fn comparison(&mut self, spec: &mut RuleSpec) -> Syntax<()> {
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
}

/// The length of the prefix that a mask is.
fn mask_length(ty: Ty, mask: u128) -> Option<u8> {
    let free = !mask & ty.max();
    (free & free.wrapping_add(1) == 0 && mask != 0).then(|| ty.bits() - free.count_ones() as u8)
}

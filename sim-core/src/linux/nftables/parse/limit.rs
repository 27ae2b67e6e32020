//! Statements that count or hold back: `counter`, `limit`, `quota`, and named objects of theirs.

use super::command::RuleSpec;
use super::lex::Kind;
use super::{Parser, Problem, Syntax};
use crate::linux::nftables::model::{Limit, ObjectKind, Quota, Statement};
use crate::time::SimTime;

impl Parser<'_> {
    pub(super) fn counter(&mut self, spec: &mut RuleSpec) -> Syntax<Statement> {
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

    pub(super) fn limit_or_quota(&mut self, spec: &mut RuleSpec) -> Syntax<Statement> {
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
}

fn bytes_in(unit: &str) -> Option<u64> {
    match unit {
        "bytes" => Some(1),
        "kbytes" => Some(1024),
        "mbytes" => Some(1024 * 1024),
        _ => None,
    }
}

//! Values before their type is known.

use std::sync::Arc;

use super::lex::Kind;
use super::{Parser, Problem, Span, Syntax};
use crate::linux::nftables::model::{Counter, Statement, Verdict};
use crate::linux::nftables::types::{Ty, ifname};

/// A value as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct RawValue {
    pub(in super::super) text: RawText,
    pub(in super::super) span: Span,
    /// The interface of that name.
    pub(in super::super) interface: Option<u32>,
}

/// How it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum RawText {
    /// As a word or in quotes.
    Word(Arc<str>, bool),
    /// As a number.
    Number(u128),
    /// Flags with `,` or `|` in between.
    Flags(Vec<RawValue>),
}

/// A value, a range or a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct RawRange {
    pub(in super::super) low: RawValue,
    pub(in super::super) high: Option<RawValue>,
    pub(in super::super) prefix: Option<u128>,
    pub(in super::super) span: Span,
}

/// An element of a set.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct RawElement {
    /// The parts of its key; none for `*`.
    pub(in super::super) key: Vec<RawRange>,
    pub(in super::super) key_span: Span,
    pub(in super::super) statements: Vec<Statement>,
    pub(in super::super) timeout: Option<u64>,
    pub(in super::super) expires: Option<u64>,
    pub(in super::super) comment: Option<Arc<str>>,
    pub(in super::super) data: RawData,
}

/// What an element of a map leads to.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum RawData {
    None,
    Verdict(Verdict, Span),
    Values(Vec<RawRange>, Span),
}

impl RawValue {
    /// The value, as one of a type.
    pub(in super::super) fn resolve(&self, ty: Ty) -> Result<u128, Problem> {
        let wrong = |text| Problem::new(self.span, text);
        match &self.text {
            RawText::Number(number) => ty.parse_number(*number).map_err(wrong),
            RawText::Word(word, _) if ty == Ty::Ifname => match word.strip_suffix("\\*") {
                Some(name) => Ok(ifname(&format!("{name}*"))),
                None => Ok(ifname(word.trim_end_matches('*'))),
            },
            RawText::Word(..) if ty == Ty::IfIndex => {
                let index = self.interface.map(u128::from);
                index.ok_or_else(|| Problem::new(self.span, "Interface does not exist"))
            }
            RawText::Word(word, _) => ty.parse_word(word).map_err(wrong),
            RawText::Flags(flags) => flags.iter().try_fold(0, |all, f| Ok(all | f.resolve(ty)?)),
        }
    }

    /// A name of interfaces with `*` at its end: the length of the prefix in bits.
    pub(in super::super) fn wildcard(&self, ty: Ty) -> Option<u8> {
        match &self.text {
            RawText::Word(word, _) if ty == Ty::Ifname && word.ends_with('*') && !word.ends_with("\\*") => {
                Some((word.len() as u8).saturating_sub(1).min(16) * 8)
            }
            _ => None,
        }
    }
}

impl RawRange {
    /// First and last value.
    pub(in super::super) fn resolve(&self, ty: Ty) -> Result<(u128, u128), Problem> {
        let low = self.low.resolve(ty)?;
        let bits = ty.bits();
        let prefix = match self.prefix {
            Some(length) if length > u128::from(bits) => {
                let text = format!("Prefix length {length} is invalid for type of {bits} bits width");
                return Err(Problem::new(self.span, text));
            }
            Some(length) => Some(length as u8),
            None => self.low.wildcard(ty),
        };
        if let Some(length) = prefix {
            let free = u32::from(bits - length);
            let all = if free >= 128 { u128::MAX } else { (1 << free) - 1 };
            return Ok((low & !all, low | all));
        }
        match &self.high {
            None => Ok((low, low)),
            Some(high) => {
                let high = high.resolve(ty)?;
                if high < low {
                    return Err(Problem::new(self.span, "Range negative size"));
                }
                Ok((low, high))
            }
        }
    }

    /// Not a single value.
    pub(in super::super) fn is_wide(&self, ty: Ty) -> bool {
        self.high.is_some()
            || self.prefix.is_some_and(|p| p < u128::from(ty.bits()))
            || self.low.wildcard(ty).is_some()
    }
}

impl Parser<'_> {
    /// One value.
    fn raw_value(&mut self) -> Syntax<RawValue> {
        let span = self.span();
        let text = match &self.peek().kind {
            Kind::Word(word) => RawText::Word(word.clone(), false),
            Kind::Quoted(word) => RawText::Word(word.clone(), true),
            Kind::Number(number) => RawText::Number(*number),
            Kind::Sign("[") => {
                self.at += 1;
                let value = self.raw_value()?;
                self.expect_sign("]", &["']'"])?;
                return Ok(RawValue { span: span.until(self.last_span()), ..value });
            }
            _ => return Err(self.unexpected(&[])),
        };
        self.at += 1;
        let interface = match &text {
            RawText::Word(word, _) => self.interfaces.index(word),
            _ => None,
        };
        Ok(RawValue { text, span, interface })
    }

    /// A value, a range, a prefix.
    pub(super) fn raw_range(&mut self) -> Syntax<RawRange> {
        let start = self.span();
        let low = self.raw_value()?;
        let mut range = RawRange { low, high: None, prefix: None, span: start };
        if self.take_sign("-") {
            range.high = Some(self.raw_value()?);
        } else if self.take_sign("/") {
            range.prefix = Some(self.number()?.what);
        }
        range.span = start.until(self.last_span());
        Ok(range)
    }

    /// `A . B`.
    pub(super) fn raw_concat(&mut self) -> Syntax<Vec<RawRange>> {
        let mut parts = vec![self.raw_range()?];
        while self.take_sign(".") {
            parts.push(self.raw_range()?);
        }
        Ok(parts)
    }

    /// What stands on the right of a comparison: flags, too.
    pub(super) fn raw_operand(&mut self) -> Syntax<RawRange> {
        let start = self.span();
        let brackets = self.take_sign("(");
        let mut range = self.raw_range()?;
        if self.is_sign(",") || self.is_sign("|") {
            let mut flags = vec![range.low];
            while self.take_sign(",") || self.take_sign("|") {
                flags.push(self.raw_value()?);
            }
            let span = start.until(self.last_span());
            range = RawRange {
                low: RawValue { text: RawText::Flags(flags), span, interface: None },
                high: None,
                prefix: None,
                span,
            };
        }
        if brackets {
            self.expect_sign(")", &["')'"])?;
        }
        Ok(range)
    }

    /// `{ element, … }`, from behind the brace to behind its partner.
    pub(super) fn raw_elements(&mut self, verdicts: bool) -> Syntax<Vec<RawElement>> {
        let mut elements = Vec::new();
        self.newlines();
        if self.is_sign("}") {
            return Err(self.unexpected(&[]));
        }
        loop {
            self.newlines();
            if self.take_sign("}") {
                return Ok(elements);
            }
            elements.push(self.raw_element(verdicts)?);
            self.newlines();
            if self.take_sign("}") {
                return Ok(elements);
            }
            self.expect_sign(",", &["comma", "'}'"])?;
        }
    }

    fn raw_element(&mut self, verdicts: bool) -> Syntax<RawElement> {
        let start = self.span();
        let key = if self.take_sign("*") { Vec::new() } else { self.raw_concat()? };
        let mut element = RawElement {
            key,
            key_span: start.until(self.last_span()),
            statements: Vec::new(),
            timeout: None,
            expires: None,
            comment: None,
            data: RawData::None,
        };
        self.element_options(&mut element)?;
        self.newlines();
        if self.take_sign(":") {
            self.newlines();
            let start = self.span();
            element.data = match self.verdict()? {
                Some(verdict) => RawData::Verdict(verdict, start.until(self.last_span())),
                None if verdicts => return Err(self.unexpected(&[])),
                None => {
                    let values = self.raw_concat()?;
                    RawData::Values(values, start.until(self.last_span()))
                }
            };
        }
        Ok(element)
    }

    fn element_options(&mut self, element: &mut RawElement) -> Syntax<()> {
        loop {
            if self.take_word("timeout") {
                element.timeout = Some(self.time()?);
            } else if self.take_word("expires") {
                element.expires = Some(self.time()?);
            } else if self.take_word("comment") {
                element.comment = Some(self.comment()?);
            } else if self.take_word("counter") {
                element.statements.push(Statement::Counter(self.counter_values()?));
            } else if self.is_word("limit") || self.is_word("quota") {
                let statement = self.element_statement()?;
                element.statements.push(statement);
            } else {
                return Ok(());
            }
        }
    }

    /// `packets N bytes N`, if it is there.
    pub(super) fn counter_values(&mut self) -> Syntax<Counter> {
        let mut counter = Counter::default();
        if self.take_word("packets") {
            counter.packets = self.small()?;
            self.expect_word("bytes", &["bytes"])?;
            counter.bytes = self.small()?;
        }
        Ok(counter)
    }
}

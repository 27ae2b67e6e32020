//! Turning tree nodes into values, with a diagnostic for each that does not fit.

use std::fmt::Display;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use ipnet::IpNet;

use super::yaml::{Entry, Node, Position, Value};
use crate::diagnostic::{Diagnostic, Severity};
use crate::kube::objects::nearest::nearest;

/// Collects what is wrong while nodes are read.
pub(super) struct Reader<'a> {
    source: &'a str,
    first_line: u32,
    pub(super) found: Vec<Diagnostic>,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(source: &'a str, first_line: u32) -> Self {
        Self { source, first_line, found: Vec::new() }
    }

    /// Notes a mistake.
    pub(super) fn error(&mut self, at: Position, message: impl Into<String>, help: Option<String>) {
        self.found.push(Diagnostic {
            severity: Severity::Error,
            source: self.source.to_owned(),
            line: at.line + self.first_line - 1,
            column: at.column,
            length: at.length,
            message: message.into(),
            help,
        });
    }

    /// Notes that a known value is not modelled.
    pub(super) fn not_modelled(&mut self, at: Position, what: impl Display) {
        self.error(at, format!("{what} is not modelled yet"), None);
    }

    fn mismatch(&mut self, node: &Node, wanted: &str) {
        self.error(node.at, format!("expected {wanted}, found {}", node.value.kind()), None);
    }

    /// The entries of a mapping; null is an empty one.
    pub(super) fn entries<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Entry] {
        match &node.value {
            Value::Map(entries) => entries,
            Value::Null => &[],
            _ => {
                self.mismatch(node, &format!("a mapping for {what}"));
                &[]
            }
        }
    }

    /// The entries of a mapping whose fields are `known`; each other one is a mistake and left out.
    pub(super) fn fields<'n>(&mut self, node: &'n Node, what: &str, known: &[&str]) -> Vec<&'n Entry> {
        let entries = self.entries(node, what).iter();
        let (good, bad): (Vec<_>, Vec<_>) = entries.partition(|e| known.contains(&e.key.as_str()));
        for e in bad {
            let help = match nearest(&e.key, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known fields: {}", known.join(", ")),
            };
            self.error(e.key_at, format!("unknown field `{}` in {what}", e.key), Some(help));
        }
        good
    }

    /// The items of a list; null is an empty one.
    pub(super) fn items<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        match &node.value {
            Value::List(items) => items,
            Value::Null => &[],
            _ => {
                self.mismatch(node, &format!("a list of {what}"));
                &[]
            }
        }
    }

    pub(super) fn boolean(&mut self, node: &Node) -> Option<bool> {
        match node.value {
            Value::Bool(b) => Some(b),
            _ => {
                self.mismatch(node, "true or false");
                None
            }
        }
    }

    /// A whole number in a range.
    pub(super) fn number<T>(&mut self, node: &Node, what: &str, range: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<i128> + Copy + PartialOrd + Display,
    {
        let Value::Int(n) = node.value else {
            self.mismatch(node, &format!("a whole number for {what}"));
            return None;
        };
        let value = T::try_from(n).ok().filter(|n| range.contains(n));
        if value.is_none() {
            self.error(
                node.at,
                format!("{what} {n} is not between {} and {}", range.start(), range.end()),
                None,
            );
        }
        value
    }

    pub(super) fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        match &node.value {
            Value::Text(s) => Some(s),
            other => {
                let quotable = matches!(other, Value::Bool(_) | Value::Int(_) | Value::Float);
                let help = quotable.then(|| "put it in quotes".to_owned());
                self.error(node.at, format!("expected text for {what}, found {}", other.kind()), help);
                None
            }
        }
    }

    /// Text, or a number or boolean as a person would write it: for values that end up as text anyway.
    pub(super) fn scalar(&mut self, node: &Node, what: &str) -> Option<String> {
        match &node.value {
            Value::Text(s) => Some(s.clone()),
            Value::Int(n) => Some(n.to_string()),
            Value::Bool(b) => Some(b.to_string()),
            _ => {
                self.mismatch(node, &format!("text or a number for {what}"));
                None
            }
        }
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&mut self, node: &Node, what: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(node, what)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let help = nearest(text, known.iter().copied()).map(|near| format!("did you mean `{near}`?"));
        let help = help.or_else(|| Some(format!("one of: {}", known.join(", "))));
        self.error(node.at, format!("unknown {what} `{text}`"), help);
        None
    }

    /// Text of a form.
    pub(super) fn parse<T: FromStr>(&mut self, node: &Node, form: &str) -> Option<T> {
        let text = self.text(node, form)?;
        let value = text.parse().ok();
        if value.is_none() {
            self.error(node.at, format!("`{text}` is not {form}"), None);
        }
        value
    }

    pub(super) fn ip(&mut self, node: &Node) -> Option<IpAddr> {
        self.parse(node, "an IP address")
    }

    /// A prefix without host bits.
    pub(super) fn subnet(&mut self, node: &Node) -> Option<IpNet> {
        let net: IpNet = self.parse(node, "a subnet such as 10.244.0.0/16")?;
        if net.addr() == net.network() {
            return Some(net);
        }
        let help = Some(format!("did you mean `{}`?", net.trunc()));
        self.error(node.at, format!("`{net}` is an address inside a subnet, not the subnet"), help);
        None
    }
}

impl Reader<'_> {
    /// One value, or two separated by a comma.
    fn pair<T>(
        &mut self,
        node: &Node,
        mut one: impl FnMut(&mut Self, &Node) -> Option<T>,
    ) -> Option<(T, Option<T>)> {
        let split = match &node.value {
            Value::Text(text) => {
                text.split_once(',').map(|(a, b)| (a.trim().to_owned(), b.trim().to_owned()))
            }
            _ => None,
        };
        let Some((a, b)) = split else { return Some((one(self, node)?, None)) };
        let part = |text| Node { value: Value::Text(text), ..node.clone() };
        let (a, b) = (one(self, &part(a)), one(self, &part(b)));
        Some((a?, Some(b?)))
    }

    /// A subnet, or one of each family.
    pub(super) fn subnets(&mut self, node: &Node) -> Option<(IpNet, Option<IpNet>)> {
        self.pair(node, Self::subnet)
    }

    /// An address, or one of each family.
    pub(super) fn ips(&mut self, node: &Node) -> Option<(IpAddr, Option<IpAddr>)> {
        self.pair(node, Self::ip)
    }
}

/// The values of a field that may have two.
pub(super) fn set_pair<T>(first: &mut T, second: &mut Option<T>, values: Option<(T, Option<T>)>) {
    if let Some((a, b)) = values {
        (*first, *second) = (a, b);
    }
}

/// The value of a field that is there.
pub(super) fn set<T>(target: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *target = value;
    }
}

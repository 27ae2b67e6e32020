//! State and address filters of `ss(8)`.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use sim_core::linux::socket::{SocketInfo, TcpState};

use super::super::nc::services;

/// An expression over addresses and ports.
pub(super) enum Expr {
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
    /// The local end, or the peer: port compared.
    Port(bool, Compare, u16),
    /// The local end, or the peer: within a network, with a port perhaps.
    Host(bool, Option<IpNet>, Option<u16>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Compare {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Expr {
    pub(super) fn holds(&self, info: &SocketInfo) -> bool {
        let end = |local: bool| -> Option<SocketAddr> { if local { Some(info.local) } else { info.remote } };
        match self {
            Self::And(a, b) => a.holds(info) && b.holds(info),
            Self::Or(a, b) => a.holds(info) || b.holds(info),
            Self::Not(a) => !a.holds(info),
            Self::Port(local, compare, n) => {
                let port = end(*local).map_or(0, |a| a.port());
                match compare {
                    Compare::Equal => port == *n,
                    Compare::NotEqual => port != *n,
                    Compare::Less => port < *n,
                    Compare::LessEqual => port <= *n,
                    Compare::Greater => port > *n,
                    Compare::GreaterEqual => port >= *n,
                }
            }
            Self::Host(local, net, port) => end(*local).is_some_and(|a| {
                net.is_none_or(|n| n.contains(&a.ip())) && port.is_none_or(|p| a.port() == p)
            }),
        }
    }
}

/// Takes `state X`, `exclude X` from the front; the states, and the words behind them.
pub(super) fn states(words: &[String]) -> Result<(Option<Vec<TcpState>>, Vec<String>), String> {
    let mut found: Option<Vec<TcpState>> = None;
    let mut rest = words;
    while let [word, name, more @ ..] = rest {
        let named = match word.as_str() {
            "state" | "exclude" | "excl" => {
                named(name).ok_or_else(|| format!("ss: wrong state name: {name}"))?
            }
            _ => break,
        };
        match (word.as_str(), &mut found) {
            ("state", Some(all)) => all.extend(named),
            ("state", none) => *none = Some(named),
            (_, all) => {
                let kept = all.take().unwrap_or_else(|| ALL.to_vec());
                *all = Some(kept.into_iter().filter(|s| !named.contains(s)).collect());
            }
        }
        rest = more;
    }
    Ok((found, rest.to_vec()))
}

use TcpState as S;

const ALL: [TcpState; 11] = [
    S::Established,
    S::SynSent,
    S::SynReceived,
    S::FinWait1,
    S::FinWait2,
    S::TimeWait,
    S::Closed,
    S::CloseWait,
    S::LastAck,
    S::Listen,
    S::Closing,
];

fn named(name: &str) -> Option<Vec<TcpState>> {
    let except = |out: &[TcpState]| ALL.into_iter().filter(|s| !out.contains(s)).collect();
    Some(match name {
        "all" => ALL.to_vec(),
        "connected" => except(&[S::Listen, S::Closed]),
        "synchronized" => except(&[S::Listen, S::Closed, S::SynSent]),
        "bucket" => vec![S::SynReceived, S::TimeWait],
        "big" => except(&[S::SynReceived, S::TimeWait]),
        "established" => vec![S::Established],
        "syn-sent" => vec![S::SynSent],
        "syn-recv" => vec![S::SynReceived],
        "fin-wait-1" => vec![S::FinWait1],
        "fin-wait-2" => vec![S::FinWait2],
        "time-wait" => vec![S::TimeWait],
        "unconnected" | "closed" => vec![S::Closed],
        "close-wait" => vec![S::CloseWait],
        "last-ack" => vec![S::LastAck],
        "listening" | "listen" => vec![S::Listen],
        "closing" => vec![S::Closing],
        _ => return None,
    })
}

/// Reads an expression; none without words.
pub(super) fn parse(words: &[String]) -> Result<Option<Expr>, String> {
    let text = words.join(" ").replace('(', " ( ").replace(')', " ) ");
    let tokens: Vec<&str> = text.split_whitespace().collect();
    if tokens.is_empty() {
        return Ok(None);
    }
    let mut p = Parser { tokens: &tokens, at: 0 };
    let expr = p.or()?;
    if p.at < tokens.len() { Err(p.bad()) } else { Ok(Some(expr)) }
}

struct Parser<'a> {
    tokens: &'a [&'a str],
    at: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> &'a str {
        self.tokens.get(self.at).copied().unwrap_or_default()
    }

    fn next(&mut self) -> &'a str {
        self.at += 1;
        self.tokens.get(self.at - 1).copied().unwrap_or_default()
    }

    fn bad(&self) -> String {
        format!("ss: bison bellows (while parsing filter): \"syntax error!\" Sorry.\n{}", super::USAGE_HINT)
    }

    fn or(&mut self) -> Result<Expr, String> {
        let mut left = self.and()?;
        while matches!(self.peek(), "or" | "||" | "|") {
            self.at += 1;
            left = Expr::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    /// Expressions side by side hold together.
    fn and(&mut self) -> Result<Expr, String> {
        let mut left = self.one()?;
        loop {
            if matches!(self.peek(), "and" | "&&" | "&") {
                self.at += 1;
            } else if matches!(self.peek(), "" | ")" | "or" | "||" | "|") {
                return Ok(left);
            }
            left = Expr::And(Box::new(left), Box::new(self.one()?));
        }
    }

    fn one(&mut self) -> Result<Expr, String> {
        match self.next() {
            "(" => {
                let inner = self.or()?;
                if self.next() == ")" { Ok(inner) } else { Err(self.bad()) }
            }
            "not" | "!" => Ok(Expr::Not(Box::new(self.one()?))),
            word @ ("sport" | "dport") => {
                let compare = self.compare()?;
                let text = self.next();
                let port = port(text.trim_start_matches(':')).ok_or_else(|| self.bad())?;
                Ok(Expr::Port(word == "sport", compare, port))
            }
            word @ ("src" | "dst") => {
                let negated = match self.peek() {
                    "=" | "==" | "eq" => {
                        self.at += 1;
                        false
                    }
                    "!=" | "ne" | "neq" => {
                        self.at += 1;
                        true
                    }
                    _ => false,
                };
                let host = host(word == "src", self.next()).ok_or_else(|| self.bad())?;
                Ok(if negated { Expr::Not(Box::new(host)) } else { host })
            }
            _ => Err(self.bad()),
        }
    }

    fn compare(&mut self) -> Result<Compare, String> {
        let sign = self.peek();
        let compare = match sign {
            "=" | "==" | "eq" => Compare::Equal,
            "!=" | "ne" | "neq" => Compare::NotEqual,
            "<" | "lt" => Compare::Less,
            "<=" | "le" | "leq" => Compare::LessEqual,
            ">" | "gt" => Compare::Greater,
            ">=" | "ge" | "geq" => Compare::GreaterEqual,
            other if other.starts_with(':') => return Ok(Compare::Equal),
            _ => return Err(self.bad()),
        };
        self.at += 1;
        Ok(compare)
    }
}

fn port(text: &str) -> Option<u16> {
    text.parse().ok().or_else(|| services::port(text, false)).or_else(|| services::port(text, true))
}

/// `10.0.0.1`, `10.0.0.0/8:80`, `[::1]:80`, `:80`
fn host(local: bool, text: &str) -> Option<Expr> {
    let (addr, number) = match text.strip_prefix('[') {
        Some(rest) => {
            let (addr, rest) = rest.split_once(']')?;
            (addr, rest.strip_prefix(':'))
        }
        None if text.matches(':').count() > 1 => (text, None),
        None => text.split_once(':').map_or((text, None), |(a, p)| (a, Some(p))),
    };
    let net = match addr {
        "" | "*" => None,
        _ => {
            Some(addr.parse::<IpNet>().ok().or_else(|| addr.parse::<IpAddr>().ok().map(IpNet::from))?.trunc())
        }
    };
    let number = match number {
        None | Some("*") => None,
        Some(p) => Some(port(p)?),
    };
    Some(Expr::Host(local, net, number))
}

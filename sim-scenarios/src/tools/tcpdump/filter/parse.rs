//! Reading filter expressions.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

use super::arith::Operator;
use super::{Arith, Base, End, Filter, Problem, Proto, Relation, Test};
use crate::tools::nc::services;

/// What stands for addresses: names are looked up while the expression is read.
type LookUp<'a> = &'a mut dyn FnMut(&str) -> Vec<IpAddr>;

/// Parentheses and `not` within each other.
const DEPTH_LIMIT: usize = 64;

/// Reads an expression; none if it is empty.
pub(in crate::tools::tcpdump) fn parse(text: &str, look_up: LookUp<'_>) -> Result<Option<Filter>, Problem> {
    let tokens = tokens(text);
    if tokens.is_empty() {
        return Ok(None);
    }
    let mut parser = Parser { tokens, at: 0, last: None, depth: 0, look_up };
    let filter = parser.expression()?;
    if parser.at < parser.tokens.len() { Err(syntax()) } else { Ok(Some(filter)) }
}

fn syntax() -> Problem {
    Problem::Text("can't parse filter expression: syntax error".to_owned())
}

fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut out = Vec::new();
    let (mut i, mut brackets) = (0, 0);
    while i < chars.len() {
        let c = chars[i];
        let inside = brackets > 0;
        let is_word =
            |c: char| c.is_alphanumeric() || "._-".contains(c) || (!inside && ":/".contains(c)) || c == '\\';
        if c.is_whitespace() {
            i += 1;
        } else if is_word(c) && !(c == '-' || c == '/' || c == ':') {
            let start = i;
            while i < chars.len() && is_word(chars[i]) {
                i += 1;
            }
            out.push(chars[start..i].iter().collect::<String>().trim_start_matches('\\').to_owned());
        } else {
            let pair: String = chars[i..(i + 2).min(chars.len())].iter().collect();
            let long = ["&&", "||", "<=", ">=", "!=", "==", "<<", ">>"].contains(&pair.as_str());
            brackets += i32::from(c == '[') - i32::from(c == ']');
            out.push(if long { pair } else { c.to_string() });
            i += if long { 2 } else { 1 };
        }
    }
    out
}

/// Qualifiers of a primitive, which the next one takes over if it has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Quals {
    proto: Option<Word>,
    end: End,
    kind: Option<Kind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Ether,
    Proto(Proto),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Host,
    Net,
    Port,
    PortRange,
    Proto,
}

struct Parser<'a> {
    tokens: Vec<String>,
    at: usize,
    last: Option<Quals>,
    depth: usize,
    look_up: LookUp<'a>,
}

impl Parser<'_> {
    fn peek(&self) -> &str {
        self.tokens.get(self.at).map_or("", String::as_str)
    }

    fn next(&mut self) -> String {
        self.at += 1;
        self.tokens.get(self.at - 1).cloned().unwrap_or_default()
    }

    fn take(&mut self, words: &[&str]) -> bool {
        let found = words.contains(&self.peek());
        self.at += usize::from(found);
        found
    }

    /// `and` and `or` have one precedence and associate to the left.
    fn expression(&mut self) -> Result<Filter, Problem> {
        let mut left = self.term()?;
        loop {
            if self.take(&["and", "&&"]) {
                left = Filter::And(Box::new(left), Box::new(self.term()?));
            } else if self.take(&["or", "||"]) {
                left = Filter::Or(Box::new(left), Box::new(self.term()?));
            } else {
                return Ok(left);
            }
        }
    }

    fn term(&mut self) -> Result<Filter, Problem> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err(Problem::NotModelled("a filter that deep".to_owned()));
        }
        let term = self.deeper();
        self.depth -= 1;
        term
    }

    fn deeper(&mut self) -> Result<Filter, Problem> {
        if self.take(&["not", "!"]) {
            return Ok(Filter::Not(Box::new(self.term()?)));
        }
        let start = self.at;
        if let Some(test) = self.relation() {
            return Ok(Filter::Test(test));
        }
        self.at = start;
        if self.take(&["("]) {
            let inner = self.expression()?;
            return if self.take(&[")"]) { Ok(inner) } else { Err(syntax()) };
        }
        self.primitive().map(Filter::Test)
    }

    fn primitive(&mut self) -> Result<Test, Problem> {
        let mut quals = Quals::default();
        let mut any = false;
        loop {
            let word = self.peek().to_owned();
            match word.as_str() {
                "src" | "dst" => {
                    self.at += 1;
                    let other = if word == "src" { "dst" } else { "src" };
                    quals.end = if self.tokens.get(self.at + 1).is_some_and(|w| w == other)
                        && self.take(&["and"])
                    {
                        self.at += 1;
                        End::Both
                    } else if self.tokens.get(self.at + 1).is_some_and(|w| w == other) && self.take(&["or"]) {
                        self.at += 1;
                        End::Either
                    } else if word == "src" {
                        End::Src
                    } else {
                        End::Dst
                    };
                }
                "host" | "net" | "port" | "portrange" | "proto" if quals.kind.is_none() => {
                    self.at += 1;
                    quals.kind = Some(match word.as_str() {
                        "host" => Kind::Host,
                        "net" => Kind::Net,
                        "port" => Kind::Port,
                        "portrange" => Kind::PortRange,
                        _ => Kind::Proto,
                    });
                }
                "ether" | "link" => {
                    self.at += 1;
                    quals.proto = Some(Word::Ether);
                }
                word => match protocol(word).filter(|_| quals.proto.is_none() && quals.kind.is_none()) {
                    Some(proto) => {
                        self.at += 1;
                        quals.proto = Some(Word::Proto(proto));
                    }
                    None => break,
                },
            }
            any = true;
        }
        if let Some(test) = self.simple(any, quals)? {
            return Ok(test);
        }
        let ends_here = matches!(self.peek(), "" | ")" | "and" | "or" | "&&" | "||");
        match (quals.proto, ends_here) {
            (Some(Word::Proto(proto)), true) if quals.kind.is_none() && quals.end == End::Either => {
                return Ok(Test::Proto(proto));
            }
            (_, true) => return Err(syntax()),
            (_, false) => {}
        }
        if !any {
            quals = self.last.ok_or_else(syntax)?;
        }
        self.last = Some(quals);
        self.identifier(quals)
    }

    /// Primitives of one word, and those that are known and not modelled.
    fn simple(&mut self, any: bool, quals: Quals) -> Result<Option<Test>, Problem> {
        let word = self.peek().to_owned();
        let test = match word.as_str() {
            "broadcast" | "multicast"
                if quals.kind.is_none() && !matches!(quals.proto, Some(Word::Proto(_))) =>
            {
                Test::Group { broadcast: word == "broadcast" }
            }
            "inbound" | "outbound" if !any => Test::Outbound(word == "outbound"),
            "less" | "greater" if !any => {
                self.at += 1;
                let n = self.next().parse().map_err(|_| syntax())?;
                let relation = if word == "less" { Relation::LessEqual } else { Relation::GreaterEqual };
                return Ok(Some(Test::Relation(Arith::Length, relation, Arith::Number(n))));
            }
            "vlan" | "mpls" | "pppoed" | "pppoes" | "gateway" | "geneve" | "vxlan" | "ifname" | "on"
            | "protochain" | "wlan" | "lat" | "decnet" | "iso" | "stp" | "ipx" | "netbeui" | "llc"
            | "broadcast" | "multicast" => {
                return Err(Problem::NotModelled(format!("tcpdump: the filter `{word}`")));
            }
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some(test))
    }

    fn identifier(&mut self, quals: Quals) -> Result<Test, Problem> {
        let id = self.next();
        let proto = match quals.proto {
            Some(Word::Proto(p)) => Some(p),
            _ => None,
        };
        if quals.proto == Some(Word::Ether) {
            return match quals.kind {
                Some(Kind::Proto) => {
                    let known = [("ip", 0x0800), ("ip6", 0x86dd), ("arp", 0x0806), ("rarp", 0x8035)];
                    let named = known.iter().find(|(n, _)| *n == id).map(|(_, v)| *v);
                    let value = named.or_else(|| number(&id).map(|n| n as u16)).ok_or_else(syntax)?;
                    Ok(Test::Proto(Proto::EtherType(value)))
                }
                _ => mac(&id).map(|m| Test::Mac(quals.end, m)).ok_or_else(syntax),
            };
        }
        match quals.kind {
            None | Some(Kind::Host) => self.host(proto, quals.end, &id),
            Some(Kind::Net) => self.net(proto, quals.end, &id),
            Some(Kind::Port) => {
                let port = port(&id)?;
                Ok(Test::Ports(transport(proto)?, quals.end, port, port))
            }
            Some(Kind::PortRange) => {
                let (low, high) =
                    id.split_once('-').ok_or_else(|| Problem::Text(format!("illegal port range '{id}'")))?;
                let (low, high) = (port(low)?, port(high)?);
                Ok(Test::Ports(transport(proto)?, quals.end, low.min(high), low.max(high)))
            }
            Some(Kind::Proto) => {
                let n = number(&id)
                    .or_else(|| ip_protocol(&id).map(u32::from))
                    .ok_or_else(|| Problem::Text(format!("unknown ip proto '{id}'")))?;
                let (v4, v6) = (proto != Some(Proto::Ip6), proto != Some(Proto::Ip));
                Ok(Test::Proto(Proto::Over { number: n as u8, v4, v6 }))
            }
        }
    }

    fn host(&mut self, proto: Option<Proto>, end: End, id: &str) -> Result<Test, Problem> {
        if let Ok(addr) = id.parse::<IpAddr>() {
            return Ok(Test::Hosts(proto, end, vec![addr]));
        }
        if id.contains('/') || short_v4(id).is_some() {
            return self.net(proto, end, id);
        }
        let found = (self.look_up)(id);
        if found.is_empty() {
            return Err(Problem::Text(format!("unknown host '{id}'")));
        }
        Ok(Test::Hosts(proto, end, found))
    }

    fn net(&mut self, proto: Option<Proto>, end: End, id: &str) -> Result<Test, Problem> {
        let (addr, bits) = id.split_once('/').map_or((id, None), |(a, b)| (a, Some(b)));
        if let Ok(v6 @ IpAddr::V6(_)) = addr.parse::<IpAddr>() {
            let bits = bits.map_or(Ok(128), str::parse).map_err(|_| syntax())?;
            let net =
                IpNet::new(v6, bits).map_err(|_| Problem::Text("mask length must be <= 128".to_owned()))?;
            return Ok(Test::Net(proto, end, net.trunc()));
        }
        let (base, own) = short_v4(addr).ok_or_else(|| Problem::Text(format!("unknown network '{id}'")))?;
        let bits = match bits {
            Some(b) => b.parse::<u8>().map_err(|_| syntax())?,
            None if self.take(&["mask"]) => {
                let mask: Ipv4Addr = self.next().parse().map_err(|_| syntax())?;
                ipnet::ipv4_mask_to_prefix(mask)
                    .map_err(|_| Problem::NotModelled("tcpdump: a mask with holes".to_owned()))?
            }
            None => own,
        };
        if bits > 32 {
            return Err(Problem::Text("mask length must be <= 32".to_owned()));
        }
        let net = Ipv4Net::new(base, bits).map_err(|_| syntax())?;
        if net.trunc().addr() != base {
            let text = format!("non-network bits set in \"{id}\"");
            return Err(Problem::Text(text));
        }
        Ok(Test::Net(proto, end, net.into()))
    }

    // ---- arithmetic

    /// `a relop b`; none if that is not what stands here.
    fn relation(&mut self) -> Option<Test> {
        let left = self.sum(0)?;
        let relation = match self.next().as_str() {
            "<" => Relation::Less,
            "<=" => Relation::LessEqual,
            "=" | "==" => Relation::Equal,
            "!=" => Relation::NotEqual,
            ">" => Relation::Greater,
            ">=" => Relation::GreaterEqual,
            _ => return None,
        };
        let right = self.sum(0)?;
        Some(Test::Relation(left, relation, right))
    }

    /// Operators from the loosest to the tightest.
    fn sum(&mut self, level: usize) -> Option<Arith> {
        use Operator::{Add, And, Div, Left, Mod, Mul, Or, Right, Sub, Xor};
        const LEVELS: [&[(&str, Operator)]; 4] = [
            &[("|", Or), ("^", Xor)],
            &[("&", And)],
            &[("<<", Left), (">>", Right)],
            &[("+", Add), ("-", Sub), ("*", Mul), ("/", Div), ("%", Mod)],
        ];
        let Some(operators) = LEVELS.get(level) else { return self.atom() };
        let mut left = self.sum(level + 1)?;
        while let Some((_, operator)) = operators.iter().find(|(sign, _)| *sign == self.peek()) {
            self.at += 1;
            left = Arith::Both(Box::new(left), *operator, Box::new(self.sum(level + 1)?));
        }
        Some(left)
    }

    fn atom(&mut self) -> Option<Arith> {
        self.depth += 1;
        let atom = if self.depth > DEPTH_LIMIT { None } else { self.atom_within() };
        self.depth -= 1;
        atom
    }

    fn atom_within(&mut self) -> Option<Arith> {
        if self.take(&["("]) {
            let inner = self.sum(0)?;
            return self.take(&[")"]).then_some(inner);
        }
        let word = self.next();
        if word == "len" {
            return Some(Arith::Length);
        }
        if let Some(n) = number(&word).or_else(|| constant(&word)) {
            return Some(Arith::Number(n));
        }
        let base = match word.as_str() {
            "ether" | "link" => Base::Ether,
            "ip" => Base::Ip,
            "ip6" => Base::Ip6,
            "arp" => Base::Arp,
            "icmp6" => Base::Icmp6,
            other => Base::Transport(ip_protocol(other)?),
        };
        if !self.take(&["["]) {
            return None;
        }
        let at = self.sum(0)?;
        let size =
            if self.take(&[":"]) { self.next().parse().ok().filter(|n| matches!(n, 1 | 2 | 4))? } else { 1 };
        self.take(&["]"]).then(|| Arith::Bytes(base, Box::new(at), size))
    }
}

fn protocol(word: &str) -> Option<Proto> {
    Some(match word {
        "ip" => Proto::Ip,
        "ip6" => Proto::Ip6,
        "arp" => Proto::Arp,
        "rarp" => Proto::Rarp,
        "icmp" | "igmp" => Proto::Over { number: ip_protocol(word)?, v4: true, v6: false },
        "icmp6" => Proto::Over { number: 58, v4: false, v6: true },
        "tcp" | "udp" | "sctp" | "esp" | "ah" | "pim" | "vrrp" => {
            Proto::Over { number: ip_protocol(word)?, v4: true, v6: true }
        }
        _ => return None,
    })
}

fn ip_protocol(word: &str) -> Option<u8> {
    Some(match word {
        "icmp" => 1,
        "igmp" => 2,
        "ipip" => 4,
        "tcp" => 6,
        "udp" => 17,
        "gre" => 47,
        "esp" => 50,
        "ah" => 51,
        "icmp6" | "ipv6-icmp" => 58,
        "ospf" => 89,
        "pim" => 103,
        "vrrp" => 112,
        "sctp" => 132,
        _ => return None,
    })
}

/// The protocol in whose header a port is looked for.
fn transport(proto: Option<Proto>) -> Result<Option<u8>, Problem> {
    match proto {
        None | Some(Proto::Ip | Proto::Ip6) => Ok(None),
        Some(Proto::Over { number: n @ (6 | 17 | 132), .. }) => Ok(Some(n)),
        Some(_) => Err(Problem::Text("illegal qualifier of 'port'".to_owned())),
    }
}

fn port(text: &str) -> Result<u16, Problem> {
    if let Ok(n) = text.parse::<u64>() {
        return u16::try_from(n).map_err(|_| Problem::Text(format!("illegal port number {n} > 65535")));
    }
    let named = services::port(text, false).or_else(|| services::port(text, true));
    named.ok_or_else(|| Problem::Text(format!("unknown port '{text}'")))
}

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// `10`, `10.244`, `10.244.1`, `10.244.1.0`: the address, and the bits that were given.
fn short_v4(text: &str) -> Option<(Ipv4Addr, u8)> {
    let parts = text.split('.').map(str::parse::<u8>).collect::<Result<Vec<u8>, _>>().ok()?;
    if parts.is_empty() || parts.len() > 4 {
        return None;
    }
    let mut octets = [0; 4];
    octets[..parts.len()].copy_from_slice(&parts);
    Some((octets.into(), parts.len() as u8 * 8))
}

fn mac(text: &str) -> Option<[u8; 6]> {
    text.parse::<sim_core::packet::MacAddr>().ok().map(|m| m.0)
}

/// Names of offsets and values.
fn constant(word: &str) -> Option<u32> {
    Some(match word {
        "tcpflags" => 13,
        "tcp-fin" => 1,
        "tcp-syn" => 2,
        "tcp-rst" => 4,
        "tcp-push" => 8,
        "tcp-ack" => 16,
        "tcp-urg" => 32,
        "tcp-ece" => 64,
        "tcp-cwr" => 128,
        "icmptype" | "icmp6type" => 0,
        "icmpcode" | "icmp6code" => 1,
        "icmp-echoreply" => 0,
        "icmp-unreach" => 3,
        "icmp-sourcequench" => 4,
        "icmp-redirect" => 5,
        "icmp-echo" => 8,
        "icmp-routeradvert" => 9,
        "icmp-routersolicit" => 10,
        "icmp-timxceed" => 11,
        "icmp-paramprob" => 12,
        "icmp-tstamp" => 13,
        "icmp-tstampreply" => 14,
        "icmp6-destinationunreach" => 1,
        "icmp6-packettoobig" => 2,
        "icmp6-timeexceeded" => 3,
        "icmp6-parameterproblem" => 4,
        "icmp6-echo" => 128,
        "icmp6-echoreply" => 129,
        "icmp6-neighborsolicit" => 135,
        "icmp6-neighboradvert" => 136,
        _ => return None,
    })
}

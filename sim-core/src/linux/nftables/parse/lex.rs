//! Words of an nft text, with their places.

use std::hash::Hasher as _;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use rustc_hash::FxHasher;

use super::Span;
use crate::packet::MacAddr;

/// A word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Span,
}

/// What a word is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name, a keyword, an address, a time.
    Word(Arc<str>),
    /// In quotes.
    Quoted(Arc<str>),
    /// A number.
    Number(u128),
    /// A sign.
    Sign(&'static str),
    /// The end of a line.
    Newline,
    /// Something that is no word.
    Junk,
    /// The end.
    End,
}

/// Signs, longer ones first, and what messages call them.
const SIGNS: [(&str, &str); 28] = [
    ("<<", "<<"),
    (">>", ">>"),
    ("==", "=="),
    ("!=", "!="),
    ("<=", "<="),
    (">=", ">="),
    ("{", "'{'"),
    ("}", "'}'"),
    ("[", "'['"),
    ("]", "']'"),
    ("(", "'('"),
    (")", "')'"),
    ("<", "<"),
    (">", ">"),
    ("=", "'='"),
    ("!", "!"),
    (",", "comma"),
    (".", "."),
    (":", "colon"),
    (";", "semicolon"),
    ("/", "/"),
    ("-", "-"),
    ("*", "*"),
    ("@", "@"),
    ("$", "'$'"),
    ("&", "&"),
    ("|", "|"),
    ("+", "+"),
];

/// Words that can't be names.
const KEYWORDS: &[&str] = &[
    "table",
    "chain",
    "rule",
    "set",
    "map",
    "element",
    "elements",
    "add",
    "create",
    "insert",
    "delete",
    "replace",
    "list",
    "flush",
    "rename",
    "reset",
    "get",
    "monitor",
    "export",
    "import",
    "describe",
    "include",
    "define",
    "redefine",
    "undefine",
    "accept",
    "drop",
    "continue",
    "jump",
    "goto",
    "return",
    "counter",
    "quota",
    "log",
    "limit",
    "reject",
    "meta",
    "ct",
    "ip",
    "ip6",
    "tcp",
    "udp",
    "icmp",
    "icmpv6",
    "sctp",
    "dccp",
    "udplite",
    "ether",
    "arp",
    "vlan",
    "comment",
    "type",
    "typeof",
    "flags",
    "policy",
    "handle",
    "position",
    "index",
    "hook",
    "timeout",
    "update",
    "snat",
    "dnat",
    "masquerade",
    "redirect",
    "queue",
    "notrack",
    "fib",
    "numgen",
    "jhash",
    "symhash",
    "vmap",
    "inet",
    "netdev",
    "bridge",
    "th",
    "flowtable",
    "synproxy",
    "tproxy",
    "dup",
    "fwd",
    "rt",
    "socket",
    "ipsec",
    "mark",
    "iif",
    "oif",
    "iifname",
    "oifname",
    "pkttype",
    "exthdr",
    "counters",
    "quotas",
];

fn is_keyword(word: &str) -> bool {
    const LONGEST: usize = 10;
    word.len() <= LONGEST && KEYWORDS.iter().any(|keyword| same(keyword, word))
}

/// Whether two words are equal. Most are told apart by length and first letter.
pub(super) fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.as_bytes().first() == b.as_bytes().first() && a == b
}

/// Columns that a text takes.
fn width(text: &str) -> u32 {
    let columns = if text.is_ascii() { text.len() } else { text.chars().count() };
    columns as u32
}

impl Token {
    /// What a message calls it.
    pub(super) fn title(&self) -> String {
        match &self.kind {
            Kind::Word(word) if is_keyword(word) => word.to_string(),
            Kind::Word(_) => "string".to_owned(),
            Kind::Quoted(_) => "quoted string".to_owned(),
            Kind::Number(_) => "number".to_owned(),
            Kind::Sign(sign) => {
                SIGNS.iter().find(|s| s.0 == *sign).map_or_else(|| (*sign).to_owned(), |s| s.1.to_owned())
            }
            Kind::Newline => "newline".to_owned(),
            Kind::Junk => "junk".to_owned(),
            Kind::End => "end of file".to_owned(),
        }
    }

    /// A word that may be a name.
    pub(super) fn name(&self) -> Option<&Arc<str>> {
        match &self.kind {
            Kind::Word(word) if !is_keyword(word) => Some(word),
            _ => None,
        }
    }
}

/// Cuts a text into words.
pub(super) struct Lexer<'t> {
    rest: &'t str,
    line: u32,
    column: u32,
    /// Braces that are open.
    depth: u32,
    tokens: Vec<Token>,
    ended: bool,
    recent: Recent,
}

/// Words that were read lately, by their hash: the same few come again and again.
struct Recent(Box<[Option<Arc<str>>]>);

impl Recent {
    const SIZE: usize = 256;

    fn word(&mut self, text: &str) -> Arc<str> {
        let mut hasher = FxHasher::default();
        hasher.write(text.as_bytes());
        let slot = &mut self.0[(hasher.finish() >> 32) as usize % Self::SIZE];
        match slot {
            Some(word) if **word == *text => word.clone(),
            _ => slot.insert(text.into()).clone(),
        }
    }
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let recent = Recent(vec![None; Recent::SIZE].into());
        Self { rest: text, line: 1, column: 1, depth: 0, tokens: Vec::new(), ended: false, recent }
    }

    /// Reads up to the end of a line on which no brace is open. The last word of all is [`Kind::End`]; nothing comes behind it.
    pub(super) fn read(&mut self, into: &mut Vec<Token>) -> bool {
        if self.ended {
            return false;
        }
        while !(self.rest.is_empty() || self.depth == 0 && self.is_at_newline()) {
            self.next();
        }
        // Blanks and remarks may be all that follows.
        while self.rest.starts_with([' ', '\t', '\r', '#']) || self.rest.starts_with("\\\n") {
            self.next();
        }
        if self.rest.is_empty() {
            // What is not ended with a line's end is, all the same.
            if !self.is_at_newline() && (!self.tokens.is_empty() || !into.is_empty()) {
                self.push(Kind::Newline, 1);
                self.line += 1;
                self.column = 1;
            }
            self.push(Kind::End, 1);
            self.ended = true;
        }
        into.append(&mut self.tokens);
        true
    }

    fn is_at_newline(&self) -> bool {
        self.tokens.last().is_some_and(|t| t.kind == Kind::Newline)
    }

    /// A token of `width` columns that begins here.
    fn push(&mut self, kind: Kind, width: u32) {
        match kind {
            Kind::Sign("{") => self.depth += 1,
            Kind::Sign("}") => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        let span = Span { line: self.line, from: self.column, to: self.column + width.max(1) - 1 };
        self.tokens.push(Token { kind, span });
    }

    fn skip(&mut self, bytes: usize) {
        self.column += width(&self.rest[..bytes]);
        self.rest = &self.rest[bytes..];
    }

    fn take(&mut self, kind: Kind, bytes: usize) {
        let width = width(&self.rest[..bytes]);
        self.push(kind, width);
        self.column += width;
        self.rest = &self.rest[bytes..];
    }

    fn take_word(&mut self, bytes: usize) {
        let word = self.recent.word(&self.rest[..bytes]);
        self.take(Kind::Word(word), bytes);
    }

    fn next(&mut self) {
        let Some(first) = self.rest.chars().next() else { return };
        match first {
            '\n' => {
                self.take(Kind::Newline, 1);
                self.line += 1;
                self.column = 1;
            }
            '\\' if self.rest.starts_with("\\\n") => {
                self.rest = &self.rest[2..];
                self.line += 1;
                self.column = 1;
            }
            ' ' | '\t' | '\r' => {
                self.column += 1;
                self.rest = &self.rest[1..];
            }
            '#' => {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                self.skip(end);
            }
            '"' => self.quoted(),
            _ => self.word(first),
        }
    }

    fn quoted(&mut self) {
        match self.rest[1..].find(['"', '\n']).filter(|at| self.rest[1 + at..].starts_with('"')) {
            Some(end) => {
                let text: Arc<str> = self.rest[1..=end].into();
                self.take(Kind::Quoted(text), end + 2);
            }
            None => self.take(Kind::Junk, 1),
        }
    }

    fn word(&mut self, first: char) {
        if let Some(length) =
            Some(first).filter(|c| c.is_ascii_hexdigit() || *c == ':').and(address(self.rest))
        {
            return self.take_word(length);
        }
        if first.is_ascii_digit() {
            return self.number();
        }
        let continues = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-');
        let second = self.rest[first.len_utf8()..].chars().next();
        if first.is_ascii_alphabetic() || first == '_' || (first == '.' && second.is_some_and(continues)) {
            let length = self.rest.bytes().position(|b| !continues(char::from(b)));
            let mut end = length.unwrap_or(self.rest.len());
            if self.rest[end..].starts_with("\\*") {
                end += 2;
            } else if self.rest[end..].starts_with('*') {
                end += 1;
            }
            return self.take_word(end);
        }
        let begins = |sign: &str| sign.starts_with(first) && self.rest.starts_with(sign);
        if let Some((sign, _)) = SIGNS.iter().find(|(sign, _)| begins(sign)) {
            return self.take(Kind::Sign(sign), sign.len());
        }
        if first == '^' {
            return self.take(Kind::Sign("^"), 1);
        }
        self.take(Kind::Junk, first.len_utf8());
    }

    /// A number, or a time like `1m30s`.
    fn number(&mut self) {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(self.rest.len());
        let word = &self.rest[..end];
        let number = match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
            Some(hex) => u128::from_str_radix(hex, 16).ok(),
            None => word.parse().ok(),
        };
        if let Some(number) = number {
            return self.take(Kind::Number(number), end);
        }
        if crate::linux::nftables::types::parse_time(word).is_some() {
            return self.take_word(end);
        }
        let digits = word.bytes().take_while(u8::is_ascii_digit).count();
        let number = word[..digits].parse().unwrap_or(u128::MAX);
        self.take(Kind::Number(number), digits);
    }
}

/// The length of an address at the beginning of a text.
fn address(text: &str) -> Option<usize> {
    let run =
        text.bytes().position(|b| !b.is_ascii_hexdigit() && b != b':' && b != b'.').unwrap_or(text.len());
    let run = &text[..run];
    if !run.bytes().any(|b| matches!(b, b':' | b'.')) {
        return None;
    }
    if run.contains(':') {
        let mac = run.get(..17).filter(|r| r.parse::<MacAddr>().is_ok());
        if let Some(mac) = mac {
            return Some(mac.len());
        }
        // A colon behind the address may belong to what follows.
        for end in (2..=run.len()).rev() {
            if run[..end].parse::<Ipv6Addr>().is_ok() {
                return Some(end);
            }
            if run.len() - end > 2 {
                break;
            }
        }
    }
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let mut dots = text[..end].match_indices('.').map(|(at, _)| at);
    let end = dots.nth(3).unwrap_or(end);
    text[..end].parse::<Ipv4Addr>().is_ok().then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let (mut lexer, mut tokens) = (Lexer::new(text), Vec::new());
        while lexer.read(&mut tokens) {}
        tokens
            .into_iter()
            .map(|t| match t.kind {
                Kind::Word(w) => w.to_string(),
                Kind::Number(n) => format!("#{n}"),
                Kind::Sign(s) => s.to_owned(),
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn addresses_ranges_and_names_are_words() {
        assert_eq!(
            words("10.0.0.1-10.0.0.5:80 fe80::/10 service-AB-ns1/svc1/tcp/p80 1m30s 0x10"),
            [
                "10.0.0.1",
                "-",
                "10.0.0.5",
                ":",
                "#80",
                "fe80::",
                "/",
                "#10",
                "service-AB-ns1/svc1/tcp/p80",
                "1m30s",
                "#16",
                "Newline",
                "End"
            ]
        );
        assert_eq!(words("eth* ."), ["eth*", ".", "Newline", "End"]);
    }

    #[test]
    fn a_text_is_read_up_to_the_end_of_a_line_without_open_braces() {
        let mut lexer = Lexer::new("a { b\nc }\nd }\n # e\n\nf {\n  # g");
        let mut lengths = Vec::new();
        let mut tokens = Vec::new();
        while lexer.read(&mut tokens) {
            lengths.push(tokens.len());
        }
        // The last one: f { newline newline end.
        assert_eq!(lengths, [7, 10, 11, 12, 16]);
        assert_eq!(words("")[..], ["End"]);
        assert_eq!(words(" # x")[..], ["End"]);
        assert_eq!(words("x # x\n  ")[..], ["x", "Newline", "End"]);
    }

    #[test]
    fn no_keyword_is_longer_than_the_longest() {
        assert!(KEYWORDS.iter().all(|word| is_keyword(word)));
    }
}

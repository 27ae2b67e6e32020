//! Words of `dig`.

use std::net::IpAddr;
use std::time::Duration;

use sim_core::kube::dns::name;
use sim_core::kube::dns::resolver::bind::Patience;
use sim_core::kube::dns::wire::RecordType;

use super::super::Cx;

/// What was asked for.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) name: String,
    pub(super) rtype: RecordType,
    pub(super) server: Option<String>,
    pub(super) port: u16,
    pub(super) show: Show,
    pub(super) search: bool,
    pub(super) recurse: bool,
    /// UDP size in an OPT record.
    pub(super) edns: Option<u16>,
    pub(super) cookie: bool,
    pub(super) patience: Patience,
}

/// Which parts are printed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Show {
    pub(super) short: bool,
    pub(super) cmd: bool,
    pub(super) comments: bool,
    pub(super) question: bool,
    pub(super) answer: bool,
    pub(super) authority: bool,
    pub(super) additional: bool,
    pub(super) stats: bool,
}

impl Show {
    fn everything(&mut self, on: bool) {
        *self = Self {
            short: self.short,
            cmd: on,
            comments: on,
            question: on,
            answer: on,
            authority: on,
            additional: on,
            stats: on,
        };
    }
}

impl Options {
    /// Reads the words; the status to end with if they make no command.
    pub(super) fn parse(cx: &mut Cx<'_>) -> Result<Self, i32> {
        let on = true;
        let mut options = Self {
            name: String::new(),
            rtype: RecordType::A,
            server: None,
            port: 53,
            show: Show {
                short: false,
                cmd: on,
                comments: on,
                question: on,
                answer: on,
                authority: on,
                additional: on,
                stats: on,
            },
            search: false,
            recurse: true,
            edns: Some(1232),
            cookie: true,
            patience: Patience {
                timeout: Duration::from_secs(5),
                tries: 3,
                ignore_truncation: false,
                tcp: false,
            },
        };
        let words = cx.operands().to_vec();
        let mut words = words.iter().map(String::as_str);
        let mut typed = false;
        while let Some(word) = words.next() {
            if let Some(server) = word.strip_prefix('@') {
                options.server = Some(server.to_owned());
            } else if let Some(flag) = word.strip_prefix('+') {
                options.flag(cx, flag)?;
            } else if word.len() > 1 && word.starts_with('-') {
                typed |= options.option(cx, word, &mut words)?;
            } else if let Some(rtype) = RecordType::from_mnemonic(word).filter(|_| !typed) {
                (options.rtype, typed) = (rtype, true);
            } else if options.name.is_empty() {
                options.name = word.to_owned();
            } else {
                return Err(cx.not_modelled("dig: more than one question"));
            }
        }
        if options.name.is_empty() {
            (options.name, options.rtype) =
                (".".to_owned(), if typed { options.rtype } else { RecordType::NS });
        }
        Ok(options)
    }

    /// An option with a dash; whether it set the type.
    fn option<'w>(
        &mut self,
        cx: &mut Cx<'_>,
        word: &str,
        words: &mut impl Iterator<Item = &'w str>,
    ) -> Result<bool, i32> {
        let (letter, rest) = word[1..].split_at(1);
        if matches!(letter, "4" | "6") && rest.is_empty() {
            return Ok(false);
        }
        if !matches!(letter, "x" | "t" | "p" | "q") {
            return Err(cx.not_modelled(format!("dig: option {word}")));
        }
        let value = if rest.is_empty() { words.next().unwrap_or_default() } else { rest };
        let valid = match letter {
            "x" => value.parse::<IpAddr>().is_ok_and(|addr| {
                (self.name, self.rtype) = (name::reverse(addr), RecordType::PTR);
                true
            }),
            "t" => RecordType::from_mnemonic(value).is_some_and(|rtype| {
                self.rtype = rtype;
                true
            }),
            "p" => value.parse().is_ok_and(|port| {
                self.port = port;
                true
            }),
            _ => {
                value.clone_into(&mut self.name);
                true
            }
        };
        if valid {
            Ok(matches!(letter, "x" | "t"))
        } else {
            Err(cx.not_modelled(format!("dig: {word} {value}")))
        }
    }

    fn flag(&mut self, cx: &mut Cx<'_>, flag: &str) -> Result<(), i32> {
        let (on, name) = flag.strip_prefix("no").map_or((true, flag), |rest| (false, rest));
        let (name, value) = name.split_once('=').map_or((name, None), |(n, v)| (n, Some(v)));
        let number = value.and_then(|v| v.parse::<u32>().ok());
        match (name, number) {
            ("short", _) => self.show.short = on,
            ("cmd", _) => self.show.cmd = on,
            ("all", _) => self.show.everything(on),
            ("comments", _) => self.show.comments = on,
            ("question", _) => self.show.question = on,
            ("answer", _) => self.show.answer = on,
            ("authority", _) => self.show.authority = on,
            ("additional", _) => self.show.additional = on,
            ("stats", _) => self.show.stats = on,
            ("search", _) => self.search = on,
            ("rec" | "recurse", _) => self.recurse = on,
            ("edns", _) => self.edns = on.then_some(1232),
            ("bufsize", Some(n)) => self.edns = Some(n.clamp(0, 65_535) as u16),
            ("cookie", None) => self.cookie = on,
            ("tcp" | "vc", _) => self.patience.tcp = on,
            ("ignore", _) => self.patience.ignore_truncation = on,
            ("time" | "timeout", Some(n)) => self.patience.timeout = Duration::from_secs(u64::from(n.max(1))),
            ("tries", Some(n)) => self.patience.tries = n.max(1),
            ("retry", Some(n)) => self.patience.tries = n.saturating_add(1),
            _ => return Err(cx.not_modelled(format!("dig: +{flag}"))),
        }
        Ok(())
    }
}

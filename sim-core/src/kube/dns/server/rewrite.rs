//! The plugin rewrite: another name, type or class goes on inside, and what comes back is put right.

use regex::Regex;

use super::chain::{Cx, Done, Plugin, Step, next};
use crate::kube::dns::corefile::Dispenser;
use crate::kube::dns::name;
use crate::kube::dns::wire::{Message, Rcode, Record, RecordData, RecordType};

/// The plugin.
#[derive(Clone, Debug)]
pub(super) struct Rewrite {
    rules: Vec<Rule>,
}

/// One rule; without `go_on` it is the last that is looked at if it fits.
#[derive(Clone, Debug)]
struct Rule {
    go_on: bool,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Name {
        from: Pattern,
        to: String,
        auto: bool,
        back: Vec<Back>,
    },
    Type(RecordType, RecordType),
    /// Only class IN gets this far, so that a rule for another class never fits.
    Class,
    Ttl(Pattern, (u32, u32)),
}

/// What a name is compared with.
#[derive(Clone, Debug)]
enum Pattern {
    Exact(String),
    Prefix(String),
    Suffix(String),
    Substring(String),
    Regex(Regex),
}

/// How a reply is put right.
#[derive(Clone, Debug)]
enum Back {
    /// Owner names, or names in the data.
    Regex {
        value: bool,
        from: Regex,
        to: String,
    },
    Suffix {
        value: bool,
        from: String,
        to: String,
    },
    /// The name itself and what is below it.
    Remap {
        value: bool,
        from: String,
        to: String,
    },
    Ttl(u32, u32),
}

impl Rewrite {
    pub(super) fn setup(c: &mut Dispenser) -> Result<Self, String> {
        let mut rules = Vec::new();
        while c.advance() {
            let mut args = c.remaining_args();
            if args.len() < 2 {
                while c.next_block() {
                    args.push(c.val().to_owned());
                }
            }
            rules.push(Rule::of_args(&args)?);
        }
        Ok(Self { rules })
    }

    pub(super) fn serve(&self, query: &Message, rest: &mut [Plugin], cx: &mut Cx<'_>) -> Step {
        let mut inner = query.clone();
        let mut back = Vec::new();
        let mut fits = false;
        for rule in &self.rules {
            let Some(more) = rule.apply(&mut inner) else { continue };
            fits = true;
            let new = inner.question.as_ref().map_or("", |q| &q.name);
            if inner.to_bytes().is_err() {
                let error = format!("invalid name after rewrite: {new}");
                return Ok(Done::failed(Rcode::SERVFAIL, Some(error)));
            }
            back.extend(more);
            if !rule.go_on {
                break;
            }
        }
        if !fits {
            return next(rest, query, cx, "rewrite");
        }
        let mut done = next(rest, &inner, cx, "rewrite")?;
        if let Some(reply) = &mut done.reply {
            reply.question.clone_from(&query.question);
            for section in [&mut reply.answers, &mut reply.authority, &mut reply.additional] {
                section.iter_mut().for_each(|r| back.iter().for_each(|b| b.apply(r)));
            }
        }
        Ok(done)
    }
}

impl Rule {
    fn of_args(args: &[String]) -> Result<Self, String> {
        let (mut rest, mut go_on) = (args, false);
        let first = rest.first().ok_or("no rule type specified for rewrite")?.to_ascii_lowercase();
        if matches!(first.as_str(), "stop" | "continue") {
            go_on = first == "continue";
            rest = &rest[1..];
            if rest.is_empty() {
                return Err(format!("{first} rule must have a rule type as second arg"));
            }
        }
        let kind = rest[0].to_ascii_lowercase();
        let args = &rest[1..];
        let two = || match args {
            [a, b] => Ok((a.as_str(), b.as_str())),
            _ => Err(format!("{kind} rules must have exactly two arguments")),
        };
        let what = match kind.as_str() {
            "answer" => return Err("response rewrites must begin with a name rule".to_owned()),
            "name" => name_rule(args)?,
            "type" => {
                let (from, to) = two()?;
                let rtype = |text: &str| {
                    let upper = text.to_ascii_uppercase();
                    RecordType::from_mnemonic(&upper).ok_or_else(|| format!("invalid type {upper:?}"))
                };
                What::Type(rtype(from)?, rtype(to)?)
            }
            "class" => {
                let (from, to) = two()?;
                for class in [from, to] {
                    let upper = class.to_ascii_uppercase();
                    if !matches!(upper.as_str(), "IN" | "CS" | "CH" | "HS" | "NONE" | "ANY") {
                        return Err(format!("invalid class {upper:?}"));
                    }
                }
                What::Class
            }
            "ttl" => ttl_rule(args)?,
            "edns0" | "rcode" | "cname" => return Err(format!("{kind} rules are not modelled")),
            _ => return Err(format!("invalid rule type {:?}", rest[0])),
        };
        Ok(Self { go_on, what })
    }

    /// Changes a query that the rule fits, and says how to put the reply right.
    fn apply(&self, query: &mut Message) -> Option<Vec<Back>> {
        let question = query.question.as_mut()?;
        match &self.what {
            What::Name { from, to, auto, back } => {
                let asked = question.name.to_ascii_lowercase();
                question.name = from.replace(&asked, to)?;
                let mut all = Vec::new();
                if *auto {
                    let (from, to) = (&question.name, &asked);
                    all.extend([false, true].map(|value| Back::Remap {
                        value,
                        from: from.clone(),
                        to: to.clone(),
                    }));
                }
                all.extend(back.iter().cloned());
                Some(all)
            }
            What::Type(from, to) => (question.rtype == *from).then(|| {
                question.rtype = *to;
                Vec::new()
            }),
            What::Class => None,
            What::Ttl(from, (least, most)) => {
                let asked = question.name.to_ascii_lowercase();
                from.replace(&asked, "").map(|_| vec![Back::Ttl(*least, *most)])
            }
        }
    }
}

impl Pattern {
    fn new(kind: &str, from: &str, what: &str) -> Result<Self, String> {
        let normal = || normalize(from);
        Ok(match kind {
            "exact" => Self::Exact(normal()),
            "prefix" => Self::Prefix(normal()),
            "suffix" => Self::Suffix(normal()),
            "substring" => Self::Substring(normal()),
            "regex" => {
                let wrong = |_| format!("invalid regex matching pattern: {from}");
                Self::Regex(Regex::new(from).map_err(wrong)?)
            }
            _ => {
                return Err(format!(
                    "{what} rule supports only exact, prefix, suffix, substring, and regex name matching, received: {kind}"
                ));
            }
        })
    }

    /// The new name, if the pattern fits.
    fn replace(&self, asked: &str, to: &str) -> Option<String> {
        match self {
            Self::Exact(from) => (asked == from).then(|| to.to_owned()),
            Self::Prefix(from) => asked.strip_prefix(from.as_str()).map(|rest| format!("{to}{rest}")),
            Self::Suffix(from) => asked.strip_suffix(from.as_str()).map(|rest| format!("{rest}{to}")),
            Self::Substring(from) => asked.contains(from.as_str()).then(|| asked.replace(from.as_str(), to)),
            Self::Regex(from) => fill(from, asked, to),
        }
    }
}

/// `{0}`, `{1}`, … filled with the groups of a match.
fn fill(pattern: &Regex, text: &str, to: &str) -> Option<String> {
    let found = pattern.captures(text)?;
    let mut out = to.to_owned();
    for i in 0..found.len() {
        out = out.replace(&format!("{{{i}}}"), found.get(i).map_or("", |m| m.as_str()));
    }
    Some(out)
}

/// As CoreDNS makes names alike, also parts of names: lower case, with a final dot.
fn normalize(text: &str) -> String {
    name::absolute(text).to_ascii_lowercase()
}

fn name_rule(args: &[String]) -> Result<What, String> {
    let (kind, from, to, rest) = match args {
        [] | [_] => return Err("too few arguments for a name rule".to_owned()),
        [from, to] => ("exact".to_owned(), from, to, &[][..]),
        [kind, from, to, rest @ ..] => (kind.to_ascii_lowercase(), from, to, rest),
    };
    let pattern = Pattern::new(&kind, from, "name")?;
    if let Pattern::Regex(regex) = &pattern {
        check_groups(regex, to)?;
    }
    let (auto, mut back) = answers(&kind, rest)?;
    let to = normalize(to);
    if let Pattern::Suffix(from) = &pattern
        && auto
    {
        let swap = [false, true].map(|value| Back::Suffix { value, from: to.clone(), to: from.clone() });
        back = swap.into_iter().chain(back).collect();
    }
    let auto = kind == "exact" || (auto && kind != "suffix");
    Ok(What::Name { from: pattern, to, auto, back })
}

fn check_groups(regex: &Regex, to: &str) -> Result<(), String> {
    let used = (0..=100).filter(|i| to.contains(&format!("{{{i}}}"))).count();
    if used < regex.captures_len() {
        return Ok(());
    }
    Err(format!(
        "the rewrite regex pattern ({to}) uses more subexpressions than its corresponding matching regex pattern ({regex})"
    ))
}

/// `answer auto`, `answer name FROM TO`, `answer value FROM TO`.
fn answers(kind: &str, args: &[String]) -> Result<(bool, Vec<Back>), String> {
    let (mut auto, mut back, mut names) = (false, Vec::new(), 0);
    if args.len() == 1 {
        return Err(format!("invalid arguments for {kind} rule"));
    }
    let mut rest = args;
    let mut first = true;
    while let Some((word, after)) = rest.split_first() {
        if word == "answer" {
            rest = after;
        } else if first {
            return Err(format!(
                "exceeded the number of arguments for a non-answer rule argument for {kind} rule"
            ));
        }
        first = false;
        let Some((last, after)) = rest.split_first() else {
            return Err(format!("type missing for answer rule for {kind} rule"));
        };
        rest = after;
        match last.as_str() {
            "auto" => auto = true,
            "name" | "value" => {
                let [from, to, after @ ..] = rest else {
                    return Err(format!("{last} answer rule for {kind} rule: 2 arguments required"));
                };
                let wrong = |e: String| format!("{last} answer rule for {kind} rule: {e}");
                let regex =
                    Regex::new(from).map_err(|_| wrong(format!("invalid regex matching pattern: {from}")))?;
                check_groups(&regex, to).map_err(wrong)?;
                let to = normalize(to);
                back.push(Back::Regex { value: last == "value", from: regex, to });
                names += usize::from(last == "name");
                rest = after;
            }
            _ => return Err(format!("invalid type {last:?} for answer rule for {kind} rule")),
        }
    }
    if auto && names > 0 {
        let message = "auto name answer rule cannot be combined with explicit name anwer rules";
        return Err(message.to_owned());
    }
    Ok((auto, back))
}

fn ttl_rule(args: &[String]) -> Result<What, String> {
    let (kind, from, ttl) = match args {
        [] | [_] => return Err("too few arguments for a ttl rule".to_owned()),
        [from, ttl] => ("exact".to_owned(), from, ttl),
        [kind, from, ttl] => (kind.to_ascii_lowercase(), from, ttl),
        _ => return Err("many few arguments for a ttl rule".to_owned()),
    };
    let range = |text: &str| {
        let (least, most) = text.split_once('-').unwrap_or((text, text));
        let least = if least.is_empty() { 0 } else { least.parse().ok()? };
        let most = if most.is_empty() { i32::MAX as u32 } else { most.parse().ok()? };
        (least <= most).then_some((least, most))
    };
    let range = range(ttl).ok_or_else(|| format!("invalid TTL '{ttl}' for a ttl rule"))?;
    Ok(What::Ttl(Pattern::new(&kind, from, "ttl")?, range))
}

impl Back {
    fn apply(&self, record: &mut Record) {
        let new = |text: &str| match self {
            Self::Regex { from, to, .. } => fill(from, text, to),
            Self::Suffix { from, to, .. } => {
                text.strip_suffix(from.as_str()).map(|rest| format!("{rest}{to}"))
            }
            Self::Remap { from, to, .. } => {
                let rest = text.strip_suffix(from.as_str())?;
                (rest.is_empty() || rest.ends_with('.')).then(|| format!("{rest}{to}"))
            }
            Self::Ttl(..) => None,
        };
        match self {
            Self::Ttl(least, most) => record.ttl = record.ttl.clamp(*least, *most),
            Self::Regex { value: false, .. }
            | Self::Suffix { value: false, .. }
            | Self::Remap { value: false, .. } => {
                if let Some(name) = new(&record.name) {
                    record.name = name;
                }
            }
            Self::Regex { .. } | Self::Suffix { .. } | Self::Remap { .. } => {
                if let Some(slot) = name_in(&mut record.data)
                    && let Some(name) = new(slot)
                {
                    *slot = name;
                }
            }
        }
    }
}

/// The name in a record's data that `answer value` is about.
fn name_in(data: &mut RecordData) -> Option<&mut String> {
    match data {
        RecordData::Srv { target, .. } => Some(target),
        RecordData::Mx { exchange, .. } => Some(exchange),
        RecordData::Cname(host) | RecordData::Ns(host) => Some(host),
        RecordData::Soa(soa) => Some(&mut soa.mname),
        _ => None,
    }
}

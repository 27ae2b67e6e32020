//! The plugin template: answers made of the question by small texts.
//!
//! Of Go's template language it knows what Corefiles use: fields and `index` of the match, no conditions, loops or functions.

use std::collections::BTreeMap;

use regex::Regex;

use super::chain::{Cx, Done, Plugin, Step, next};
use super::fall::{Fall, matches};
use super::records::{Defaults, lines, read};
use super::setup::{Setup, zones_or_keys};
use crate::kube::dns::corefile::Dispenser;
use crate::kube::dns::wire::{Message, Rcode, Record, RecordType};

/// All templates of a server block.
#[derive(Clone, Debug, Default)]
pub(super) struct Templates {
    zones: Vec<String>,
    all: Vec<Template>,
}

#[derive(Clone, Debug)]
struct Template {
    zones: Vec<String>,
    /// None: any type.
    rtype: Option<RecordType>,
    /// None: any name.
    patterns: Vec<Regex>,
    rcode: Rcode,
    answer: Vec<Text>,
    authority: Vec<Text>,
    additional: Vec<Text>,
    fall: Fall,
}

/// A text with places to fill in.
type Text = Vec<Part>;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Name,
    Zone,
    Class,
    Type,
    Remote,
    Id,
    /// A group of the match, by number or name.
    Group(String),
}

impl Templates {
    /// Reads `template CLASS TYPE [ZONES…] { match … answer … }`.
    pub(super) fn setup(c: &mut Dispenser, cx: &Setup<'_>) -> Result<Self, String> {
        let mut templates = Self::default();
        while c.advance() {
            let mut args = c.remaining_args().into_iter();
            let class = args.next().ok_or_else(|| c.arg_err())?;
            if !matches!(class.as_str(), "IN" | "ANY") {
                let known = matches!(class.as_str(), "CH" | "CS" | "HS" | "NONE");
                let message = format!("invalid query class {class}");
                return Err(if known { format!("class {class} is not modelled") } else { c.err(&message) });
            }
            let word = args.next().ok_or_else(|| c.arg_err())?;
            let rtype = RecordType::from_mnemonic(&word).filter(|t| t.mnemonic() == Some(&word));
            let rtype = rtype.ok_or_else(|| c.err(&format!("invalid RR class {word}")))?;
            let zones = zones_or_keys(&args.collect::<Vec<_>>(), cx.keys);
            templates.zones.extend(zones.iter().cloned());
            let mut template = Template {
                zones,
                rtype: (rtype != RecordType::ANY).then_some(rtype),
                patterns: Vec::new(),
                rcode: Rcode::NOERROR,
                answer: Vec::new(),
                authority: Vec::new(),
                additional: Vec::new(),
                fall: Fall::default(),
            };
            while c.next_block() {
                template.property(c)?;
            }
            let empty = template.answer.is_empty() && template.authority.is_empty();
            if empty && template.rcode == Rcode::NOERROR {
                return Err(c.err("no answer section for template found"));
            }
            templates.all.push(template);
        }
        Ok(templates)
    }

    pub(super) fn serve(&self, query: &Message, rest: &mut [Plugin], cx: &mut Cx<'_>) -> Step {
        let Some(question) = query.question.as_ref().filter(|q| matches(&self.zones, &q.name).is_some())
        else {
            return next(rest, query, cx, "template");
        };
        let lower = question.name.to_ascii_lowercase();
        for template in &self.all {
            let Some(zone) = matches(&template.zones, &lower) else { continue };
            let any = question.rtype == RecordType::ANY;
            if !any && template.rtype.is_some_and(|t| t != question.rtype) {
                continue;
            }
            let Some(groups) = template.groups(&lower) else {
                if template.fall.through(&lower) {
                    continue;
                }
                return Ok(Done::failed(Rcode::SERVFAIL, None));
            };
            if template.rcode == Rcode::SERVFAIL {
                return Ok(Done::failed(Rcode::SERVFAIL, None));
            }
            let data = Data {
                // As the client typed it.
                name: &question.name,
                zone,
                rtype: question.rtype,
                remote: cx.client.addr.ip().to_canonical().to_string(),
                id: query.id,
                groups,
            };
            return Ok(match template.reply(query, &data) {
                Ok(reply) => Done::written(reply),
                Err(error) => Done::failed(Rcode::SERVFAIL, Some(error)),
            });
        }
        next(rest, query, cx, "template")
    }
}

/// What the places are filled with.
struct Data<'a> {
    name: &'a str,
    zone: &'a str,
    rtype: RecordType,
    remote: String,
    id: u16,
    groups: BTreeMap<String, String>,
}

impl Template {
    /// The groups of the first pattern that fits, by number and name.
    fn groups(&self, lower: &str) -> Option<BTreeMap<String, String>> {
        if self.patterns.is_empty() {
            return Some(BTreeMap::from([("0".to_owned(), lower.to_owned())]));
        }
        let (pattern, found) = self.patterns.iter().find_map(|p| Some((p, p.captures(lower)?)))?;
        let mut all = BTreeMap::new();
        for (i, name) in pattern.capture_names().enumerate() {
            let text = found.get(i).map_or("", |m| m.as_str());
            all.insert(i.to_string(), text.to_owned());
            all.extend(name.map(|n| (n.to_owned(), text.to_owned())));
        }
        Some(all)
    }

    fn property(&mut self, c: &mut Dispenser) -> Result<(), String> {
        let property = c.val().to_owned();
        let args = c.remaining_args();
        if args.is_empty()
            && matches!(property.as_str(), "match" | "answer" | "authority" | "additional" | "rcode")
        {
            return Err(c.arg_err());
        }
        let texts = |what: &str| -> Result<Vec<Text>, String> {
            let wrong = |e: String| c.err(&format!("could not compile template: {what}, {e}"));
            args.iter().map(|a| text(a).map_err(wrong)).collect()
        };
        match property.as_str() {
            "match" => {
                for arg in &args {
                    let regex = Regex::new(arg);
                    self.patterns
                        .push(regex.map_err(|e| c.err(&format!("could not parse regex: {arg}, {e}")))?);
                }
            }
            "answer" => self.answer.extend(texts("answer")?),
            "authority" => self.authority.extend(texts("authority")?),
            "additional" => self.additional.extend(texts("additional")?),
            "rcode" => {
                let rcode = Rcode::from_mnemonic(&args[0]).filter(|r| r.mnemonic() == Some(&args[0]));
                self.rcode = rcode.ok_or_else(|| c.err(&format!("unknown rcode {}", args[0])))?;
            }
            "fallthrough" => self.fall = Fall::of_args(&args),
            "upstream" => {}
            "ederror" => return Err("ederror is not modelled".to_owned()),
            _ => return Err(c.arg_err()),
        }
        Ok(())
    }

    fn reply(&self, query: &Message, data: &Data<'_>) -> Result<Message, String> {
        let section = |texts: &[Text]| texts.iter().map(|t| record(t, data)).collect::<Result<Vec<_>, _>>();
        let mut reply = query.reply(self.rcode);
        reply.flags.aa = true;
        reply.answers = section(&self.answer)?;
        reply.authority = section(&self.authority)?;
        reply.additional = section(&self.additional)?;
        Ok(reply)
    }
}

fn record(text: &Text, data: &Data<'_>) -> Result<Record, String> {
    let filled: String = text.iter().map(|part| data.fill(part)).collect();
    let defaults = Defaults { origin: ".".to_owned(), ttl: 3600 };
    let line = lines(&filled).into_iter().next().ok_or("dns: no record")?;
    read(&line, &defaults)
}

impl Data<'_> {
    fn fill(&self, part: &Part) -> String {
        match part {
            Part::Text(text) => text.clone(),
            Part::Name => self.name.to_owned(),
            Part::Zone => self.zone.to_owned(),
            Part::Class => "IN".to_owned(),
            Part::Type => self.rtype.to_string(),
            Part::Remote => self.remote.clone(),
            Part::Id => self.id.to_string(),
            Part::Group(name) => self.groups.get(name).cloned().unwrap_or_else(|| "<no value>".to_owned()),
        }
    }
}

/// Takes a text apart at its actions.
fn text(source: &str) -> Result<Text, String> {
    let mut parts = Vec::new();
    let mut rest = source;
    while let Some((before, after)) = rest.split_once("{{") {
        let (action, after) = after.split_once("}}").ok_or("template: unclosed action")?;
        let action = action.trim_matches('-').trim();
        parts.push(Part::Text(before.to_owned()));
        parts.push(part(action)?);
        rest = after;
    }
    parts.push(Part::Text(rest.to_owned()));
    Ok(parts)
}

fn part(action: &str) -> Result<Part, String> {
    let words: Vec<&str> = action.split_whitespace().collect();
    Ok(match words[..] {
        [".Name" | ".Question.Name"] => Part::Name,
        [".Zone"] => Part::Zone,
        [".Class"] => Part::Class,
        [".Type"] => Part::Type,
        [".Remote"] => Part::Remote,
        [".Message.Id" | ".Message.MsgHdr.Id"] => Part::Id,
        ["index", ".Match", number] if number.parse::<u16>().is_ok() => Part::Group(number.to_owned()),
        ["index", ".Group", name] => Part::Group(name.trim_matches(['"', '`']).to_owned()),
        [word] if word.starts_with(".Group.") => Part::Group(word[".Group.".len()..].to_owned()),
        _ => return Err(format!("template action {{{{ {action} }}}} is not modelled")),
    })
}

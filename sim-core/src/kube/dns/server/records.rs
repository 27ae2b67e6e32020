//! Records as zone files and templates write them (RFC 1035, 5.1): `www 60 IN A 192.0.2.1`.

use crate::kube::dns::name;
use crate::kube::dns::wire::{Record, RecordData, RecordType, Soa};

/// What a line does not say itself.
#[derive(Clone, Debug)]
pub(super) struct Defaults {
    /// Appended to names without a final dot.
    pub(super) origin: String,
    pub(super) ttl: u32,
}

/// Reads one record; `words` are those of the line, the owner first.
pub(super) fn read(words: &[String], defaults: &Defaults) -> Result<Record, String> {
    let (owner, mut rest) = words.split_first().ok_or("no record")?;
    let mut ttl = defaults.ttl;
    let mut rtype = None;
    while let Some((word, after)) = rest.split_first() {
        rest = after;
        if let Some(seconds) = seconds(word) {
            ttl = seconds;
        } else if let Some(found) = RecordType::from_mnemonic(word) {
            rtype = Some(found);
            break;
        } else if !matches!(word.to_ascii_uppercase().as_str(), "IN" | "CH" | "HS") {
            return Err(format!("dns: unknown RR type: {word:?}"));
        }
    }
    let rtype = rtype.ok_or_else(|| format!("dns: not a record: {:?}", words.join(" ")))?;
    let data = data(rtype, rest, defaults)
        .ok_or_else(|| format!("dns: bad {rtype} record: {:?}", words.join(" ")))?;
    Ok(Record::new(full(owner, defaults), ttl, data))
}

/// A name, completed by the origin.
fn full(word: &str, defaults: &Defaults) -> String {
    match word {
        "@" => defaults.origin.clone(),
        _ if name::is_absolute(word) => word.to_owned(),
        _ if defaults.origin == "." => format!("{word}."),
        _ => format!("{word}.{}", defaults.origin),
    }
}

fn data(rtype: RecordType, rest: &[String], defaults: &Defaults) -> Option<RecordData> {
    let word = |i: usize| rest.get(i).map(String::as_str);
    let host = |i: usize| word(i).map(|w| full(w, defaults));
    let number = |i: usize| word(i)?.parse::<u16>().ok();
    Some(match rtype {
        RecordType::A => RecordData::A(word(0)?.parse().ok()?),
        RecordType::AAAA => RecordData::Aaaa(word(0)?.parse().ok()?),
        RecordType::CNAME => RecordData::Cname(host(0)?),
        RecordType::NS => RecordData::Ns(host(0)?),
        RecordType::PTR => RecordData::Ptr(host(0)?),
        RecordType::MX => RecordData::Mx { preference: number(0)?, exchange: host(1)? },
        RecordType::SRV => {
            RecordData::Srv { priority: number(0)?, weight: number(1)?, port: number(2)?, target: host(3)? }
        }
        RecordType::TXT if !rest.is_empty() => {
            RecordData::Txt(rest.iter().map(|w| w.as_bytes().to_vec()).collect())
        }
        RecordType::HINFO if rest.len() == 2 => {
            let strings = rest.iter().filter(|w| w.len() < 256);
            let bytes = strings.flat_map(|w| std::iter::once(w.len() as u8).chain(w.bytes())).collect();
            RecordData::Other { rtype, data: bytes }
        }
        RecordType::SOA => {
            let time = |i: usize| seconds(word(i)?);
            RecordData::Soa(Soa {
                mname: host(0)?,
                rname: host(1)?,
                serial: word(2)?.parse().ok()?,
                refresh: time(3)?,
                retry: time(4)?,
                expire: time(5)?,
                minimum: time(6)?,
            })
        }
        _ => return None,
    })
}

/// A number of seconds, or with units: `1h30m`.
pub(super) fn seconds(word: &str) -> Option<u32> {
    if !word.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let (mut total, mut number) = (0u32, 0u32);
    for c in word.chars() {
        let unit = match c.to_ascii_lowercase() {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            digit => {
                number = number.checked_mul(10)?.checked_add(digit.to_digit(10)?)?;
                continue;
            }
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        number = 0;
    }
    total.checked_add(number)
}

/// The lines of a zone file as words: parentheses join lines, `;` begins a comment, quotes hold words together. An owner that is
/// left out is an empty first word.
pub(super) fn lines(text: &str) -> Vec<Vec<String>> {
    let (mut all, mut line) = (Vec::new(), Vec::<String>::new());
    let (mut depth, mut quoted, mut comment) = (0usize, false, false);
    let mut word: Option<String> = None;
    let mut start = true;
    for c in text.chars().chain(['\n']) {
        match c {
            '\n' => {
                comment = false;
                line.extend(word.take());
                if depth == 0 {
                    quoted = false;
                    if line.iter().any(|w| !w.is_empty()) {
                        all.push(std::mem::take(&mut line));
                    }
                    line.clear();
                    start = true;
                    continue;
                }
            }
            _ if comment => {}
            '"' if quoted => {
                quoted = false;
                line.push(word.take().unwrap_or_default());
            }
            '"' => {
                quoted = true;
                word = Some(String::new());
            }
            _ if quoted => word.get_or_insert_default().push(c),
            ';' => comment = true,
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            c if c.is_whitespace() => {
                if start {
                    line.push(String::new());
                }
                line.extend(word.take());
            }
            c => word.get_or_insert_default().push(c),
        }
        start = false;
    }
    all
}

//! Record data in presentation format (RFC 1035 section 5).

use sim_core::kube::dns::wire::{RecordData, Soa};

/// The data as `dig` prints it.
pub(super) fn text(data: &RecordData) -> String {
    match data {
        RecordData::A(a) => a.to_string(),
        RecordData::Aaaa(a) => a.to_string(),
        RecordData::Cname(n) | RecordData::Ns(n) | RecordData::Ptr(n) => n.clone(),
        RecordData::Soa(s) => format!(
            "{} {} {} {} {} {} {}",
            s.mname, s.rname, s.serial, s.refresh, s.retry, s.expire, s.minimum
        ),
        RecordData::Srv { priority, weight, port, target } => format!("{priority} {weight} {port} {target}"),
        RecordData::Mx { preference, exchange } => format!("{preference} {exchange}"),
        RecordData::Txt(strings) => strings.iter().map(|s| quoted(s)).collect::<Vec<_>>().join(" "),
        RecordData::Other { data, .. } => {
            let hex: String = data.iter().map(|b| format!("{b:02X}")).collect();
            format!("\\# {} {hex}", data.len())
        }
    }
}

/// A SOA record over several lines, as with `+multiline`.
pub(super) fn multiline(soa: &Soa) -> String {
    const INDENT: &str = "\t\t\t\t";
    let field = |value: u32, what: &str| format!("{INDENT}{value:<10} ; {what}\n");
    let time = |value: u32, what: &str| format!("{INDENT}{value:<10} ; {what} ({})\n", spelled(value));
    format!("{} {} (\n", soa.mname, soa.rname)
        + &field(soa.serial, "serial")
        + &time(soa.refresh, "refresh")
        + &time(soa.retry, "retry")
        + &time(soa.expire, "expire")
        + &time(soa.minimum, "minimum")
        + &format!("{INDENT})")
}

/// `2 hours`, `1 week 3 days` (`dns_ttl_totext`).
fn spelled(seconds: u32) -> String {
    let units = [(604_800, "week"), (86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")];
    let mut left = seconds;
    let mut words = Vec::new();
    for (size, unit) in units {
        let count = left / size;
        left %= size;
        if count > 0 {
            words.push(format!("{count} {unit}{}", if count == 1 { "" } else { "s" }));
        }
    }
    if words.is_empty() { "0 seconds".to_owned() } else { words.join(" ") }
}

/// A character string in quotes; what is not printable becomes `\DDD`.
pub(super) fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for &b in bytes {
        match b {
            b'"' | b'\\' => text.extend(['\\', char::from(b)]),
            b' '..=b'~' => text.push(char::from(b)),
            _ => text.push_str(&format!("\\{b:03}")),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted() {
        assert_eq!(
            text(&RecordData::Txt(vec![b"1.1.0".to_vec(), b"a\"\n".to_vec()])),
            r#""1.1.0" "a\"\010""#
        );
    }
}

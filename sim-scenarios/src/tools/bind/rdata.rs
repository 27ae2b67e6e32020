//! Record data in presentation format (RFC 1035 section 5).

use sim_core::kube::dns::wire::RecordData;

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

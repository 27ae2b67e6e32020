//! Dumps of bytes.

use std::fmt::Write as _;

use super::Dump;

pub(super) fn dump(bytes: &[u8], how: Dump) -> String {
    if !how.hex {
        let text: String = bytes
            .iter()
            .enumerate()
            // A carriage return before a line feed is left out.
            .filter(|(i, b)| !(**b == b'\r' && bytes.get(i + 1) == Some(&b'\n')))
            .map(|(_, b)| if matches!(b, b'\n' | b'\t' | b' '..=b'~') { char::from(*b) } else { '.' })
            .collect();
        return format!("\n{text}");
    }
    let mut out = String::new();
    for (i, line) in bytes.chunks(16).enumerate() {
        let mut groups = String::new();
        for pair in line.chunks(2) {
            let digits: String = pair.iter().map(|b| format!("{b:02x}")).collect();
            let _ = write!(groups, " {digits}");
        }
        let _ = write!(out, "\n\t0x{:04x}: {groups}", i * 16);
        if how.ascii {
            let text: String =
                line.iter().map(|b| if b.is_ascii_graphic() { char::from(*b) } else { '.' }).collect();
            let _ = write!(out, "{:1$}  {text}", "", 40 - groups.len());
        }
    }
    out
}

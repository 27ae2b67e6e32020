//! Expected texts with placeholders for what varies.

use regex::Regex;

const PLACEHOLDERS: [(&str, &str); 8] = [
    ("<ms>", r"[0-9]+(\.[0-9]+)?"),
    ("<n>", "[0-9]+"),
    ("<id>", "[0-9]+"),
    ("<hex16>", "[0-9a-f]{16}"),
    ("<date>", ".+?"),
    ("<time>", ".+?"),
    ("<serial>", "[0-9]+"),
    ("<progress meter>", "(?s:.*?)"),
];

/// Says how `got` differs from `expected`.
pub(super) fn compare(what: &str, expected: &str, got: &str) -> Result<(), String> {
    let mut pattern = regex::escape(expected);
    for (placeholder, regex) in PLACEHOLDERS {
        pattern = pattern.replace(&regex::escape(placeholder), regex);
    }
    let regex = Regex::new(&format!("^{pattern}$")).map_err(|e| e.to_string())?;
    if regex.is_match(got) { Ok(()) } else { Err(format!("{what}:\n{got}---- expected:\n{expected}----")) }
}

/// The same for busybox' `nslookup`, whose replies stand in the order of their arrival: a head, and blocks in any order.
pub(super) fn compare_blocks(what: &str, expected: &str, got: &str) -> Result<(), String> {
    compare(what, &in_order(expected), &in_order(got))
        .map_err(|_| format!("{what}:\n{got}---- expected:\n{expected}----"))
}

/// Brings blocks into an order; an empty line ends each, and may be all there is of one.
fn in_order(text: &str) -> String {
    let Some((head, rest)) = text.split_once("\n\n") else { return text.to_owned() };
    let mut blocks: Vec<String> = vec![String::new()];
    for line in rest.split_inclusive('\n') {
        let last = blocks.len() - 1;
        blocks[last] += line;
        if line == "\n" {
            blocks.push(String::new());
        }
    }
    blocks.sort();
    format!("{head}\n\n{}", blocks.concat())
}

//! `printf FORMAT [ARGUMENT…]`

use super::escapes::unescape;
use crate::tools::Cx;

/// A field is not made wider than that.
const WIDTH_LIMIT: usize = 10_000;

pub(in crate::tools) fn run(cx: &mut Cx<'_>) -> i32 {
    let Some((format, arguments)) = cx.operands().split_first() else {
        cx.out.err("printf: missing operand");
        return 1;
    };
    let (format, mut arguments) = (format.clone(), arguments.to_vec());
    let mut status = 0;
    // The format is used again while arguments are left.
    loop {
        let before = arguments.len();
        match once(&format, &mut arguments) {
            Ok(done) => {
                cx.out.print(&done.text);
                for word in done.bad_numbers {
                    cx.out.err(format!("printf: '{word}': expected a numeric value"));
                    status = 1;
                }
                if done.ended {
                    return status;
                }
            }
            Err(what) => return cx.not_modelled(format!("printf: {what}")),
        }
        if arguments.is_empty() || arguments.len() == before || cx.out.interrupted() {
            return status;
        }
    }
}

#[derive(Default)]
struct Done {
    text: String,
    bad_numbers: Vec<String>,
    /// `\c` in an argument of `%b`.
    ended: bool,
}

/// Formats once, taking what it needs from the front of `arguments`.
fn once(format: &str, arguments: &mut Vec<String>) -> Result<Done, String> {
    let mut done = Done::default();
    let mut literal = String::new();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            literal.push(c);
            if c == '\\' {
                literal.extend(chars.next());
            }
            continue;
        }
        done.text.push_str(&unescape(&std::mem::take(&mut literal)).0);
        let mut spec = String::new();
        while let Some(f) = chars.next_if(|c| "-+ #0123456789.*".contains(*c)) {
            spec.push(f);
        }
        let mut take = || if arguments.is_empty() { String::new() } else { arguments.remove(0) };
        if spec.contains('*') || spec.contains('#') {
            return Err(format!("%{spec}"));
        }
        let body = match chars.next() {
            Some('%') => {
                done.text.push('%');
                continue;
            }
            Some('s') => take(),
            Some('b') => {
                let (text, ended) = unescape(&take());
                done.ended |= ended;
                text
            }
            Some('c') => take().chars().take(1).collect(),
            Some(conversion @ ('d' | 'i' | 'u' | 'x' | 'X' | 'o')) => {
                let word = take();
                let number = integer(&word).unwrap_or_else(|| {
                    done.bad_numbers.push(word);
                    0
                });
                match conversion {
                    'x' => format!("{number:x}"),
                    'X' => format!("{number:X}"),
                    'o' => format!("{number:o}"),
                    _ if spec.starts_with('+') && number >= 0 => format!("+{number}"),
                    _ => number.to_string(),
                }
            }
            Some(other) => return Err(format!("%{spec}{other}")),
            None => return Err(format!("%{spec}")),
        };
        done.text.push_str(&padded(&body, &spec));
        if done.ended {
            return Ok(done);
        }
    }
    done.text.push_str(&unescape(&literal).0);
    Ok(done)
}

fn integer(word: &str) -> Option<i64> {
    if word.is_empty() {
        return Some(0);
    }
    if let Some(quoted) = word.strip_prefix(['\'', '"']) {
        return quoted.chars().next().map(|c| i64::from(u32::from(c)));
    }
    word.strip_prefix("0x").map_or_else(|| word.parse().ok(), |hex| i64::from_str_radix(hex, 16).ok())
}

/// Pads to the width and cuts to the precision of a conversion.
fn padded(body: &str, spec: &str) -> String {
    let flags = spec.len() - spec.trim_start_matches(['-', '+', ' ', '0']).len();
    let (left, zero) = (spec[..flags].contains('-'), spec[..flags].contains('0'));
    let (width, precision) =
        spec[flags..].split_once('.').map_or((&spec[flags..], None), |(w, p)| (w, Some(p)));
    let width = width.parse().unwrap_or(0_usize).min(WIDTH_LIMIT);
    let body: String = match precision {
        Some(p) => body.chars().take(p.parse().unwrap_or(0)).collect(),
        None => body.to_owned(),
    };
    if left {
        format!("{body:<width$}")
    } else if zero {
        let (sign, digits) = body.strip_prefix('-').map_or(("", body.as_str()), |d| ("-", d));
        format!("{sign}{digits:0>rest$}", rest = width.saturating_sub(sign.len()))
    } else {
        format!("{body:>width$}")
    }
}

//! `sleep N[smhd]…`: virtual time passes.

use std::time::Duration;

use crate::tools::{Cx, SIGINT_STATUS};

/// Longer than any transcript sleeps; a lab that does is stopped instead of simulating for days.
const LIMIT: Duration = Duration::from_secs(24 * 3600);

pub(in crate::tools) fn run(cx: &mut Cx<'_>) -> i32 {
    let mut total = Duration::ZERO;
    if cx.operands().is_empty() {
        cx.out.err("sleep: missing operand");
        return 1;
    }
    for word in cx.operands().to_vec() {
        let Some(time) = duration(&word) else {
            let text = if super::is_busybox(cx) {
                format!("sleep: invalid number '{word}'")
            } else {
                format!("sleep: invalid time interval '{word}'")
            };
            cx.out.err(text);
            return 1;
        };
        total = total.saturating_add(time);
    }
    let end = cx.now() + total;
    if total > LIMIT && !cx.out.expects_control_c() {
        return cx.not_modelled("sleep: more than a day");
    }
    while cx.now() < end {
        // Somebody at the terminal does not wait for ever.
        if cx.out.interrupted() || (cx.out.expects_control_c() && cx.now() >= cx.deadline()) {
            return SIGINT_STATUS;
        }
        let step = if cx.out.expects_control_c() { Duration::from_secs(1) } else { total };
        let left = end.since(cx.now());
        cx.pause(left.min(step));
    }
    0
}

/// `1.5`, `2m`, `infinity`
pub(super) fn duration(word: &str) -> Option<Duration> {
    if word == "infinity" || word == "inf" {
        return Some(Duration::MAX);
    }
    let (number, unit) = match word.char_indices().last()? {
        (i, 's') => (&word[..i], 1.0),
        (i, 'm') => (&word[..i], 60.0),
        (i, 'h') => (&word[..i], 3600.0),
        (i, 'd') => (&word[..i], 86_400.0),
        _ => (word, 1.0),
    };
    if !number.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let seconds: f64 = number.parse().ok()?;
    Duration::try_from_secs_f64(seconds * unit).ok()
}

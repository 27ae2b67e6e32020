//! GNU wget's progress bar on a terminal of 80 columns, as it stands at the end, and its sizes and rates.

use std::time::Duration;

/// Columns of the file name.
const NAME: usize = 19;
/// Columns between the brackets.
const BAR: usize = 20;

/// The last state of the bar.
pub(super) fn line(name: &str, size: u64, expected: Option<u64>, took: Duration) -> String {
    let bar = match expected {
        Some(total) => {
            let percent = (size * 100).checked_div(total).unwrap_or(100).min(100);
            let filled = (BAR as u64 * percent / 100) as usize;
            let arrow = if filled > 0 { "=".repeat(filled - 1) + ">" } else { String::new() };
            format!("{percent:>3}%[{arrow:<BAR$}]")
        }
        None => format!("    [ <=>{:1$}]", "", BAR - 4),
    };
    let speed = if took.is_zero() {
        "--.-KB/s".to_owned()
    } else {
        format!("{:>8}", rate(size, took).replace(' ', ""))
    };
    let spent = format!("    in {}", seconds(took));
    format!("{name:<NAME$.NAME$} {bar}{:>8}  {speed}{spent:<15}", human(size, 2))
}

/// `1.25 MB/s`. No time at all counts as half of the clock's nanosecond.
pub(super) fn rate(size: u64, took: Duration) -> String {
    let seconds = if took.is_zero() { 0.5e-9 } else { took.as_secs_f64() };
    let mut rate = size as f64 / seconds;
    let mut unit = "B/s";
    for next in ["KB/s", "MB/s", "GB/s"] {
        if rate < 1024.0 {
            break;
        }
        rate /= 1024.0;
        unit = next;
    }
    let decimals = if rate >= 99.95 {
        0
    } else if rate >= 9.995 {
        1
    } else {
        2
    };
    format!("{rate:.decimals$} {unit}")
}

/// `244K`, for the `Length:` line.
pub(super) fn short(size: u64) -> String {
    human(size, 0)
}

fn human(size: u64, decimals: usize) -> String {
    if size < 1000 {
        return size.to_string();
    }
    let mut value = size as f64;
    for unit in ["K", "M", "G", "T"] {
        value /= 1024.0;
        if value < 1000.0 {
            // Small values of few digits keep one.
            let decimals = if decimals == 0 && value < 9.95 { 1 } else { decimals };
            return format!("{value:.decimals$}{unit}");
        }
    }
    format!("{value:.decimals$}T")
}

/// `0.02s`: one digit that counts below ten seconds.
fn seconds(took: Duration) -> String {
    let s = took.as_secs_f64();
    let decimals = match s {
        0.0..0.0005 => return "0s".to_owned(),
        ..0.0095 => 3,
        ..0.095 => 2,
        ..9.95 => 1,
        ..60.0 => 0,
        _ => return format!("{}m {}s", took.as_secs() / 60, took.as_secs() % 60),
    };
    format!("{s:.decimals$}s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_the_real_ones() {
        assert_eq!(
            line("index.html", 896, Some(896), Duration::ZERO),
            "index.html          100%[===================>]     896  --.-KB/s    in 0s      "
        );
        assert_eq!(
            line("-", 4, None, Duration::ZERO),
            "-                       [ <=>                ]       4  --.-KB/s    in 0s      "
        );
    }

    #[test]
    fn sizes_and_rates_are_short() {
        assert_eq!(short(250_000), "244K");
        assert_eq!(rate(896, Duration::from_millis(1)), "875 KB/s");
        assert_eq!(rate(17, Duration::from_secs(1)), "17.0 B/s");
    }
}

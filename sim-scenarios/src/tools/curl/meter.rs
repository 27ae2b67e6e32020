//! The progress meter, as it stands at the end of a transfer.

use std::time::Duration;

use sim_core::time::SimTime;

use super::transfer::Transfer;

/// Its two lines of title.
pub(super) const TITLE: &str =
    "  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current
                                 Dload  Upload   Total   Spent    Left  Speed";

/// Its last line.
pub(super) fn line(transfer: &Transfer<'_>, now: SimTime) -> String {
    let spent = now.since(transfer.started);
    let received = transfer.body_len;
    let total = transfer.expected.unwrap_or(received);
    let percent = (received * 100).checked_div(total).unwrap_or(0);
    let rate = speed(received, spent);
    // All that was promised is "received" for the second column, also when it stays short.
    let of_received = if received > 0 { 100 } else { 0 };
    format!(
        "{percent:>3} {}  {of_received:>3} {}    0     0  {}      0 --:--:-- {} --:--:-- {}",
        five(total),
        five(received),
        five(rate),
        clock(spent),
        five(rate)
    )
}

fn speed(bytes: u64, time: Duration) -> u64 {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
    bytes.saturating_mul(1_000_000) / micros
}

/// A time in eight columns; nothing below a second.
fn clock(time: Duration) -> String {
    let s = time.as_secs();
    if s == 0 { "--:--:--".to_owned() } else { format!("{:>2}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60) }
}

/// A number in five columns.
fn five(n: u64) -> String {
    const K: u64 = 1024;
    const M: u64 = K * K;
    match n {
        ..100_000 => format!("{n:>5}"),
        100_000..10_240_000 => format!("{:>4}k", n / K),
        10_240_000..104_857_600 => format!("{:>2}.{}M", n / M, n % M / (M / 10)),
        _ => format!("{:>4}M", n / M),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_keep_to_their_columns() {
        assert_eq!(five(17), "   17");
        assert_eq!(five(250_000), " 244k");
        assert_eq!(five(17_000_000), "16.2M");
        assert_eq!(clock(Duration::from_secs(61)), " 0:01:01");
        assert_eq!(speed(17, Duration::from_millis(1)), 17_000);
    }
}

//! Points in time and durations in kubectl's words.

use sim_core::time::SimTime;

/// Unix time of the instant [`SimTime::ZERO`]: 2026-01-01T00:00:00Z.
const EPOCH: i64 = 1_767_225_600;

/// Nanoseconds since 1970 at a virtual instant.
pub(crate) fn unix_nanos(now: SimTime) -> i128 {
    i128::from(EPOCH) * 1_000_000_000 + i128::from(now.0)
}

/// Reads an RFC 3339 time in UTC, as the API writes it; nanoseconds since 1970.
pub(crate) fn parse(text: &str) -> Option<i128> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|p| p.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut time = time.splitn(3, ':').map(|p| p.parse::<i64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let nanos: i128 =
        if fraction.is_empty() { 0 } else { format!("{fraction:0<9}").get(..9)?.parse().ok()? };
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !(0..10_000).contains(&year) {
        return None;
    }
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(i128::from(seconds) * 1_000_000_000 + nanos)
}

/// Time since an API time stamp as the AGE column shows it; `<unknown>` if there is none.
pub(crate) fn age(stamp: &str, now: SimTime) -> String {
    parse(stamp).map_or_else(|| "<unknown>".to_owned(), |at| human(unix_nanos(now) - at))
}

/// A duration with at most two units, fewer the longer it is (`k8s.io/apimachinery/pkg/util/duration`).
pub(crate) fn human(nanos: i128) -> String {
    let seconds = nanos / 1_000_000_000;
    let (minutes, hours) = (seconds / 60, seconds / 3_600);
    match () {
        () if seconds < -1 => "<invalid>".to_owned(),
        () if seconds < 0 => "0s".to_owned(),
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => two(minutes, "m", seconds % 60, "s"),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => two(hours, "h", minutes % 60, "m"),
        () if hours < 48 => format!("{hours}h"),
        () if hours < 24 * 8 => two(hours / 24, "d", hours % 24, "h"),
        () if hours < 24 * 365 * 2 => format!("{}d", hours / 24),
        () if hours < 24 * 365 * 8 => two(hours / 24 / 365, "y", hours / 24 % 365, "d"),
        () => format!("{}y", hours / 24 / 365),
    }
}

fn two(large: i128, large_unit: &str, small: i128, small_unit: &str) -> String {
    if small == 0 {
        format!("{large}{large_unit}")
    } else {
        format!("{large}{large_unit}{small}{small_unit}")
    }
}

/// An API time stamp in the format of RFC 1123 with a numeric zone, as `describe` shows it.
pub(crate) fn rfc1123(stamp: &str) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    // Go's zero time: what an absent time stamp is.
    let Some(nanos) = parse(stamp) else { return "Mon, 01 Jan 0001 00:00:00 +0000".to_owned() };
    let seconds = nanos.div_euclid(1_000_000_000) as i64;
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil_from_days(days);
    format!(
        "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} +0000",
        DAYS[days.rem_euclid(7) as usize],
        MONTHS[(month - 1) as usize],
        second / 3_600,
        second / 60 % 60,
        second % 60
    )
}

/// A virtual instant as RFC 3339 writes it, in UTC: `2026-01-01T00:00:05Z`.
pub(crate) fn rfc3339(now: SimTime) -> String {
    sim_core::kube::objects::Timestamp::at(now).to_string()
}

/// The same with nanoseconds, as log lines are stamped.
pub(crate) fn rfc3339_nanos(now: SimTime) -> String {
    format!("{}.{:09}Z", rfc3339(now).trim_end_matches('Z'), now.0 % 1_000_000_000)
}

/// A duration as Go prints it: `1m30s`, `500ms`, `2h0m0s`.
pub(crate) fn go_duration(d: std::time::Duration) -> String {
    let (seconds, nanos) = (d.as_secs(), d.subsec_nanos());
    if seconds == 0 {
        return match nanos {
            0 => "0s".to_owned(),
            n if n < 1_000 => format!("{n}ns"),
            n if n < 1_000_000 => format!("{}µs", f64::from(n) / 1e3),
            n => format!("{}ms", f64::from(n) / 1e6),
        };
    }
    let fraction = format!(".{nanos:09}");
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}{fraction}s"),
        (0, minutes) => format!("{minutes}m{rest}{fraction}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{rest}{fraction}s"),
    }
}

/// A virtual instant as klog stamps its lines: `0101 00:00:05.000000`.
pub(crate) fn klog(now: SimTime) -> String {
    let (seconds, micros) = (EPOCH + (now.0 / 1_000_000_000) as i64, now.0 / 1_000 % 1_000_000);
    let (_, month, day) = civil_from_days(seconds.div_euclid(86_400));
    let s = seconds.rem_euclid(86_400);
    format!("{month:02}{day:02} {:02}:{:02}:{:02}.{micros:06}", s / 3_600, s / 60 % 60, s % 60)
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar: years start in March, so that the leap day comes last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = (shifted + 2) % 12 + 1;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i128 = 1_000_000_000;

    #[test]
    fn durations_have_fewer_units_the_longer_they_are() {
        let all: Vec<String> =
            [-5, -1, 0, 5, 119, 120, 150, 599, 600, 10_799, 10_800, 11_100, 28_800, 172_799, 172_800]
                .into_iter()
                .map(|s| human(s * SECOND))
                .collect();
        assert_eq!(
            all,
            [
                "<invalid>",
                "0s",
                "0s",
                "5s",
                "119s",
                "2m",
                "2m30s",
                "9m59s",
                "10m",
                "179m",
                "3h",
                "3h5m",
                "8h",
                "47h",
                "2d"
            ]
        );
        assert_eq!(human(51 * 3_600 * SECOND), "2d3h");
        assert_eq!(human(400 * 86_400 * SECOND), "400d");
        assert_eq!(human(731 * 86_400 * SECOND), "2y1d");
    }

    #[test]
    fn a_time_stamp_reads_back() {
        assert_eq!(parse("2026-01-01T00:00:00Z"), Some(unix_nanos(SimTime::ZERO)));
        assert_eq!(parse("2026-01-01T00:00:01.5Z"), Some(unix_nanos(SimTime(1_500_000_000))));
        assert_eq!(parse("yesterday"), None);
        assert_eq!(rfc1123("2026-01-01T00:02:03Z"), "Thu, 01 Jan 2026 00:02:03 +0000");
        assert_eq!(rfc1123("2028-02-29T23:59:59Z"), "Tue, 29 Feb 2028 23:59:59 +0000");
        assert_eq!(rfc1123(""), "Mon, 01 Jan 0001 00:00:00 +0000");
    }

    #[test]
    fn durations_print_as_in_go() {
        let print = |millis| go_duration(std::time::Duration::from_millis(millis));
        assert_eq!([0, 500, 1_500, 90_000, 7_200_000].map(print), ["0s", "500ms", "1.5s", "1m30s", "2h0m0s"]);
    }

    #[test]
    fn age_counts_whole_seconds() {
        assert_eq!(age("2026-01-01T00:00:01Z", SimTime(3_900_000_000)), "2s");
        assert_eq!(age("", SimTime::ZERO), "<unknown>");
    }
}

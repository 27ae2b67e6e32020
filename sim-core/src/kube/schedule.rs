//! Crontab schedules, as `CronJob`s write them.
//!
//! Five fields (minute, hour, day of month, month, day of week) with lists, ranges, steps and names, or `@hourly` and the
//! like (<https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#schedule-syntax>). Times are UTC.

use std::time::Duration;

use crate::kube::objects::Timestamp;

/// When something is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether the day of the month, or the day of the week, is left open (`*` or `?`): then only the other counts.
    any_day: bool,
    any_weekday: bool,
    /// `@every`: a fixed time between two.
    every: Option<Duration>,
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// A schedule is looked ahead this many days: `0 0 29 2 *` is due once in eight years at worst.
const LOOK_AHEAD_DAYS: i64 = 366 * 9;
const DAY: i64 = 86_400;

impl Schedule {
    /// Reads a schedule.
    ///
    /// # Errors
    /// The words of the parser that the API server uses.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(descriptor) = text.strip_prefix('@') {
            return Self::descriptor(text, descriptor);
        }
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(format!(
                "expected exactly 5 fields, found {}: {fields}",
                fields.len(),
                fields = go_list(&fields)
            ));
        };
        let any = |field: &str| field.starts_with(['*', '?']) && !field.contains('/');
        Ok(Self {
            minutes: field(minute, 0, 59, &[])?,
            hours: field(hour, 0, 23, &[])?,
            days: field(day, 1, 31, &[])?,
            months: field(month, 1, 12, &MONTHS)?,
            weekdays: field(weekday, 0, 6, &WEEKDAYS)?,
            any_day: any(day),
            any_weekday: any(weekday),
            every: None,
        })
    }

    fn descriptor(text: &str, name: &str) -> Result<Self, String> {
        let five = match name {
            "yearly" | "annually" => "0 0 1 1 *",
            "monthly" => "0 0 1 * *",
            "weekly" => "0 0 * * 0",
            "daily" | "midnight" => "0 0 * * *",
            "hourly" => "0 * * * *",
            _ => {
                let every = name.strip_prefix("every ").and_then(go_duration);
                let Some(every) = every else { return Err(format!("unrecognized descriptor: {text}")) };
                let every = Duration::from_secs(every.as_secs().max(1));
                return Self::parse("* * * * *").map(|s| Self { every: Some(every), ..s });
            }
        };
        Self::parse(five)
    }

    /// The first time after `from` at which something is due; none within the next nine years.
    #[must_use]
    pub fn next(&self, from: Timestamp) -> Option<Timestamp> {
        let from = from.unix_seconds();
        if let Some(every) = self.every {
            return Some(Timestamp::from_unix(from + i64::try_from(every.as_secs()).unwrap_or(i64::MAX / 2)));
        }
        let start = from.div_euclid(60) * 60 + 60;
        let first_day = start.div_euclid(DAY);
        for day in first_day..first_day + LOOK_AHEAD_DAYS {
            if !self.on_day(day) {
                continue;
            }
            let begin = if day == first_day { start.rem_euclid(DAY) / 60 } else { 0 };
            let due = (begin..DAY / 60).find(|m| bit(self.hours, m / 60) && bit(self.minutes, m % 60));
            if let Some(minute) = due {
                return Some(Timestamp::from_unix(day * DAY + minute * 60));
            }
        }
        None
    }

    fn on_day(&self, day: i64) -> bool {
        let (_, month, of_month) = Timestamp::from_unix(day * DAY).date();
        // The first day of 1970 was a Thursday.
        let weekday = (day + 4).rem_euclid(7);
        let (by_month, by_week) = (bit(self.days, of_month), bit(self.weekdays, weekday));
        let fits = if self.any_day || self.any_weekday { by_month && by_week } else { by_month || by_week };
        bit(self.months, month) && fits
    }
}

fn bit(set: u64, n: i64) -> bool {
    u32::try_from(n).is_ok_and(|n| set.checked_shr(n).is_some_and(|s| s & 1 == 1))
}

fn go_list(fields: &[&str]) -> String {
    format!("[{}]", fields.join(" "))
}

/// One field: a list of ranges with steps.
fn field(text: &str, min: u64, max: u64, names: &[&str]) -> Result<u64, String> {
    let mut all = 0;
    for part in text.split(',').filter(|p| !p.is_empty()) {
        all |= range(part, min, max, names)?;
    }
    Ok(all)
}

fn range(text: &str, min: u64, max: u64, names: &[&str]) -> Result<u64, String> {
    let (span, step) = match text.split('/').collect::<Vec<_>>().as_slice() {
        [span] => (*span, None),
        [span, step] => (*span, Some(number(step)?)),
        _ => return Err(format!("too many slashes: {text}")),
    };
    let offset = if names.len() == 12 { 1 } else { 0 };
    let value = |word: &str| {
        let known = names.iter().position(|n| n.eq_ignore_ascii_case(word));
        known.map_or_else(|| number(word), |i| Ok(i as u64 + offset))
    };
    let (start, mut end) = match span.split('-').collect::<Vec<_>>().as_slice() {
        ["*" | "?"] => (min, max),
        [one] => {
            let n = value(one)?;
            (n, n)
        }
        [first, last] => (value(first)?, value(last)?),
        _ => return Err(format!("too many hyphens: {text}")),
    };
    // A single number with a step goes to the end.
    if step.is_some() && !span.contains(['-', '*', '?']) {
        end = max;
    }
    if start < min {
        return Err(format!("beginning of range ({start}) below minimum ({min}): {text}"));
    }
    if end > max {
        return Err(format!("end of range ({end}) above maximum ({max}): {text}"));
    }
    if start > end {
        return Err(format!("beginning of range ({start}) beyond end of range ({end}): {text}"));
    }
    let step = step.unwrap_or(1);
    if step == 0 {
        return Err(format!("step of range should be a positive number: {text}"));
    }
    let step = usize::try_from(step).unwrap_or(usize::MAX);
    Ok((start..=end).step_by(step).fold(0, |set, n| set | 1 << n))
}

fn number(text: &str) -> Result<u64, String> {
    if let Ok(n) = text.parse::<i64>() {
        return u64::try_from(n).map_err(|_| format!("negative number ({n}) not allowed: {text}"));
    }
    Err(format!("failed to parse int from {text}: strconv.Atoi: parsing {text:?}: invalid syntax"))
}

/// A duration as Go writes it: `1h30m`, `90s`.
fn go_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = ["ms", "h", "m", "s"].into_iter().find(|u| rest.starts_with(u))?;
        rest = &rest[unit.len()..];
        total += match unit {
            "ms" => Duration::from_millis(number),
            "h" => Duration::from_secs(number.checked_mul(3600)?),
            "m" => Duration::from_secs(number.checked_mul(60)?),
            _ => Duration::from_secs(number),
        };
    }
    (!text.trim().is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn next(schedule: &str, from: &str) -> String {
        let due = Schedule::parse(schedule).unwrap().next(Timestamp::parse(from).unwrap());
        due.map_or_else(|| "never".to_owned(), |t| t.to_string())
    }

    #[test]
    fn schedules_say_when() {
        for (schedule, from, due) in [
            ("* * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"),
            ("*/5 * * * *", "2026-01-01T00:01:30Z", "2026-01-01T00:05:00Z"),
            ("30 4 * * *", "2026-01-01T04:30:00Z", "2026-01-02T04:30:00Z"),
            ("0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"),
            ("0 9 * * mon-fri", "2026-01-02T09:00:00Z", "2026-01-05T09:00:00Z"),
            ("0 0 13 * 5", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
            ("@hourly", "2026-01-01T00:59:59Z", "2026-01-01T01:00:00Z"),
            ("@every 90s", "2026-01-01T00:00:00Z", "2026-01-01T00:01:30Z"),
            ("5/20 * * * *", "2026-01-01T00:06:00Z", "2026-01-01T00:25:00Z"),
            ("0 0 30 2 *", "2026-01-01T00:00:00Z", "never"),
        ] {
            assert_eq!(next(schedule, from), due, "{schedule}");
        }
    }

    #[test]
    fn nonsense_is_refused_in_the_parsers_words() {
        let why = |text: &str| Schedule::parse(text).unwrap_err();
        assert_eq!(why("* * * *"), "expected exactly 5 fields, found 4: [* * * *]");
        assert_eq!(why("61 * * * *"), "end of range (61) above maximum (59): 61");
        assert_eq!(
            why("x * * * *"),
            "failed to parse int from x: strconv.Atoi: parsing \"x\": invalid syntax"
        );
        assert_eq!(why("@often"), "unrecognized descriptor: @often");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*", from in 0_i64..4_000_000_000) {
            if let Ok(schedule) = Schedule::parse(&text) {
                let from = Timestamp::from_unix(from);
                prop_assert!(schedule.next(from).is_none_or(|due| due > from));
            }
        }
    }
}

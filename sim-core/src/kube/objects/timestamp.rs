//! Wall-clock instants as API objects carry them, derived from virtual time.

use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer};
use serde::{Serialize, Serializer};

use crate::time::SimTime;

/// Seconds since 1970 at which every simulation starts: 2026-01-01T00:00:00Z.
pub const EPOCH_UNIX_SECONDS: i64 = 1_767_225_600;

/// A wall-clock instant with whole seconds, as `metav1.Time` keeps it; printed as RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    unix_seconds: i64,
}

impl Timestamp {
    /// The wall clock at an instant of virtual time, rounded down to whole seconds.
    #[must_use]
    pub const fn at(now: SimTime) -> Self {
        Self { unix_seconds: EPOCH_UNIX_SECONDS.saturating_add_unsigned(now.0 / 1_000_000_000) }
    }

    /// The instant this many seconds after 1970.
    #[must_use]
    pub const fn from_unix(unix_seconds: i64) -> Self {
        Self { unix_seconds }
    }

    /// Seconds since 1970.
    #[must_use]
    pub const fn unix_seconds(self) -> i64 {
        self.unix_seconds
    }

    /// The instant of virtual time; the start of the simulation if it is earlier.
    #[must_use]
    pub fn sim_time(self) -> SimTime {
        SimTime::ZERO
            + Duration::from_secs(u64::try_from(self.unix_seconds - EPOCH_UNIX_SECONDS).unwrap_or(0))
    }

    /// Year, month and day of the month in UTC.
    #[must_use]
    pub const fn date(self) -> (i64, i64, i64) {
        civil_from_days(self.unix_seconds.div_euclid(86_400))
    }

    /// How long ago this was, in whole seconds of the AGE column's clock; zero if it is still to come.
    #[must_use]
    pub fn age(self, now: SimTime) -> Duration {
        now.since(self.sim_time())
    }

    /// Reads RFC 3339: `2026-01-01T00:00:00Z`, with optional fraction (dropped) and numeric offset.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (date, clock) = text.split_once(['T', 't'])?;
        let mut date = date.splitn(3, '-').map(digits);
        let (year, month, day) = (date.next()??, date.next()??, date.next()??);
        let zone_at = clock.find(['Z', 'z', '+', '-'])?;
        let (clock, zone) = clock.split_at(zone_at);
        let clock = clock.split_once('.').map_or(clock, |(whole, _)| whole);
        let mut clock = clock.splitn(3, ':').map(digits);
        let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
        Some(Self { unix_seconds: seconds - zone_offset(zone)? })
    }
}

fn digits(text: &str) -> Option<i64> {
    (text.len() <= 4 && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())?
}

fn zone_offset(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, rest) = zone.split_at_checked(1)?;
    let (hours, minutes) = rest.split_once(':')?;
    let offset = digits(hours)? * 3600 + digits(minutes)? * 60;
    Some(if sign == "-" { -offset } else { offset })
}

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar; years are counted from March so that the leap day
/// is the last of its year.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of [`days_from_civil`].
const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        let s = self.unix_seconds.rem_euclid(86_400);
        write!(f, "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", s / 3600, s / 60 % 60, s % 60)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom(format!("not an RFC 3339 time: {text:?}")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_epoch_is_new_year_2026() {
        assert_eq!(Timestamp::at(SimTime::ZERO).to_string(), "2026-01-01T00:00:00Z");
        assert_eq!(Timestamp::at(SimTime::from_secs(59 * 86_400)).to_string(), "2026-03-01T00:00:00Z");
    }

    #[test]
    fn offsets_and_fractions_are_read() {
        let t = Timestamp::parse("2026-01-01T02:00:00.25+02:00").unwrap();
        assert_eq!(t, Timestamp::at(SimTime::ZERO));
        assert_eq!(Timestamp::parse("2026-01-01"), None);
        assert_eq!(Timestamp::parse("2026-13-01T00:00:00Z"), None);
    }

    proptest! {
        #[test]
        fn print_then_parse_is_the_identity(seconds in 0_i64..253_402_300_799) {
            let t = Timestamp::from_unix(seconds);
            prop_assert_eq!(Timestamp::parse(&t.to_string()), Some(t));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = Timestamp::parse(&text);
        }
    }
}

//! `date [-u] [+FORMAT]`: virtual time, from 2026-01-01T00:00:00Z on.

use sim_core::time::SimTime;

use super::options::Options;
use crate::tools::Cx;

/// 2026-01-01T00:00:00Z in seconds since 1970.
const START: u64 = 1_767_225_600;

pub(in crate::tools) fn run(cx: &mut Cx<'_>) -> i32 {
    let options = match Options::read(cx, "uI:R", &[("utc", 'u'), ("rfc-3339", '3'), ("rfc-email", 'R')]) {
        Ok(options) => options,
        Err(status) => return status,
    };
    let format = match options.operands.as_slice() {
        [] if options.has('I') || options.has('3') => {
            return cx.not_modelled("date: options -I and --rfc-3339");
        }
        [] if options.has('R') => "%a, %d %b %Y %H:%M:%S +0000",
        [] => "%a %b %e %H:%M:%S UTC %Y",
        [format] if format.starts_with('+') => &format[1..],
        _ => return cx.not_modelled("date: setting the clock"),
    };
    let nanos = cx.now().since_start().subsec_nanos();
    match render(format, START + cx.now().since_start().as_secs(), nanos) {
        Ok(text) => {
            cx.out.line(text);
            0
        }
        Err(conversion) => cx.not_modelled(format!("date: %{conversion}")),
    }
}

/// A virtual instant as `ctime(3)` writes it: `Thu Jan  1 00:00:00 2026`.
pub(in crate::tools) fn ctime(now: SimTime) -> String {
    let since = now.since_start();
    render("%a %b %e %H:%M:%S %Y", START + since.as_secs(), since.subsec_nanos()).unwrap_or_default()
}

/// The date of an instant in seconds since 1970: `2026-01-01`.
pub(in crate::tools) fn day_of(seconds: u64) -> String {
    render("%F", seconds, 0).unwrap_or_default()
}

/// A virtual instant in nanoseconds since 1970.
pub(in crate::tools) fn since_1970(now: SimTime) -> u64 {
    START * 1_000_000_000 + u64::try_from(now.since_start().as_nanos()).unwrap_or(0)
}

/// A virtual instant as `conntrack -o xml,timestamp` writes it; Sunday is the first day.
pub(in crate::tools) fn xml_when(now: SimTime) -> String {
    let seconds = START + now.since_start().as_secs();
    let day = Day::of(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    // 1970-01-01 was a Thursday.
    let weekday = (seconds / 86_400 + 4) % 7 + 1;
    format!(
        "<when><hour>{hour}</hour><min>{minute}</min><sec>{second}</sec><wday>{weekday}</wday>\
         <day>{}</day><month>{}</month><year>{}</year></when>",
        day.day, day.month, day.year
    )
}

fn render(format: &str, seconds: u64, nanos: u32) -> Result<String, char> {
    let day = Day::of(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let mut text = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            text.push(c);
            continue;
        }
        let piece = match chars.next().unwrap_or('%') {
            '%' => "%".to_owned(),
            'Y' => day.year.to_string(),
            'y' => format!("{:02}", day.year % 100),
            'm' => format!("{:02}", day.month),
            'd' => format!("{:02}", day.day),
            'e' => format!("{:2}", day.day),
            'H' => format!("{hour:02}"),
            'M' => format!("{minute:02}"),
            'S' => format!("{second:02}"),
            'N' => format!("{nanos:09}"),
            'F' => format!("{}-{:02}-{:02}", day.year, day.month, day.day),
            'T' => format!("{hour:02}:{minute:02}:{second:02}"),
            'R' => format!("{hour:02}:{minute:02}"),
            's' => seconds.to_string(),
            'a' => DAYS[day.weekday].to_owned(),
            'b' => MONTHS[day.month as usize - 1].to_owned(),
            'Z' => "UTC".to_owned(),
            'z' => "+0000".to_owned(),
            'n' => "\n".to_owned(),
            't' => "\t".to_owned(),
            other => return Err(other),
        };
        text.push_str(&piece);
    }
    Ok(text)
}

const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A day of the Gregorian calendar.
struct Day {
    year: u64,
    month: u64,
    day: u64,
    /// From Sunday.
    weekday: usize,
}

impl Day {
    /// The day so many days after 1970-01-01, a Thursday: years counted from March, in eras of 400 years.
    fn of(days: u64) -> Self {
        let z = days + 719_468;
        let era = z / 146_097;
        let of_era = z % 146_097;
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        Self { year, month, day, weekday: ((days + 4) % 7) as usize }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_starts_on_the_first_of_january_2026() {
        let default = "%a %b %e %H:%M:%S UTC %Y";
        assert_eq!(render(default, START, 0).unwrap(), "Thu Jan  1 00:00:00 UTC 2026");
        assert_eq!(render("%F %T", START + 59 * 86_400 + 3661, 0).unwrap(), "2026-03-01 01:01:01");
        assert_eq!(render("%F", 951_782_400, 0).unwrap(), "2000-02-29");
    }
}

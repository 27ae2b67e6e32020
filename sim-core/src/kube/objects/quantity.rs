//! Amounts of CPU and memory (`resource.Quantity`).

/// One unit: amounts are counted in thousandths.
pub const ONE: i128 = 1000;

/// More than this is this much, as Kubernetes has it.
const MOST: i128 = i64::MAX as i128 * ONE;

/// Reads an amount, `100m`, `64Mi`, `1.5`, `2e3`, in thousandths of its unit, rounded up; none if it is no amount.
#[must_use]
pub fn parse(text: &str) -> Option<i128> {
    let end = text.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '+' | '-')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let negative = whole.starts_with('-');
    let digits = format!("{}{fraction}", whole.trim_start_matches(['+', '-']));
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // All that can fail is that there are too many digits.
    let value: i128 = digits.parse().unwrap_or(i128::MAX);
    let places = u32::try_from(fraction.len()).ok()?;
    let (times, parts) = scale(suffix)?;
    let scaled = value.saturating_mul(times).saturating_mul(ONE);
    let parts = parts.checked_mul(10_i128.checked_pow(places)?)?;
    let rounded = scaled.saturating_add(parts - 1).div_euclid(parts).min(MOST);
    Some(if negative { -rounded } else { rounded })
}

/// The factor of a suffix as a fraction.
fn scale(suffix: &str) -> Option<(i128, i128)> {
    let binary = |n: u32| Some((1_i128 << (10 * n), 1));
    let decimal = |n: u32| Some((1000_i128.pow(n), 1));
    match suffix {
        "n" => Some((1, 1_000_000_000)),
        "u" => Some((1, 1_000_000)),
        "m" => Some((1, 1000)),
        "" => Some((1, 1)),
        "k" => decimal(1),
        "M" => decimal(2),
        "G" => decimal(3),
        "T" => decimal(4),
        "P" => decimal(5),
        "E" => decimal(6),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => {
            let power: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            let ten = 10_i128.checked_pow(power.unsigned_abs())?;
            Some(if power < 0 { (1, ten) } else { (ten, 1) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_a_limit() {
        for text in ["100000000000000000E", "99999999999999999999999999999Ei", &"9".repeat(60)] {
            assert_eq!(parse(text), Some(MOST), "{text}");
        }
        assert_eq!(parse("-99999999999999999999999999999Ei"), Some(-MOST));
    }

    #[test]
    fn amounts_are_read_in_thousandths() {
        for (text, thousandths) in [
            ("100m", 100),
            ("2", 2000),
            ("1.5", 1500),
            ("64Mi", 67_108_864_000),
            ("1k", 1_000_000),
            ("2e3", 2_000_000),
            ("1u", 1),
        ] {
            assert_eq!(parse(text), Some(thousandths), "{text}");
        }
        assert_eq!(parse("x"), None);
        assert_eq!(parse("1Zi"), None);
    }
}

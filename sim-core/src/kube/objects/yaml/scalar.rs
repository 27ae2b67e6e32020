//! What a plain YAML scalar means to Kubernetes.
//!
//! kubectl and the API server turn YAML into JSON with a YAML 1.1 reader: `yes`, `on` and `y` are booleans, `017` is an
//! octal number, `1_000` is a number, dates stay texts. (YAML 1.2 readers see texts there.) See
//! <https://github.com/kubernetes-sigs/yaml>.

use serde_json::{Number, Value};

/// A scalar that JSON has no form for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unrepresentable {
    Infinity,
    MinusInfinity,
    NotANumber,
}

impl Unrepresentable {
    /// As Go prints the number.
    pub(super) const fn go(self) -> &'static str {
        match self {
            Self::Infinity => "+Inf",
            Self::MinusInfinity => "-Inf",
            Self::NotANumber => "NaN",
        }
    }
}

/// The JSON value of an unquoted, untagged scalar.
pub(super) fn resolve(text: &str) -> Result<Value, Unrepresentable> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Value::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Value::Bool(false)
        }
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Err(Unrepresentable::Infinity),
        "-.inf" | "-.Inf" | "-.INF" => return Err(Unrepresentable::MinusInfinity),
        ".nan" | ".NaN" | ".NAN" => return Err(Unrepresentable::NotANumber),
        _ => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    })
}

/// A number, if the text is one.
pub(super) fn number(text: &str) -> Option<Number> {
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return None;
    }
    let plain = text.replace('_', "");
    integer(&plain).or_else(|| float(&plain).and_then(from_float))
}

/// Go's `strconv.ParseInt(text, 0, 64)`: decimal, or with a prefix of base 2, 8 or 16; a leading zero means octal.
fn integer(text: &str) -> Option<Number> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let lower = digits.to_ascii_lowercase();
    let (radix, body) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    let magnitude = u64::from_str_radix(body, radix).ok()?;
    if negative {
        0_i64.checked_sub_unsigned(magnitude).map(Number::from)
    } else if let Ok(small) = i64::try_from(magnitude) {
        Some(Number::from(small))
    } else {
        // Beyond 63 bits the reader goes on with a float.
        from_float(magnitude as f64)
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).map_or((unsigned, "0"), |(m, e)| (m, e));
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let shaped = digits(whole)
        && digits(fraction)
        && !exponent.is_empty()
        && digits(exponent)
        && !(whole.is_empty() && fraction.is_empty());
    shaped.then(|| text.strip_prefix('+').unwrap_or(text).parse().ok())?
}

/// A float; a whole one becomes an integer, as it does on its way through JSON text.
fn from_float(value: f64) -> Option<Number> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        return Some(Number::from(value as i64));
    }
    Number::from_f64(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Answers of a real kubectl (`kubectl label --local -o json`).
    #[test]
    fn scalars_mean_what_they_mean_to_kubectl() {
        for (text, value) in [
            ("y", json!(true)),
            ("Off", json!(false)),
            ("~", json!(null)),
            ("017", json!(15)),
            ("0o17", json!(15)),
            ("0x1F", json!(31)),
            ("0b11", json!(3)),
            ("-0b11", json!(-3)),
            ("1_000", json!(1000)),
            ("1e3", json!(1000)),
            ("1.50", json!(1.5)),
            (".5", json!(0.5)),
            ("+5", json!(5)),
            ("1:30", json!("1:30")),
            ("2001-01-01", json!("2001-01-01")),
            ("08", json!(8)),
            ("12e03", json!(12000)),
            ("tRue", json!("tRue")),
            ("1.", json!(1)),
            ("0x", json!("0x")),
            ("_1", json!("_1")),
            ("1__0", json!(10)),
            (".nan2", json!(".nan2")),
            ("10.96.0.1", json!("10.96.0.1")),
            ("=", json!("=")),
        ] {
            assert_eq!(resolve(text), Ok(value), "{text}");
        }
        assert_eq!(resolve(".inf"), Err(Unrepresentable::Infinity));
    }
}

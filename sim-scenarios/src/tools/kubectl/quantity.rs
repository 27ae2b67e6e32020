//! Resource quantities: `100m`, `70Mi`, `2`, as sums and in the canonical form of `k8s.io/apimachinery/pkg/api/resource`.

use std::fmt;

use serde_json::{Map, Value, json};
use sim_core::kube::objects::decode::check_quantity;

use super::failure::Failure;

/// A quantity in thousandths, with the form it is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Quantity {
    milli: i128,
    binary: bool,
}

const DECIMAL: [(&str, i128); 8] = [
    ("E", 1_000_000_000_000_000_000),
    ("P", 1_000_000_000_000_000),
    ("T", 1_000_000_000_000),
    ("G", 1_000_000_000),
    ("M", 1_000_000),
    ("k", 1_000),
    ("", 1),
    ("m", 0),
];
const BINARY: [(&str, i128); 6] =
    [("Ei", 1 << 60), ("Pi", 1 << 50), ("Ti", 1 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)];

impl Quantity {
    /// Reads a quantity; none if it is none, or finer than a thousandth.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let end =
            text.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '-' | '+')).unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = fraction.len();
        let all: i128 = format!("{whole}{fraction}").parse().ok()?;
        let binary = BINARY.iter().find(|(s, _)| *s == suffix).map(|(_, n)| n * 1_000);
        let unit = match (binary, suffix) {
            (Some(n), _) => n,
            (None, "m") => 1,
            (None, _) => DECIMAL.iter().find(|(s, _)| *s == suffix).map(|(_, n)| n * 1_000)?,
        };
        let scale = 10_i128.checked_pow(u32::try_from(digits).ok()?)?;
        let milli = all.checked_mul(unit)?;
        (milli % scale == 0).then_some(Self { milli: milli / scale, binary: binary.is_some() })
    }

    /// The sum, in the form of `self`, or of `other` if `self` is zero.
    pub(crate) fn plus(self, other: Self) -> Self {
        let binary = if self.milli == 0 { other.binary } else { self.binary };
        Self { milli: self.milli.saturating_add(other.milli), binary }
    }

    /// How many per cent of `whole` this is, rounded down; 0 of nothing.
    pub(crate) fn percent_of(self, whole: Self) -> i128 {
        if whole.milli == 0 { 0 } else { self.milli.saturating_mul(100) / whole.milli }
    }
}

/// Reads `cpu=200m,memory=512Mi`.
///
/// # Errors
/// kubectl's words.
pub(crate) fn list(text: Option<&str>) -> Result<Map<String, Value>, Failure> {
    let one = |part: &str| {
        let (resource, amount) = part.split_once('=').filter(|(_, a)| !a.contains('=')).ok_or_else(|| {
            Failure::plain(format!("invalid argument syntax {part}, expected <resource>=<value>"))
        })?;
        check_quantity(amount).map_err(Failure::plain)?;
        Ok((resource.to_owned(), json!(amount)))
    };
    text.filter(|t| !t.is_empty()).into_iter().flat_map(|t| t.split(',')).map(one).collect()
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.milli == 0 {
            return f.write_str("0");
        }
        if self.milli % 1_000 != 0 {
            return write!(f, "{}m", self.milli);
        }
        let n = self.milli / 1_000;
        let units: &[(&str, i128)] = if self.binary { &BINARY } else { &DECIMAL[..6] };
        match units.iter().find(|(_, size)| n % size == 0) {
            Some((suffix, size)) => write!(f, "{}{suffix}", n / size),
            None => write!(f, "{n}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        Quantity::parse(text).map_or_else(|| "-".to_owned(), |q| q.to_string())
    }

    #[test]
    fn quantities_have_a_canonical_form() {
        let all = [
            "100m",
            "1000m",
            "0.5",
            "70Mi",
            "1024Mi",
            "1.5Gi",
            "2000",
            "0",
            "1000k",
            "x",
            "12Q",
            "16374932Ki",
        ];
        assert_eq!(
            all.map(canonical),
            ["100m", "1", "500m", "70Mi", "1Gi", "1536Mi", "2k", "0", "1M", "-", "-", "16374932Ki"]
        );
    }

    #[test]
    fn sums_keep_the_form() {
        let sum =
            |a: &str, b: &str| Quantity::parse(a).unwrap().plus(Quantity::parse(b).unwrap()).to_string();
        assert_eq!(sum("100m", "900m"), "1");
        assert_eq!(sum("70Mi", "70Mi"), "140Mi");
        assert_eq!(sum("0", "50Mi"), "50Mi");
        assert_eq!(Quantity::parse("850m").unwrap().percent_of(Quantity::parse("8").unwrap()), 10);
    }
}

//! Whether two samples can come from the same distribution.

use std::collections::BTreeMap;

/// How often each outcome was seen.
pub(super) type Counts = BTreeMap<String, u64>;

/// Compares two samples (chi-square test of homogeneity).
///
/// # Errors
/// The samples differ by more than chance explains in one of a million pairs.
pub(super) fn same_distribution(want: &Counts, got: &Counts) -> Result<(), String> {
    let outcomes: Vec<&String> = {
        let mut all: Vec<_> = want.keys().chain(got.keys()).collect();
        all.sort();
        all.dedup();
        all
    };
    let (total_want, total_got) = (want.values().sum::<u64>() as f64, got.values().sum::<u64>() as f64);
    let all = total_want + total_got;
    if total_want == 0.0 || total_got == 0.0 {
        return Err("an empty sample".to_owned());
    }
    let mut statistic = 0.0;
    for outcome in &outcomes {
        let count = |sample: &Counts| sample.get(*outcome).copied().unwrap_or(0) as f64;
        let (a, b) = (count(want), count(got));
        let (ea, eb) = ((a + b) * total_want / all, (a + b) * total_got / all);
        if ea > 0.0 {
            statistic += (a - ea).powi(2) / ea + (b - eb).powi(2) / eb;
        }
    }
    let limit = limit(outcomes.len().saturating_sub(1));
    if statistic <= limit {
        return Ok(());
    }
    Err(format!(
        "frequencies: the kernel {want:?}, the simulator {got:?} (chi-square {statistic:.1} > {limit:.1})"
    ))
}

/// The value that chi-square exceeds once in a million times (Wilson and Hilferty's approximation); 0 for a single outcome.
fn limit(degrees: usize) -> f64 {
    const Z: f64 = 4.753;
    let k = degrees as f64;
    if degrees == 0 { 1e-9 } else { k * (1.0 - 2.0 / (9.0 * k) + Z * (2.0 / (9.0 * k)).sqrt()).powi(3) }
}

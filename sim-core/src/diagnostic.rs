//! Mistakes in what people write, as data: where, what, and what to do. Rendering lives at the edge.

use serde::Serialize;

/// One mistake in a text that a person wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Name of the text: a file's path as the person gave it.
    pub source: String,
    /// Line from 1.
    pub line: u32,
    /// Column from 1, in characters.
    pub column: u32,
    /// Number of characters that the mistake covers, at least 1.
    pub length: u32,
    /// What is wrong, a lower-case fragment without a final full stop.
    pub message: String,
    /// What to do, where that is known.
    pub help: Option<String>,
}

/// How bad a mistake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Severity {
    /// Nothing runs.
    Error,
    /// It runs, but a person should look.
    Warning,
}

/// The candidate that `word` was probably meant to be: the nearest by edits (insert, delete, replace, swap of neighbours), if a third of
/// the word or less differs; letter case does not count.
#[must_use]
pub fn closest<'c>(word: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let lower: Vec<char> = word.to_lowercase().chars().collect();
    candidates
        .iter()
        .map(|c| (edits(&lower, &c.to_lowercase().chars().collect::<Vec<_>>()), *c))
        .filter(|(distance, c)| *distance <= c.len().max(lower.len()).div_ceil(3).min(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, c)| c)
}

/// Optimal string alignment distance.
fn edits(a: &[char], b: &[char]) -> usize {
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        let known = ["podSubnet", "serviceSubnet", "targetPort", "cni"];
        assert_eq!(closest("podsubnet", &known), Some("podSubnet"));
        assert_eq!(closest("tragetPort", &known), Some("targetPort"));
        assert_eq!(closest("cnii", &known), Some("cni"));
        assert_eq!(closest("replicas", &known), None);
    }
}

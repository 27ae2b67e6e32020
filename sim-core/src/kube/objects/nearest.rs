//! What a person probably meant: the known word at the smallest edit distance.

/// The candidate that `word` is most likely a slip of, if any is close enough: an insertion, deletion, replacement or swap
/// per three characters, or a difference in case only.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower: Vec<char> = word.to_lowercase().chars().take(LONGEST).collect();
    let allowed = 1 + lower.len() / 4;
    candidates
        .into_iter()
        .map(|c| (distance(&lower, &c.to_lowercase().chars().take(LONGEST).collect::<Vec<_>>()), c))
        .filter(|(d, _)| *d <= allowed)
        .min_by_key(|(d, _)| *d)
        .map(|(_, c)| c)
}

/// Longer words are compared by their beginning.
const LONGEST: usize = 64;

/// Optimal string alignment distance.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(x != y);
            let mut best = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised() {
        let known = ["name", "nodePort", "port", "protocol", "targetPort"];
        assert_eq!(nearest("tragetPort", known), Some("targetPort"));
        assert_eq!(nearest("targetport", known), Some("targetPort"));
        assert_eq!(nearest("prot", known), Some("port"));
        assert_eq!(nearest("selector", known), None);
    }
}

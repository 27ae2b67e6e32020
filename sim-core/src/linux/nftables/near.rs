//! Names that are nearly right, for "did you mean".

/// How far two names are apart, if that is near enough to ask (`string_misspell_update`).
pub(super) fn distance(a: &str, b: &str) -> Option<usize> {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let (most, least) = (a.len().max(b.len()), a.len().min(b.len()));
    if most <= 1 {
        return None;
    }
    let limit = if most - least <= 1 { most.div_ceil(3).max(1) + 1 } else { most - least + least / 2 };
    Some(edits(&a, &b)).filter(|d| *d <= limit)
}

fn edits(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = corner + usize::from(x != y);
            corner = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}

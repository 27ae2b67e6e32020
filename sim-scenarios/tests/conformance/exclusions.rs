//! The list of cases that are left out, each with its reason.

/// Patterns with reasons.
pub(crate) struct Exclusions(Vec<(String, String)>);

/// Reads the list that stands beside this file.
///
/// # Panics
/// A line without a reason.
pub(crate) fn load() -> Exclusions {
    let lines = include_str!("exclusions.txt").lines().map(str::trim);
    Exclusions(
        lines
            .filter(|l| !l.is_empty() && !l.starts_with('#'))
            .map(|l| {
                let (pattern, reason) =
                    l.split_once(char::is_whitespace).expect("every exclusion has a reason");
                (pattern.to_owned(), reason.trim().to_owned())
            })
            .collect(),
    )
}

impl Exclusions {
    /// Why a case is left out; none if it runs. A pattern that ends in `/` stands for everything below it.
    pub(crate) fn reason(&self, case: &str) -> Option<&str> {
        let hit = |p: &str| p == case || (p.ends_with('/') && case.starts_with(p));
        self.0.iter().find(|(p, _)| hit(p)).map(|(_, reason)| reason.as_str())
    }
}

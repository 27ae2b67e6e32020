//! Version numbers.

use std::fmt;

/// A version as far as behaviour depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Major version.
    pub major: u16,
    /// Minor version.
    pub minor: u16,
    /// Patch level, 0 where it does not matter.
    pub patch: u16,
}

impl Version {
    /// `major.minor.patch`.
    #[must_use]
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self { major, minor, patch }
    }

    /// Reads the leading `1.28` or `1.28.4` of an image tag or version number; a leading `v` and what follows (`-glibc`) do not count.
    #[must_use]
    pub fn parse(tag: &str) -> Option<Self> {
        let tag = tag.strip_prefix('v').unwrap_or(tag);
        let end = tag.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(tag.len());
        let mut parts = tag[..end].split('.').map(str::parse::<u16>);
        let major = parts.next()?.ok()?;
        let minor = parts.next().map_or(Ok(0), |p| p).ok()?;
        let patch = parts.next().map_or(Ok(0), |p| p).ok()?;
        Some(Self { major, minor, patch })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_a_tag() {
        assert_eq!(Version::parse("v1.11.3"), Some(Version::new(1, 11, 3)));
        assert_eq!(Version::parse("1"), Some(Version::new(1, 0, 0)));
        assert_eq!(Version::parse("mainline"), None);
        assert_eq!(Version::parse("1..3"), None);
    }
}

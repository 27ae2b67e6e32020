//! Files as tools see them: paths are relative to the working folder, nothing touches the real machine.

use std::fmt;

/// Why a file could not be read or written, worded as `strerror(3)` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileError {
    /// ENOENT.
    NotFound,
    /// EISDIR.
    IsADirectory,
    /// ENOTDIR.
    NotADirectory,
    /// EEXIST.
    Exists,
    /// ENOTEMPTY.
    NotEmpty,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "No such file or directory",
            Self::IsADirectory => "Is a directory",
            Self::NotADirectory => "Not a directory",
            Self::Exists => "File exists",
            Self::NotEmpty => "Directory not empty",
        })
    }
}

impl std::error::Error for FileError {}

/// `path` seen from `cwd`, absolute, without `.`, `..` and doubled slashes.
#[must_use]
pub fn absolute(cwd: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let from_root = path.starts_with('/');
    for part in cwd.split('/').filter(|_| !from_root).chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_absolute() {
        assert_eq!(absolute("/root", "a.yaml"), "/root/a.yaml");
        assert_eq!(absolute("/root", "/etc//hosts"), "/etc/hosts");
        assert_eq!(absolute("/root/x", "../../../y/./z"), "/y/z");
        assert_eq!(absolute("/", ""), "/");
    }
}

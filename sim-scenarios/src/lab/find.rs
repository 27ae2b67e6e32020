//! Labs on disk. The only place of this crate that reads real files.

use std::io;
use std::path::{Path, PathBuf};

use super::parse::Lab;

/// A document on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its path as it was found.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

impl Document {
    /// Its path, for people.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }
}

/// Reads a file as it is.
///
/// # Errors
/// It cannot be read.
pub fn read(path: &Path) -> io::Result<Document> {
    let bytes = std::fs::read(path)?;
    Ok(Document { path: path.to_owned(), text: String::from_utf8_lossy(&bytes).into_owned() })
}

/// The labs that a path means: the file, or every `*.md` with a console block below the folder, in byte order.
///
/// # Errors
/// It, or something below it, cannot be read.
pub fn labs(path: &Path) -> io::Result<Vec<Document>> {
    if !path.is_dir() {
        return Ok(vec![read(path)?]);
    }
    let mut found = Vec::new();
    collect(path, &mut found)?;
    found.sort();
    let documents = found.iter().map(|p| read(p)).collect::<io::Result<Vec<_>>>()?;
    Ok(documents.into_iter().filter(|d| Lab::is_lab(&d.text)).collect())
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        // A link may lead back up: not followed.
        let kind = entry.file_type()?;
        if kind.is_dir() {
            collect(&entry.path(), found)?;
        } else if kind.is_file() && entry.path().extension().is_some_and(|e| e == "md") {
            found.push(entry.path());
        }
    }
    Ok(())
}

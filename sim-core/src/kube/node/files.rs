//! A machine's file system, in memory.
//!
//! Names are absolute paths without `.` and `..`; [`Files::resolve`] makes one of what a person typed. The tree is shared between
//! copies until one of them changes, so the thousandth container of an image costs nothing.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::linux::Errno;

/// A tree of directories and files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    tree: Arc<BTreeMap<Box<str>, Node>>,
}

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Dir,
    File(Arc<[u8]>),
}

/// What a path names, as `ls` tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A directory.
    Dir,
    /// A regular file.
    File,
}

impl Default for Files {
    fn default() -> Self {
        Self { tree: Arc::new(BTreeMap::from([("/".into(), Node::Dir)])) }
    }
}

impl Files {
    /// A tree with nothing but its root.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The absolute path that `path` means in the working folder `cwd`: `.` and `..` resolved, no slash at the end.
    #[must_use]
    pub fn resolve(cwd: &str, path: &str) -> String {
        let mut parts: Vec<&str> = Vec::new();
        let start = if path.starts_with('/') { "" } else { cwd };
        for part in start.split('/').chain(path.split('/')) {
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

    /// What the absolute path `path` names, if anything.
    #[must_use]
    pub fn kind(&self, path: &str) -> Option<FileKind> {
        self.tree.get(path).map(|n| match n {
            Node::Dir => FileKind::Dir,
            Node::File(_) => FileKind::File,
        })
    }

    /// The contents of a file.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR or EISDIR, as `open(2)` and `read(2)`.
    pub fn read(&self, path: &str) -> Result<Arc<[u8]>, Errno> {
        match self.tree.get(path) {
            Some(Node::File(bytes)) => Ok(bytes.clone()),
            Some(Node::Dir) => Err(Errno::EISDIR),
            None => Err(self.missing(path)),
        }
    }

    /// The contents of a file as text, bytes that are not UTF-8 replaced.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_text(&self, path: &str) -> Result<String, Errno> {
        self.read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Makes a file, or replaces its contents.
    ///
    /// # Errors
    /// ENOENT or ENOTDIR if the folder is not there, EISDIR if the path is a folder.
    pub fn write(&mut self, path: &str, contents: impl Into<Arc<[u8]>>) -> Result<(), Errno> {
        if self.kind(path) == Some(FileKind::Dir) {
            return Err(Errno::EISDIR);
        }
        self.need_dir(parent(path))?;
        Arc::make_mut(&mut self.tree).insert(path.into(), Node::File(contents.into()));
        Ok(())
    }

    /// Adds to the end of a file, which is made if it is not there.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn append(&mut self, path: &str, more: &[u8]) -> Result<(), Errno> {
        let mut bytes = match self.read(path) {
            Ok(old) => old.to_vec(),
            Err(Errno::ENOENT) => Vec::new(),
            Err(e) => return Err(e),
        };
        bytes.extend_from_slice(more);
        self.write(path, bytes)
    }

    /// The files below a folder, by their path within it.
    pub fn below<'a>(&'a self, dir: &str) -> impl Iterator<Item = (&'a str, Arc<[u8]>)> {
        let prefix = format!("{}/", dir.trim_end_matches('/'));
        let range = self.tree.range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded));
        let inside = range.map(|(path, node)| (path.strip_prefix(prefix.as_str()), node));
        let files: Vec<(&str, Arc<[u8]>)> = inside
            .map_while(|(path, node)| Some((path?, node)))
            .filter_map(
                |(path, node)| if let Node::File(bytes) = node { Some((path, bytes.clone())) } else { None },
            )
            .collect();
        files.into_iter()
    }

    /// Makes a file together with the folders above it: for building a machine, not for its tools. A file in the way is replaced.
    #[must_use]
    pub fn with(mut self, path: &str, contents: impl Into<Arc<[u8]>>) -> Self {
        self.make_dirs(parent(path));
        Arc::make_mut(&mut self.tree).insert(path.into(), Node::File(contents.into()));
        self
    }

    /// Makes a folder together with those above it: for building a machine.
    #[must_use]
    pub fn with_dir(mut self, path: &str) -> Self {
        self.make_dirs(path);
        self
    }

    /// Makes one folder, as `mkdir`.
    ///
    /// # Errors
    /// EEXIST, ENOENT, ENOTDIR.
    pub fn mkdir(&mut self, path: &str) -> Result<(), Errno> {
        if self.tree.contains_key(path) {
            return Err(Errno::EEXIST);
        }
        self.need_dir(parent(path))?;
        Arc::make_mut(&mut self.tree).insert(path.into(), Node::Dir);
        Ok(())
    }

    /// Removes a file, as `rm`.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR, EISDIR.
    pub fn remove(&mut self, path: &str) -> Result<(), Errno> {
        self.read(path)?;
        Arc::make_mut(&mut self.tree).remove(path);
        Ok(())
    }

    /// Removes a file, or a folder and everything below it, as `rm -r`. The root itself is emptied.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR.
    pub fn remove_all(&mut self, path: &str) -> Result<(), Errno> {
        if !self.tree.contains_key(path) {
            return Err(self.missing(path));
        }
        let below = below(path);
        Arc::make_mut(&mut self.tree)
            .retain(|name, _| &**name == "/" || (&**name != path && !name.starts_with(&below)));
        Ok(())
    }

    /// Removes an empty folder, as `rmdir`.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR, ENOTEMPTY.
    pub fn rmdir(&mut self, path: &str) -> Result<(), Errno> {
        if !self.list(path)?.is_empty() {
            return Err(Errno::ENOTEMPTY);
        }
        Arc::make_mut(&mut self.tree).remove(path);
        Ok(())
    }

    /// Names in a folder, in byte order.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR.
    pub fn list(&self, path: &str) -> Result<Vec<(&str, FileKind)>, Errno> {
        match self.kind(path) {
            Some(FileKind::Dir) => {}
            Some(FileKind::File) => return Err(Errno::ENOTDIR),
            None => return Err(self.missing(path)),
        }
        let below = below(path);
        Ok(self
            .tree
            .range::<str, _>((Bound::Included(below.as_str()), Bound::Unbounded))
            .take_while(|(name, _)| name.starts_with(&below))
            .filter_map(|(name, node)| {
                let name = &name[below.len()..];
                let kind = if matches!(node, Node::Dir) { FileKind::Dir } else { FileKind::File };
                (!name.is_empty() && !name.contains('/')).then_some((name, kind))
            })
            .collect())
    }

    fn make_dirs(&mut self, path: &str) {
        let tree = Arc::make_mut(&mut self.tree);
        let mut at = path;
        while at != "/" && !matches!(tree.get(at), Some(Node::Dir)) {
            tree.insert(at.into(), Node::Dir);
            at = parent(at);
        }
    }

    fn need_dir(&self, path: &str) -> Result<(), Errno> {
        match self.kind(path) {
            Some(FileKind::Dir) => Ok(()),
            Some(FileKind::File) => Err(Errno::ENOTDIR),
            None => Err(self.missing(path)),
        }
    }

    /// Why there is nothing at `path`: a file is in the way (ENOTDIR) or nothing is.
    fn missing(&self, path: &str) -> Errno {
        let mut at = parent(path);
        while self.kind(at).is_none() {
            at = parent(at);
        }
        if self.kind(at) == Some(FileKind::File) { Errno::ENOTDIR } else { Errno::ENOENT }
    }
}

/// The folder that holds an absolute path; the root holds itself.
fn parent(path: &str) -> &str {
    match path.rfind('/') {
        None | Some(0) => "/",
        Some(i) => &path[..i],
    }
}

fn below(path: &str) -> String {
    if path == "/" { path.to_owned() } else { format!("{path}/") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_resolved_against_the_working_folder() {
        assert_eq!(Files::resolve("/root", "a/../b"), "/root/b");
        assert_eq!(Files::resolve("/root", "/etc//hosts"), "/etc/hosts");
        assert_eq!(Files::resolve("/", "../.."), "/");
    }

    #[test]
    fn what_is_not_there_has_its_own_error() {
        let mut f = Files::new().with("/etc/hosts", *b"x");
        assert_eq!(f.read("/etc/passwd"), Err(Errno::ENOENT));
        assert_eq!(f.read("/etc"), Err(Errno::EISDIR));
        assert_eq!(f.read("/etc/hosts/x"), Err(Errno::ENOTDIR));
        assert_eq!(f.write("/var/x", *b""), Err(Errno::ENOENT));
        assert_eq!(f.write("/etc", *b""), Err(Errno::EISDIR));
        assert_eq!(f.mkdir("/etc"), Err(Errno::EEXIST));
        assert_eq!(f.list("/etc/hosts"), Err(Errno::ENOTDIR));
        assert_eq!(f.rmdir("/etc"), Err(Errno::ENOTEMPTY));
    }

    #[test]
    fn a_folder_lists_what_is_directly_in_it() {
        let f = Files::new().with("/a/b/c", *b"").with("/a/x", *b"").with_dir("/ab");
        assert_eq!(f.list("/a"), Ok(vec![("b", FileKind::Dir), ("x", FileKind::File)]));
        assert_eq!(f.list("/"), Ok(vec![("a", FileKind::Dir), ("ab", FileKind::Dir)]));
    }

    #[test]
    fn a_copy_keeps_its_own_contents() {
        let image = Files::new().with("/index.html", *b"old");
        let mut container = image.clone();
        container.append("/index.html", b"+new").unwrap();
        assert_eq!(&*image.read("/index.html").unwrap(), b"old");
        assert_eq!(&*container.read("/index.html").unwrap(), b"old+new");
    }

    #[test]
    fn a_folder_goes_with_everything_below_it() {
        let mut f = Files::new().with("/a/b/c", *b"").with("/ab", *b"");
        f.remove_all("/a").unwrap();
        assert_eq!(f.list("/"), Ok(vec![("ab", FileKind::File)]));
        f.remove_all("/").unwrap();
        assert_eq!(f, Files::new());
    }
}

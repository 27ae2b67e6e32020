//! Files as tools see them: paths are relative to the working folder, nothing touches the real machine.
//!
//! The folder [`HOME`] holds the lab's files and is one and the same on the workstation, every node and every outside host.
//! Containers have file systems of their own.

use std::sync::Arc;

use sim_core::kube::node::files::{FileKind, Files};
use sim_core::linux::Errno;

use super::{Cluster, Cx, Place, SessionState, procfs};

/// The working folder of the lab.
pub const HOME: &str = "/root";

/// The files of one machine.
pub struct FileAccess<'a> {
    pub(crate) cluster: &'a mut Cluster,
    pub(crate) session: &'a mut SessionState,
    pub(crate) place: &'a Place,
    pub(crate) cwd: &'a str,
}

impl Cx<'_> {
    /// The files that this tool can reach.
    pub fn files(&mut self) -> FileAccess<'_> {
        FileAccess { cluster: self.cluster, session: self.session, place: self.place, cwd: self.cwd }
    }

    /// The file tree that holds an absolute path on this tool's machine, to read in.
    #[must_use]
    pub fn tree(&self, absolute: &str) -> Option<&Files> {
        tree(self.cluster, self.session, self.place, absolute)
    }

    /// The contents of a file; `-` and `/dev/stdin` are standard input.
    ///
    /// # Errors
    /// As `open(2)` and `read(2)`.
    pub fn read_input(&mut self, path: &str) -> Result<Vec<u8>, Errno> {
        if path == "-" || path == "/dev/stdin" {
            return Ok(self.stdin.to_vec());
        }
        self.files().read(path).map(|bytes| bytes.to_vec())
    }
}

impl FileAccess<'_> {
    /// The contents of a file.
    ///
    /// # Errors
    /// As `open(2)` and `read(2)`.
    pub fn read(&self, path: &str) -> Result<Arc<[u8]>, Errno> {
        let path = Files::resolve(self.cwd, path);
        if path == "/dev/null" {
            return Ok(Arc::from([]));
        }
        if let Some(key) = sysctl_key(&path) {
            return self.sysctl(&key);
        }
        if let Some(node) = self.kernel(&path) {
            return match node? {
                procfs::Node::File(text) => Ok(Arc::from(text.into_bytes())),
                procfs::Node::Folder(_) => Err(Errno::EISDIR),
            };
        }
        self.look(&path).map_or(Err(Errno::ENOENT), |files| files.read(&path))
    }

    /// Makes a file, or replaces its contents.
    ///
    /// # Errors
    /// As `open(2)`.
    pub fn write(&mut self, path: &str, contents: &[u8]) -> Result<(), Errno> {
        self.change(path, |files, path| files.write(path, contents.to_vec()), Some(contents))
    }

    /// Adds to the end of a file.
    ///
    /// # Errors
    /// As `open(2)`.
    pub fn append(&mut self, path: &str, more: &[u8]) -> Result<(), Errno> {
        self.change(path, |files, path| files.append(path, more), Some(more))
    }

    /// Makes a folder.
    ///
    /// # Errors
    /// As `mkdir(2)`.
    pub fn mkdir(&mut self, path: &str) -> Result<(), Errno> {
        self.change(path, |files, path| files.mkdir(path), None)
    }

    /// Removes a file.
    ///
    /// # Errors
    /// As `unlink(2)`.
    pub fn remove(&mut self, path: &str) -> Result<(), Errno> {
        self.change(path, |files, path| files.remove(path), None)
    }

    /// Removes a file, or a folder with all that is in it.
    ///
    /// # Errors
    /// As `unlink(2)`.
    pub fn remove_all(&mut self, path: &str) -> Result<(), Errno> {
        self.change(path, |files, path| files.remove_all(path), None)
    }

    /// What a path names.
    #[must_use]
    pub fn kind(&self, path: &str) -> Option<FileKind> {
        let path = Files::resolve(self.cwd, path);
        if path == "/dev/null" || sysctl_key(&path).is_some_and(|key| self.sysctl(&key).is_ok()) {
            return Some(FileKind::File);
        }
        match self.kernel(&path) {
            Some(Ok(procfs::Node::File(_))) => return Some(FileKind::File),
            Some(Ok(procfs::Node::Folder(_))) => return Some(FileKind::Dir),
            Some(Err(_)) => return None,
            None => {}
        }
        self.look(&path)?.kind(&path)
    }

    /// Names in a folder, in byte order.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR.
    pub fn list(&self, path: &str) -> Result<Vec<(String, FileKind)>, Errno> {
        let path = Files::resolve(self.cwd, path);
        if let Some(node) = self.kernel(&path) {
            return match node? {
                procfs::Node::Folder(names) => Ok(names.into_iter().map(|n| (n, FileKind::File)).collect()),
                procfs::Node::File(_) => Err(Errno::ENOTDIR),
            };
        }
        let files = self.look(&path).ok_or(Errno::ENOENT)?;
        Ok(files.list(&path)?.into_iter().map(|(name, kind)| (name.to_owned(), kind)).collect())
    }

    /// A file that the kernel makes of the network.
    fn kernel(&self, path: &str) -> Option<Result<procfs::Node, Errno>> {
        let ns = self.cluster.machine(self.place)?.ns;
        procfs::look(&self.cluster.world, ns, path)
    }

    fn look(&self, path: &str) -> Option<&Files> {
        tree(self.cluster, self.session, self.place, path)
    }

    fn change(
        &mut self,
        path: &str,
        change: impl FnOnce(&mut Files, &str) -> Result<(), Errno>,
        written: Option<&[u8]>,
    ) -> Result<(), Errno> {
        let path = Files::resolve(self.cwd, path);
        if path == "/dev/null" {
            return Ok(());
        }
        if let (Some(key), Some(value)) = (sysctl_key(&path), written) {
            return self.set_sysctl(&key, value);
        }
        if let (Some(ns), Some(value)) = (self.cluster.netns(self.place), written)
            && !matches!(self.place, Place::Container { .. })
        {
            let value = String::from_utf8_lossy(value);
            if let Some(done) = procfs::write(&mut self.cluster.world, ns, &path, &value) {
                return done;
            }
        }
        if is_shared(self.place, &path) {
            return change(self.session.home_mut(), &path);
        }
        let machine = self.cluster.machine_mut(self.place.machine()).ok_or(Errno::ENOENT)?;
        change(&mut machine.files, &path)
    }

    fn sysctl(&self, key: &str) -> Result<Arc<[u8]>, Errno> {
        let ns = self.cluster.machine(self.place).ok_or(Errno::ENOENT)?.ns;
        let value = self.cluster.world.ns(ns).sysctl_get(key).map_err(|_| Errno::ENOENT)?;
        Ok(Arc::from(format!("{value}\n").into_bytes()))
    }

    fn set_sysctl(&mut self, key: &str, value: &[u8]) -> Result<(), Errno> {
        let machine = self.cluster.machine(self.place).ok_or(Errno::ENOENT)?;
        let ns = machine.ns;
        // /proc/sys is mounted read-only in a container that is not privileged. The shell has to open the file to learn it.
        if !machine.privileges.proc_sys {
            return Err(Errno::EACCES);
        }
        let value = String::from_utf8_lossy(value);
        // Opening the file writes nothing yet.
        if value.is_empty() {
            return self.sysctl(key).map(|_| ());
        }
        self.cluster.world.ns_mut(ns).sysctl_set(key, value.trim()).map_err(|_| Errno::EINVAL)
    }
}

/// Names in a folder of a machine; none if it cannot be listed.
#[must_use]
pub fn list_names(
    cluster: &Cluster,
    session: &SessionState,
    place: &Place,
    cwd: &str,
    dir: &str,
) -> Vec<String> {
    let path = Files::resolve(cwd, dir);
    let names = tree(cluster, session, place, &path).and_then(|files| files.list(&path).ok());
    names.unwrap_or_default().into_iter().map(|(name, _)| name.to_owned()).collect()
}

fn tree<'a>(cluster: &'a Cluster, session: &'a SessionState, place: &Place, path: &str) -> Option<&'a Files> {
    if is_shared(place, path) {
        return Some(session.home());
    }
    cluster.machine(place.machine()).map(|m| &m.files)
}

fn is_shared(place: &Place, path: &str) -> bool {
    let below = path.strip_prefix(HOME).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    below && !matches!(place, Place::Container { .. })
}

/// `/proc/sys/net/ipv4/ip_forward` → `net.ipv4.ip_forward`
fn sysctl_key(path: &str) -> Option<String> {
    path.strip_prefix("/proc/sys/").map(|rest| rest.replace('/', "."))
}

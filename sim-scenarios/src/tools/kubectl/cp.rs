//! `kubectl cp`: files between this machine and a container.

use sim_core::kube::node::files::{FileKind, Files};

use super::args::{Flag, Kind as F, flag, short};
use super::ctl::Ctl;
use super::exec;
use super::failure::Failure;
use crate::tools::Place;

pub(crate) static FLAGS: &[Flag] =
    &[short("container", 'c', F::Text), flag("no-preserve", F::Bool), flag("retries", F::Int)];

/// One end: a path, and the pod that it is in.
struct End {
    pod: Option<String>,
    namespace: Option<String>,
    path: String,
}

impl End {
    /// `path`, `pod:path`, `namespace/pod:path`.
    fn parse(text: &str) -> Result<Self, Failure> {
        let Some((place, path)) = text.split_once(':') else {
            return Ok(Self { pod: None, namespace: None, path: text.to_owned() });
        };
        let (namespace, pod) = match place.split('/').collect::<Vec<_>>().as_slice() {
            [pod] => (None, (*pod).to_owned()),
            [namespace, pod] => (Some((*namespace).to_owned()), (*pod).to_owned()),
            _ => {
                return Err(Failure::plain(
                    "filespec must match the canonical format: [[namespace/]pod:]file/path",
                ));
            }
        };
        if pod.is_empty() {
            return Err(Failure::plain(
                "filespec must match the canonical format: [[namespace/]pod:]file/path",
            ));
        }
        Ok(Self { pod: Some(pod), namespace, path: path.to_owned() })
    }
}

/// Runs the verb.
///
/// # Errors
/// No such pod or file.
pub(crate) fn run(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    let [from, to] = ctl.args.words.as_slice() else {
        return Err(Failure::usage(&ctl.path, "source and destination are required"));
    };
    let (from, to) = (End::parse(from)?, End::parse(to)?);
    match (&from.pod, &to.pod) {
        (Some(_), Some(_)) => Err(Failure::plain("src and dest can not both be in pods")),
        (None, None) => Err(Failure::plain("one of src or dest must be a local file specification")),
        _ if from.path.is_empty() || to.path.is_empty() => Err(Failure::plain("filepath can not be empty")),
        (None, Some(_)) => copy_in(ctl, &from, &to),
        (Some(_), None) => copy_out(ctl, &from, &to),
    }
}

/// The machine of a pod's container. tar does the work inside it.
fn place(ctl: &mut Ctl<'_, '_>, end: &End) -> Result<Place, Failure> {
    let space = end.namespace.clone().unwrap_or_else(|| ctl.namespace());
    let pod = exec::pod(ctl.store(), end.pod.as_deref().unwrap_or(""), &space)?;
    let container = exec::container(ctl, &pod)?;
    exec::running(&pod, &container)?;
    Ok(exec::place(&pod, &container))
}

fn copy_in(ctl: &mut Ctl<'_, '_>, from: &End, to: &End) -> Result<i32, Failure> {
    let absolute = Files::resolve(ctl.cx.cwd, &from.path);
    let missing = || Failure::plain(format!("{} doesn't exist in local filesystem", from.path));
    let tree = ctl.cx.tree(&absolute).ok_or_else(missing)?;
    let files = gather(tree, &absolute).ok_or_else(missing)?;
    let place = place(ctl, to)?;
    let base = from.path.trim_end_matches('/').rsplit('/').next().unwrap_or("").to_owned();
    let Some(machine) = ctl.cx.cluster.machine_mut(&place) else { return Err(gone(to)) };
    let target = target(&machine.files, &machine.cwd, &to.path, &base);
    write(&mut machine.files, &target, files)?;
    Ok(0)
}

fn copy_out(ctl: &mut Ctl<'_, '_>, from: &End, to: &End) -> Result<i32, Failure> {
    let place = place(ctl, from)?;
    let Some(machine) = ctl.cx.cluster.machine(&place) else { return Err(gone(from)) };
    let absolute = Files::resolve(&machine.cwd, &from.path);
    let is_gnu = machine.tools.busybox.is_none();
    let files = gather(&machine.files, &absolute);
    if is_gnu {
        ctl.err("tar: Removing leading `/' from member names");
    } else if files.is_some() {
        ctl.err("tar: removing leading '/' from member names");
    }
    let Some(files) = files else {
        if is_gnu {
            ctl.err(format!("tar: {absolute}: Cannot stat: No such file or directory"));
            ctl.err("tar: Exiting with failure status due to previous errors");
            ctl.err("command terminated with exit code 2");
            return Ok(2);
        }
        ctl.err(format!("tar: {absolute}: No such file or directory"));
        ctl.err("tar: error exit delayed from previous errors");
        ctl.err("command terminated with exit code 1");
        return Ok(1);
    };
    let base = absolute.rsplit('/').next().unwrap_or("").to_owned();
    let here = Files::resolve(ctl.cx.cwd, &to.path);
    // Unlike `cp` kubectl writes what it was told to, unless that is a folder with a final slash.
    let target = if to.path.ends_with('/') { format!("{}/{base}", here.trim_end_matches('/')) } else { here };
    for (rest, bytes) in files {
        let path = format!("{target}{rest}");
        let written = ctl.cx.files().write(&path, &bytes);
        written.map_err(|e| Failure::plain(format!("open {path}: {}", e.message().to_lowercase())))?;
    }
    Ok(0)
}

fn gone(end: &End) -> Failure {
    Failure::plain(format!("pod {:?} is not running", end.pod.as_deref().unwrap_or("")))
}

/// Files below a path with the rest of their paths; the file itself has none.
fn gather(files: &Files, path: &str) -> Option<Vec<(String, Vec<u8>)>> {
    match files.kind(path)? {
        FileKind::File => Some(vec![(String::new(), files.read(path).ok()?.to_vec())]),
        FileKind::Dir => {
            let mut all = Vec::new();
            for (name, _) in files.list(path).ok()? {
                let inner = gather(files, &format!("{}/{name}", path.trim_end_matches('/')))?;
                all.extend(inner.into_iter().map(|(rest, bytes)| (format!("/{name}{rest}"), bytes)));
            }
            Some(all)
        }
    }
}

/// A folder takes what is copied under its own name.
fn target(files: &Files, cwd: &str, path: &str, base: &str) -> String {
    let absolute = Files::resolve(cwd, path);
    match files.kind(&absolute) {
        Some(FileKind::Dir) => format!("{}/{base}", absolute.trim_end_matches('/')),
        _ => absolute,
    }
}

/// What tar does with what it reads: folders are made as needed.
fn write(files: &mut Files, target: &str, all: Vec<(String, Vec<u8>)>) -> Result<(), Failure> {
    for (rest, bytes) in all {
        let path = format!("{target}{rest}");
        for (i, _) in path.match_indices('/').skip(1) {
            // A folder that is there is as it should be.
            let _ = files.mkdir(&path[..i]);
        }
        files.write(&path, bytes).map_err(|e| Failure::plain(format!("tar: {path}: {}", e.message())))?;
    }
    Ok(())
}

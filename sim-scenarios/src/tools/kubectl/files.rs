//! `-f`: files, folders, standard input.

use sim_core::kube::node::files::{FileKind, Files};

use super::ctl::Ctl;
use super::failure::Failure;

/// A text with the name that messages give it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// Extensions that count in a folder.
const EXTENSIONS: [&str; 3] = [".json", ".yaml", ".yml"];

/// The texts that `-f` names, in order.
///
/// # Errors
/// A path that is not there, a folder without manifests, or a web address.
pub(crate) fn read_all(ctl: &Ctl<'_, '_>) -> Result<Vec<Source>, Failure> {
    ctl.refuse(&["kustomize"])?;
    let mut all = Vec::new();
    for path in ctl.args.texts("filename") {
        if path == "-" {
            all.push(Source {
                name: "STDIN".to_owned(),
                text: String::from_utf8_lossy(ctl.cx.stdin).into_owned(),
            });
        } else if path.starts_with("http://") || path.starts_with("https://") {
            all.push(from_web(ctl, path)?);
        } else if path == "/dev/null" {
            all.push(Source { name: path.to_owned(), text: String::new() });
        } else {
            all.extend(read_path(ctl, path)?);
        }
    }
    Ok(all)
}

/// What stands at a web address: a lab has it as a file of that path, `k8s.io/examples/web.yaml`, or of the path's last part.
fn from_web(ctl: &Ctl<'_, '_>, url: &str) -> Result<Source, Failure> {
    let path = url.split_once("://").map_or(url, |(_, path)| path);
    let path = path.split(['?', '#']).next().unwrap_or(path);
    let last = path.rsplit('/').next().unwrap_or(path);
    for candidate in [path, last].into_iter().filter(|c| !c.is_empty()) {
        if let Ok(text) = read_text(ctl, candidate) {
            return Ok(Source { name: url.to_owned(), text });
        }
    }
    Err(Failure::not_modelled(format!(
        "reading a manifest from the network ({url}, for which a file of the lab named {last:?} could stand)"
    )))
}

/// The text of one file.
///
/// # Errors
/// It is not there, or a folder.
pub(crate) fn read_text(ctl: &Ctl<'_, '_>, path: &str) -> Result<String, Failure> {
    let absolute = Files::resolve(ctl.cx.cwd, path);
    files(ctl, &absolute)?
        .read_text(&absolute)
        .map_err(|errno| Failure::plain(format!("open {path}: {}", errno.message().to_lowercase())))
}

fn files<'a>(ctl: &'a Ctl<'_, '_>, absolute: &str) -> Result<&'a Files, Failure> {
    ctl.cx.tree(absolute).ok_or_else(|| Failure::not_modelled(format!("kubectl on {}", ctl.cx.place)))
}

fn read_path(ctl: &Ctl<'_, '_>, path: &str) -> Result<Vec<Source>, Failure> {
    let absolute = Files::resolve(ctl.cx.cwd, path);
    let files = files(ctl, &absolute)?;
    match files.kind(&absolute) {
        None => Err(Failure::plain(format!("the path {path:?} does not exist"))),
        Some(FileKind::File) => Ok(vec![Source { name: path.to_owned(), text: read_text(ctl, path)? }]),
        Some(FileKind::Dir) => {
            let mut names = Vec::new();
            collect(
                files,
                &absolute,
                path.trim_end_matches('/'),
                ctl.args.bool("recursive", false),
                &mut names,
            );
            if names.is_empty() {
                return Err(Failure::plain(format!(
                    "error reading [{path}]: recognized file extensions are [{}]",
                    EXTENSIONS.join(" ")
                )));
            }
            names.into_iter().map(|name| Ok(Source { text: read_text(ctl, &name)?, name })).collect()
        }
    }
}

fn collect(files: &Files, absolute: &str, shown: &str, deep: bool, names: &mut Vec<String>) {
    for (name, kind) in files.list(absolute).unwrap_or_default() {
        let shown = if shown == "." { name.to_owned() } else { format!("{shown}/{name}") };
        match kind {
            FileKind::Dir if deep => {
                collect(files, &format!("{}/{name}", absolute.trim_end_matches('/')), &shown, deep, names);
            }
            FileKind::File if EXTENSIONS.iter().any(|e| name.ends_with(e)) => names.push(shown),
            FileKind::Dir | FileKind::File => {}
        }
    }
}

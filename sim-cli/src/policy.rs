//! `ksim policy`: what network policies in manifests let through.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sim_core::kube::config::ClusterConfig;
use sim_core::kube::policy::offline::{self, Manifests};
use sim_core::kube::policy::report::Connectivity;
use sim_core::kube::policy::{Engine, Options, truth};
use sim_scenarios::lab::check::render;
use sim_scenarios::lab::find;

use crate::args::{PolicyArgs, PolicyQuestion};
use crate::{Trouble, print, say};

/// Endings of files that may hold manifests.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

pub(crate) fn policy(args: &PolicyArgs) -> Result<ExitCode, Trouble> {
    match &args.what {
        PolicyQuestion::List { paths } => {
            connectivity(&read(paths)?).lines().iter().for_each(|line| print(&format!("{line}\n")));
            Ok(ExitCode::SUCCESS)
        }
        PolicyQuestion::Diff { before, after } => {
            let of = |path: &PathBuf| read(std::slice::from_ref(path)).map(|all| connectivity(&all));
            let changes = of(before)?.changes_to(&of(after)?);
            if changes.is_empty() {
                return Ok(ExitCode::SUCCESS);
            }
            print("Connectivity diff:\n");
            changes.iter().for_each(|change| print(&format!("{change}\n")));
            Ok(ExitCode::from(1))
        }
        PolicyQuestion::Table { paths, ports } => {
            print(&truth::tables(&engine(&read(paths)?), ports));
            Ok(ExitCode::SUCCESS)
        }
        PolicyQuestion::Ask { paths, from, to, port: (protocol, port) } => {
            let answers = engine(&read(paths)?).may_reach(from, to, *protocol, *port);
            let answers = answers.map_err(|e| Trouble::Input(format!("ksim: {e}\n")))?;
            answers.iter().for_each(|answer| print(&format!("{answer}\n")));
            Ok(ExitCode::from(u8::from(!answers.iter().all(|a| a.verdict.allowed()))))
        }
    }
}

fn engine(all: &Manifests) -> Engine {
    let engine = Engine::new(all.snapshot.clone(), Options::default());
    engine.notes().iter().for_each(|note| say(&format!("note: {note}\n")));
    engine
}

fn connectivity(all: &Manifests) -> Connectivity {
    Connectivity::of(&engine(all), &all.workloads, &all.backends)
}

/// Everything in files and folders; mistakes, all of them shown, keep everything from being looked at.
fn read(paths: &[PathBuf]) -> Result<Manifests, Trouble> {
    let (mut objects, mut shown) = (Vec::new(), String::new());
    for path in paths {
        let trouble = |e: io::Error| Trouble::Input(format!("ksim: {}: {e}\n", path.display()));
        for file in files(path).map_err(trouble)? {
            let document = find::read(&file).map_err(trouble)?;
            let release = ClusterConfig::default().kubernetes_version;
            match offline::read(&document.text, &document.name(), release) {
                Ok(file) => {
                    file.notes.iter().for_each(|note| say(&format!("note: {note}\n")));
                    objects.extend(file.objects);
                }
                Err(mistakes) => shown.extend(mistakes.iter().map(|d| render(d, &document.text) + "\n")),
            }
        }
    }
    if shown.is_empty() { Ok(Manifests::of(objects)) } else { Err(Trouble::Input(shown)) }
}

/// A file, or the manifests below a folder, by name.
fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(path)?.map(|e| e.map(|e| e.path())).collect::<io::Result<_>>()?;
    entries.sort();
    let mut all = Vec::new();
    for entry in entries {
        if entry.is_dir() {
            all.extend(files(&entry)?);
        } else if entry.extension().is_some_and(|e| ENDINGS.iter().any(|known| e == *known)) {
            all.push(entry);
        }
    }
    Ok(all)
}

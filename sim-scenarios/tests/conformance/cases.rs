//! Finds the cases in the files.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use crate::{chain_names, dns_server, dns_tools, ingress, kernel, kubeproxy, netpol};

/// One case.
pub(crate) struct Case {
    /// `<folder>/<file>/<case id>`.
    pub(crate) name: String,
    /// Runs it.
    pub(crate) run: Box<dyn FnOnce() -> Result<(), String> + Send>,
}

/// All cases below a folder, by name of folder and file, then in the order of the file.
///
/// # Panics
/// The folder or a file cannot be read, or is not JSON.
pub(crate) fn all(folder: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    for dir in sorted(folder).into_iter().filter(|p| p.is_dir()) {
        for file in sorted(&dir).into_iter().filter(|p| p.extension().is_some_and(|e| e == "json")) {
            let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
            let value: Value =
                serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
            let prefix = format!("{}/{}", stem(&dir), stem(&file));
            cases.extend(of_file(&prefix, folder, Arc::new(value)));
        }
    }
    cases
}

fn sorted(folder: &Path) -> Vec<std::path::PathBuf> {
    let read = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<_> = read.map(|e| e.unwrap().path()).collect();
    paths.sort();
    paths
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn of_file(prefix: &str, folder: &Path, file: Arc<Value>) -> Vec<Case> {
    if let Some(cases) = dns_server::cases(prefix, folder, &file) {
        return cases;
    }
    if prefix == "kubeproxy/chain-names" {
        return chain_names::cases(prefix, &file);
    }
    let kernel_case = prefix.starts_with("kernel/");
    let mut cases = Vec::new();
    for (list, value) in file.as_object().into_iter().flatten() {
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            let Some(id) = item.get("id").and_then(Value::as_str) else { continue };
            if !netpol::is_complete(prefix, list, item, &file) {
                continue;
            }
            let name = if list == "tool_cases" || list == "fragments" || list == "dns_policy_cases" {
                format!("{prefix}/{list}/{id}")
            } else {
                format!("{prefix}/{id}")
            };
            let file = Arc::clone(&file);
            let list = list.clone();
            let check = kubeproxy::check(prefix, &list);
            let dns_check = dns_tools::check(prefix, &list);
            let ingress_check = ingress::check(prefix, &list);
            let netpol_check = netpol::check(prefix, &list);
            let folder = folder.to_path_buf();
            cases.push(Case {
                name,
                run: Box::new(move || {
                    if kernel_case {
                        kernel::run(&file, &file[&list][index])
                    } else if let Some(check) = dns_check {
                        check(&file[&list][index], &file, &folder)
                    } else if let Some(check) = ingress_check {
                        check(&file[&list][index])
                    } else if let Some(check) = netpol_check {
                        check(&file[&list][index], &file)
                    } else if let Some(check) = check {
                        check(&file[&list][index], &file["defaults"])
                    } else {
                        Err("no runner for cases of this kind".to_owned())
                    }
                }),
            });
        }
    }
    cases
}

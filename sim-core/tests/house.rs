//! The rules of the house, read off the sources: imports run downwards, and the ground floor knows no Kubernetes word.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test reads the source files")]

use std::path::{Path, PathBuf};

/// From the top floor down. A module may use itself and what stands below it.
const FLOORS: [&[&str]; 7] = [
    &["flow"],
    &["cluster"],
    &["kube"],
    &["linux"],
    &["trace"],
    &["packet", "diagnostic"],
    &["time", "chance"],
];

/// As they are written where they mean Kubernetes; iptables has a target of its own called CLUSTERIP.
const KUBERNETES_WORDS: [&str; 12] = [
    "Kubernetes",
    "kubernetes",
    "kubelet",
    "kubectl",
    "kube-",
    "KUBE-",
    "kube_",
    "ClusterIP",
    "cluster_ip",
    "EndpointSlice",
    "CoreDNS",
    "NodePort",
];

/// The source files below a folder, without those that are tests altogether.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_test = path.file_stem().is_some_and(|s| s == "tests");
        if is_test {
            continue;
        }
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The top-level module of a file.
fn module(path: &Path) -> String {
    let inside = path.strip_prefix(src()).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|f| f.contains(&module))
}

/// The code of a file without its tests, which may look around.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
}

#[test]
fn imports_run_downwards() {
    let mut wrong = Vec::new();
    for file in sources(&src()) {
        let Some(own) = floor(&module(&file)) else { continue };
        for line in code(&file).lines().filter(|l| !l.trim_start().starts_with("//")) {
            for used in line.split("crate::").skip(1) {
                let name: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if floor(&name).is_some_and(|f| f < own) {
                    wrong.push(format!("{}: {}", file.display(), line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "imports that run upwards:\n{}", wrong.join("\n"));
}

#[test]
fn every_module_stands_on_a_floor() {
    let unplaced: Vec<String> =
        sources(&src()).iter().map(|f| module(f)).filter(|m| m != "lib" && floor(m).is_none()).collect();
    assert!(unplaced.is_empty(), "modules without a floor: {unplaced:?}");
}

#[test]
fn the_ground_floor_utters_no_kubernetes_word() {
    let mut wrong = Vec::new();
    for file in sources(&src().join("linux")) {
        for line in code(&file).lines().filter(|l| !l.trim_start().starts_with("//")) {
            if KUBERNETES_WORDS.iter().any(|w| line.contains(w)) {
                wrong.push(format!("{}: {}", file.display(), line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "Kubernetes words on the ground floor:\n{}", wrong.join("\n"));
}

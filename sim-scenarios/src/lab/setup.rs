//! From a lab to its cluster.

use sim_core::cluster::Cluster;
use sim_core::diagnostic::{Diagnostic, Severity};
use sim_core::kube::config::{self, ClusterConfig};
use sim_core::kube::version::Version;

use super::parse::{Excerpt, Lab};

/// The lab's cluster configuration; without a cluster block the default one.
///
/// # Errors
/// What is wrong with the cluster block.
pub fn configuration(lab: &Lab) -> Result<ClusterConfig, Vec<Diagnostic>> {
    let Some(block) = &lab.cluster else { return Ok(ClusterConfig::default()) };
    config::parse(&block.text, &lab.source, block.line).map_err(|mistakes| indented(mistakes, block))
}

/// The lab's cluster, switched on. `seed` takes the place of the lab's own.
///
/// # Errors
/// What is wrong with the cluster block.
pub fn cluster(lab: &Lab, seed: Option<u64>) -> Result<Cluster, Vec<Diagnostic>> {
    let mut config = configuration(lab)?;
    if let Some(seed) = seed {
        config.seed = seed;
    }
    Cluster::new(config).map_err(|mistakes| {
        // What only building shows has no place of its own: point at the block.
        let line = lab.cluster.as_ref().map_or(1, |block| block.line.saturating_sub(1).max(1));
        let place =
            |d: Diagnostic| Diagnostic { source: lab.source.clone(), line, column: 1, length: 1, ..d };
        mistakes.into_iter().map(place).collect()
    })
}

/// Everything that keeps a lab from running: mistakes in its cluster block. What is wrong with a manifest is for the transcript to
/// show, in kubectl's words.
#[must_use]
pub fn mistakes(lab: &Lab) -> Vec<Diagnostic> {
    let mut all = lab.warnings.clone();
    all.extend(configuration(lab).err().unwrap_or_default());
    all.sort_by_key(|d| (d.line, d.column));
    all
}

/// Reads a manifest: its text, the name of its source, the number of its first line, the Kubernetes that it is for.
pub type ReadManifest = fn(&str, &str, u32, Version) -> Vec<Diagnostic>;

/// Everything that is wrong with a lab's manifests as `read` finds it.
#[must_use]
pub fn manifest_mistakes(lab: &Lab, read: ReadManifest) -> Vec<Diagnostic> {
    let release = configuration(lab).unwrap_or_default().kubernetes_version;
    let mut all = Vec::new();
    for file in lab.files().filter(|f| is_manifest(&f.name, &f.body.text)) {
        let found = read(&file.body.text, &lab.source, file.body.line, release);
        all.extend(indented(found, &file.body));
    }
    all
}

/// Whether something is so wrong that the lab cannot run.
#[must_use]
pub fn is_fatal(mistakes: &[Diagnostic]) -> bool {
    mistakes.iter().any(|d| d.severity == Severity::Error)
}

/// Whether a file is meant for `kubectl apply`: a lab may hold other YAML too.
#[must_use]
pub fn is_manifest(name: &str, text: &str) -> bool {
    let field = |key: &str| text.lines().any(|l| l.trim_start_matches([' ', '{', '"', '-']).starts_with(key));
    let yaml = [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end));
    yaml && (field("apiVersion") || field("kind"))
}

/// Mistakes in a block, with columns of the document.
fn indented(mistakes: Vec<Diagnostic>, block: &Excerpt) -> Vec<Diagnostic> {
    mistakes.into_iter().map(|d| Diagnostic { column: d.column + block.indent, ..d }).collect()
}

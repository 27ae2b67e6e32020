//! `dns/kubernetes-plugin` and `dns/coredns-plugins`: CoreDNS' server is asked with wire bytes, and its replies are compared section by
//! section. The Corefile is written from the case's settings.

mod autopath;
mod order;
mod reply;
mod scenario;

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use crate::cases::Case;

/// The cases of a file of the folder `dns`; none for other files.
pub(crate) fn cases(prefix: &str, folder: &Path, file: &Arc<Value>) -> Option<Vec<Case>> {
    match prefix {
        "dns/kubernetes-plugin" => Some(scenarios(prefix, file, file)),
        "dns/coredns-plugins" => {
            let path = folder.join("dns/kubernetes-plugin.json");
            let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let objects: Value = serde_json::from_str(&text).unwrap();
            let objects = Arc::new(objects);
            let mut all = scenarios(prefix, file, &objects);
            all.extend(autopath::cases(prefix, file, &objects));
            all.extend(order::cases(prefix, file));
            Some(all)
        }
        _ => None,
    }
}

/// One test per query. The queries of a scenario stand in a row, so each test asks those before its own, too.
fn scenarios(prefix: &str, file: &Arc<Value>, objects: &Arc<Value>) -> Vec<Case> {
    let mut cases = Vec::new();
    for (s, scenario) in file["scenarios"].as_array().into_iter().flatten().enumerate() {
        for (c, case) in scenario["cases"].as_array().into_iter().flatten().enumerate() {
            let (file, objects) = (Arc::clone(file), Arc::clone(objects));
            cases.push(Case {
                name: format!("{prefix}/{}", case["id"].as_str().unwrap_or_default()),
                run: Box::new(move || scenario::run(&file["scenarios"][s], c, &objects)),
            });
        }
    }
    cases
}

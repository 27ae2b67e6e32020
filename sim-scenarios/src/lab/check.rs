//! Looking for mistakes without running anything: `ksim check`.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use sim_core::diagnostic::{Diagnostic, Severity};
use sim_core::kube::config::ClusterConfig;
use sim_core::kube::store::check_manifest;

use super::parse::Lab;
use super::setup;

/// Everything that is wrong with a lab (`*.md`) or a manifest (anything else).
#[must_use]
pub fn check(name: &str, text: &str) -> Vec<Diagnostic> {
    if std::path::Path::new(name).extension().is_none_or(|e| e != "md") {
        return check_manifest(text, name, 1, ClusterConfig::default().kubernetes_version);
    }
    match Lab::parse(name, text) {
        Err(mistakes) => mistakes,
        Ok(lab) => {
            let mut all = setup::mistakes(&lab);
            all.extend(setup::manifest_mistakes(&lab, check_manifest));
            all.sort_by_key(|d| (d.line, d.column));
            if !setup::is_fatal(&all)
                && let Err(more) = setup::cluster(&lab, None)
            {
                all.extend(more);
            }
            all
        }
    }
}

/// A mistake as people read it: what, where, the line, and what to do. `text` is the text it is in.
#[must_use]
pub fn render(diagnostic: &Diagnostic, text: &str) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let (start, end) = span(diagnostic, text);
    let snippet = Snippet::source(text)
        .path(diagnostic.source.as_str())
        .annotation(AnnotationKind::Primary.span(start..end));
    let mut group = level.primary_title(diagnostic.message.as_str()).element(snippet);
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    format!("{}\n", Renderer::plain().render(&[group]))
}

/// The bytes that a mistake covers. Columns are characters; what lies outside the text is drawn to its end.
fn span(diagnostic: &Diagnostic, text: &str) -> (usize, usize) {
    let mut start = 0;
    for _ in 1..diagnostic.line {
        start += text[start..].find('\n').map_or(text.len() - start, |i| i + 1);
    }
    let line = text[start..].split(['\n', '\r']).next().unwrap_or_default();
    let offset = |column: usize| line.char_indices().nth(column).map_or(line.len(), |(i, _)| i);
    let from = diagnostic.column.saturating_sub(1) as usize;
    let begin = offset(from);
    let end = offset(from + diagnostic.length as usize);
    (start + begin, start + end.max(begin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_shown_with_its_line_and_what_to_do() {
        let text = "# Lab\n\n```console\nno prompt ü\n```\n";
        let shown: String = check("lab.md", text).iter().map(|d| render(d, text)).collect();
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn mistakes_in_indented_blocks_have_columns_of_the_document() {
        let text = "- list\n\n  ```yaml cluster\n  kind: Cluster\n  sed: 1\n  ```\n\n  ```yaml file=a.yaml\n  apiVersion: v1\n  kind: Pod\n  metadata: {nam: x}\n  ```\n";
        let shown: String = check("lab.md", text).iter().map(|d| render(d, text)).collect();
        insta::assert_snapshot!(shown);
    }

    proptest::proptest! {
        #[test]
        fn any_place_can_be_shown(line in 0..9_u32, column in 0..9_u32, length in 0..9_u32, text in "[aü\\n\\r]{0,12}") {
            let d = Diagnostic {
                severity: Severity::Warning, source: "x".into(), line, column, length, message: "m".into(), help: None,
            };
            proptest::prop_assert!(!render(&d, &text).is_empty());
        }
    }
}

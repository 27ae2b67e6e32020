//! The table of `kubectl get`: columns, and what flags add to them.

use serde_json::Value;

use super::super::value::{labels, map, namespace};
use super::columns::{Layout, View};

/// What flags add to a table.
#[derive(Clone, Debug, Default)]
pub(crate) struct TableOptions {
    /// `-o wide`.
    pub(crate) wide: bool,
    /// `--show-labels`.
    pub(crate) show_labels: bool,
    /// `-L`: one column per label.
    pub(crate) label_columns: Vec<String>,
    /// `-A`: the namespace comes first.
    pub(crate) with_namespace: bool,
    /// Several kinds in one listing: `pod/` before each name.
    pub(crate) prefix: String,
}

/// The header, with tabs between columns.
pub(crate) fn header(layout: &Layout, options: &TableOptions) -> String {
    let mut names: Vec<String> = Vec::new();
    if options.with_namespace {
        names.push("NAMESPACE".to_owned());
    }
    names.extend(layout.columns.iter().filter(|c| options.wide || !c.wide).map(|c| c.name.to_owned()));
    names.extend(options.label_columns.iter().map(|l| l.rsplit('/').next().unwrap_or(l).to_uppercase()));
    if options.show_labels {
        names.push("LABELS".to_owned());
    }
    format!("{}\n", names.join("\t"))
}

/// One row, with tabs between cells.
pub(crate) fn row(layout: &Layout, options: &TableOptions, object: &Value, view: View) -> String {
    let mut row: Vec<String> = Vec::new();
    if options.with_namespace {
        row.push(namespace(object).to_owned());
    }
    let cells = (layout.cells)(object, view);
    for (column, cell) in layout.columns.iter().zip(cells) {
        if column.wide && !options.wide {
            continue;
        }
        row.push(if column.name == "NAME" { format!("{}{cell}", options.prefix) } else { cell });
    }
    let label =
        |key: &String| map(object, "/metadata/labels").and_then(|l| l.get(key)).and_then(Value::as_str);
    row.extend(options.label_columns.iter().map(|key| label(key).unwrap_or("<none>").to_owned()));
    if options.show_labels {
        row.push(labels(object, "/metadata/labels"));
    }
    let cells: Vec<String> = row.into_iter().map(first_line).collect();
    format!("{}\n", cells.join("\t"))
}

/// A cell is one line; what follows is cut off.
fn first_line(cell: String) -> String {
    match cell.find(['\n', '\r', '\u{c}']) {
        Some(end) => format!("{}...", &cell[..end]),
        None => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::super::columns::layout;
    use super::super::tabwriter::TabWriter;
    use super::*;
    use serde_json::json;
    use sim_core::time::SimTime;

    fn print(options: &TableOptions) -> String {
        let pod = |name: &str, labels: Value| {
            json!({
                "metadata": {"name": name, "namespace": "default", "labels": labels, "creationTimestamp": "2026-01-01T00:00:00Z"},
                "spec": {"containers": [{}], "nodeName": "node1"},
                "status": {"phase": "Running", "podIPs": [{"ip": "10.244.1.5"}], "containerStatuses": [{"ready": true, "state": {"running": {}}}]},
            })
        };
        let layout = layout("Pod", sim_core::kube::version::Version::new(1, 34, 0));
        let view = View { now: SimTime::from_secs(61), wide: options.wide };
        let mut out = TabWriter::get();
        out.write(&header(&layout, options));
        out.write(&row(&layout, options, &pod("pod-a", json!({"app": "pod-a", "x/tier": "web"})), view));
        out.write(&row(&layout, options, &pod("a-longer-name", json!({})), view));
        out.flush()
    }

    #[test]
    fn the_table_of_pods() {
        insta::assert_snapshot!(print(&TableOptions::default()), @r"
        NAME            READY   STATUS    RESTARTS   AGE
        pod-a           1/1     Running   0          61s
        a-longer-name   1/1     Running   0          61s
        ");
        insta::assert_snapshot!(print(&TableOptions { wide: true, ..TableOptions::default() }), @r"
        NAME            READY   STATUS    RESTARTS   AGE   IP           NODE    NOMINATED NODE   READINESS GATES
        pod-a           1/1     Running   0          61s   10.244.1.5   node1   <none>           <none>
        a-longer-name   1/1     Running   0          61s   10.244.1.5   node1   <none>           <none>
        ");
    }

    #[test]
    fn flags_add_columns() {
        let options = TableOptions {
            show_labels: true,
            label_columns: vec!["x/tier".to_owned()],
            with_namespace: true,
            prefix: "pod/".to_owned(),
            ..TableOptions::default()
        };
        insta::assert_snapshot!(print(&options), @r"
        NAMESPACE   NAME                READY   STATUS    RESTARTS   AGE   TIER     LABELS
        default     pod/pod-a           1/1     Running   0          61s   web      app=pod-a,x/tier=web
        default     pod/a-longer-name   1/1     Running   0          61s   <none>   <none>
        ");
    }
}

//! Events.

use serde_json::Value;

use super::super::super::clock;
use super::super::super::value::{int, name, text};
use super::{Layout, View, col, wide};

pub(super) const LAYOUT: Layout = Layout {
    columns: &[
        col("LAST SEEN"),
        col("TYPE"),
        col("REASON"),
        col("OBJECT"),
        wide("SUBOBJECT"),
        wide("SOURCE"),
        col("MESSAGE"),
        wide("FIRST SEEN"),
        wide("COUNT"),
        wide("NAME"),
    ],
    cells,
};

fn cells(event: &Value, view: View) -> Vec<String> {
    let first = seen(event, "/firstTimestamp", view);
    // An event that was seen once has no last time of its own.
    let last = if int(event, "/count") > 1 { seen(event, "/lastTimestamp", view) } else { first.clone() };
    vec![
        last,
        text(event, "/type").to_owned(),
        text(event, "/reason").to_owned(),
        format!(
            "{}/{}",
            text(event, "/involvedObject/kind").to_lowercase(),
            text(event, "/involvedObject/name")
        ),
        text(event, "/involvedObject/fieldPath").to_owned(),
        source(event),
        text(event, "/message").trim().to_owned(),
        first,
        int(event, "/count").max(1).to_string(),
        name(event).to_owned(),
    ]
}

fn seen(event: &Value, field: &str, view: View) -> String {
    let stamp = text(event, field);
    clock::age(if stamp.is_empty() { text(event, "/eventTime") } else { stamp }, view.now)
}

fn source(event: &Value) -> String {
    let component = match text(event, "/source/component") {
        "" => text(event, "/reportingComponent"),
        component => component,
    };
    match text(event, "/source/host") {
        "" => component.to_owned(),
        host => format!("{component}, {host}"),
    }
}

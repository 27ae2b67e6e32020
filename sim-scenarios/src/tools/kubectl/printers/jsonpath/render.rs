//! From found values to text.

use serde_json::Value;

use crate::tools::kubectl::printers::json;

/// The values of one action, with blanks between them.
pub(super) fn results(values: &[Value]) -> String {
    values.iter().map(text).collect::<Vec<_>>().join(" ")
}

/// One value: maps and lists as JSON, the rest as Go's `fmt.Print` shows it.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => match (n.as_i64(), n.as_u64(), n.as_f64()) {
            (None, None, Some(f)) => float(f),
            _ => n.to_string(),
        },
        Value::String(s) => s.clone(),
        Value::Array(_) | Value::Object(_) => json::compact(value),
    }
}

/// Go's `%v` of a float: shortest digits, an exponent below 1e-4 and from 1e21 on.
fn float(f: f64) -> String {
    let size = f.abs();
    if size != 0.0 && !(1e-4..1e21).contains(&size) {
        let text = format!("{f:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |d| ('-', d));
        format!("{mantissa}e{sign}{digits:0>2}")
    } else {
        f.to_string()
    }
}

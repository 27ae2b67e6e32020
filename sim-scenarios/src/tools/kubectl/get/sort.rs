//! `--sort-by`.

use std::cmp::Ordering;

use serde_json::Value;

use super::super::failure::Failure;
use super::super::printers::jsonpath::JsonPath;
use super::super::quantity::Quantity;
use super::super::target::Found;

/// Sorts by the first thing that a path finds in each object; objects without it come first.
///
/// # Errors
/// A path with a mistake, or one that no object has.
pub(super) fn by_path(found: &mut [Found], path: &str) -> Result<(), Failure> {
    let wrong = |why: String| Failure::plain(why);
    let parsed = JsonPath::parse_relaxed(path).map_err(wrong)?;
    let mut keyed = Vec::with_capacity(found.len());
    for item in found.iter() {
        let key = parsed.find(&item.value).map_err(wrong)?.into_iter().flatten().next();
        keyed.push((key, item.clone()));
    }
    if !keyed.is_empty() && keyed.iter().all(|(key, _)| key.is_none()) {
        let shown = path.trim_start_matches('{').trim_end_matches('}').trim_start_matches('.');
        return Err(Failure::plain(format!(
            "couldn't find any field with path \"{{.{shown}}}\" in the list of objects"
        )));
    }
    keyed.sort_by(|(a, _), (b, _)| compare(a.as_ref(), b.as_ref()));
    for (place, (_, item)) in found.iter_mut().zip(keyed) {
        *place = item;
    }
    Ok(())
}

fn compare(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    match (a, b) {
        (Some(Value::Number(a)), Some(Value::Number(b))) => {
            a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal)
        }
        (Some(Value::String(a)), Some(Value::String(b))) => match (Quantity::parse(a), Quantity::parse(b)) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => natural(a, b),
        },
        (Some(Value::Bool(a)), Some(Value::Bool(b))) => a.cmp(b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

/// Runs of digits by their number, everything else by character.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let digits = |s: &str| s.find(|c: char| !c.is_ascii_digit()).unwrap_or(s.len());
        match (digits(a), digits(b)) {
            (0, _) | (_, 0) => {
                let (Some(x), Some(y)) = (a.chars().next(), b.chars().next()) else {
                    return a.len().cmp(&b.len());
                };
                if x != y {
                    return x.cmp(&y);
                }
                (a, b) = (&a[x.len_utf8()..], &b[y.len_utf8()..]);
            }
            (i, j) => {
                let (x, y) = (a[..i].trim_start_matches('0'), b[..j].trim_start_matches('0'));
                let order = x.len().cmp(&y.len()).then(x.cmp(y));
                if order.is_ne() {
                    return order;
                }
                (a, b) = (&a[i..], &b[j..]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sim_core::kube::objects::Kind;

    use super::super::super::resource::Resource;
    use super::*;

    fn sorted(values: Vec<Value>) -> String {
        let mut found: Vec<Found> = values
            .into_iter()
            .map(|v| Found { resource: Resource::Kind(Kind::Pod), value: json!({ "k": v }) })
            .collect();
        by_path(&mut found, "{.k}").unwrap();
        found.iter().map(|f| f.value["k"].to_string()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn values_sort_by_their_kind() {
        assert_eq!(sorted(vec![json!("a10"), json!("a2"), json!("b")]), r#""a2" "a10" "b""#);
        assert_eq!(sorted(vec![json!("1Gi"), json!("500Mi")]), r#""500Mi" "1Gi""#);
        assert_eq!(sorted(vec![json!(10), json!(9)]), "9 10");
    }

    #[test]
    fn a_path_that_nothing_has_is_an_error() {
        let mut found = vec![Found { resource: Resource::Kind(Kind::Pod), value: json!({}) }];
        let error = by_path(&mut found, ".a.b").unwrap_err().to_string();
        assert_eq!(error, "error: couldn't find any field with path \"{.a.b}\" in the list of objects");
    }
}

//! Patches: the strategic merge that `kubectl apply` and `kubectl patch` use, JSON merge, and JSON patch.
//!
//! Strategic merge knows from the API's tables which lists are merged element by element
//! (<https://kubernetes.io/docs/tasks/manage-kubernetes-objects/declarative-config/#how-apply-calculates-differences-and-merges-changes>).

use serde_json::{Map, Value, json};

use crate::kube::objects::schema::{Shape, Type};

const ORDER: &str = "$setElementOrder/";
const DELETE: &str = "$deleteFromPrimitiveList/";
const DIRECTIVE: &str = "$patch";

/// The patch that `kubectl apply` sends: what it takes to make `current` as `modified` says, removing what `original` (the
/// manifest applied last) had and `modified` has no longer. Empty if nothing is to be done.
pub(super) fn three_way(
    original: Option<&Value>,
    modified: &Value,
    current: &Value,
    t: &'static Type,
) -> Value {
    let patch = diff_fields(original, modified, current, |name| t.field(name));
    Value::Object(patch.unwrap_or_default())
}

/// A struct's or map's differences; none if there are none. `shape_of` tells what a field holds.
fn diff_fields(
    original: Option<&Value>,
    modified: &Value,
    current: &Value,
    shape_of: impl Fn(&str) -> Option<Shape>,
) -> Option<Map<String, Value>> {
    let mut patch = Map::new();
    let empty = Map::new();
    let (modified, current) = (modified.as_object().unwrap_or(&empty), current.as_object().unwrap_or(&empty));
    let original = original.and_then(Value::as_object).unwrap_or(&empty);
    for (name, wanted) in modified.iter().filter(|(_, v)| !v.is_null()) {
        match current.get(name) {
            None => {
                patch.insert(name.clone(), wanted.clone());
            }
            Some(now) => diff_value(name, original.get(name), wanted, now, shape_of(name), &mut patch),
        }
    }
    for name in original.keys() {
        if modified.get(name).is_none_or(Value::is_null) && current.contains_key(name) {
            patch.insert(name.clone(), Value::Null);
        }
    }
    (!patch.is_empty()).then_some(patch)
}

fn diff_value(
    name: &str,
    original: Option<&Value>,
    wanted: &Value,
    now: &Value,
    shape: Option<Shape>,
    patch: &mut Map<String, Value>,
) {
    let deeper = match (shape, wanted, now) {
        (Some(Shape::Struct(t)), Value::Object(_), Value::Object(_)) => {
            diff_fields(original, wanted, now, |name| t.field(name))
        }
        (Some(Shape::Map(item)), Value::Object(_), Value::Object(_)) => {
            diff_fields(original, wanted, now, |_| Some(*item))
        }
        (Some(Shape::Keyed(t, key)), Value::Array(wanted), Value::Array(now)) => {
            let original = original.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            diff_keyed(name, original, wanted, now, t, key, patch);
            return;
        }
        (Some(Shape::Set), Value::Array(wanted), Value::Array(now)) => {
            let original = original.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            diff_set(name, original, wanted, now, patch);
            return;
        }
        _ if same(wanted, now) => None,
        _ => {
            patch.insert(name.to_owned(), wanted.clone());
            None
        }
    };
    if let Some(deeper) = deeper {
        patch.insert(name.to_owned(), Value::Object(deeper));
    }
}

/// Equal but for nulls and for empty things that Go leaves out.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => {
            let count = |m: &Map<String, Value>| m.values().filter(|v| !v.is_null()).count();
            count(x) == count(y)
                && x.iter().filter(|(_, v)| !v.is_null()).all(|(k, v)| y.get(k).is_some_and(|w| same(v, w)))
        }
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(v, w)| same(v, w)),
        _ => a == b,
    }
}

fn find<'a>(list: &'a [Value], key: &str, element: &Value) -> Option<&'a Value> {
    let wanted = element.get(key)?;
    list.iter().find(|e| e.get(key) == Some(wanted))
}

fn diff_keyed(
    name: &str,
    original: &[Value],
    wanted: &[Value],
    now: &[Value],
    t: &'static Type,
    key: &str,
    patch: &mut Map<String, Value>,
) {
    let id = |element: &Value| json!({ key: element.get(key).cloned().unwrap_or_default() });
    let mut changes = Vec::new();
    for element in wanted {
        match find(now, key, element) {
            None => changes.push(element.clone()),
            Some(current) => {
                let before = find(original, key, element);
                if let Some(mut change) = diff_fields(before, element, current, |name| t.field(name)) {
                    change.insert(key.to_owned(), element.get(key).cloned().unwrap_or_default());
                    changes.push(Value::Object(change));
                }
            }
        }
    }
    for gone in original.iter().filter(|o| find(wanted, key, o).is_none() && find(now, key, o).is_some()) {
        let mut deletion = id(gone);
        deletion[DIRECTIVE] = json!("delete");
        changes.push(deletion);
    }
    let order_now: Vec<&Value> = now.iter().filter_map(|e| find(wanted, key, e)).collect();
    let order_wanted: Vec<&Value> = wanted.iter().filter(|e| find(now, key, e).is_some()).collect();
    if changes.is_empty() && order_now == order_wanted {
        return;
    }
    patch.insert(format!("{ORDER}{name}"), wanted.iter().map(id).collect());
    if !changes.is_empty() {
        patch.insert(name.to_owned(), Value::Array(changes));
    }
}

fn diff_set(name: &str, original: &[Value], wanted: &[Value], now: &[Value], patch: &mut Map<String, Value>) {
    let added: Vec<Value> = wanted.iter().filter(|v| !now.contains(v)).cloned().collect();
    let gone = |v: &&Value| !wanted.contains(v) && now.contains(v);
    let removed: Vec<Value> = original.iter().filter(gone).cloned().collect();
    if added.is_empty() && removed.is_empty() {
        return;
    }
    patch.insert(format!("{ORDER}{name}"), Value::Array(wanted.to_vec()));
    if !removed.is_empty() {
        patch.insert(format!("{DELETE}{name}"), Value::Array(removed));
    }
    if !added.is_empty() {
        patch.insert(name.to_owned(), Value::Array(added));
    }
}

/// Applies a strategic merge patch.
pub(super) fn strategic(current: &mut Value, patch: &Value, t: &'static Type) {
    merge_fields(current, patch, &|name| t.field(name));
}

fn merge_fields(current: &mut Value, patch: &Value, shape_of: &dyn Fn(&str) -> Option<Shape>) {
    let Value::Object(changes) = patch else {
        *current = patch.clone();
        return;
    };
    if !current.is_object() || changes.get(DIRECTIVE) == Some(&json!("replace")) {
        *current = json!({});
    }
    let Value::Object(map) = current else { return };
    for (name, change) in changes {
        if let Some(list) = name.strip_prefix(DELETE) {
            if let (Some(Value::Array(items)), Value::Array(gone)) = (map.get_mut(list), change) {
                items.retain(|i| !gone.contains(i));
            }
        } else if name.starts_with('$') {
            // Orders are applied below, when the lists are complete; retained keys need no action on whole values.
        } else if change.is_null() {
            map.remove(name);
        } else {
            merge_value(map.entry(name.clone()).or_insert(Value::Null), change, shape_of(name));
        }
    }
    for (name, order) in changes {
        if let (Some(list), Value::Array(order)) = (name.strip_prefix(ORDER), order)
            && let Some(Value::Array(items)) = map.get_mut(list)
        {
            reorder(items, order);
        }
    }
}

fn merge_value(now: &mut Value, change: &Value, shape: Option<Shape>) {
    match (shape, change) {
        (Some(Shape::Struct(t)), Value::Object(_)) => merge_fields(now, change, &|name| t.field(name)),
        (Some(Shape::Map(item)), Value::Object(_)) => merge_fields(now, change, &|_| Some(*item)),
        (Some(Shape::Keyed(t, key)), Value::Array(changes)) => merge_keyed(now, changes, t, key),
        (Some(Shape::Set), Value::Array(added)) => {
            if let Value::Array(items) = now {
                let new: Vec<Value> = added.iter().filter(|v| !items.contains(v)).cloned().collect();
                items.extend(new);
            } else {
                *now = change.clone();
            }
        }
        _ => *now = without_nulls(change),
    }
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(_, v)| !v.is_null());
            Value::Object(kept.map(|(k, v)| (k.clone(), without_nulls(v))).collect())
        }
        other => other.clone(),
    }
}

fn merge_keyed(now: &mut Value, changes: &[Value], t: &'static Type, key: &str) {
    if !now.is_array() || changes.iter().any(|c| c.get(DIRECTIVE) == Some(&json!("replace"))) {
        *now = json!([]);
    }
    let Value::Array(items) = now else { return };
    for change in changes {
        let id = change.get(key);
        match change.get(DIRECTIVE).and_then(Value::as_str) {
            Some("delete") => items.retain(|i| i.get(key) != id),
            Some("replace") => {}
            _ => match items.iter_mut().find(|i| id.is_some() && i.get(key) == id) {
                Some(item) => merge_fields(item, change, &|name| t.field(name)),
                None => items.push(without_nulls(change)),
            },
        }
    }
}

/// Puts the elements that the order names into that order; others follow in theirs.
fn reorder(items: &mut [Value], order: &[Value]) {
    let place = |item: &Value| {
        let named = |wanted: &Value| match wanted {
            Value::Object(id) => id.iter().all(|(k, v)| item.get(k) == Some(v)),
            scalar => scalar == item,
        };
        order.iter().position(named).unwrap_or(order.len())
    };
    items.sort_by_cached_key(place);
}

/// Applies a JSON merge patch (RFC 7386).
pub fn json_merge(current: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *current = patch.clone();
        return;
    };
    if !current.is_object() {
        *current = json!({});
    }
    let Value::Object(map) = current else { return };
    for (name, change) in changes {
        if change.is_null() {
            map.remove(name);
        } else {
            json_merge(map.entry(name.clone()).or_insert(Value::Null), change);
        }
    }
}

/// Applies a JSON patch (RFC 6902), with the words of the server's library for what does not apply.
pub(super) fn json_patch(current: &mut Value, patch: &Value) -> Result<(), String> {
    let Value::Array(operations) = patch else {
        return Err("json: cannot unmarshal object into Go value of type jsonpatch.Patch".to_owned());
    };
    for operation in operations {
        let text = |name: &str| operation.get(name).and_then(Value::as_str).unwrap_or("");
        let (op, path) = (text("op"), text("path"));
        let value = || operation.get("value").cloned().unwrap_or_default();
        match op {
            "add" => insert(current, path, value())?,
            "remove" => {
                remove(current, path)?;
            }
            "replace" => {
                remove(current, path).map_err(|_| missing("replace", path))?;
                insert(current, path, value())?;
            }
            "move" => {
                let moved = remove(current, text("from"))?;
                insert(current, path, moved)?;
            }
            "copy" => {
                let from = text("from");
                let copied = current.pointer(from).cloned().ok_or_else(|| missing("copy", from))?;
                insert(current, path, copied)?;
            }
            "test" => {
                if current.pointer(path) != Some(&value()) {
                    return Err(format!("testing value {path} failed: test failed"));
                }
            }
            other => return Err(format!("Unexpected kind: {other}")),
        }
    }
    Ok(())
}

fn missing(op: &str, path: &str) -> String {
    format!("{op} operation does not apply: doc is missing key: {path}: missing value")
}

fn split(path: &str) -> Option<(&str, String)> {
    let (parent, last) = path.rsplit_once('/')?;
    Some((parent, last.replace("~1", "/").replace("~0", "~")))
}

fn insert(document: &mut Value, path: &str, value: Value) -> Result<(), String> {
    let absent = || format!("add operation does not apply: doc is missing path: {path:?}: missing value");
    if path.is_empty() {
        *document = value;
        return Ok(());
    }
    let (parent, last) = split(path).ok_or_else(absent)?;
    match document.pointer_mut(parent) {
        Some(Value::Object(map)) => {
            map.insert(last, value);
            Ok(())
        }
        Some(Value::Array(items)) => {
            let at = if last == "-" { items.len() } else { last.parse().map_err(|_| absent())? };
            if at > items.len() {
                return Err(absent());
            }
            items.insert(at, value);
            Ok(())
        }
        _ => Err(absent()),
    }
}

fn remove(document: &mut Value, path: &str) -> Result<Value, String> {
    let absent = || format!("remove operation does not apply: doc is missing path: {path:?}: missing value");
    let (parent, last) = split(path).ok_or_else(absent)?;
    match document.pointer_mut(parent) {
        Some(Value::Object(map)) => map.remove(&last).ok_or_else(absent),
        Some(Value::Array(items)) => {
            let at: usize = last.parse().map_err(|_| absent())?;
            if at < items.len() { Ok(items.remove(at)) } else { Err(absent()) }
        }
        _ => Err(absent()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::objects::Kind;
    use crate::kube::objects::schema;

    fn service(ports: Value) -> Value {
        json!({"metadata": {"name": "a"}, "spec": {"ports": ports, "type": "ClusterIP"}})
    }

    fn round(original: &Value, modified: &Value, current: &Value) -> (Value, Value) {
        let t = schema::of_kind(Kind::Service);
        let patch = three_way(Some(original), modified, current, t);
        let mut result = current.clone();
        strategic(&mut result, &patch, t);
        (patch, result)
    }

    #[test]
    fn list_elements_are_merged_by_their_key() {
        let original = service(json!([{"port": 80}, {"port": 81}]));
        let modified = service(json!([{"port": 82}, {"port": 80, "targetPort": 8080}]));
        let current = service(json!([{"port": 80, "protocol": "TCP"}, {"port": 81, "protocol": "TCP"}]));
        let (patch, result) = round(&original, &modified, &current);
        assert_eq!(
            patch,
            json!({"spec": {
                "$setElementOrder/ports": [{"port": 82}, {"port": 80}],
                "ports": [{"port": 82}, {"port": 80, "targetPort": 8080}, {"$patch": "delete", "port": 81}],
            }})
        );
        assert_eq!(
            result["spec"]["ports"],
            json!([{"port": 82}, {"port": 80, "protocol": "TCP", "targetPort": 8080}])
        );
    }

    #[test]
    fn what_others_added_stays_and_what_was_dropped_goes() {
        let with = |labels: Value| json!({"metadata": {"name": "a", "labels": labels}});
        let (patch, result) = round(
            &with(json!({"mine": "1", "old": "1"})),
            &with(json!({"mine": "2"})),
            &with(json!({"mine": "1", "old": "1", "theirs": "1"})),
        );
        assert_eq!(patch, json!({"metadata": {"labels": {"mine": "2", "old": null}}}));
        assert_eq!(result["metadata"]["labels"], json!({"mine": "2", "theirs": "1"}));
    }

    #[test]
    fn nothing_to_do_is_an_empty_patch() {
        let same = service(json!([{"port": 80}]));
        assert_eq!(round(&same, &same, &same).0, json!({}));
    }

    #[test]
    fn json_patch_follows_pointers() {
        let mut v = json!({"a": {"b": [1, 2]}});
        let patch = json!([
            {"op": "add", "path": "/a/b/-", "value": 3},
            {"op": "replace", "path": "/a/b/0", "value": 9},
            {"op": "remove", "path": "/a/b/1"},
        ]);
        assert_eq!(json_patch(&mut v, &patch), Ok(()));
        assert_eq!(v, json!({"a": {"b": [9, 3]}}));
        assert!(json_patch(&mut v, &json!([{"op": "remove", "path": "/x"}])).is_err());
    }
}

//! From JSON to typed objects, strictly: what the API server's decoder accepts, refuses, and says.

use serde_json::{Map, Value};

use super::kind::Kind;
use super::object::Object;
use super::schema::{self, Shape, Type};
use super::timestamp::Timestamp;

/// One step from an object to a field in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// A field, or a key of a map.
    Field(String),
    /// An element of a list.
    Index(usize),
}

/// The way from an object to a field in it: `spec.ports[0].port`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FieldPath(pub Vec<Step>);

impl FieldPath {
    /// Reads a path as messages write it: `spec.ports[0].port`, `metadata.labels[app]`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut steps = Vec::new();
        for part in text.split(['.', '[']) {
            let (inside, bracket) = part.strip_suffix(']').map_or((part, false), |p| (p, true));
            match inside.parse() {
                Ok(index) if bracket => steps.push(Step::Index(index)),
                _ if inside.is_empty() => {}
                _ => steps.push(Step::Field(inside.to_owned())),
            }
        }
        Self(steps)
    }

    /// Without list indices, as Go's decoder names fields: `spec.ports.port`.
    fn without_indices(&self) -> String {
        let names =
            self.0.iter().filter_map(|s| if let Step::Field(name) = s { Some(name.as_str()) } else { None });
        names.collect::<Vec<_>>().join(".")
    }

    /// The last name in it.
    #[must_use]
    pub fn last_name(&self) -> &str {
        self.0
            .iter()
            .rev()
            .find_map(|s| if let Step::Field(name) = s { Some(name.as_str()) } else { None })
            .unwrap_or("")
    }
}

impl std::fmt::Display for FieldPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                Step::Field(name) if i == 0 => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Index(n) => write!(f, "[{n}]")?,
            }
        }
        Ok(())
    }
}

/// Something in a body that does not fit the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub path: FieldPath,
    /// What.
    pub what: FaultKind,
}

/// What does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The API has no field of that name there; the names it has.
    Unknown {
        /// Names of the fields that are there.
        known: Vec<&'static str>,
    },
    /// The value is of the wrong type.
    Mistyped {
        /// The Go decoder's words.
        go: String,
        /// What a person should write.
        wanted: String,
    },
    /// The value has the right type and cannot be meant: the server's validation refuses it in these words.
    Unusable {
        /// The words behind the field's path.
        message: String,
    },
}

/// The result of decoding a body.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The object; where a value was unusable it has a default instead.
    pub object: Object,
    /// What was wrong, in the order of the body. Never [`FaultKind::Mistyped`].
    pub faults: Vec<Fault>,
}

/// Decodes a body of known kind. Unknown fields and unusable values are reported beside the object.
///
/// # Errors
/// All faults in the order of the body, among them at least one [`FaultKind::Mistyped`]; the first of those is what the
/// server tells.
pub fn decode(kind: Kind, body: &Value) -> Result<Decoded, Vec<Fault>> {
    let mut walk = Walk { path: Vec::new(), owner: schema::of_kind(kind), faults: Vec::new() };
    let clean = walk.fields(schema::of_kind(kind), body).unwrap_or_else(|| Value::Object(Map::new()));
    let mut faults = walk.faults;
    if faults.iter().any(|f| matches!(f.what, FaultKind::Mistyped { .. })) {
        return Err(faults);
    }
    faults.sort_by_key(|f| matches!(f.what, FaultKind::Unusable { .. }));
    match Object::from_body(kind, clean) {
        Ok(object) => Ok(Decoded { object, faults }),
        Err(e) => Err(vec![Fault {
            path: FieldPath::default(),
            what: FaultKind::Mistyped { go: format!("json: {e}"), wanted: format!("a {kind}") },
        }]),
    }
}

/// The server's sentence about unknown fields: `strict decoding error: unknown field "spec.a", unknown field "spec.b"`.
#[must_use]
pub fn strict_decoding_error(faults: &[Fault]) -> Option<String> {
    let unknown = faults.iter().filter(|f| matches!(f.what, FaultKind::Unknown { .. }));
    let list: Vec<String> = unknown.map(|f| format!("unknown field \"{}\"", f.path)).collect();
    (!list.is_empty()).then(|| format!("strict decoding error: {}", list.join(", ")))
}

struct Walk {
    path: Vec<Step>,
    /// The struct that is being read, which messages name.
    owner: &'static Type,
    faults: Vec<Fault>,
}

impl Walk {
    /// A struct; the result has no nulls and no unusable values.
    fn fields(&mut self, t: &'static Type, body: &Value) -> Option<Value> {
        let outer = std::mem::replace(&mut self.owner, t);
        let clean = match body {
            Value::Null => None,
            Value::Object(map) => {
                let mut clean = Map::new();
                for (name, value) in map {
                    self.path.push(Step::Field(name.clone()));
                    if let Some(shape) = t.field(name) {
                        if let Some(value) = self.value(shape, value) {
                            clean.insert(name.clone(), value);
                        }
                    } else {
                        let known = t.fields.iter().map(|(known, _)| *known).collect();
                        self.fault(FaultKind::Unknown { known });
                    }
                    self.path.pop();
                }
                Some(Value::Object(clean))
            }
            other => {
                self.owner = outer;
                self.mistyped(Shape::Struct(t), other)
            }
        };
        self.owner = outer;
        clean
    }

    /// A value; none for null, which Go reads as "left out".
    fn value(&mut self, shape: Shape, value: &Value) -> Option<Value> {
        match (shape, value) {
            (_, Value::Null) => None,
            (Shape::Struct(t), _) => self.fields(t, value),
            (Shape::Keyed(t, _), Value::Array(items)) => {
                Some(self.items(items, |w, v| w.element(Shape::Struct(t), v)))
            }
            (Shape::List(item), Value::Array(items)) => Some(self.items(items, |w, v| w.element(*item, v))),
            (Shape::Set, Value::Array(items)) => Some(self.items(items, |w, v| w.value(Shape::Str, v))),
            (Shape::Map(item), Value::Object(map)) => Some(self.map(*item, map)),
            (Shape::Enum(values), Value::String(text)) => self.one_of(values, text, value),
            (Shape::Str, Value::String(_)) | (Shape::Bool, Value::Bool(_)) | (Shape::Any, _) => {
                Some(value.clone())
            }
            (Shape::Time, Value::String(text)) => self.time(text, value),
            (Shape::Quantity, Value::String(text)) => self.quantity(text),
            (Shape::Quantity, Value::Number(n)) => self.quantity(&n.to_string()),
            (Shape::Bytes, Value::String(text)) => self.bytes(text, value),
            (Shape::IntOrString, Value::String(_)) => Some(value.clone()),
            (_, Value::Number(n)) => self.number(shape, n, value),
            _ => self.mistyped(shape, value),
        }
    }

    fn items(&mut self, items: &[Value], mut each: impl FnMut(&mut Self, &Value) -> Option<Value>) -> Value {
        let mut clean = Vec::with_capacity(items.len());
        for (i, item) in items.iter().enumerate() {
            self.path.push(Step::Index(i));
            clean.extend(each(self, item));
            self.path.pop();
        }
        Value::Array(clean)
    }

    /// An element of a list: null is Go's zero value there, such as a rule without any condition.
    fn element(&mut self, shape: Shape, value: &Value) -> Option<Value> {
        match (shape, value) {
            (Shape::Struct(_), Value::Null) => Some(Value::Object(Map::new())),
            (Shape::Str, Value::Null) => Some(Value::String(String::new())),
            _ => self.value(shape, value),
        }
    }

    fn map(&mut self, item: Shape, map: &Map<String, Value>) -> Value {
        let mut clean = Map::new();
        for (name, value) in map {
            self.path.push(Step::Field(name.clone()));
            let value = self.value(item, value).unwrap_or_else(|| Value::String(String::new()));
            clean.insert(name.clone(), value);
            self.path.pop();
        }
        Value::Object(clean)
    }

    /// An empty text is as if the field were left out; another one that is not in the set is refused by validation.
    fn one_of(&mut self, values: &schema::Values, text: &str, value: &Value) -> Option<Value> {
        if text.is_empty() {
            return None;
        }
        if values.list.contains(&text) {
            return Some(value.clone());
        }
        let list: Vec<String> = values.list.iter().map(|v| format!("{v:?}")).collect();
        self.unusable(format!("Unsupported value: {text:?}: supported values: {}", list.join(", ")));
        None
    }

    fn time(&mut self, text: &str, value: &Value) -> Option<Value> {
        if Timestamp::parse(text).is_some() {
            return Some(value.clone());
        }
        let layout = "2006-01-02T15:04:05Z07:00";
        let go = format!("parsing time {text:?} as {layout:?}: cannot parse {text:?} as \"2006\"");
        self.fault(FaultKind::Mistyped { go, wanted: "a time such as 2026-01-01T00:00:00Z".to_owned() });
        None
    }

    fn quantity(&mut self, text: &str) -> Option<Value> {
        match check_quantity(text) {
            Ok(()) => Some(Value::String(text.to_owned())),
            Err(go) => {
                let wanted = Shape::Quantity.wanted();
                self.fault(FaultKind::Mistyped { go: go.to_owned(), wanted });
                None
            }
        }
    }

    fn bytes(&mut self, text: &str, value: &Value) -> Option<Value> {
        match data_encoding::BASE64.decode(text.as_bytes()) {
            Ok(_) => Some(value.clone()),
            Err(e) => {
                let go = format!("illegal base64 data at input byte {}", e.position);
                self.fault(FaultKind::Mistyped { go, wanted: "bytes in base64".to_owned() });
                None
            }
        }
    }

    fn number(&mut self, shape: Shape, n: &serde_json::Number, value: &Value) -> Option<Value> {
        let narrow = !matches!(shape, Shape::Int64);
        let Some(v) = n.as_i64().filter(|v| !narrow || i32::try_from(*v).is_ok()) else {
            return self.mistyped(shape, value);
        };
        let range = match shape {
            Shape::Port => (0, 65_535, "must be between 1 and 65535, inclusive"),
            Shape::OptionalPort => (0, 65_535, "must be between 1 and 65535, inclusive"),
            Shape::NodePort => (
                0,
                65_535,
                "provided port is not in the valid range. The range of valid ports is 30000-32767",
            ),
            Shape::Count => (0, i64::MAX, "must be greater than or equal to 0"),
            Shape::Int32 | Shape::Int64 | Shape::IntOrString => return Some(value.clone()),
            _ => return self.mistyped(shape, value),
        };
        if (range.0..=range.1).contains(&v) {
            // Zero is Go's zero value: the same as leaving an optional field out.
            let left_out = v == 0 && matches!(shape, Shape::OptionalPort | Shape::NodePort);
            return (!left_out).then(|| value.clone());
        }
        self.unusable(format!("Invalid value: {v}: {}", range.2));
        // A valid port in its place, so that validation does not complain a second time.
        matches!(shape, Shape::Port).then(|| Value::from(1))
    }

    fn unusable(&mut self, message: String) {
        self.fault(FaultKind::Unusable { message });
    }

    fn mistyped(&mut self, shape: Shape, value: &Value) -> Option<Value> {
        let found = match value {
            Value::Null => "null".to_owned(),
            Value::Bool(_) => "bool".to_owned(),
            Value::Number(n) if is_numeric(shape) => format!("number {n}"),
            Value::Number(_) => "number".to_owned(),
            Value::String(_) => "string".to_owned(),
            Value::Array(_) => "array".to_owned(),
            Value::Object(_) => "object".to_owned(),
        };
        let path = FieldPath(self.path.clone());
        // A type with its own decoder does not know where it stands.
        let place = match shape {
            Shape::IntOrString => "Go value".to_owned(),
            _ if self.path.is_empty() => "Go value".to_owned(),
            _ => format!("Go struct field {}.{}", self.owner.bare_name(), path.without_map_keys(self.owner)),
        };
        let go = match shape {
            Shape::Quantity => QUANTITY_FORMAT.to_owned(),
            _ => format!("json: cannot unmarshal {found} into {place} of type {}", shape.go_type()),
        };
        self.fault(FaultKind::Mistyped { go, wanted: shape.wanted() });
        None
    }

    fn fault(&mut self, what: FaultKind) {
        self.faults.push(Fault { path: FieldPath(self.path.clone()), what });
    }
}

impl FieldPath {
    /// As [`FieldPath::without_indices`]; a last step that is a map's key and not a field of `owner` is left out, because
    /// Go's decoder knows only fields.
    fn without_map_keys(&self, owner: &Type) -> String {
        match self.0.split_last() {
            Some((Step::Field(name), rest)) if owner.field(name).is_none() => {
                Self(rest.to_vec()).without_indices()
            }
            _ => self.without_indices(),
        }
    }
}

const fn is_numeric(shape: Shape) -> bool {
    matches!(
        shape,
        Shape::Int32
            | Shape::Int64
            | Shape::Port
            | Shape::OptionalPort
            | Shape::NodePort
            | Shape::Count
            | Shape::IntOrString
    )
}

const QUANTITY_FORMAT: &str =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/// Whether a text is a quantity (`100m`, `70Mi`), as `resource.ParseQuantity` tells.
///
/// # Errors
/// Its words.
pub fn check_quantity(text: &str) -> Result<(), &'static str> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let number = unsigned.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let digits = &unsigned[..unsigned.len() - number.len()];
    if !digits.contains(|c: char| c.is_ascii_digit()) || digits.matches('.').count() > 1 {
        return Err(QUANTITY_FORMAT);
    }
    let exponent = number.trim_start_matches(|c: char| "eEinumkKMGTP".contains(c));
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if !exponent.bytes().all(|b| b.is_ascii_digit()) {
        return Err(QUANTITY_FORMAT);
    }
    let suffixes = ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let scientific = |s: &str| s.strip_prefix(['e', 'E']).is_some_and(|e| e.parse::<i64>().is_ok());
    if suffixes.contains(&number) || scientific(number) {
        Ok(())
    } else {
        Err("unable to parse quantity's suffix")
    }
}

//! The fields of the API for people who ask: `kubectl explain`. Only names and types are known, no descriptions.

use super::kind::Kind;
use super::schema::{self, Shape, Type};

/// The fields of one struct.
#[derive(Clone, Copy, Debug)]
pub struct Fields(&'static Type);

/// One field.
#[derive(Clone, Debug)]
pub struct Field {
    /// Name: `containers`.
    pub name: &'static str,
    /// Type as kubectl shows it: `[]Container`, `map[string]string`, `integer`.
    pub type_name: String,
    /// The values that it can have, if there are only some.
    pub values: &'static [&'static str],
    /// The fields in it, or in its elements.
    pub inside: Option<Fields>,
}

impl Fields {
    /// The fields of a kind.
    #[must_use]
    pub const fn of_kind(kind: Kind) -> Self {
        Self(schema::of_kind(kind))
    }

    /// All of them, by name.
    pub fn all(self) -> impl Iterator<Item = Field> {
        self.0.fields.iter().map(|(name, shape)| Field {
            name,
            type_name: type_name(*shape),
            values: if let Shape::Enum(values) = shape { values.list } else { &[] },
            inside: inside(*shape),
        })
    }

    /// One of them.
    #[must_use]
    pub fn get(self, name: &str) -> Option<Field> {
        self.all().find(|f| f.name == name)
    }
}

fn inside(shape: Shape) -> Option<Fields> {
    match shape {
        Shape::Struct(t) | Shape::Keyed(t, _) => Some(Fields(t)),
        Shape::List(item) | Shape::Map(item) => inside(*item),
        _ => None,
    }
}

fn type_name(shape: Shape) -> String {
    match shape {
        Shape::Str | Shape::Enum(_) | Shape::Time | Shape::Bytes => "string".to_owned(),
        Shape::Bool => "boolean".to_owned(),
        Shape::Int32 | Shape::Int64 | Shape::Port | Shape::OptionalPort | Shape::NodePort | Shape::Count => {
            "integer".to_owned()
        }
        Shape::IntOrString => "IntOrString".to_owned(),
        Shape::Quantity => "Quantity".to_owned(),
        Shape::Any => "Object".to_owned(),
        Shape::Struct(t) => t.bare_name().to_owned(),
        Shape::List(item) => format!("[]{}", type_name(*item)),
        Shape::Set => "[]string".to_owned(),
        Shape::Keyed(t, _) => format!("[]{}", t.bare_name()),
        Shape::Map(item) => format!("map[string]{}", type_name(*item)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_types() {
        let spec = Fields::of_kind(Kind::Pod).get("spec").unwrap();
        assert_eq!(spec.type_name, "PodSpec");
        let spec = spec.inside.unwrap();
        let shown = |name: &str| spec.get(name).unwrap().type_name;
        assert_eq!(
            ["containers", "nodeSelector", "hostNetwork", "priority", "overhead"].map(shown),
            ["[]Container", "map[string]string", "boolean", "integer", "map[string]Quantity"]
        );
        assert_eq!(spec.get("restartPolicy").unwrap().values, ["Always", "OnFailure", "Never"]);
    }
}

//! `kubectl explain`: the fields of a kind. Names and types come from the API's tables; the descriptions of the real documentation
//! are not modelled, and a remark says so.

use std::fmt::Write as _;

use sim_core::kube::objects::explain::{Field, Fields};

use super::args::{Flag, Kind as F, flag, short};
use super::ctl::Ctl;
use super::failure::Failure;
use super::resource::Resource;

pub(crate) static FLAGS: &[Flag] =
    &[flag("recursive", F::Bool), flag("api-version", F::Text), short("output", 'o', F::Text)];

/// What is printed where there is no description.
const NO_DESCRIPTION: &str = "<no description>";

/// Runs the verb.
///
/// # Errors
/// No such type or field.
pub(crate) fn run(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    ctl.refuse(&["api-version", "output"])?;
    let word = match ctl.args.words.as_slice() {
        [] => {
            return Err(Failure::plain(
                "You must specify the type of resource to explain. Use \"kubectl api-resources\" for a complete list of supported \
                 resources.",
            ));
        }
        [word] => word.clone(),
        _ => return Err(Failure::plain("We accept only this format: explain RESOURCE\n")),
    };
    let mut path = word.split('.');
    let resource = Resource::parse(path.next().unwrap_or(""))?;
    let Resource::Kind(kind) = resource else {
        return Err(Failure::not_modelled("the fields of events"));
    };
    let mut fields = Some(Fields::of_kind(kind));
    let mut field: Option<Field> = None;
    for name in path {
        let found = fields.and_then(|f| f.get(name));
        let found = found.ok_or_else(|| Failure::plain(format!("field {name:?} does not exist")))?;
        fields = found.inside;
        field = Some(found);
    }
    let mut text = String::new();
    if !kind.group().is_empty() {
        let _ = writeln!(text, "GROUP:      {}", kind.group());
    }
    let _ = write!(text, "KIND:       {kind}\nVERSION:    {}\n\n", kind.version());
    if let Some(field) = &field {
        let _ = writeln!(text, "FIELD: {} <{}>", field.name, field.type_name);
        if !field.values.is_empty() {
            let _ = writeln!(text, "ENUM:\n    {}", field.values.join("\n    "));
        }
        text.push('\n');
    }
    text += "DESCRIPTION:\n    <empty>\n";
    if let Some(fields) = fields {
        text += "    \nFIELDS:\n";
        let recursive = ctl.args.bool("recursive", false);
        let mut open = Vec::new();
        list(&mut text, fields, 1, recursive, &mut open);
    }
    text.push('\n');
    ctl.print(text);
    ctl.cx.remark("kubectl explain: descriptions of fields are not modelled");
    Ok(0)
}

/// The fields at a level; `open` are the types around them, so that a type within itself is not opened again.
fn list(text: &mut String, fields: Fields, level: usize, recursive: bool, open: &mut Vec<String>) {
    let indent = "  ".repeat(level);
    for field in fields.all() {
        let _ = writeln!(text, "{indent}{}\t<{}>", field.name, field.type_name);
        if !field.values.is_empty() {
            let _ = writeln!(text, "{indent}enum: {}", field.values.join(", "));
        }
        if !recursive {
            let _ = writeln!(text, "{indent}  {NO_DESCRIPTION}\n");
        } else if let Some(inside) = field.inside.filter(|_| !open.contains(&field.type_name)) {
            open.push(field.type_name.clone());
            list(text, inside, level + 1, recursive, open);
            open.pop();
        }
    }
}

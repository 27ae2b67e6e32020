//! `-o custom-columns=NAME:.metadata.name,IP:.status.podIP`.

use serde_json::Value;

use super::jsonpath::{self, JsonPath};

/// Columns that a person chose.
#[derive(Clone, Debug)]
pub(crate) struct CustomColumns {
    columns: Vec<(String, JsonPath)>,
    headers: bool,
}

impl CustomColumns {
    const fn new(columns: Vec<(String, JsonPath)>) -> Self {
        Self { columns, headers: true }
    }

    /// The same under `--no-headers`.
    pub(crate) const fn without_headers(&mut self) {
        self.headers = false;
    }

    /// Parses `HEADER:PATH,…`.
    ///
    /// # Errors
    /// What kubectl says is wrong with it.
    pub(crate) fn parse(spec: &str) -> Result<Self, String> {
        if spec.is_empty() {
            return Err("custom-columns format specified but no custom columns given".to_owned());
        }
        let column = |part: &str| {
            let (header, path) = part.split_once(':').filter(|(_, p)| !p.contains(':')).ok_or_else(|| {
                format!("unexpected custom-columns spec: {part}, expected <header>:<json-path-expr>")
            })?;
            Ok((header.to_owned(), JsonPath::parse_relaxed(path)?))
        };
        spec.split(',').map(column).collect::<Result<_, String>>().map(Self::new)
    }

    /// Parses a template file: a line of headers above a line of paths.
    ///
    /// # Errors
    /// What kubectl says is wrong with it.
    pub(crate) fn parse_file(text: &str) -> Result<Self, String> {
        let mut lines = text.lines().filter(|l| !l.trim().is_empty());
        let mut words = || lines.next().unwrap_or("").split_whitespace().collect::<Vec<_>>();
        let (headers, paths) = (words(), words());
        if headers.len() != paths.len() {
            let (h, p) = (headers.len(), paths.len());
            return Err(format!("number of headers ({h}) and field specifications ({p}) don't match"));
        }
        let parse = |(h, p): (&str, &str)| Ok((h.to_owned(), JsonPath::parse_relaxed(p)?));
        headers.into_iter().zip(paths).map(parse).collect::<Result<_, String>>().map(Self::new)
    }

    /// The header, with tabs between columns; nothing under `--no-headers`.
    pub(crate) fn header(&self) -> String {
        if !self.headers {
            return String::new();
        }
        format!("{}\n", self.columns.iter().map(|(h, _)| h.as_str()).collect::<Vec<_>>().join("\t"))
    }

    /// One row, with tabs between cells.
    ///
    /// # Errors
    /// What kubectl says a path cannot do with this object.
    pub(crate) fn row(&self, object: &Value) -> Result<String, String> {
        let cell = |path: &JsonPath| {
            let found: Vec<String> = path.find(object)?.iter().flatten().map(plain).collect();
            Ok(if found.is_empty() { "<none>".to_owned() } else { found.join(",") })
        };
        let cells: Vec<String> = self.columns.iter().map(|(_, p)| cell(p)).collect::<Result<_, String>>()?;
        Ok(format!("{}\n", cells.join("\t")))
    }
}

/// A value as Go's `fmt.Sprint` shows it: `map[a:1 b:2]`, `[x y]`.
fn plain(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let entries: Vec<String> = map.iter().map(|(k, v)| format!("{k}:{}", plain(v))).collect();
            format!("map[{}]", entries.join(" "))
        }
        leaf => jsonpath::value_text(leaf),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_are_chosen_by_path() {
        let columns =
            CustomColumns::parse("NAME:.metadata.name,ALL:spec.ports[*].port,L:{.metadata.labels},X:.x")
                .unwrap();
        let object = json!({"metadata": {"name": "a", "labels": {"k": "v", "n": ["x", "y"]}}, "spec": {"ports": [{"port": 1}, {"port": 2}]}});
        assert_eq!(columns.header(), "NAME\tALL\tL\tX\n");
        assert_eq!(columns.row(&object).unwrap(), "a\t1,2\tmap[k:v n:[x y]]\t<none>\n");
    }

    #[test]
    fn a_file_has_headers_above_paths() {
        let columns = CustomColumns::parse_file("NAME  IP\nmetadata.name status.podIP\n").unwrap();
        assert_eq!(columns.row(&json!({"metadata": {"name": "a"}})).unwrap(), "a\t<none>\n");
    }

    #[test]
    fn mistakes_are_kubectls() {
        let all: Vec<String> =
            ["", "NAME", "A:b:c"].into_iter().map(|s| CustomColumns::parse(s).unwrap_err()).collect();
        insta::assert_snapshot!(all.join("\n"), @r"
        custom-columns format specified but no custom columns given
        unexpected custom-columns spec: NAME, expected <header>:<json-path-expr>
        unexpected custom-columns spec: A:b:c, expected <header>:<json-path-expr>
        ");
    }
}

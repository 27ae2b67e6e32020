//! `--from-literal`, `--from-file`, `--from-env-file`: the contents of `ConfigMaps` and Secrets.

use indexmap::IndexMap;
use sim_core::kube::node::files::{FileKind, Files};

use super::super::ctl::Ctl;
use super::super::failure::Failure;
use super::super::files;

/// Keys and their contents, as the flags of a command name them; `what` is `ConfigMap "conf"` or `Secret "conf"` in messages.
///
/// # Errors
/// A source that cannot be read, or a key that is there twice.
pub(super) fn read(ctl: &Ctl<'_, '_>, kind: &str, name: &str) -> Result<IndexMap<String, String>, Failure> {
    let sources = ["from-literal", "from-file"].iter().any(|f| !ctl.args.texts(f).is_empty());
    let env_files = ctl.args.texts("from-env-file");
    if sources && !env_files.is_empty() {
        return Err(Failure::plain("from-env-file cannot be combined with from-file or from-literal"));
    }
    let mut data = Data { all: IndexMap::new(), kind, name };
    for literal in ctl.args.texts("from-literal") {
        let (key, value) = literal
            .split_once('=')
            .filter(|(k, _)| !k.is_empty())
            .ok_or_else(|| Failure::plain(format!("invalid literal source {literal}, expected key=value")))?;
        data.insert(key, unquoted(value).to_owned())?;
    }
    for source in ctl.args.texts("from-file") {
        data.file(ctl, source)?;
    }
    for path in env_files {
        data.env_file(&files::read_text(ctl, path)?)?;
    }
    Ok(data.all)
}

/// Quotes around the whole of a literal are taken off.
fn unquoted(text: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|t| t.strip_suffix(quote)) {
            return inner;
        }
    }
    text
}

struct Data<'a> {
    all: IndexMap<String, String>,
    kind: &'a str,
    name: &'a str,
}

impl Data<'_> {
    fn insert(&mut self, key: &str, value: String) -> Result<(), Failure> {
        let usual = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if key.is_empty() || !key.chars().all(usual) {
            return Err(Failure::plain(format!(
                "{key:?} is not a valid key name for a {}: a valid config key must consist of alphanumeric characters, '-', '_' or \
                 '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
                self.kind
            )));
        }
        if self.all.insert(key.to_owned(), value).is_some() {
            return Err(Failure::plain(format!(
                "cannot add key {key:?}, another key by that name already exists in Data for {} {:?}",
                self.kind, self.name
            )));
        }
        Ok(())
    }

    /// `PATH`, `KEY=PATH`; a folder stands for the files in it.
    fn file(&mut self, ctl: &Ctl<'_, '_>, source: &str) -> Result<(), Failure> {
        let (key, path) = match source.split('=').collect::<Vec<_>>().as_slice() {
            [path] => (None, *path),
            ["", _] => {
                return Err(Failure::plain(format!("key name for file path {} missing", &source[1..])));
            }
            [key, ""] => return Err(Failure::plain(format!("file path for key name {key} missing"))),
            [key, path] => (Some(*key), *path),
            _ => return Err(Failure::plain("key names or file paths cannot contain '='")),
        };
        let absolute = Files::resolve(ctl.cx.cwd, path);
        let tree = ctl.cx.tree(&absolute);
        if tree.and_then(|t| t.kind(&absolute)) == Some(FileKind::Dir) {
            if key.is_some() {
                return Err(Failure::plain("cannot give a key name for a directory path"));
            }
            let list = tree.and_then(|t| t.list(&absolute).ok()).unwrap_or_default();
            let names: Vec<String> =
                list.into_iter().filter(|(_, k)| *k == FileKind::File).map(|(n, _)| n.to_owned()).collect();
            for own in names {
                let text = files::read_text(ctl, &format!("{}/{own}", path.trim_end_matches('/')))?;
                self.insert(&own, text)?;
            }
            return Ok(());
        }
        if tree.is_some_and(|t| t.kind(&absolute).is_none()) {
            return Err(Failure::plain(format!("error reading {path}: no such file or directory")));
        }
        let text = files::read_text(ctl, path)?;
        self.insert(key.unwrap_or_else(|| path.rsplit('/').next().unwrap_or(path)), text)
    }

    /// Lines `KEY=value`; empty ones and remarks do not count.
    fn env_file(&mut self, text: &str) -> Result<(), Failure> {
        for line in text.lines().map(str::trim_start).filter(|l| !l.is_empty() && !l.starts_with('#')) {
            // A key alone takes its value from kubectl's own environment, which has none of that name.
            let (key, value) = line.split_once('=').unwrap_or((line, ""));
            self.insert(key, value.to_owned())?;
        }
        Ok(())
    }
}

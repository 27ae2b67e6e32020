//! Server blocks of a Corefile: keys, and the words of each directive. Snippets, imports and environment variables are put in
//! here. After `caddyfile/parse.go`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::dispenser::Dispenser;
use super::lexer::{Token, words};
use super::{DIRECTIVES, Surroundings};

/// A server block.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ServerBlock {
    /// What stands before the brace: zones with ports.
    pub keys: Vec<String>,
    /// The words of each directive, all its occurrences in a row.
    pub tokens: BTreeMap<String, Vec<Token>>,
}

/// How often snippets and files may be imported.
const IMPORTS_MAX: usize = 1000;

/// Takes a Corefile apart. With `any_directive`, directives need not be known: so the plugin reload looks at a changed file.
///
/// # Errors
/// What CoreDNS says of it.
pub fn parse(
    file: &str,
    text: &str,
    around: &dyn Surroundings,
    any_directive: bool,
) -> Result<Vec<ServerBlock>, String> {
    let mut parser = Parser {
        words: Dispenser::new(file, words(text, "")),
        around,
        any_directive,
        block: ServerBlock::default(),
        snippets: BTreeMap::new(),
        snippet_imports: 0,
        file_imports: 0,
    };
    let mut blocks = Vec::new();
    while parser.words.advance() {
        parser.block = ServerBlock::default();
        parser.one()?;
        if !parser.block.keys.is_empty() {
            blocks.push(std::mem::take(&mut parser.block));
        }
    }
    Ok(blocks)
}

struct Parser<'a> {
    words: Dispenser,
    around: &'a dyn Surroundings,
    any_directive: bool,
    block: ServerBlock,
    snippets: BTreeMap<String, Vec<Token>>,
    snippet_imports: usize,
    file_imports: usize,
}

impl Parser<'_> {
    fn one(&mut self) -> Result<(), String> {
        if self.addresses()? {
            // A line of addresses and nothing else.
            return Ok(());
        }
        if let [key] = &self.block.keys[..]
            && let Some(name) = key.strip_prefix('(').and_then(|k| k.strip_suffix(')'))
        {
            let name = name.to_owned();
            return self.snippet(name);
        }
        self.contents()
    }

    /// Reads the keys of a block; whether the file ended with them.
    fn addresses(&mut self) -> Result<bool, String> {
        let mut expecting_another = false;
        loop {
            let mut word = self.expand(self.words.val());
            if word == "import" && self.words.is_new_line() {
                self.import()?;
                if !self.words.advance() {
                    return Ok(true);
                }
                continue;
            }
            if word == "{" {
                if expecting_another {
                    let message =
                        format!("Expected another address but had '{word}' - check for extra comma");
                    return Err(self.words.err(&message));
                }
                return Ok(false);
            }
            if !word.is_empty() {
                expecting_another = word.ends_with(',');
                if expecting_another {
                    word.pop();
                }
                self.block.keys.push(word);
            }
            let more = self.words.advance();
            if !more {
                return if expecting_another { Err(self.eof()) } else { Ok(true) };
            }
            if !expecting_another && self.words.is_new_line() {
                return Ok(false);
            }
        }
    }

    fn snippet(&mut self, name: String) -> Result<(), String> {
        if self.snippets.contains_key(&name) {
            return Err(self.words.err(&format!("redeclaration of previously declared snippet {name}")));
        }
        self.open()?;
        let (mut depth, mut tokens) = (1, Vec::<Token>::new());
        while self.words.advance() {
            match self.words.val() {
                "}" => depth -= 1,
                "{" => depth += 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
            tokens.push(self.words.tokens[self.words.at - 1].clone());
        }
        if depth != 0 {
            return Err(self.words.syntax_err("}"));
        }
        let imports_itself = tokens.windows(2).enumerate().any(|(i, pair)| {
            let starts = i == 0 || tokens[i - 1].line != pair[0].line || tokens[i - 1].file != pair[0].file;
            pair[0].text == "import" && starts && self.expand(&pair[1].text) == name
        });
        if imports_itself {
            let message = format!("maximum snippet import depth ({IMPORTS_MAX}) exceeded");
            return Err(self.words.err(&message));
        }
        self.snippets.insert(name, tokens);
        self.block.keys.clear();
        Ok(())
    }

    fn contents(&mut self) -> Result<(), String> {
        let braced = self.words.val() == "{";
        if !braced {
            // One server needs no braces.
            self.words.at -= 1;
        }
        while self.words.advance() {
            match self.words.val() {
                "}" => break,
                "import" => {
                    self.import()?;
                }
                _ => self.directive()?,
            }
        }
        if braced && self.words.val() != "}" {
            return Err(self.words.syntax_err("}"));
        }
        Ok(())
    }

    /// Takes a directive's words, up to the end of its line or of its braces.
    fn directive(&mut self) -> Result<(), String> {
        let name = self.expand(self.words.val());
        if !self.any_directive && !DIRECTIVES.contains(&name.as_str()) {
            return Err(self.words.err(&format!("Unknown directive '{name}'")));
        }
        let mut taken = vec![self.words.tokens[self.words.at - 1].clone()];
        let mut nesting = 0;
        while self.words.advance() {
            let new_line = self.words.is_new_line();
            match self.words.val() {
                "{" => nesting += 1,
                _ if new_line && nesting == 0 => {
                    self.words.at -= 1;
                    break;
                }
                "}" if nesting > 0 => nesting -= 1,
                "}" => {
                    return Err(self.words.err("Unexpected '}' because no matching opening brace"));
                }
                "import" if new_line => {
                    self.import()?;
                    continue;
                }
                _ => {}
            }
            let at = self.words.at - 1;
            self.words.tokens[at].text = self.expand(&self.words.tokens[at].text);
            taken.push(self.words.tokens[at].clone());
        }
        if nesting > 0 {
            return Err(self.eof());
        }
        self.block.tokens.entry(name).or_default().extend(taken);
        Ok(())
    }

    /// Puts what is imported in the place of the two words, and stands before it.
    fn import(&mut self) -> Result<(), String> {
        if !self.words.next_arg() {
            return Err(self.words.arg_err());
        }
        let pattern = self.expand(self.words.val());
        if pattern.is_empty() {
            return Err(self.words.err("Import requires a non-empty filepath"));
        }
        if self.words.next_arg() {
            return Err(self.words.err("Import takes only one argument (glob pattern or file)"));
        }
        let imported = match self.snippets.get(&pattern) {
            Some(tokens) => {
                let tokens = tokens.clone();
                self.snippet_imports += 1;
                if self.snippet_imports > IMPORTS_MAX {
                    let message = format!("maximum snippet import depth ({IMPORTS_MAX}) exceeded");
                    return Err(self.words.err(&message));
                }
                tokens
            }
            None => self.files(&pattern)?,
        };
        let at = self.words.at;
        self.words.tokens.splice(at - 2..at, imported);
        self.words.at = at - 2;
        Ok(())
    }

    fn files(&mut self, pattern: &str) -> Result<Vec<Token>, String> {
        self.file_imports += 1;
        if self.file_imports > IMPORTS_MAX {
            return Err(self.words.err(&format!("maximum file import depth ({IMPORTS_MAX}) exceeded")));
        }
        let folder = self.words.file().rsplit_once('/').map_or("", |(folder, _)| folder);
        let full = if pattern.starts_with('/') { pattern.to_owned() } else { format!("{folder}/{pattern}") };
        let many = |wild: char| full.matches(wild).count() > 1;
        if many('*') || many('?') || (full.contains('[') && full.contains(']')) {
            let message = format!("Glob pattern may only contain one wildcard (*), but has others: {full}");
            return Err(self.words.err(&message));
        }
        let (folder, name) = full.rsplit_once('/').unwrap_or(("", &full));
        let wild = name.contains(['*', '?']);
        let matches: Vec<String> = if wild {
            self.around.list(folder).into_iter().filter(|f| fits(name, f)).collect()
        } else {
            vec![name.to_owned()]
        };
        let mut tokens = Vec::new();
        for file in matches {
            let path = format!("{folder}/{file}");
            match self.around.read(&path) {
                Some(text) => tokens.extend(words(&text, &path)),
                None if wild => {}
                None => return Err(self.words.err(&format!("File to import not found: {pattern}"))),
            }
        }
        Ok(tokens)
    }

    fn open(&self) -> Result<(), String> {
        if self.words.val() == "{" { Ok(()) } else { Err(self.words.syntax_err("{")) }
    }

    fn eof(&self) -> String {
        self.words.err("Unexpected EOF")
    }

    /// Puts environment variables in: `{$NAME}` and `{%NAME%}`.
    fn expand(&self, word: &str) -> String {
        let mut out = word.to_owned();
        for (start, end) in [("{%", "%}"), ("{$", "}")] {
            while let Some(from) = out.find(start) {
                let Some(to) = out[from..].find(end).map(|i| from + i) else { break };
                if to <= from + start.len() {
                    break;
                }
                let value = self.around.env(&out[from + start.len()..to]).unwrap_or_default();
                let reference = out[from..to + end.len()].to_owned();
                if value.contains(&reference) {
                    break;
                }
                out = out.replace(&reference, &value);
            }
        }
        out
    }
}

/// Whether a name fits a pattern with at most one `*` and one `?`.
fn fits(pattern: &str, name: &str) -> bool {
    match (pattern.chars().next(), name.chars().next()) {
        (None, None) => true,
        (Some('*'), _) => {
            let rest = &pattern[1..];
            (0..=name.len()).filter(|i| name.is_char_boundary(*i)).any(|i| fits(rest, &name[i..]))
        }
        (Some(p), Some(n)) if p == '?' || p == n => fits(&pattern[p.len_utf8()..], &name[n.len_utf8()..]),
        _ => false,
    }
}

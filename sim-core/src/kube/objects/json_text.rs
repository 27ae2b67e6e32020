//! JSON files as kubectl reads them: a stream of values, and Go's words for what is not JSON.

/// Why a text is not JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// Byte at which reading stopped.
    pub at: usize,
    /// kubectl's words: `json: offset 33: invalid character '}' looking for beginning of object key string`.
    pub go: String,
}

/// Whether kubectl takes a text for JSON: its first character that is not white space is an opening brace.
#[must_use]
pub fn looks_like_json(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

/// Splits a stream of JSON values; each piece with the byte at which it begins. On an error, what came before it counts.
#[must_use]
pub fn values(text: &str) -> (Vec<(usize, &str)>, Option<JsonError>) {
    let mut scan = Scan { text, at: 0 };
    let mut found = Vec::new();
    loop {
        scan.space();
        let start = scan.at;
        if start == text.len() {
            return (found, None);
        }
        if let Err(error) = scan.value(0) {
            return (found, Some(error));
        }
        found.push((start, &text[start..scan.at]));
    }
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
}

/// Go's limit.
const MAX_DEPTH: usize = 200;

type Step = Result<(), JsonError>;

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn refuse(&self, context: &str) -> JsonError {
        let go = match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            None => "unexpected EOF".to_owned(),
            Some(c) => {
                let shown = match c {
                    '\'' => "'\\''".to_owned(),
                    '"' => "'\"'".to_owned(),
                    '\n' => "'\\n'".to_owned(),
                    '\t' => "'\\t'".to_owned(),
                    '\\' => "'\\\\'".to_owned(),
                    // Go looks at bytes.
                    c if !c.is_ascii() => format!("'{}'", char::from(self.text.as_bytes()[self.at])),
                    c => format!("'{c}'"),
                };
                format!("json: offset {}: invalid character {shown} {context}", self.at + 1)
            }
        };
        JsonError { at: self.at, go }
    }

    fn value(&mut self, depth: usize) -> Step {
        if depth > MAX_DEPTH {
            return Err(JsonError { at: self.at, go: "json: exceeded max depth".to_owned() });
        }
        self.space();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal("true"),
            Some(b'f') => self.literal("false"),
            Some(b'n') => self.literal("null"),
            _ => Err(self.refuse("looking for beginning of value")),
        }
    }

    fn object(&mut self, depth: usize) -> Step {
        self.at += 1;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.refuse("looking for beginning of object key string"));
            }
            self.string()?;
            self.space();
            if self.peek() != Some(b':') {
                return Err(self.refuse("after object key"));
            }
            self.at += 1;
            self.value(depth + 1)?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(self.refuse("after object key:value pair")),
            }
        }
        self.at += 1;
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Step {
        self.at += 1;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(self.refuse("after array element")),
            }
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Step {
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(0..0x20) | None => return Err(self.refuse("in string literal")),
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        Ok(())
    }

    fn escape(&mut self) -> Step {
        self.at += 1;
        match self.peek() {
            Some(b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|b| b.is_ascii_hexdigit()) {
                        return Err(self.refuse("in \\u hexadecimal character escape"));
                    }
                    self.at += 1;
                }
            }
            _ => return Err(self.refuse("in string escape code")),
        }
        Ok(())
    }

    fn digits(&mut self, context: &str) -> Step {
        if !self.peek().is_some_and(|b| b.is_ascii_digit()) {
            return Err(self.refuse(context));
        }
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Step {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits("in numeric literal")?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        Ok(())
    }

    fn literal(&mut self, word: &str) -> Step {
        for expected in word.bytes() {
            if self.peek() != Some(expected) {
                return Err(self.refuse(&format!("in literal {word} (expecting '{}')", char::from(expected))));
            }
            self.at += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(text: &str) -> String {
        values(text).1.unwrap().go
    }

    /// The first two are answers of a real kubectl.
    #[test]
    fn mistakes_are_told_in_gos_words() {
        let comma = r#"{"kind":"Pod","apiVersion":"v1",}"#;
        let words = "json: offset 33: invalid character '}' looking for beginning of object key string";
        assert_eq!(refusal(comma), words);
        assert_eq!(refusal(r#"{"kind":"Pod","apiVersion":"v1""#), "unexpected EOF");
        assert_eq!(refusal(r#"{"a" 1}"#), "json: offset 6: invalid character '1' after object key");
        assert_eq!(
            refusal(r#"{"a": tru}"#),
            "json: offset 10: invalid character '}' in literal true (expecting 'e')"
        );
    }

    #[test]
    fn a_stream_is_split() {
        let (found, error) = values(" {\"a\": [1, -2.5e3]}\n{\"b\": \"\\u0041\"} ");
        assert_eq!(error, None);
        assert_eq!(found, [(1, "{\"a\": [1, -2.5e3]}"), (20, "{\"b\": \"\\u0041\"}")]);
    }

    proptest! {
        #[test]
        fn what_serde_json_reads_is_read(text in "[{}\\[\\]\",:a-c0-9.\\\\ ]{0,40}") {
            if serde_json::from_str::<serde_json::Value>(&text).is_ok() {
                prop_assert_eq!(values(&text).1, None);
            }
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = values(&text);
        }
    }
}

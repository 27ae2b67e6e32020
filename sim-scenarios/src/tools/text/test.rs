//! `test EXPRESSION` and `[ EXPRESSION ]`

use sim_core::kube::node::files::FileKind;

use crate::tools::Cx;

/// Parentheses within parentheses.
const NESTING: usize = 50;

pub(in crate::tools) fn run(cx: &mut Cx<'_>) -> i32 {
    let words = cx.operands().to_vec();
    evaluate(cx, &words)
}

pub(in crate::tools) fn bracket(cx: &mut Cx<'_>) -> i32 {
    let words = cx.operands().to_vec();
    match words.split_last() {
        Some((last, rest)) if last == "]" => evaluate(cx, rest),
        _ => {
            cx.out.err("[: missing ']'");
            2
        }
    }
}

fn evaluate(cx: &mut Cx<'_>, words: &[String]) -> i32 {
    if words.is_empty() {
        return 1;
    }
    let mut test = Test { cx, words, at: 0, depth: 0 };
    let result = test.or();
    let left = test.at < words.len();
    match result {
        Ok(_) if left => {
            cx.out.err(format!("test: too many arguments: '{}'", words.join(" ")));
            2
        }
        Ok(holds) => i32::from(!holds),
        Err(message) => {
            cx.out.err(format!("test: {message}"));
            2
        }
    }
}

struct Test<'t, 'a> {
    cx: &'t mut Cx<'a>,
    words: &'t [String],
    at: usize,
    depth: usize,
}

type Holds = Result<bool, String>;

impl Test<'_, '_> {
    fn or(&mut self) -> Holds {
        let mut holds = self.and()?;
        while self.take("-o") {
            holds |= self.and()?;
        }
        Ok(holds)
    }

    fn and(&mut self) -> Holds {
        let mut holds = self.not()?;
        while self.take("-a") {
            holds &= self.not()?;
        }
        Ok(holds)
    }

    fn not(&mut self) -> Holds {
        let mut negated = false;
        // `! ` before an operand; alone or before an operator it is a text.
        while self.peek(0) == Some("!") && self.words.len() > self.at + 1 && !self.is_binary(1) {
            self.at += 1;
            negated = !negated;
        }
        Ok(self.primary()? != negated)
    }

    fn primary(&mut self) -> Holds {
        if self.is_binary(1) {
            let (left, op, right) = (self.next()?, self.next()?, self.next()?);
            return binary(&left, &op, &right);
        }
        if self.peek(0) == Some("(") && self.words.len() > self.at + 1 {
            self.depth += 1;
            if self.depth > NESTING {
                return Err("too many parentheses".to_owned());
            }
            self.at += 1;
            let holds = self.or()?;
            self.depth -= 1;
            return if self.take(")") { Ok(holds) } else { Err("')' expected".to_owned()) };
        }
        let word = self.next()?;
        let operator = word.len() == 2 && word.starts_with('-') && self.peek(0).is_some();
        if !operator {
            return Ok(!word.is_empty());
        }
        let operand = self.next()?;
        let kind = self.cx.files().kind(&operand);
        match &word[1..] {
            "n" => Ok(!operand.is_empty()),
            "z" => Ok(operand.is_empty()),
            "e" | "r" | "w" => Ok(kind.is_some()),
            "f" => Ok(kind == Some(FileKind::File)),
            "d" => Ok(kind == Some(FileKind::Dir)),
            "s" => Ok(self.cx.files().read(&operand).is_ok_and(|bytes| !bytes.is_empty())),
            "h" | "L" | "p" | "S" | "b" | "c" => Ok(false),
            _ => Err(format!("{word}: unary operator expected")),
        }
    }

    fn is_binary(&self, ahead: usize) -> bool {
        let operator = self.peek(ahead).is_some_and(|op| {
            matches!(op, "=" | "==" | "!=" | "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge" | "<" | ">")
        });
        operator && self.peek(ahead + 1).is_some()
    }

    fn peek(&self, ahead: usize) -> Option<&str> {
        self.words.get(self.at + ahead).map(String::as_str)
    }

    fn take(&mut self, word: &str) -> bool {
        let here = self.peek(0) == Some(word);
        self.at += usize::from(here);
        here
    }

    fn next(&mut self) -> Result<String, String> {
        let word = self.words.get(self.at).cloned().ok_or("argument expected")?;
        self.at += 1;
        Ok(word)
    }
}

fn binary(left: &str, op: &str, right: &str) -> Holds {
    let number =
        |text: &str| text.trim().parse::<i64>().map_err(|_| format!("{text}: integer expression expected"));
    Ok(match op {
        "=" | "==" => left == right,
        "!=" => left != right,
        "<" => left < right,
        ">" => left > right,
        _ => {
            let (a, b) = (number(left)?, number(right)?);
            match op {
                "-eq" => a == b,
                "-ne" => a != b,
                "-lt" => a < b,
                "-le" => a <= b,
                "-gt" => a > b,
                _ => a >= b,
            }
        }
    })
}

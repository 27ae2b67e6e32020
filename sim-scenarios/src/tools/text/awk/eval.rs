//! Running a program over lines.

use std::collections::BTreeMap;

use regex::Regex;

use super::super::regex::{Grammar, compile};
use super::parse::{Expr, Program, Statement, When};

/// A program's variables, fields, and output.
#[derive(Debug, Default)]
pub(super) struct Awk {
    variables: BTreeMap<String, Value>,
    record: String,
    fields: Vec<String>,
    records: usize,
    /// What was printed.
    pub out: String,
}

#[derive(Clone, Debug)]
enum Value {
    Number(f64),
    Text(String),
    /// From input: a number if it looks like one.
    Input(String),
}

enum Flow {
    On,
    Next,
    Exit(i32),
}

type Run<T> = Result<T, String>;

impl Value {
    fn text(&self) -> String {
        match self {
            Self::Number(n) => number_text(*n),
            Self::Text(t) | Self::Input(t) => t.clone(),
        }
    }

    fn number(&self) -> f64 {
        match self {
            Self::Number(n) => *n,
            Self::Text(t) | Self::Input(t) => leading_number(t),
        }
    }

    fn holds(&self) -> bool {
        match self {
            Self::Number(n) => *n != 0.0,
            Self::Text(t) => !t.is_empty(),
            Self::Input(t) => t.trim().parse::<f64>().map_or(!t.is_empty(), |n| n != 0.0),
        }
    }

    /// The number that comparisons use, if this is one.
    fn numeric(&self) -> Option<f64> {
        match self {
            Self::Number(n) => Some(*n),
            Self::Text(_) => None,
            Self::Input(t) => t.trim().parse().ok(),
        }
    }
}

impl Awk {
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), Value::Input(value.to_owned()));
    }

    /// Runs a program: its exit status.
    pub(super) fn run<'l>(&mut self, program: &Program, lines: impl Iterator<Item = &'l str>) -> Run<i32> {
        if let Flow::Exit(status) = self.rules(program, When::Begin)? {
            return Ok(status);
        }
        for line in lines {
            self.records += 1;
            self.read(line)?;
            if let Flow::Exit(status) = self.rules(program, When::Line)? {
                return Ok(status);
            }
        }
        match self.rules(program, When::End)? {
            Flow::Exit(status) => Ok(status),
            Flow::On | Flow::Next => Ok(0),
        }
    }

    fn rules(&mut self, program: &Program, when: When) -> Run<Flow> {
        for rule in program.rules.iter().filter(|r| r.when == when) {
            if let Some(pattern) = &rule.pattern
                && !self.value(pattern)?.holds()
            {
                continue;
            }
            let flow = match &rule.action {
                None => {
                    self.print_line(&self.record.clone());
                    Flow::On
                }
                Some(statements) => self.statements(statements)?,
            };
            if !matches!(flow, Flow::On) {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn statements(&mut self, statements: &[Statement]) -> Run<Flow> {
        for statement in statements {
            let flow = match statement {
                Statement::Print(list) => {
                    self.print(list)?;
                    Flow::On
                }
                Statement::Printf(list) => {
                    let text = self.format(list)?;
                    self.out.push_str(&text);
                    Flow::On
                }
                Statement::Expr(expr) => {
                    self.value(expr)?;
                    Flow::On
                }
                Statement::If(condition, yes, no) => {
                    let branch = if self.value(condition)?.holds() { yes } else { no };
                    self.statements(branch)?
                }
                Statement::Next => Flow::Next,
                Statement::Exit(None) => Flow::Exit(0),
                Statement::Exit(Some(status)) => Flow::Exit(self.value(status)?.number() as i32 & 0xff),
            };
            if !matches!(flow, Flow::On) {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn print(&mut self, list: &[Expr]) -> Run<()> {
        if list.is_empty() {
            self.print_line(&self.record.clone());
            return Ok(());
        }
        let mut texts = Vec::new();
        for expr in list {
            texts.push(self.value(expr)?.text());
        }
        let separator = self.variable("OFS").map_or(" ".to_owned(), |v| v.text());
        self.print_line(&texts.join(&separator));
        Ok(())
    }

    fn print_line(&mut self, text: &str) {
        self.out.push_str(text);
        let end = self.variable("ORS").map_or("\n".to_owned(), |v| v.text());
        self.out.push_str(&end);
    }

    /// `printf`: `%s %d %i %f %.Nf %c %x %%` with flags, width, and precision.
    fn format(&mut self, list: &[Expr]) -> Run<String> {
        let mut values = Vec::new();
        for expr in list {
            values.push(self.value(expr)?);
        }
        let mut values = values.into_iter();
        let format = values.next().map_or(String::new(), |v| v.text());
        let mut text = String::new();
        let mut chars = format.chars().peekable();
        while let Some(c) = chars.next() {
            if c != '%' {
                text.push(c);
                continue;
            }
            let mut spec = String::new();
            while let Some(f) = chars.next_if(|c| "-0123456789.".contains(*c)) {
                spec.push(f);
            }
            let left = spec.starts_with('-');
            let zero = spec.starts_with('0');
            let (width, precision) =
                spec.split_once('.').map_or((spec.as_str(), None), |(w, p)| (w, Some(p)));
            let width = width.trim_start_matches('-').parse().unwrap_or(0_usize).min(1000);
            let precision = precision.map(|p| p.parse().unwrap_or(0_usize).min(100));
            let mut value = || values.next().unwrap_or(Value::Text(String::new()));
            let body = match chars.next() {
                Some('%') => "%".to_owned(),
                Some('s') => value().text().chars().take(precision.unwrap_or(usize::MAX)).collect(),
                Some('d' | 'i') => format!("{}", value().number().trunc() as i64),
                Some('x') => format!("{:x}", value().number().trunc() as i64),
                Some('f') => format!("{:.*}", precision.unwrap_or(6), value().number()),
                Some('c') => value().text().chars().take(1).collect(),
                other => {
                    return Err(format!("%{spec}{} in printf", other.map_or(String::new(), String::from)));
                }
            };
            text.push_str(&match (left, zero) {
                (true, _) => format!("{body:<width$}"),
                (false, true) => format!("{body:0>width$}"),
                _ => format!("{body:>width$}"),
            });
        }
        Ok(text)
    }

    fn variable(&self, name: &str) -> Option<Value> {
        Some(match name {
            "NR" | "FNR" => Value::Number(self.records as f64),
            "NF" => Value::Number(self.fields.len() as f64),
            _ => return self.variables.get(name).cloned(),
        })
    }

    fn value(&mut self, expr: &Expr) -> Run<Value> {
        Ok(match expr {
            Expr::Number(n) => Value::Number(*n),
            Expr::Text(t) => Value::Text(t.clone()),
            Expr::Pattern(p) => truth(p.is_match(&self.record)),
            Expr::Variable(name) => self.variable(name).unwrap_or(Value::Input(String::new())),
            Expr::Field(index) => {
                let index = self.index(index)?;
                Value::Input(self.field(index))
            }
            Expr::Not(e) => truth(!self.value(e)?.holds()),
            Expr::Negative(e) => Value::Number(-self.value(e)?.number()),
            Expr::Concat(a, b) => {
                let text = self.value(a)?.text() + &self.value(b)?.text();
                if text.len() > 1 << 20 {
                    return Err("a text of more than 1 MiB".to_owned());
                }
                Value::Text(text)
            }
            Expr::Conditional(test, yes, no) => {
                let branch = if self.value(test)?.holds() { yes } else { no };
                self.value(branch)?
            }
            Expr::Assign(operator, target, e) => {
                let mut value = self.value(e)?;
                if !operator.is_empty() {
                    let old = self.value(target)?.number();
                    value = Value::Number(arithmetic(operator, old, value.number())?);
                }
                self.assign(target, value.clone())?;
                value
            }
            Expr::Step(by, new_counts, target) => {
                let old = self.value(target)?.number();
                self.assign(target, Value::Number(old + by))?;
                Value::Number(if *new_counts { old + by } else { old })
            }
            Expr::Binary(operator, a, b) => self.binary(operator, a, b)?,
            Expr::Call(name, arguments) => self.call(name, arguments)?,
        })
    }

    fn binary(&mut self, operator: &str, a: &Expr, b: &Expr) -> Run<Value> {
        match operator {
            "&&" => return Ok(truth(self.value(a)?.holds() && self.value(b)?.holds())),
            "||" => return Ok(truth(self.value(a)?.holds() || self.value(b)?.holds())),
            "~" | "!~" => {
                let text = self.value(a)?.text();
                let found = self.pattern(b)?.is_match(&text);
                return Ok(truth(found == (operator == "~")));
            }
            _ => {}
        }
        let (x, y) = (self.value(a)?, self.value(b)?);
        let order = match (x.numeric(), y.numeric()) {
            (Some(x), Some(y)) => x.total_cmp(&y),
            _ => x.text().cmp(&y.text()),
        };
        Ok(match operator {
            "==" => truth(order.is_eq()),
            "!=" => truth(order.is_ne()),
            "<" => truth(order.is_lt()),
            "<=" => truth(order.is_le()),
            ">" => truth(order.is_gt()),
            ">=" => truth(order.is_ge()),
            _ => Value::Number(arithmetic(operator, x.number(), y.number())?),
        })
    }

    /// An expression as a pattern: written as one, or a text.
    fn pattern(&mut self, expr: &Expr) -> Run<Regex> {
        match expr {
            Expr::Pattern(p) => Ok(p.clone()),
            other => {
                let text = self.value(other)?.text();
                compile(&text, Grammar::Extended, false)
            }
        }
    }

    fn call(&mut self, name: &str, arguments: &[Expr]) -> Run<Value> {
        if matches!(name, "sub" | "gsub") {
            return self.substitute(name == "gsub", arguments);
        }
        let mut values = Vec::new();
        for expr in arguments {
            values.push(self.value(expr)?);
        }
        let text = |i: usize| values.get(i).map(Value::text);
        let first = text(0).unwrap_or_else(|| self.record.clone());
        Ok(match name {
            "length" => Value::Number(first.chars().count() as f64),
            "toupper" => Value::Text(first.to_uppercase()),
            "tolower" => Value::Text(first.to_lowercase()),
            "int" => Value::Number(leading_number(&first).trunc()),
            "index" => {
                let wanted = text(1).unwrap_or_default();
                let at = first.find(&wanted).map_or(0, |i| first[..i].chars().count() + 1);
                Value::Number(at as f64)
            }
            _ => {
                let start = values.get(1).map_or(1.0, Value::number).round();
                let length = values.get(2).map_or(f64::INFINITY, |v| v.number().round());
                let inside = |i: usize| {
                    let position = (i + 1) as f64;
                    position >= start && position < start + length
                };
                Value::Text(first.chars().enumerate().filter(|(i, _)| inside(*i)).map(|(_, c)| c).collect())
            }
        })
    }

    fn substitute(&mut self, all: bool, arguments: &[Expr]) -> Run<Value> {
        let [pattern, replacement, rest @ ..] = arguments else {
            return Err("sub without its arguments".to_owned());
        };
        let pattern = self.pattern(pattern)?;
        // `&` is what was found, as `$0` is for the regex crate.
        let replacement = self.value(replacement)?.text().replace('$', "$$").replace("\\&", "\u{0}");
        let replacement = replacement.replace('&', "${0}").replace('\u{0}', "&");
        let target = rest.first().cloned().unwrap_or_else(|| Expr::Field(Box::new(Expr::Number(0.0))));
        let text = self.value(&target)?.text();
        let count = if all { pattern.find_iter(&text).count() } else { usize::from(pattern.is_match(&text)) };
        let new = pattern.replacen(&text, usize::from(!all), replacement.as_str()).into_owned();
        if count > 0 {
            self.assign(&target, Value::Text(new))?;
        }
        Ok(Value::Number(count as f64))
    }

    fn index(&mut self, expr: &Expr) -> Run<usize> {
        let n = self.value(expr)?.number();
        if (0.0..=10_000.0).contains(&n) {
            Ok(n as usize)
        } else {
            Err(format!("the field {}", number_text(n)))
        }
    }

    fn field(&self, index: usize) -> String {
        if index == 0 { self.record.clone() } else { self.fields.get(index - 1).cloned().unwrap_or_default() }
    }

    fn assign(&mut self, target: &Expr, value: Value) -> Run<()> {
        match target {
            Expr::Field(index) => {
                let index = self.index(index)?;
                if index == 0 {
                    return self.read(&value.text());
                }
                if self.fields.len() < index {
                    self.fields.resize(index, String::new());
                }
                self.fields[index - 1] = value.text();
                let separator = self.variable("OFS").map_or(" ".to_owned(), |v| v.text());
                self.record = self.fields.join(&separator);
                Ok(())
            }
            Expr::Variable(name) if matches!(name.as_str(), "NR" | "NF" | "FNR" | "RS") => {
                Err(format!("setting {name}"))
            }
            Expr::Variable(name) => {
                self.variables.insert(name.clone(), value);
                Ok(())
            }
            _ => Err("assigning to that".to_owned()),
        }
    }

    /// Takes a record and splits it.
    fn read(&mut self, line: &str) -> Run<()> {
        line.clone_into(&mut self.record);
        let separator = self.variable("FS").map_or(" ".to_owned(), |v| v.text());
        self.fields = if separator == " " {
            line.split_whitespace().map(str::to_owned).collect()
        } else if line.is_empty() {
            Vec::new()
        } else if separator.chars().count() == 1 {
            line.split(separator.as_str()).map(str::to_owned).collect()
        } else {
            compile(&separator, Grammar::Extended, false)?.split(line).map(str::to_owned).collect()
        };
        Ok(())
    }
}

const fn truth(holds: bool) -> Value {
    Value::Number(if holds { 1.0 } else { 0.0 })
}

fn arithmetic(operator: &str, x: f64, y: f64) -> Run<f64> {
    Ok(match operator {
        "+" => x + y,
        "-" => x - y,
        "*" => x * y,
        "/" | "%" if y == 0.0 => return Err("division by zero".to_owned()),
        "/" => x / y,
        _ => x % y,
    })
}

/// Whole numbers as such, others with six significant digits (`%.6g`).
fn number_text(n: f64) -> String {
    if n.fract() == 0.0 && n.abs() < 1e16 {
        return format!("{}", n as i64);
    }
    let digits = (5 - n.abs().log10().floor() as i32).clamp(0, 16) as usize;
    let text = format!("{n:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn leading_number(text: &str) -> f64 {
    let text = text.trim_start();
    let end = text
        .char_indices()
        .find(|(i, c)| !(c.is_ascii_digit() || *c == '.' || (*i == 0 && (*c == '-' || *c == '+'))))
        .map_or(text.len(), |(i, _)| i);
    (0..=end).rev().filter(|e| text.is_char_boundary(*e)).find_map(|e| text[..e].parse().ok()).unwrap_or(0.0)
}

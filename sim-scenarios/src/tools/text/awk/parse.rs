//! From words to a program.

use regex::Regex;

use super::super::regex::{Grammar, compile};
use super::lexer::Token;

/// An expression within an expression within …
const NESTING: usize = 40;

#[derive(Clone, Debug, Default)]
pub(super) struct Program {
    pub rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub when: When,
    pub pattern: Option<Expr>,
    /// None prints the line.
    pub action: Option<Vec<Statement>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Begin,
    Line,
    End,
}

#[derive(Clone, Debug)]
pub(super) enum Statement {
    Print(Vec<Expr>),
    Printf(Vec<Expr>),
    Expr(Expr),
    If(Expr, Vec<Self>, Vec<Self>),
    Next,
    Exit(Option<Expr>),
}

#[derive(Clone, Debug)]
pub(super) enum Expr {
    Number(f64),
    Text(String),
    Pattern(Regex),
    Variable(String),
    Field(Box<Self>),
    Not(Box<Self>),
    Negative(Box<Self>),
    Binary(&'static str, Box<Self>, Box<Self>),
    Concat(Box<Self>, Box<Self>),
    Conditional(Box<Self>, Box<Self>, Box<Self>),
    /// `=` and `+=` …: the operator without `=`.
    Assign(&'static str, Box<Self>, Box<Self>),
    /// By how much, and whether the new value counts.
    Step(f64, bool, Box<Self>),
    Call(String, Vec<Self>),
}

type Parsed<T> = Result<T, String>;

/// Parses a program.
///
/// # Errors
/// What is not understood or not modelled.
pub(super) fn program(tokens: Vec<Token>) -> Parsed<Program> {
    let mut parser = Parser { tokens, at: 0, depth: 0, in_print: false };
    let mut program = Program::default();
    loop {
        parser.skip_separators();
        if parser.at >= parser.tokens.len() {
            return Ok(program);
        }
        program.rules.push(parser.rule()?);
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    /// In the list after `print`, `>` redirects.
    in_print: bool,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn is(&self, operator: &str) -> bool {
        matches!(self.peek(), Some(Token::Operator(op)) if *op == operator)
    }

    fn take(&mut self, operator: &str) -> bool {
        let here = self.is(operator);
        self.at += usize::from(here);
        here
    }

    fn need(&mut self, operator: &str) -> Parsed<()> {
        if self.take(operator) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn unexpected(&self) -> String {
        match self.peek() {
            None => "a program that ends too early".to_owned(),
            Some(Token::Operator("[")) => "arrays".to_owned(),
            Some(Token::Operator(">" | ">>" | "|")) => "redirection".to_owned(),
            Some(Token::Operator(op)) => format!("'{op}' here"),
            Some(Token::Name(name)) => format!("`{name}` here"),
            Some(_) => "this program".to_owned(),
        }
    }

    fn skip_separators(&mut self) {
        while self.peek() == Some(&Token::Separator) {
            self.at += 1;
        }
    }

    fn rule(&mut self) -> Parsed<Rule> {
        let when = match self.peek() {
            Some(Token::Name(name)) if name == "BEGIN" => When::Begin,
            Some(Token::Name(name)) if name == "END" => When::End,
            Some(Token::Name(name)) if name == "function" => return Err("functions".to_owned()),
            _ => When::Line,
        };
        if when != When::Line {
            self.at += 1;
            return Ok(Rule { when, pattern: None, action: Some(self.block()?) });
        }
        let pattern = if self.is("{") { None } else { Some(self.expr()?) };
        if self.is(",") {
            return Err("ranges of lines".to_owned());
        }
        let action = if self.is("{") { Some(self.block()?) } else { None };
        Ok(Rule { when, pattern, action })
    }

    fn block(&mut self) -> Parsed<Vec<Statement>> {
        self.need("{")?;
        let mut statements = Vec::new();
        loop {
            self.skip_separators();
            if self.take("}") {
                return Ok(statements);
            }
            statements.push(self.statement()?);
            if !matches!(self.peek(), Some(Token::Separator | Token::Operator("}"))) && !self.after_block() {
                return Err(self.unexpected());
            }
        }
    }

    /// Whether a `}` was just taken: no separator is needed then.
    fn after_block(&self) -> bool {
        self.at > 0 && self.tokens.get(self.at - 1) == Some(&Token::Operator("}"))
    }

    fn statement(&mut self) -> Parsed<Statement> {
        self.deeper()?;
        let statement = match self.peek().cloned() {
            Some(Token::Name(name)) => match name.as_str() {
                "print" | "printf" => {
                    self.at += 1;
                    let list = self.print_list()?;
                    Ok(if name == "print" { Statement::Print(list) } else { Statement::Printf(list) })
                }
                "if" => self.if_statement(),
                "next" => {
                    self.at += 1;
                    Ok(Statement::Next)
                }
                "exit" => {
                    self.at += 1;
                    let ends = matches!(self.peek(), None | Some(Token::Separator | Token::Operator("}")));
                    Ok(Statement::Exit(if ends { None } else { Some(self.expr()?) }))
                }
                "for" | "while" | "do" | "getline" | "delete" | "return" | "break" | "continue" => {
                    Err(format!("`{name}`"))
                }
                _ => self.expr().map(Statement::Expr),
            },
            _ => self.expr().map(Statement::Expr),
        };
        self.depth -= 1;
        statement
    }

    fn print_list(&mut self) -> Parsed<Vec<Expr>> {
        let mut list = Vec::new();
        if matches!(self.peek(), None | Some(Token::Separator | Token::Operator("}"))) {
            return Ok(list);
        }
        self.in_print = true;
        // `print(a, b)`: the parenthesis belongs to print if it closes the list.
        let whole = self.is("(") && self.closes_list();
        self.at += usize::from(whole);
        loop {
            list.push(self.expr()?);
            if !self.take(",") {
                break;
            }
        }
        if whole {
            self.need(")")?;
        }
        self.in_print = false;
        Ok(list)
    }

    /// Whether the parenthesis here is closed right before the statement ends, with a comma inside.
    fn closes_list(&self) -> bool {
        let (mut depth, mut comma) = (0, false);
        for (i, token) in self.tokens.iter().enumerate().skip(self.at) {
            match token {
                Token::Operator("(") => depth += 1,
                Token::Operator(")") => depth -= 1,
                Token::Operator(",") if depth == 1 => comma = true,
                _ => {}
            }
            if depth == 0 {
                let after = self.tokens.get(i + 1);
                return comma && matches!(after, None | Some(Token::Separator | Token::Operator("}")));
            }
        }
        false
    }

    fn if_statement(&mut self) -> Parsed<Statement> {
        self.at += 1;
        self.need("(")?;
        let condition = self.expr()?;
        self.need(")")?;
        let yes = self.body()?;
        let before = self.at;
        self.skip_separators();
        if matches!(self.peek(), Some(Token::Name(name)) if name == "else") {
            self.at += 1;
            return Ok(Statement::If(condition, yes, self.body()?));
        }
        self.at = before;
        Ok(Statement::If(condition, yes, Vec::new()))
    }

    fn body(&mut self) -> Parsed<Vec<Statement>> {
        self.skip_separators();
        if self.is("{") { self.block() } else { Ok(vec![self.statement()?]) }
    }

    fn deeper(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > NESTING { Err("a program nested that deep".to_owned()) } else { Ok(()) }
    }

    fn expr(&mut self) -> Parsed<Expr> {
        self.deeper()?;
        let result = self.assignment();
        self.depth -= 1;
        result
    }

    fn assignment(&mut self) -> Parsed<Expr> {
        let left = self.conditional()?;
        let operator = match self.peek() {
            Some(Token::Operator(op)) => match *op {
                "=" => "",
                "+=" => "+",
                "-=" => "-",
                "*=" => "*",
                "/=" => "/",
                "%=" => "%",
                _ => return Ok(left),
            },
            _ => return Ok(left),
        };
        if !matches!(left, Expr::Variable(_) | Expr::Field(_)) {
            return Err(self.unexpected());
        }
        self.at += 1;
        let right = self.expr()?;
        Ok(Expr::Assign(operator, Box::new(left), Box::new(right)))
    }

    fn conditional(&mut self) -> Parsed<Expr> {
        let test = self.binary(0)?;
        if !self.take("?") {
            return Ok(test);
        }
        let yes = self.expr()?;
        self.need(":")?;
        let no = self.expr()?;
        Ok(Expr::Conditional(Box::new(test), Box::new(yes), Box::new(no)))
    }

    /// Binary operators by precedence, loosest first; concatenation stands between comparison and addition.
    fn binary(&mut self, level: usize) -> Parsed<Expr> {
        const LEVELS: [&[&str]; 6] = [
            &["||"],
            &["&&"],
            &["~", "!~"],
            &["<", "<=", ">", ">=", "==", "!="],
            &["+", "-"],
            &["*", "/", "%"],
        ];
        const CONCAT: usize = 4;
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.operand(level)?;
        loop {
            let operator = operators.iter().find(|op| self.is(op) && !(self.in_print && **op == ">"));
            if let Some(operator) = operator {
                self.at += 1;
                let right = self.operand(level)?;
                left = Expr::Binary(operator, Box::new(left), Box::new(right));
            } else if level + 1 == CONCAT && self.starts_operand() {
                // Reached with comparison's operand done: a value follows a value.
                let right = self.binary(CONCAT)?;
                left = Expr::Concat(Box::new(left), Box::new(right));
            } else {
                return Ok(left);
            }
        }
    }

    fn operand(&mut self, level: usize) -> Parsed<Expr> {
        let mut operand = self.binary(level + 1)?;
        // Values side by side bind closer than a comparison.
        while level == 3 && self.starts_operand() {
            let right = self.binary(level + 1)?;
            operand = Expr::Concat(Box::new(operand), Box::new(right));
        }
        Ok(operand)
    }

    fn starts_operand(&self) -> bool {
        match self.peek() {
            Some(Token::Number(_) | Token::Text(_)) => true,
            Some(Token::Name(name)) => !matches!(name.as_str(), "in" | "else" | "getline"),
            Some(Token::Operator(op)) => matches!(*op, "$" | "("),
            _ => false,
        }
    }

    fn unary(&mut self) -> Parsed<Expr> {
        self.deeper()?;
        let result = if self.take("!") {
            self.unary().map(|e| Expr::Not(Box::new(e)))
        } else if self.take("-") {
            self.unary().map(|e| Expr::Negative(Box::new(e)))
        } else if self.take("+") {
            self.unary()
        } else if self.is("++") || self.is("--") {
            let by = if self.is("++") { 1.0 } else { -1.0 };
            self.at += 1;
            self.primary().map(|e| Expr::Step(by, true, Box::new(e)))
        } else {
            self.postfix()
        };
        self.depth -= 1;
        result
    }

    fn postfix(&mut self) -> Parsed<Expr> {
        let value = self.primary()?;
        if matches!(value, Expr::Variable(_) | Expr::Field(_)) {
            if self.take("++") {
                return Ok(Expr::Step(1.0, false, Box::new(value)));
            }
            if self.take("--") {
                return Ok(Expr::Step(-1.0, false, Box::new(value)));
            }
        }
        Ok(value)
    }

    fn primary(&mut self) -> Parsed<Expr> {
        let Some(token) = self.peek().cloned() else { return Err(self.unexpected()) };
        match token {
            Token::Number(n) => self.and(Expr::Number(n)),
            Token::Text(t) => self.and(Expr::Text(t)),
            Token::Pattern(p) => self.and(Expr::Pattern(compile(&p, Grammar::Extended, false)?)),
            Token::Operator("$") => {
                self.at += 1;
                self.deeper()?;
                let index = self.primary()?;
                self.depth -= 1;
                Ok(Expr::Field(Box::new(index)))
            }
            Token::Operator("(") => {
                self.at += 1;
                let outer = std::mem::replace(&mut self.in_print, false);
                let inner = self.expr()?;
                self.in_print = outer;
                self.need(")")?;
                Ok(inner)
            }
            Token::Name(name) => self.name(name),
            _ => Err(self.unexpected()),
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "the arms of `primary` stay alike")]
    fn and(&mut self, expr: Expr) -> Parsed<Expr> {
        self.at += 1;
        Ok(expr)
    }

    fn name(&mut self, name: String) -> Parsed<Expr> {
        self.at += 1;
        let function = matches!(
            name.as_str(),
            "length" | "substr" | "index" | "toupper" | "tolower" | "int" | "sub" | "gsub"
        );
        if !function {
            if matches!(
                name.as_str(),
                "split" | "match" | "sprintf" | "system" | "getline" | "rand" | "srand" | "close"
            ) {
                return Err(format!("`{name}`"));
            }
            return if self.is("[") { Err("arrays".to_owned()) } else { Ok(Expr::Variable(name)) };
        }
        let mut arguments = Vec::new();
        if self.take("(") {
            let outer = std::mem::replace(&mut self.in_print, false);
            while !self.take(")") {
                arguments.push(self.expr()?);
                if !self.is(")") {
                    self.need(",")?;
                }
            }
            self.in_print = outer;
        }
        Ok(Expr::Call(name, arguments))
    }
}

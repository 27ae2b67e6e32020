//! Evaluating a parsed script: lists, pipelines, compound commands.

use brush_parser::ast::{
    AndOr, AndOrList, CaseItemPostAction, Command, CompoundCommand, CompoundList, ElseClause, Pipeline,
    PipelineTimed, Program, SeparatorOperator,
};

use super::parse::{self, SyntaxError};
use super::{DEPTH_LIMIT, Ended, Io, Shell, ShellKind, glob};
use crate::tools::{NOT_MODELLED, SIGINT_STATUS, Streams};

/// Why evaluation does not go on with the next command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// `exit`
    Exit(i32),
    /// `break N`
    Break(u32),
    /// `continue N`
    Continue(u32),
    /// The line cannot go on; its message was printed.
    Fail(i32),
    /// SIGINT.
    Interrupted,
}

/// Status of the last command, or why there is no next one.
pub(super) type Step = Result<i32, Halt>;

/// A shell at work.
pub(super) struct Eval<'s, 'a> {
    pub sh: &'s mut Shell,
    pub io: &'s mut Io<'a>,
    pub stdin: Input,
}

/// Standard input: `read` takes it line by line, programs get what is left.
#[derive(Clone, Debug, Default)]
pub(super) struct Input {
    bytes: Vec<u8>,
    at: usize,
}

impl Input {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The next line without its end.
    pub(super) fn line(&mut self) -> Option<String> {
        let rest = self.rest();
        if rest.is_empty() {
            return None;
        }
        let length = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
        let line = String::from_utf8_lossy(&rest[..length]).into_owned();
        self.at += length + 1;
        Some(line)
    }
}

/// Runs a script in a shell.
pub(super) fn run(sh: &mut Shell, script: &str, stdin: &[u8], io: &mut Io<'_>) -> Ended {
    let streams = io.out.streams();
    let mut eval = Eval { sh, io, stdin: Input::new(stdin.to_vec()) };
    let step = eval.script(script);
    eval.io.out.set_streams(streams);
    match step {
        Ok(status) | Err(Halt::Fail(status)) => Ended::Line(status),
        Err(Halt::Exit(status)) => Ended::Shell(status),
        Err(Halt::Break(_) | Halt::Continue(_)) => Ended::Line(0),
        Err(Halt::Interrupted) => Ended::Line(SIGINT_STATUS),
    }
}

impl Eval<'_, '_> {
    pub(super) fn script(&mut self, script: &str) -> Step {
        if self.sh.depth > DEPTH_LIMIT {
            return Err(self.not_modelled("shells within shells that deep"));
        }
        let program = parse::program(script, self.sh.kind).map_err(|e| self.syntax(&e))?;
        self.program(&program)
    }

    fn program(&mut self, program: &Program) -> Step {
        let mut status = self.sh.status;
        for list in &program.complete_commands {
            status = self.commands(list)?;
        }
        Ok(status)
    }

    fn commands(&mut self, list: &CompoundList) -> Step {
        let mut status = 0;
        for item in &list.0 {
            if matches!(item.1, SeparatorOperator::Async) {
                status = self.in_background(&item.0)?;
                continue;
            }
            status = self.and_or(&item.0)?;
        }
        Ok(status)
    }

    pub(super) fn and_or(&mut self, list: &AndOrList) -> Step {
        let mut status = self.pipeline(&list.first)?;
        for next in &list.additional {
            status = match next {
                AndOr::And(p) if status == 0 => self.pipeline(p)?,
                AndOr::Or(p) if status != 0 => self.pipeline(p)?,
                _ => status,
            };
        }
        Ok(status)
    }

    fn pipeline(&mut self, pipeline: &Pipeline) -> Step {
        let started = self.io.cluster.now();
        let mut status = match pipeline.seq.as_slice() {
            [only] => self.command(only)?,
            stages => self.stages(stages)?,
        };
        if pipeline.bang {
            status = i32::from(status == 0);
        }
        if let Some(format) = &pipeline.timed {
            self.print_time(format, self.io.cluster.now().since(started));
        }
        self.sh.status = status;
        Ok(status)
    }

    /// `a | b | c`: each stage runs to its end in a shell of its own, and hands all it wrote to the next.
    fn stages(&mut self, stages: &[Command]) -> Step {
        let mut input = std::mem::take(&mut self.stdin);
        let mut status = 0;
        let outer = self.io.out.streams();
        for (i, stage) in stages.iter().enumerate() {
            let mut shell = self.sh.clone();
            let last = i + 1 == stages.len();
            if !last {
                let stdout = self.io.out.open_for(lines_taken(&stages[i + 1]));
                self.io.out.set_streams(Streams { stdout, ..outer });
            }
            let mut inner = Eval { sh: &mut shell, io: self.io, stdin: input };
            let step = inner.command(stage);
            if !last {
                self.io.out.set_streams(outer);
                input = Input::new(self.io.out.close());
            } else {
                input = Input::default();
            }
            status = match step {
                Ok(status) | Err(Halt::Exit(status) | Halt::Fail(status)) => status,
                // The reader went away: SIGPIPE ends the writer only.
                Err(Halt::Interrupted) if !self.io.out.control_c() => SIGINT_STATUS,
                Err(Halt::Interrupted) if !last => continue,
                Err(other) => return Err(other),
            };
        }
        Ok(status)
    }

    /// `time` in words of bash, or of the busybox applet.
    fn print_time(&mut self, format: &PipelineTimed, taken: std::time::Duration) {
        let (minutes, seconds) = (taken.as_secs() / 60, taken.as_secs() % 60);
        let text = match (self.sh.kind, format) {
            (ShellKind::Ash, _) => {
                let hundredths = taken.subsec_millis() / 10;
                format!("real\t{minutes}m {seconds}.{hundredths:02}s\nuser\t0m 0.00s\nsys\t0m 0.00s\n")
            }
            (_, PipelineTimed::TimedWithPosixOutput(_)) => {
                format!("real {}.{:02}\nuser 0.00\nsys 0.00\n", taken.as_secs(), taken.subsec_millis() / 10)
            }
            _ => {
                let millis = taken.subsec_millis();
                format!("\nreal\t{minutes}m{seconds}.{millis:03}s\nuser\t0m0.000s\nsys\t0m0.000s\n")
            }
        };
        self.io.out.eprint(text);
    }

    pub(super) fn command(&mut self, command: &Command) -> Step {
        self.check()?;
        let status = match command {
            Command::Simple(simple) => self.simple(simple)?,
            Command::Compound(compound, redirects) => {
                let redirects = redirects.as_ref().map_or(&[][..], |r| &r.0);
                self.redirected(redirects.iter(), |eval| eval.compound(compound))?
            }
            Command::Function(_) => return Err(self.not_modelled("functions")),
            Command::ExtendedTest(..) => return Err(self.not_modelled("`[[ … ]]`; use `[ … ]`")),
        };
        self.sh.status = status;
        Ok(status)
    }

    fn compound(&mut self, compound: &CompoundCommand) -> Step {
        match compound {
            CompoundCommand::BraceGroup(group) => self.commands(&group.list),
            CompoundCommand::Subshell(subshell) => self.in_subshell(|eval| eval.commands(&subshell.list)),
            CompoundCommand::IfClause(clause) => {
                if self.commands(&clause.condition)? == 0 {
                    return self.commands(&clause.then);
                }
                self.elses(clause.elses.as_deref().unwrap_or_default())
            }
            CompoundCommand::ForClause(clause) => {
                let mut values = Vec::new();
                match &clause.values {
                    Some(words) => {
                        for word in words {
                            values.extend(self.words(&word.value)?);
                        }
                    }
                    None => values.clone_from(&self.sh.positional),
                }
                let mut status = 0;
                for value in values {
                    self.sh.set(&clause.variable_name, value);
                    match self.body(&clause.body.list)? {
                        Turn::Next(s) => status = s,
                        Turn::Leave(s) => return Ok(s),
                    }
                }
                Ok(status)
            }
            CompoundCommand::WhileClause(clause) => self.repeat(&clause.0, &clause.1.list, true),
            CompoundCommand::UntilClause(clause) => self.repeat(&clause.0, &clause.1.list, false),
            CompoundCommand::CaseClause(clause) => self.case(clause),
            CompoundCommand::Arithmetic(command) => {
                let value = self.arithmetic(&command.expr.value)?;
                Ok(i32::from(value == "0"))
            }
            CompoundCommand::ArithmeticForClause(_) => Err(self.not_modelled("`for ((…))`; use `seq`")),
            CompoundCommand::Coprocess(_) => Err(self.not_modelled("coprocesses")),
        }
    }

    fn elses(&mut self, elses: &[ElseClause]) -> Step {
        for clause in elses {
            let taken = match &clause.condition {
                Some(condition) => self.commands(condition)? == 0,
                None => true,
            };
            if taken {
                return self.commands(&clause.body);
            }
        }
        Ok(0)
    }

    fn repeat(&mut self, condition: &CompoundList, body: &CompoundList, wanted: bool) -> Step {
        // `while true` without a way out is a command that does not end by itself.
        let endless = is_constant(condition, wanted) && !leaves(body);
        let mut status = 0;
        loop {
            self.check()?;
            if endless
                && self.io.out.link().is_none()
                && self.io.session.is_over(self.io.cluster.now(), self.io.out.expects_control_c())
            {
                self.io.session.note_endless("the loop");
                return Err(Halt::Interrupted);
            }
            if (self.commands(condition)? == 0) != wanted {
                return Ok(status);
            }
            match self.body(body)? {
                Turn::Next(s) => status = s,
                Turn::Leave(s) => return Ok(s),
            }
        }
    }

    /// One turn of a loop.
    fn body(&mut self, body: &CompoundList) -> Result<Turn, Halt> {
        match self.commands(body) {
            Ok(status) => Ok(Turn::Next(status)),
            Err(Halt::Break(1)) => Ok(Turn::Leave(0)),
            Err(Halt::Break(n)) => Err(Halt::Break(n - 1)),
            Err(Halt::Continue(1)) => Ok(Turn::Next(0)),
            Err(Halt::Continue(n)) => Err(Halt::Continue(n - 1)),
            Err(other) => Err(other),
        }
    }

    fn case(&mut self, clause: &brush_parser::ast::CaseClauseCommand) -> Step {
        let value = self.word(&clause.value.value)?;
        for item in &clause.cases {
            for pattern in &item.patterns {
                let pattern = self.pattern(&pattern.value)?;
                if !glob::matches(&pattern, &value) {
                    continue;
                }
                if !matches!(item.post_action, CaseItemPostAction::ExitCase) {
                    return Err(self.not_modelled("`;&` and `;;&`"));
                }
                return item.cmd.as_ref().map_or(Ok(0), |list| self.commands(list));
            }
        }
        Ok(0)
    }

    /// Runs something in a copy of this shell: what it sets is lost.
    pub(super) fn in_subshell(&mut self, run: impl FnOnce(&mut Eval<'_, '_>) -> Step) -> Step {
        let mut shell = self.sh.clone();
        shell.depth += 1;
        let stdin = std::mem::take(&mut self.stdin);
        let mut inner = Eval { sh: &mut shell, io: self.io, stdin };
        let step = run(&mut inner);
        self.stdin = inner.stdin;
        match step {
            Err(Halt::Exit(status) | Halt::Fail(status)) => Ok(status),
            other => other,
        }
    }

    /// `$(…)`: what a script prints, without the line ends at its end.
    pub(super) fn substitute(&mut self, script: &str) -> Result<String, Halt> {
        let outer = self.io.out.streams();
        let stdout = self.io.out.open();
        self.io.out.set_streams(Streams { stdout, ..outer });
        let step = self.in_subshell(|eval| eval.script(script));
        self.io.out.set_streams(outer);
        let bytes = self.io.out.close();
        self.sh.status = step?;
        let text = String::from_utf8_lossy(&bytes);
        Ok(text.trim_end_matches('\n').replace('\0', ""))
    }

    /// Stops a line that was interrupted or that would never end.
    pub(super) fn check(&mut self) -> Result<(), Halt> {
        if self.io.out.interrupted() {
            return Err(Halt::Interrupted);
        }
        if !self.io.session.spend(self.io.cluster.now()) {
            let message = "ksim: this command line was stopped: it ran too many commands, or for too long";
            self.io.out.err(message);
            self.io.session.note_endless("the command line");
            return Err(Halt::Fail(NOT_MODELLED));
        }
        Ok(())
    }

    /// Prints a message of the shell and halts the line.
    pub(super) fn fail(&mut self, status: i32, text: impl std::fmt::Display) -> Halt {
        let message = self.sh.message(text);
        self.io.out.err(message);
        Halt::Fail(status)
    }

    /// Says that something is not modelled and halts the line.
    pub(super) fn not_modelled(&mut self, what: impl std::fmt::Display) -> Halt {
        self.io.out.err(format!("ksim: not modelled: {what}"));
        self.io.session.note_not_modelled(what);
        Halt::Fail(NOT_MODELLED)
    }

    pub(super) fn syntax(&mut self, error: &SyntaxError) -> Halt {
        if let SyntaxError::Limit(what) = error {
            return self.not_modelled(what);
        }
        let message = self.sh.syntax_error(error);
        self.io.out.err(message);
        Halt::Fail(2)
    }
}

/// How a turn of a loop ended.
enum Turn {
    Next(i32),
    Leave(i32),
}

/// Whether a loop's condition is `true` or `:` (`false` for `until`) in so many words.
fn is_constant(condition: &CompoundList, wanted: bool) -> bool {
    let text = condition.to_string();
    let text = text.trim().trim_end_matches(';').trim();
    if wanted { text == "true" || text == ":" } else { text == "false" }
}

/// Whether a loop's body has a word that leaves it.
fn leaves(body: &CompoundList) -> bool {
    let text = body.to_string();
    text.split(|c: char| !c.is_alphanumeric()).any(|w| matches!(w, "break" | "exit" | "return"))
}

/// How many lines the next command of a pipeline reads before it closes the pipe, if its words say so (`head -n 2`).
fn lines_taken(next: &Command) -> Option<usize> {
    let Command::Simple(simple) = next else { return None };
    let text = simple.to_string();
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["head"] => Some(10),
        ["head", "-n", n] => n.parse().ok(),
        ["head", flag] => flag.strip_prefix("-n").or_else(|| flag.strip_prefix('-'))?.parse().ok(),
        _ => None,
    }
}

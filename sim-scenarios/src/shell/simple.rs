//! A simple command: assignments, words, redirections, and the program that it names.

use brush_parser::ast::{
    Assignment, AssignmentName, AssignmentValue, CommandPrefixOrSuffixItem as Item, IoRedirect, SimpleCommand,
};
use indexmap::IndexMap;

use super::eval::{Eval, Halt, Step};
use super::{ShellKind, Var};
use crate::tools::{Cx, Lookup};

impl Eval<'_, '_> {
    pub(super) fn simple(&mut self, command: &SimpleCommand) -> Step {
        let prefix = command.prefix.as_ref().map_or(&[][..], |p| &p.0);
        let suffix = command.suffix.as_ref().map_or(&[][..], |s| &s.0);
        let items = prefix.iter().chain(suffix);
        if items.clone().any(|i| matches!(i, Item::ProcessSubstitution(..))) {
            return Err(self.not_modelled("process substitution"));
        }
        let mut argv = Vec::new();
        if let Some(name) = &command.word_or_name {
            argv.extend(self.command_name(&name.value)?);
        }
        // Assignments after the name are words: `export A=b`, `env A=b`.
        let declares = argv.first().is_some_and(|n| matches!(n.as_str(), "export" | "readonly" | "local"));
        for item in suffix {
            match item {
                Item::Word(word) => argv.extend(self.words(&word.value)?),
                Item::AssignmentWord(_, word) if declares => argv.push(self.word(&word.value)?),
                Item::AssignmentWord(_, word) => argv.extend(self.words(&word.value)?),
                _ => {}
            }
        }
        let mut assignments = Vec::new();
        // `exit` and `$?` in a command's words see the status before it; without a command there is none but a substitution's.
        if argv.is_empty() {
            self.sh.status = 0;
        }
        for item in prefix {
            if let Item::AssignmentWord(assignment, _) = item {
                assignments.push(self.assignment(assignment)?);
            }
        }
        let substituted = self.sh.status;
        let redirects: Vec<&IoRedirect> =
            items.filter_map(|i| if let Item::IoRedirect(r) = i { Some(r) } else { None }).collect();
        self.redirected(redirects.into_iter(), |eval| {
            if argv.is_empty() {
                for (name, value) in assignments {
                    eval.sh.set(&name, value);
                }
                return Ok(substituted);
            }
            eval.with_assignments(assignments, |eval| eval.run_words(&argv))
        })
    }

    /// The command's name, an alias replaced by its words.
    fn command_name(&mut self, word: &str) -> Result<Vec<String>, Halt> {
        let Some(alias) = self.sh.aliases.get(word).cloned() else { return self.words(word) };
        let mut words = Vec::new();
        for part in alias.split_whitespace() {
            words.extend(self.words(part)?);
        }
        Ok(words)
    }

    fn assignment(&mut self, assignment: &Assignment) -> Result<(String, String), Halt> {
        let (AssignmentName::VariableName(name), AssignmentValue::Scalar(word)) =
            (&assignment.name, &assignment.value)
        else {
            return Err(self.not_modelled("arrays"));
        };
        let mut value = self.word(&word.value)?;
        if assignment.append {
            value.insert_str(0, self.sh.get(name).unwrap_or_default());
        }
        Ok((name.clone(), value))
    }

    /// `A=b command`: the variables are there, exported, for this command only.
    fn with_assignments(&mut self, new: Vec<(String, String)>, run: impl FnOnce(&mut Self) -> Step) -> Step {
        let before: Vec<(String, Option<Var>)> =
            new.iter().map(|(name, _)| (name.clone(), self.sh.vars.get(name).cloned())).collect();
        for (name, value) in new {
            self.sh.vars.insert(name, Var { value, exported: true });
        }
        let step = run(self);
        for (name, var) in before.into_iter().rev() {
            match var {
                Some(var) => {
                    self.sh.vars.insert(name, var);
                }
                None => {
                    self.sh.vars.shift_remove(&name);
                }
            }
        }
        step
    }

    /// Runs a builtin or a program.
    pub(super) fn run_words(&mut self, argv: &[String]) -> Step {
        if let Some(step) = self.builtin(argv) {
            return step;
        }
        let name = argv.first().map_or("", String::as_str);
        match crate::tools::look_up(self.io.cluster, &self.sh.place, name) {
            Lookup::Tool(tool) => {
                let env: IndexMap<String, String> = self.sh.environment();
                let mut cx = Cx {
                    cluster: self.io.cluster,
                    place: &self.sh.place,
                    args: argv,
                    stdin: self.stdin.rest(),
                    out: self.io.out,
                    cwd: &self.sh.cwd,
                    env: &env,
                    session: self.io.session,
                };
                let status = cx.at_depth(self.sh.depth + 1, tool);
                if self.io.out.control_c() {
                    self.sh.status = status;
                    // What follows in the list is not run: the terminal's ^C reached the shell too.
                    return Err(Halt::Fail(status));
                }
                Ok(status)
            }
            Lookup::NotModelled => {
                let halt = self.not_modelled(format!("`{name}`"));
                Ok(if let Halt::Fail(status) = halt { status } else { 1 })
            }
            Lookup::Missing => Ok(self.missing(name)),
        }
    }

    fn missing(&mut self, name: &str) -> i32 {
        use sim_core::kube::node::files::FileKind;
        let kind = if name.contains('/') { self.files().kind(name) } else { None };
        let (text, status) = match kind {
            Some(FileKind::Dir) if self.sh.kind == ShellKind::Bash => {
                (self.sh.message(format!("{name}: Is a directory")), 126)
            }
            // Nothing here makes a file executable.
            Some(_) => (self.sh.message(format!("{name}: Permission denied")), 126),
            None => (self.sh.not_found(name), 127),
        };
        self.io.out.err(text);
        status
    }
}

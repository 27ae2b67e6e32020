//! What the program `nft` does with a text: reads it, carries it out, and says what is wrong.

use std::fmt::Write as _;
use std::sync::Arc;

use super::Nftables;
use super::apply::{Change, Failure, errno, is, kernel};
use super::edit::Journal;
use super::expr::{Expr, SetRef, Test};
use super::model::{Family, NatTo, Set, Statement, Table};
use super::parse::{self, Command, Listing, Located, Problem, RawElement, TableName, What, resolve};
use super::print::{Interfaces, Printer, Style};
use super::validate::validate;
use crate::time::SimTime;

/// A text for `nft`.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The file's name as errors name it; none for the words of a command line.
    pub file: Option<&'a str>,
    /// The text.
    pub text: &'a str,
}

/// What `nft` writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
    /// Exit status.
    pub status: i32,
    /// Things that are real and not modelled; nothing was done then.
    pub not_modelled: Vec<String>,
}

impl Nftables {
    /// `nft`: carries out the commands of a text, all of them or none. With `check` none (`-c`).
    pub fn run(&mut self, input: Input<'_>, style: Style, check: bool, interfaces: &Interfaces) -> Answer {
        // The words of a command line are a line.
        let line = if input.file.is_none() { format!("{}\n", input.text) } else { String::new() };
        let text = if input.file.is_none() { &line } else { input.text };
        let mut change = Change { rules: self, now: style.now, interfaces, journal: Journal::default() };
        let (mut wrong, mut refused) = (Vec::new(), Vec::new());
        let mut changes = false;
        let mut questions = Vec::new();
        let syntax = parse::read(text, interfaces, |mut command| {
            let is_wrong = !command.meaning.is_empty();
            wrong.append(&mut command.meaning);
            if is_question(&command.what) {
                questions.push(command);
                return;
            }
            changes = true;
            if is_wrong {
                return;
            }
            match change.apply(&mut command) {
                Ok(()) => {}
                Err(Failure::Meaning(problem)) => wrong.push(problem),
                Err(Failure::Kernel(problem)) => refused.push(problem),
            }
        });
        if let Some(first) = questions.first().filter(|_| changes && syntax.is_empty()) {
            let problem =
                Problem::not_modelled(first.span, "nft: listings together with changes in one file");
            change.journal.roll_back(change.rules);
            return refuse(input, &[problem]);
        }
        if !syntax.is_empty() {
            change.journal.roll_back(change.rules);
            return refuse(input, &syntax);
        }
        let stands = wrong.is_empty() && refused.is_empty();
        if stands && changes {
            refused.extend(invalid(change.rules, &change.journal, text, interfaces));
        }
        if stands && refused.is_empty() && !check {
            change.journal.commit(change.rules);
        } else {
            change.journal.roll_back(change.rules);
        }
        if !wrong.is_empty() {
            return refuse(input, &wrong);
        }
        if !refused.is_empty() {
            return refuse(input, &refused);
        }
        if changes {
            return Answer::default();
        }
        self.answer(input, &questions, style, interfaces)
    }

    fn answer(
        &self,
        input: Input<'_>,
        commands: &[Command],
        style: Style,
        interfaces: &Interfaces,
    ) -> Answer {
        let mut printer = Printer::new(style, interfaces);
        for command in commands {
            let done = match &command.what {
                What::List(listing) => self.list(&mut printer, listing),
                What::GetElements(table, set, elements) => {
                    self.get(&mut printer, table, set, elements, style.now, command)
                }
                _ => Ok(()),
            };
            if let Err(Failure::Meaning(problem) | Failure::Kernel(problem)) = done {
                let refused = refuse(input, &[problem]);
                return Answer { out: printer.out, ..refused };
            }
        }
        Answer { out: printer.out, ..Answer::default() }
    }

    fn find(&self, name: &TableName) -> Result<&Table, Failure> {
        let found = self.tables.iter().find(|t| is(t, name));
        found.map(|t| &**t).ok_or_else(|| Failure::Meaning(Problem::new(name.name.span, errno::ENOENT)))
    }

    fn of_family(&self, family: Option<Family>) -> impl Iterator<Item = &Table> {
        self.tables().filter(move |t| family.is_none_or(|f| f == t.family))
    }

    fn list(&self, printer: &mut Printer<'_>, listing: &Listing) -> Result<(), Failure> {
        let missing = |name: &Located<Arc<str>>| Failure::Meaning(Problem::new(name.span, errno::ENOENT));
        match listing {
            Listing::Ruleset(family) => self.of_family(*family).for_each(|t| printer.table(t)),
            Listing::Tables(family) => {
                for table in self.of_family(*family) {
                    let _ = writeln!(printer.out, "table {} {}", table.family.name(), table.name);
                }
            }
            Listing::Table(name) => printer.table(self.find(name)?),
            Listing::Chains(family) => {
                for table in self.of_family(*family) {
                    in_table(printer, table, |p| {
                        table.chains.values().for_each(|c| p.chain(c, table.family, false));
                    });
                }
            }
            Listing::Chain(table, name) => {
                let table = self.find(table)?;
                let chain = table.chains.get(&name.what).ok_or_else(|| missing(name))?;
                in_table(printer, table, |p| p.chain(chain, table.family, true));
            }
            Listing::Sets(family) => self.list_sets(printer, *family, false),
            Listing::Maps(family) => self.list_sets(printer, *family, true),
            Listing::Set(table, name) | Listing::Map(table, name) => {
                let maps = matches!(listing, Listing::Map(..));
                let table = self.find(table)?;
                let set = table.sets.get(&name.what).filter(|s| s.is_map() == maps);
                let set = set.ok_or_else(|| missing(name))?;
                in_table(printer, table, |p| p.set(set));
            }
            Listing::Objects(kind, family, only) => {
                if let Some(only) = only {
                    self.find(only)?;
                }
                let wanted = |t: &&Table| only.as_ref().is_none_or(|o| is(t, o));
                for table in self.of_family(*family).filter(wanted) {
                    if table.objects.keys().any(|(k, _)| k == kind) {
                        in_table(printer, table, |p| {
                            let own = table.objects.iter().filter(|((k, _), _)| k == kind);
                            own.for_each(|((_, name), object)| p.object(name, object));
                        });
                    }
                }
            }
            Listing::Object(kind, table, name) => {
                let table = self.find(table)?;
                let object = table.objects.get(&(*kind, name.what.clone())).ok_or_else(|| missing(name))?;
                in_table(printer, table, |p| p.object(&name.what, object));
            }
            Listing::Nothing(family) => {
                self.of_family(*family).for_each(|t| in_table(printer, t, |_| {}));
            }
        }
        Ok(())
    }

    fn list_sets(&self, printer: &mut Printer<'_>, family: Option<Family>, maps: bool) {
        for table in self.of_family(family) {
            in_table(printer, table, |p| {
                table.sets.values().filter(|s| s.is_map() == maps).for_each(|s| p.set(s));
            });
        }
    }

    fn get(
        &self,
        printer: &mut Printer<'_>,
        table: &TableName,
        name: &Located<Arc<str>>,
        raw: &[RawElement],
        now: SimTime,
        command: &Command,
    ) -> Result<(), Failure> {
        let table = self.find(table)?;
        let set = table.sets.get(&name.what);
        let set = set.ok_or_else(|| Failure::Meaning(Problem::new(name.span, errno::ENOENT)))?;
        let mut shown: Set = set.clone();
        shown.elements.clear();
        for one in raw {
            let wanted = resolve(set, one).map_err(Failure::Meaning)?;
            let found = set.elements.find(&wanted.low, now).filter(|e| e.end() >= wanted.end());
            let found = found.ok_or_else(|| kernel(command.span, errno::ENOENT))?;
            shown.elements.insert(found.clone());
        }
        in_table(printer, table, |p| p.set(&shown));
        Ok(())
    }
}

const fn is_question(what: &What) -> bool {
    matches!(what, What::List(_) | What::GetElements(..))
}

fn in_table(printer: &mut Printer<'_>, table: &Table, body: impl FnOnce(&mut Printer<'_>)) {
    printer.table_head(table);
    body(printer);
    printer.out.push_str("}\n");
}

/// What the kernel finds wrong with the whole, laid to the last command about the chain in question.
fn invalid(rules: &mut Nftables, journal: &Journal, text: &str, interfaces: &Interfaces) -> Option<Problem> {
    let (table, (chain, error)) = rules.tables.iter_mut().find_map(|table| {
        let changed = journal.changed(table)?;
        let known = Arc::make_mut(table).links.reach.take();
        match validate(table, known.map(|reach| (reach, changed))) {
            Ok(reach) => {
                Arc::make_mut(table).links.reach = Some(reach);
                None
            }
            Err(wrong) => Some((&**table, wrong)),
        }
    })?;
    let mut commands = Vec::new();
    parse::read(text, interfaces, |command| commands.push(command));
    let about = |command: &&Command| match &command.what {
        What::AddRule { table: t, chain: c, .. } | What::ReplaceRule { table: t, chain: c, .. } => {
            is(table, t) && c.what == chain
        }
        _ => false,
    };
    let command = commands.iter().rev().find(about).or(commands.last())?;
    Some(Problem::new(command.span, format!("Could not process rule: {error}")))
}

/// The complaints of nft, each with its line.
fn refuse(input: Input<'_>, problems: &[Problem]) -> Answer {
    let mut answer = Answer { status: 1, ..Answer::default() };
    for problem in problems {
        if let Some(what) = problem.text.strip_prefix("ksim: not modelled: ") {
            answer.not_modelled.push(what.to_owned());
        }
        if problem.span.line == 0 {
            let _ = writeln!(answer.err, "{}", problem.text);
            continue;
        }
        let span = problem.span;
        if let Some(file) = input.file {
            let _ = write!(answer.err, "{file}:{}:{}-{}: ", span.line, span.from, span.to);
        }
        let _ = writeln!(answer.err, "Error: {}", problem.text);
        let lines: Vec<&str> = input.text.lines().collect();
        let line = lines.get(span.line as usize - 1).or(lines.last()).copied().unwrap_or_default();
        let _ = writeln!(answer.err, "{line}");
        let with = problem.with.filter(|w| w.line == span.line);
        let end = with.map_or(span.to, |w| w.to.max(span.to));
        let mut marks = String::new();
        let mut chars = line.chars();
        for column in 1..=end {
            let within = |s: parse::Span| (s.from..=s.to).contains(&column);
            let blank = if chars.next() == Some('\t') { '\t' } else { ' ' };
            marks.push(if within(span) {
                '^'
            } else if with.is_some_and(within) {
                '~'
            } else {
                blank
            });
        }
        let _ = writeln!(answer.err, "{marks}");
    }
    answer
}

/// Whether a statement makes connection tracking look at packets.
pub(super) fn asks_conntrack(statement: &Statement) -> bool {
    match statement {
        Statement::Match(e, test) => asks(e) || matches!(test, Test::Set(_, SetRef::Anonymous(_)) if asks(e)),
        Statement::Vmap(e, _) | Statement::SetMark(e) => asks(e),
        Statement::SetCtMark(_) => true,
        Statement::Nat(nat) => match &nat.to {
            NatTo::None | NatTo::Addresses(..) => true,
            NatTo::Map(_) | NatTo::MapWithPort(_) => true,
        },
        Statement::Dynamic(d) => asks(&d.key),
        _ => false,
    }
}

fn asks(expr: &Expr) -> bool {
    match expr {
        Expr::Ct(_) => true,
        Expr::Op(left, ..) | Expr::Map(left, _) | Expr::Jhash { of: left, .. } => asks(left),
        Expr::Concat(parts) => parts.iter().any(asks),
        _ => false,
    }
}

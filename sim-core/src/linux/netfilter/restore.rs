//! `iptables-restore`.

use super::arguments::{self, Verb};
use super::known::{Appended, KnownRules};
use super::problem::{Kind, Problem, tool};
use super::targets::{check_chain_length, check_chain_name};
use super::transaction::{Refusal, Transaction};
use super::words::{Word, split};
use super::{RestoreError, RestoreOptions, Ruleset};
use crate::trace::TableId;

/// Reads a text and changes the tables. What was committed before an error stays, as with the real tool.
pub(super) fn restore(
    set: &mut Ruleset,
    text: &str,
    opt: RestoreOptions,
    known: Option<&mut KnownRules>,
) -> Result<(), RestoreError> {
    let mut reader = Reader { set, opt, known, open: None };
    let mut number = 0;
    for line in text.split_terminator('\n') {
        number += 1;
        if let Err(e) = reader.line(line, number) {
            reader.cancel();
            return Err(e);
        }
    }
    if reader.open.is_none() {
        return Ok(());
    }
    reader.cancel();
    let tool = tool(reader.set.family, true);
    let reason = format!("COMMIT expected at line {}", number + 1);
    let message = format!("{tool}: {reason}\n");
    Err(RestoreError { line: number + 1, column: 1, reason, message, status: 1 })
}

struct Reader<'s> {
    set: &'s mut Ruleset,
    opt: RestoreOptions,
    known: Option<&'s mut KnownRules>,
    /// The table between its `*name` and its `COMMIT`.
    open: Option<Transaction>,
}

impl Reader<'_> {
    /// Leaves the table that is open as it was.
    fn cancel(&mut self) {
        if let Some(open) = self.open.take() {
            self.set.put_back(open.origin(), open.cancel());
        }
    }

    fn line(&mut self, line: &str, number: u32) -> Result<(), RestoreError> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let done = match (self.open.take(), line.as_bytes()[0]) {
            (Some(open), _) if line == "COMMIT" => return self.commit(open, number),
            (None, b'*') => self.begin(&line[1..], number),
            (None, _) => Err(Problem::failed("")),
            (Some(open), b':') => {
                self.open = Some(open);
                self.chain(&line[1..], number)
            }
            (Some(open), _) => {
                self.open = Some(open);
                self.rule(line, number)
            }
        };
        match (done, &mut self.open) {
            (Err(problem), Some(open)) if matches!(problem.kind, Kind::Failed | Kind::NoTarget) => {
                open.fail(problem, number);
                Ok(())
            }
            (done, _) => done.map_err(|p| self.error(&p, line, number)),
        }
    }

    fn begin(&mut self, rest: &str, number: u32) -> Result<(), Problem> {
        let tool = tool(self.set.family, true);
        let Some(name) = rest.split([' ', '\t']).find(|w| !w.is_empty()) else {
            return Err(Problem::usage(format!("{tool}: line {number} table name invalid")));
        };
        if name == "security" {
            return Err(Problem::not_modelled("table `security'").at(1));
        }
        let Ok(id) = name.parse::<TableId>() else {
            return Err(Problem::usage(format!("{tool}: line {number} table name '{name}' invalid")).at(1));
        };
        let (table, origin) = if self.opt.noflush { self.set.take(id) } else { self.set.renew(id) };
        self.open = Some(Transaction::new(self.set.family, table, origin));
        Ok(())
    }

    /// `:CHAIN POLICY [packets:bytes]`.
    fn chain(&mut self, rest: &str, number: u32) -> Result<(), Problem> {
        let tool = tool(self.set.family, true);
        let mut words = rest.split([' ', '\t']).filter(|w| !w.is_empty());
        let Some(name) = words.next() else {
            return Err(Problem::usage(format!("{tool}: line {number} chain name invalid")));
        };
        check_chain_length(name)?;
        check_chain_name(name).map_err(|p| p.at(1))?;
        let Some(policy) = words.next() else {
            return Err(Problem::usage(format!("{tool}: line {number} policy invalid")));
        };
        let wanted = self.opt.counters;
        let counters = || {
            if !wanted {
                return Ok(None);
            }
            let invalid = || Problem::usage(format!("invalid policy counters for chain '{name}'"));
            words.next().and_then(parse_counters).map(Some).ok_or_else(invalid)
        };
        match &mut self.open {
            Some(open) => open.declare(name, policy, counters),
            None => Ok(()),
        }
    }

    /// `[packets:bytes] -A CHAIN …`.
    fn rule(&mut self, line: &str, number: u32) -> Result<(), Problem> {
        let family = self.set.family;
        if let (Some(known), Some(open)) = (&self.known, &mut self.open)
            && let Some(rules) = known.get(family, open.table().id, line)
        {
            return open.append(&rules.chain, &rules.specs, (0, 0), number, &self.set.sets);
        }
        let mut skipped = 0;
        let mut counters = None;
        if let Some(rest) = line.strip_prefix('[') {
            let bad = || Problem::usage(format!("Bad line {number}: need ]"));
            let end = rest.find(']').ok_or_else(bad)?;
            counters = Some(parse_counters(&line[..end + 2]).ok_or_else(bad)?);
            skipped = end + 2;
        }
        let words = split(&line[skipped..]).into_iter().map(|w| Word { at: w.at + skipped, ..w }).collect();
        let mut args = arguments::parse(words, family, true)?;
        if args.other_family {
            return Ok(());
        }
        if self.opt.counters && args.counters.is_none() {
            args.counters = counters;
        }
        if matches!(args.verb, Verb::Rename(..)) {
            return Err(Problem::not_modelled("-E in a restore"));
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        if let (Verb::Append(chain), None, Some(known)) = (&args.verb, args.counters, &mut self.known) {
            let chain: Box<str> = (&**chain).into();
            let specs = open.read(&args, &chain)?;
            let done = open.append(&chain, &specs, (0, 0), number, &self.set.sets);
            known.insert(family, open.table().id, line, Appended { chain, specs });
            return done;
        }
        open.apply(&args, number, &self.set.sets)
    }

    fn commit(&mut self, open: Transaction, number: u32) -> Result<(), RestoreError> {
        let is_noop = !self.opt.noflush && open.is_untouched();
        let lists = open.recent_lists();
        let id = open.table().id;
        let origin = open.origin();
        if self.opt.test {
            let (table, verdict) = open.try_out();
            self.set.put_back(origin, table);
            return verdict.map_err(|refusal| self.refused(&refusal, number));
        }
        let (table, verdict) = open.commit();
        if let Err(refusal) = verdict {
            self.set.put_back(origin, table);
            return Err(self.refused(&refusal, number));
        }
        self.set.replace_table(id, (!is_noop).then_some(table), lists);
        Ok(())
    }

    fn refused(&self, Refusal { problem, line }: &Refusal, number: u32) -> RestoreError {
        let line = line.unwrap_or(number);
        RestoreError {
            line,
            column: 1,
            reason: problem.reason(),
            message: problem.message(self.set.family, Some(line)),
            status: problem.status(),
        }
    }

    fn error(&self, problem: &Problem, line: &str, number: u32) -> RestoreError {
        let before = problem.at.and_then(|at| line.get(..at)).unwrap_or("");
        let reason = match problem.reason() {
            empty if empty.is_empty() => "expected a table, as in \"*filter\"".to_owned(),
            reason => reason,
        };
        RestoreError {
            line: number,
            column: before.chars().count() as u32 + 1,
            reason,
            message: problem.message(self.set.family, Some(number)),
            status: problem.status(),
        }
    }
}

/// `[packets:bytes]`; the closing bracket may be missing, as for `sscanf`.
fn parse_counters(text: &str) -> Option<(u64, u64)> {
    let (packets, bytes) = text.strip_prefix('[')?.split_once(':')?;
    Some((packets.parse().ok()?, bytes.strip_suffix(']').unwrap_or(bytes).parse().ok()?))
}

//! The command line of `iptables`.

use std::borrow::Cow;

use super::arguments::{self, Arguments, Verb};
use super::list::{Listing, list_rules};
use super::problem::{Kind, Problem, VERSION, tool};
use super::table::{Chain, Table};
use super::transaction::{Origin, Transaction};
use super::words::Word;
use super::{CommandError, Ruleset};
use crate::trace::TableId;

/// Carries out `iptables args…`.
pub(super) fn command(set: &mut Ruleset, args: &[String]) -> Result<String, CommandError> {
    let family = set.family;
    let word = |(at, text): (usize, &'_ String)| Word { text: Cow::Owned(text.clone()), at };
    let words = args.iter().enumerate().map(word).collect();
    let run = |set: &mut Ruleset| {
        let parsed = arguments::parse(words, family, false)?;
        if parsed.other_family {
            return Err(Problem { kind: Kind::Stray, ..Problem::usage("") });
        }
        execute(set, &parsed)
    };
    run(set).map_err(|problem| CommandError { message: message(&problem, family), status: problem.status() })
}

fn message(problem: &Problem, family: crate::trace::Family) -> String {
    let message = problem.message(family, None);
    match problem.kind {
        Kind::Failed if problem.text == "Bad policy name" => {
            format!("{}: Bad policy name. Run `dmesg' for more information.\n", tool(family, false))
        }
        // Nothing is said before the hint.
        Kind::Stray if problem.text.is_empty() => message.trim_start().to_owned(),
        _ => message,
    }
}

fn execute(set: &mut Ruleset, args: &Arguments<'_>) -> Result<String, Problem> {
    let id = table_id(args.table.as_deref())?;
    match &args.verb {
        Verb::Version => Ok(format!("{} {VERSION}\n", tool(set.family, false))),
        Verb::List(..) | Verb::ListRules(..) => {
            let out = print(set, id, args)?;
            if args.also_zero && set.table(id).is_some() {
                let (Verb::List(chain, number) | Verb::ListRules(chain, number)) = &args.verb else {
                    return Ok(out);
                };
                change(set, id, &Arguments::zero(chain.clone(), *number))?;
            }
            Ok(out)
        }
        _ => change(set, id, args),
    }
}

fn table_id(name: Option<&str>) -> Result<TableId, Problem> {
    match name {
        None => Ok(TableId::Filter),
        Some("security") => Err(Problem::not_modelled("table `security'")),
        Some(name) => name.parse().map_err(|()| Problem {
            kind: Kind::Version,
            ..Problem::usage(format!("table '{name}' does not exist"))
        }),
    }
}

/// `-L` and `-S`. A table that is not loaded shows its empty chains.
fn print(set: &Ruleset, id: TableId, args: &Arguments<'_>) -> Result<String, Problem> {
    let empty;
    let table = match set.table(id) {
        Some(table) => table,
        None => {
            empty = Table::new(id);
            &empty
        }
    };
    let find = |name: &Option<Cow<'_, str>>| match name {
        None => Ok(None),
        Some(name) => named_chain(table, name).map(Some),
    };
    Ok(match &args.verb {
        Verb::List(chain, number) => listing(set, args).list(table, find(chain)?, *number),
        Verb::ListRules(chain, number) => list_rules(table, find(chain)?, *number, args.verbose),
        _ => String::new(),
    })
}

fn named_chain<'t>(table: &'t Table, name: &str) -> Result<&'t Chain, Problem> {
    table.chain(name).ok_or_else(|| {
        // The real tool takes a chain that it cannot find for one that only nft understands.
        let text = format!("chain `{name}' in table `{}' is incompatible, use 'nft' tool.", table.id);
        Problem { kind: Kind::Incompatible, ..Problem::usage(text) }
    })
}

const fn listing(set: &Ruleset, args: &Arguments<'_>) -> Listing {
    Listing { family: set.family, style: args.style, verbose: args.verbose }
}

/// A command that changes the table, or checks a rule of it.
fn change(set: &mut Ruleset, id: TableId, args: &Arguments<'_>) -> Result<String, Problem> {
    let out = if args.verbose { said(set, id, args)? } else { String::new() };
    let (table, origin) = set.take(id);
    let mut transaction = Transaction::new(set.family, table, origin);
    if let Err(problem) = transaction.apply(args, 0, &set.sets) {
        set.put_back(origin, transaction.cancel());
        return Err(problem);
    }
    let lists = transaction.recent_lists();
    let (table, verdict) = transaction.commit();
    if let Err(refusal) = verdict {
        set.put_back(origin, table);
        return Err(refusal.problem);
    }
    let loads = !matches!(args.verb, Verb::Check(_) | Verb::DeleteChain(_));
    if loads || origin == Origin::Taken {
        set.replace_table(id, Some(table), lists);
    }
    Ok(out)
}

/// What `-v` says about a change.
fn said(set: &Ruleset, id: TableId, args: &Arguments<'_>) -> Result<String, Problem> {
    let each = |what: &str, chain: Option<&str>, user_only: bool| {
        let table = set.table(id);
        let chains = table.into_iter().flat_map(Table::chains);
        let wanted =
            chains.filter(|c| chain.is_none_or(|n| *n == *c.name) && !(user_only && c.base.is_some()));
        wanted.map(|c| format!("{what} chain `{}'\n", c.name)).collect::<String>()
    };
    match &args.verb {
        Verb::Append(chain)
        | Verb::Insert(chain, _)
        | Verb::Replace(chain, _)
        | Verb::Delete(chain)
        | Verb::Check(chain) => {
            let specs = super::build::build(&args.rule, set.family, id, chain)?;
            Ok(specs.iter().map(|spec| listing(set, args).echo(spec)).collect())
        }
        Verb::Flush(chain) => Ok(each("Flushing", chain.as_deref(), false)),
        Verb::DeleteChain(chain) => Ok(each("Deleting", chain.as_deref(), chain.is_none())),
        Verb::Zero(chain, None) => Ok(each("Zeroing", chain.as_deref(), false)),
        _ => Ok(String::new()),
    }
}

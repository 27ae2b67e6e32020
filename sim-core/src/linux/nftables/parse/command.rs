//! Commands.

use std::sync::Arc;

use super::lex::Kind;
use super::raw::RawElement;
use super::statement::{NamedDynamic, NamedSet};
use super::{Parser, Problem, Span, Syntax};
use crate::linux::nftables::expr::Proto;
use crate::linux::nftables::model::{BaseChain, Family, ObjectKind, ObjectState, Set, Statement};

/// Something and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Located<T> {
    pub(in super::super) what: T,
    pub(in super::super) span: Span,
}

/// A table by name.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct TableName {
    pub(in super::super) family: Family,
    pub(in super::super) name: Located<Arc<str>>,
}

/// A rule, and the names in it that have to be looked up.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in super::super) struct RuleSpec {
    pub(in super::super) statements: Vec<Statement>,
    pub(in super::super) comment: Option<Arc<str>>,
    pub(in super::super) span: Span,
    pub(in super::super) sets: Vec<NamedSet>,
    pub(in super::super) dynamics: Vec<NamedDynamic>,
    pub(in super::super) chains: Vec<(Arc<str>, Span)>,
    pub(in super::super) objects: Vec<(ObjectKind, Arc<str>, Span)>,
    pub(in super::super) transport: Option<Proto>,
    pub(in super::super) terminal: Option<Span>,
}

/// Where a rule goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Place {
    /// At the end, or with `insert` at the beginning.
    Edge,
    /// Next to the rule with a handle.
    Handle(u64, Span),
    /// Next to the rule of that number.
    Index(usize, Span),
}

/// One command.
#[derive(Debug)]
pub(in super::super) struct Command {
    pub(in super::super) span: Span,
    pub(in super::super) what: What,
    /// What is wrong in its meaning.
    pub(in super::super) meaning: Vec<Problem>,
}

/// What is to be done. `bool`s: `create` instead of `add`; `insert` instead of `add`; a map, not a set.
#[derive(Debug)]
pub(in super::super) enum What {
    AddTable {
        create: bool,
        table: TableName,
        dormant: bool,
        comment: Option<Arc<str>>,
    },
    AddChain {
        create: bool,
        table: TableName,
        name: Located<Arc<str>>,
        base: Option<BaseChain>,
        policy: Option<bool>,
        comment: Option<Arc<str>>,
    },
    AddRule {
        insert: bool,
        table: TableName,
        chain: Located<Arc<str>>,
        place: Place,
        rule: RuleSpec,
    },
    ReplaceRule {
        table: TableName,
        chain: Located<Arc<str>>,
        handle: Located<u64>,
        rule: RuleSpec,
    },
    AddSet {
        create: bool,
        table: TableName,
        name: Located<Arc<str>>,
        set: Box<Set>,
        elements: Vec<RawElement>,
    },
    AddElements {
        create: bool,
        table: TableName,
        set: Located<Arc<str>>,
        elements: Vec<RawElement>,
    },
    AddObject {
        create: bool,
        table: TableName,
        name: Located<Arc<str>>,
        state: ObjectState,
        comment: Option<Arc<str>>,
    },
    DeleteTable(TableName),
    DeleteChain(TableName, Located<Arc<str>>),
    DeleteRule(TableName, Located<Arc<str>>, Located<u64>),
    DeleteSet(TableName, Located<Arc<str>>),
    DeleteObject(TableName, ObjectKind, Located<Arc<str>>),
    DeleteElements(TableName, Located<Arc<str>>, Vec<RawElement>),
    FlushRuleset(Option<Family>),
    FlushTable(TableName),
    FlushChain(TableName, Located<Arc<str>>),
    FlushSet(TableName, Located<Arc<str>>, bool),
    RenameChain(TableName, Located<Arc<str>>, Arc<str>),
    List(Listing),
    GetElements(TableName, Located<Arc<str>>, Vec<RawElement>),
}

/// What is to be listed.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum Listing {
    Ruleset(Option<Family>),
    Tables(Option<Family>),
    Table(TableName),
    Chains(Option<Family>),
    Chain(TableName, Located<Arc<str>>),
    Sets(Option<Family>),
    Set(TableName, Located<Arc<str>>),
    Maps(Option<Family>),
    Map(TableName, Located<Arc<str>>),
    Objects(ObjectKind, Option<Family>, Option<TableName>),
    Object(ObjectKind, TableName, Located<Arc<str>>),
    /// Tables with nothing in them: there are no flowtables and meters.
    Nothing(Option<Family>),
}

const STRING: &[&str] = &["string"];
/// What ends a command.
const ENDS: &[&str] = &["end of file", "newline", "semicolon"];

impl Parser<'_> {
    /// Reads one command with its separator.
    pub(super) fn command(&mut self) -> Syntax<()> {
        let start = self.span();
        let first = self.commands.len();
        let Kind::Word(word) = self.peek().kind.clone() else { return Err(self.unexpected(&[])) };
        match &*word {
            "add" => {
                self.at += 1;
                self.add(false, start)?;
            }
            "create" => {
                self.at += 1;
                self.add(true, start)?;
            }
            "insert" => {
                self.at += 1;
                self.take_word("rule");
                self.add_rule(true, start)?;
            }
            "replace" => {
                self.at += 1;
                self.replace(start)?;
            }
            "delete" => {
                self.at += 1;
                self.delete(start)?;
            }
            "flush" => {
                self.at += 1;
                self.flush(start)?;
            }
            "list" => {
                self.at += 1;
                self.list(start)?;
            }
            "rename" => {
                self.at += 1;
                self.expect_word("chain", &["chain"])?;
                let (table, chain) = self.in_table(STRING)?;
                let to = self.name(STRING)?;
                self.push(start, What::RenameChain(table, chain, to.what));
            }
            "get" => {
                self.at += 1;
                self.expect_word("element", &["element"])?;
                let (table, set) = self.in_table(STRING)?;
                self.expect_sign("{", &["'{'", "'$'"])?;
                let elements = self.raw_elements(false)?;
                self.push(start, What::GetElements(table, set, elements));
            }
            "monitor" | "export" | "import" | "reset" | "describe" | "include" | "undefine" => {
                return Err(Problem::not_modelled(start, &format!("nft: {word}")));
            }
            "table" | "chain" | "rule" | "set" | "map" | "element" | "counter" | "quota" | "limit"
            | "flowtable" | "ct" | "secmark" | "synproxy" | "ip" | "ip6" | "inet" | "bridge" | "arp"
            | "netdev" => {
                self.add(false, start)?;
            }
            _ if self.peek().name().is_none() => return Err(self.unexpected(&[])),
            _ => self.add(false, start)?,
        }
        let end = self.span();
        if self.peek().kind != Kind::End && !self.separator() {
            // What was read so far is no command.
            self.commands.truncate(first);
            return Err(self.unexpected(ENDS));
        }
        // A command on its own ends with its separator.
        if let [own] = &mut self.commands[first..] {
            own.span = own.span.until(end);
        }
        Ok(())
    }

    pub(super) fn push(&mut self, start: Span, what: What) {
        let span = start.until(self.last_span());
        let meaning = std::mem::take(&mut self.meaning);
        self.commands.push(Command { span, what, meaning });
    }

    pub(super) fn family(&mut self) -> Syntax<Option<Family>> {
        let Kind::Word(word) = &self.peek().kind else { return Ok(None) };
        let family = match &**word {
            "ip" => Family::Ip,
            "ip6" => Family::Ip6,
            "inet" => Family::Inet,
            "bridge" | "arp" | "netdev" => {
                return Err(Problem::not_modelled(self.span(), &format!("nft: family {word}")));
            }
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some(family))
    }

    /// `[family] table`.
    fn table_name(&mut self) -> Syntax<TableName> {
        let family = self.family()?.unwrap_or(Family::Ip);
        Ok(TableName { family, name: self.name(STRING)? })
    }

    /// `[family] table name`.
    fn in_table(&mut self, expecting: &[&str]) -> Syntax<(TableName, Located<Arc<str>>)> {
        let table = self.table_name()?;
        let name = self.name(expecting)?;
        Ok((table, name))
    }

    fn add(&mut self, create: bool, start: Span) -> Syntax<()> {
        let Kind::Word(word) = self.peek().kind.clone() else { return Err(self.unexpected(STRING)) };
        match &*word {
            "table" => {
                self.at += 1;
                let table = self.table_name()?;
                self.table_block(create, table, start)
            }
            "chain" => {
                self.at += 1;
                let (table, name) = self.in_table(STRING)?;
                self.chain_command(create, table, name, start)
            }
            "set" | "map" => {
                self.at += 1;
                let (table, name) = self.in_table(STRING)?;
                self.expect_sign("{", &["'{'"])?;
                self.set_command(create, table, name, *word == *"map", start)
            }
            "element" => {
                self.at += 1;
                let (table, set) = self.in_table(STRING)?;
                self.expect_sign("{", &["'{'", "'$'"])?;
                let elements = self.raw_elements(false)?;
                self.push(start, What::AddElements { create, table, set, elements });
                Ok(())
            }
            "counter" | "quota" | "limit" => {
                self.at += 1;
                let (table, name) = self.in_table(STRING)?;
                self.object_command(create, table, name, &word, start)
            }
            "flowtable" | "ct" | "secmark" | "synproxy" => {
                Err(Problem::not_modelled(self.span(), &format!("nft: {word} objects")))
            }
            _ => {
                self.take_word("rule");
                self.add_rule(false, start)
            }
        }
    }

    fn add_rule(&mut self, insert: bool, start: Span) -> Syntax<()> {
        let (table, chain) = self.in_table(STRING)?;
        let at = self.span();
        let place = if self.take_word("handle") {
            let number = self.number()?;
            Place::Handle(number.what as u64, number.span)
        } else if self.take_word("position") {
            let number = self.number()?.what;
            Place::Handle(number as u64, at.until(self.last_span()))
        } else if self.take_word("index") {
            let number = self.number()?.what;
            Place::Index(number as usize, at.until(self.last_span()))
        } else {
            Place::Edge
        };
        let rule = self.rule(table.family)?;
        self.push(start, What::AddRule { insert, table, chain, place, rule });
        Ok(())
    }

    fn handle(&mut self) -> Syntax<Located<u64>> {
        self.expect_word("handle", &["handle"])?;
        let number = self.number()?;
        Ok(Located { what: number.what as u64, span: number.span })
    }

    fn replace(&mut self, start: Span) -> Syntax<()> {
        self.expect_word("rule", &["rule"])?;
        let (table, chain) = self.in_table(STRING)?;
        let handle = self.handle()?;
        let rule = self.rule(table.family)?;
        self.push(start, What::ReplaceRule { table, chain, handle, rule });
        Ok(())
    }

    fn delete(&mut self, start: Span) -> Syntax<()> {
        let Kind::Word(word) = self.peek().kind.clone() else { return Err(self.unexpected(STRING)) };
        if matches!(
            &*word,
            "table" | "chain" | "set" | "map" | "rule" | "element" | "counter" | "quota" | "limit"
        ) {
            self.at += 1;
        }
        let what = match &*word {
            "table" => What::DeleteTable(self.table_name()?),
            "chain" => {
                let (table, name) = self.in_table(&["handle", "string"])?;
                What::DeleteChain(table, name)
            }
            "set" | "map" => {
                let (table, name) = self.in_table(&["handle", "string"])?;
                What::DeleteSet(table, name)
            }
            "element" => {
                let (table, set) = self.in_table(STRING)?;
                self.expect_sign("{", &["'{'", "'$'"])?;
                What::DeleteElements(table, set, self.raw_elements(false)?)
            }
            "counter" | "quota" | "limit" => {
                let (table, name) = self.in_table(&["handle", "string"])?;
                What::DeleteObject(table, object_kind(&word), name)
            }
            _ => {
                let (table, chain) = self.in_table(STRING)?;
                What::DeleteRule(table, chain, self.handle()?)
            }
        };
        self.push(start, what);
        Ok(())
    }

    fn flush(&mut self, start: Span) -> Syntax<()> {
        let Kind::Word(word) = self.peek().kind.clone() else { return Err(self.unexpected(&[])) };
        self.at += 1;
        let what = match &*word {
            "ruleset" => What::FlushRuleset(self.family()?),
            "table" => What::FlushTable(self.table_name()?),
            "chain" => {
                let (table, name) = self.in_table(STRING)?;
                What::FlushChain(table, name)
            }
            "set" | "map" => {
                let (table, name) = self.in_table(STRING)?;
                What::FlushSet(table, name, *word == *"map")
            }
            _ => {
                self.at -= 1;
                return Err(self.unexpected(&[]));
            }
        };
        self.push(start, what);
        Ok(())
    }

    fn list(&mut self, start: Span) -> Syntax<()> {
        let Kind::Word(word) = self.peek().kind.clone() else { return Err(self.unexpected(&[])) };
        self.at += 1;
        let listing = match &*word {
            "ruleset" => Listing::Ruleset(self.family()?),
            "tables" => Listing::Tables(self.family()?),
            "table" => Listing::Table(self.table_name()?),
            "chains" => Listing::Chains(self.family()?),
            "chain" => {
                let (table, name) = self.in_table(STRING)?;
                Listing::Chain(table, name)
            }
            "sets" => Listing::Sets(self.family()?),
            "set" => {
                let (table, name) = self.in_table(STRING)?;
                Listing::Set(table, name)
            }
            "maps" => Listing::Maps(self.family()?),
            "map" => {
                let (table, name) = self.in_table(STRING)?;
                Listing::Map(table, name)
            }
            "counters" | "quotas" | "limits" => {
                let kind = object_kind(&word[..word.len() - 1]);
                if self.take_word("table") {
                    Listing::Objects(kind, None, Some(self.table_name()?))
                } else {
                    Listing::Objects(kind, self.family()?, None)
                }
            }
            "counter" | "quota" | "limit" => {
                let (table, name) = self.in_table(STRING)?;
                Listing::Object(object_kind(&word), table, name)
            }
            "flowtables" | "meters" => Listing::Nothing(self.family()?),
            "hooks" | "secmarks" | "synproxys" | "ct" | "flowtable" | "meter" => {
                return Err(Problem::not_modelled(start, &format!("nft: list {word}")));
            }
            _ => {
                self.at -= 1;
                return Err(self.unexpected(&[]));
            }
        };
        self.push(start, What::List(listing));
        Ok(())
    }
}

pub(super) fn object_kind(word: &str) -> ObjectKind {
    match word {
        "counter" => ObjectKind::Counter,
        "quota" => ObjectKind::Quota,
        _ => ObjectKind::Limit,
    }
}

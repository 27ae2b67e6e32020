//! What stands in braces: tables, chains, sets.

use std::sync::Arc;

use super::command::{Command, Located, Place, TableName, What, object_kind};
use super::lex::Kind;
use super::raw::RawElement;
use super::{Parser, Problem, Span, Syntax};
use crate::linux::nftables::elements::Elements;
use crate::linux::nftables::expr::Expr;
use crate::linux::nftables::listing::PRIORITIES;
use crate::linux::nftables::model::{
    BaseChain, ChainType, Counter, Family, ObjectState, Set, SetData, SetFlags, Statement,
};
use crate::linux::nftables::print::expr_text;
use crate::linux::nftables::types::Ty;
use crate::trace::Hook;

/// Elements that a dynamic set holds if it does not say.
const DYNAMIC_SIZE: u32 = 65_535;

/// A chain's block so far.
#[derive(Default)]
struct ChainBlock {
    base: Option<BaseChain>,
    policy: Option<bool>,
    comment: Option<Arc<str>>,
    rules: Vec<Command>,
}

/// A set's block so far.
struct SetBlock {
    set: Set,
    has_type: bool,
    elements: Vec<RawElement>,
}

/// The commands of a table's block, in the order in which nft sends them.
#[derive(Default)]
struct TableBlock {
    dormant: bool,
    comment: Option<Arc<str>>,
    chains: Vec<Command>,
    objects: Vec<Command>,
    sets: Vec<Command>,
    rules: Vec<Command>,
}

impl Parser<'_> {
    /// Reads items up to the closing brace. After broken grammar it goes on behind the next separator, inside the block.
    fn block(&mut self, mut item: impl FnMut(&mut Self) -> Syntax<()>) -> Syntax<()> {
        loop {
            if self.separator() {
                continue;
            }
            if self.take_sign("}") {
                return Ok(());
            }
            if self.peek().kind == Kind::End {
                return Err(self.unexpected(&[]));
            }
            if let Err(problem) = item(self) {
                self.read_on();
                if self.peek().kind == Kind::End {
                    return Err(problem);
                }
                self.fail(problem);
            }
        }
    }

    /// Behind `table NAME`.
    pub(super) fn table_block(&mut self, create: bool, table: TableName, start: Span) -> Syntax<()> {
        let mut block = TableBlock::default();
        let head = start.until(self.last_span());
        if self.take_sign("{") {
            self.block(|p| p.table_item(&table, &mut block))?;
        }
        let what = What::AddTable { create, table, dormant: block.dormant, comment: block.comment };
        let meaning = std::mem::take(&mut self.meaning);
        self.commands.push(Command { span: head, what, meaning });
        for list in [block.chains, block.objects, block.sets, block.rules] {
            self.commands.extend(list);
        }
        Ok(())
    }

    fn table_item(&mut self, table: &TableName, block: &mut TableBlock) -> Syntax<()> {
        let start = self.span();
        let Kind::Word(word) = self.peek().kind.clone() else { return Err(self.unexpected(&[])) };
        match &*word {
            "comment" => {
                self.at += 1;
                block.comment = Some(self.comment()?);
            }
            "flags" => {
                self.at += 1;
                self.expect_word("dormant", &["dormant"])?;
                block.dormant = true;
            }
            "chain" => {
                self.at += 1;
                let name = self.name(&["string"])?;
                self.expect_sign("{", &["'{'"])?;
                let chain = self.chain_block(table, &name)?;
                block.rules.extend(chain.rules);
                let what = What::AddChain {
                    create: false,
                    table: table.clone(),
                    name,
                    base: chain.base,
                    policy: chain.policy,
                    comment: chain.comment,
                };
                block.chains.push(self.made(start, what));
            }
            "set" | "map" => {
                self.at += 1;
                let name = self.name(&["string"])?;
                self.expect_sign("{", &["'{'"])?;
                let (set, elements) = self.set_block(&name, *word == *"map", name.span)?;
                let what = What::AddSet { create: false, table: table.clone(), name, set, elements };
                block.sets.push(self.made(start, what));
            }
            "counter" | "quota" | "limit" => {
                self.at += 1;
                let name = self.name(&["string"])?;
                let (state, comment) = self.object_body(&word)?;
                let what = What::AddObject { create: false, table: table.clone(), name, state, comment };
                block.objects.push(self.made(start, what));
            }
            "flowtable" | "ct" | "secmark" | "synproxy" => {
                return Err(Problem::not_modelled(start, &format!("nft: {word} objects")));
            }
            _ => return Err(self.unexpected(&[])),
        }
        self.expect_separator()
    }

    fn made(&mut self, start: Span, what: What) -> Command {
        let span = start.until(self.last_span());
        Command { span, what, meaning: std::mem::take(&mut self.meaning) }
    }

    /// `add chain …`, from behind its name.
    pub(super) fn chain_command(
        &mut self,
        create: bool,
        table: TableName,
        name: Located<Arc<str>>,
        start: Span,
    ) -> Syntax<()> {
        let chain =
            if self.take_sign("{") { self.chain_block(&table, &name)? } else { ChainBlock::default() };
        let ChainBlock { base, policy, comment, rules } = chain;
        self.push(start, What::AddChain { create, table, name, base, policy, comment });
        self.commands.extend(rules);
        Ok(())
    }

    fn chain_block(&mut self, table: &TableName, name: &Located<Arc<str>>) -> Syntax<ChainBlock> {
        let mut block = ChainBlock::default();
        let outer = std::mem::take(&mut self.meaning);
        let mut own = Vec::new();
        self.block(|p| {
            p.chain_item(table, name, &mut block, &mut own)?;
            p.expect_separator()
        })?;
        self.meaning = outer;
        self.meaning.extend(own);
        Ok(block)
    }

    fn chain_item(
        &mut self,
        table: &TableName,
        name: &Located<Arc<str>>,
        block: &mut ChainBlock,
        own: &mut Vec<Problem>,
    ) -> Syntax<()> {
        let start = self.span();
        if self.take_word("type") {
            block.base = Some(self.base_chain(table.family)?);
            own.append(&mut self.meaning);
            return Ok(());
        }
        if self.take_word("policy") {
            block.policy = Some(if self.take_word("drop") {
                true
            } else if self.take_word("accept") {
                false
            } else {
                return Err(self.unexpected(&["accept", "drop", "'$'"]));
            });
            return Ok(());
        }
        if self.is_word("comment") {
            self.at += 1;
            block.comment = Some(self.comment()?);
            return Ok(());
        }
        if self.is_word("flags") {
            return Err(Problem::not_modelled(start, "nft: flags of a chain"));
        }
        let rule = self.rule(table.family)?;
        let what = What::AddRule {
            insert: false,
            table: table.clone(),
            chain: name.clone(),
            place: Place::Edge,
            rule,
        };
        let command = self.made(start, what);
        block.rules.push(command);
        Ok(())
    }

    /// `TYPE hook HOOK priority N`.
    fn base_chain(&mut self, family: Family) -> Syntax<BaseChain> {
        let word = self.string()?;
        let kind = match &*word {
            "filter" => ChainType::Filter,
            "nat" => ChainType::Nat,
            "route" => ChainType::Route,
            _ => return Err(Problem::new(self.last_span(), "unknown chain type")),
        };
        self.expect_word("hook", &["hook"])?;
        let at = self.span();
        let word = self.string()?;
        let hook = match &*word {
            "prerouting" => Hook::Prerouting,
            "input" => Hook::Input,
            "forward" => Hook::Forward,
            "output" => Hook::Output,
            "postrouting" => Hook::Postrouting,
            "ingress" if family == Family::Inet => {
                return Err(Problem::not_modelled(at, "nft: hook ingress"));
            }
            "ingress" | "egress" => {
                let text = format!("The {} family does not support this hook", family.name());
                self.meaning.push(Problem::new(at, text));
                Hook::Prerouting
            }
            _ => return Err(Problem::new(at, "unknown chain hook")),
        };
        let at = self.span();
        self.expect_word("priority", &["priority"])?;
        let priority = self.priority(hook, at)?;
        Ok(BaseChain { kind, hook, priority, drop: false })
    }

    fn priority(&mut self, hook: Hook, start: Span) -> Syntax<i32> {
        let mut total = 0i64;
        let named = match self.peek().kind.clone() {
            Kind::Word(word) => {
                self.at += 1;
                let found = PRIORITIES.iter().find(|(name, _, _)| **name == *word);
                match found.filter(|(_, _, only)| only.is_none_or(|h| h == hook)) {
                    Some((_, at, _)) => total = i64::from(*at),
                    None => {
                        let span = start.until(self.last_span());
                        let text = "invalid priority expression value in this context.";
                        self.meaning.push(Problem::new(span, text));
                    }
                }
                true
            }
            _ => false,
        };
        let sign = if self.take_sign("-") {
            Some(-1)
        } else if self.take_sign("+") {
            Some(1)
        } else {
            None
        };
        if sign.is_some() || !named {
            let number: i64 = self.small()?;
            total += sign.unwrap_or(1) * number;
        }
        i32::try_from(total).map_err(|_| Problem::new(start.until(self.last_span()), "priority out of range"))
    }

    /// `add set …`, from behind its brace.
    pub(super) fn set_command(
        &mut self,
        create: bool,
        table: TableName,
        name: Located<Arc<str>>,
        is_map: bool,
        start: Span,
    ) -> Syntax<()> {
        let (set, elements) = self.set_block(&name, is_map, name.span)?;
        self.push(start, What::AddSet { create, table, name, set, elements });
        Ok(())
    }

    fn set_block(
        &mut self,
        name: &Located<Arc<str>>,
        is_map: bool,
        at: Span,
    ) -> Syntax<(Box<Set>, Vec<RawElement>)> {
        let set = Set {
            name: name.what.clone(),
            handle: 0,
            key: Vec::new(),
            data: SetData::None,
            typeof_text: None,
            flags: SetFlags::default(),
            timeout: None,
            gc_interval: None,
            size: None,
            policy_memory: false,
            auto_merge: false,
            comment: None,
            statements: Vec::new(),
            elements: Elements::default(),
        };
        let mut block = SetBlock { set, has_type: false, elements: Vec::new() };
        self.block(|p| {
            let elements = p.is_word("elements");
            p.set_item(&mut block, is_map)?;
            // Behind the elements the brace may close at once.
            if elements && p.is_sign("}") { Ok(()) } else { p.expect_separator() }
        })?;
        if !block.has_type {
            let problem = Problem::new(at, "set definition does not specify key");
            let broken = !self.syntax.is_empty();
            let list = if broken { &mut self.syntax } else { &mut self.meaning };
            list.push(problem);
        }
        block.set.flags.timeout |= block.set.timeout.is_some();
        if block.set.flags.dynamic {
            block.set.size.get_or_insert(DYNAMIC_SIZE);
        }
        Ok((Box::new(block.set), block.elements))
    }

    fn set_item(&mut self, block: &mut SetBlock, is_map: bool) -> Syntax<()> {
        let Kind::Word(word) = self.peek().kind.clone() else { return Err(self.unexpected(&[])) };
        self.at += 1;
        let set = &mut block.set;
        match &*word {
            "type" => self.set_type(block, is_map)?,
            "typeof" => self.set_typeof(block, is_map)?,
            "flags" => self.set_flags(&mut set.flags)?,
            "timeout" => set.timeout = Some(self.time()?),
            "gc-interval" => set.gc_interval = Some(self.time()?),
            "size" => set.size = Some(self.small()?),
            "policy" => {
                set.policy_memory = if self.take_word("memory") {
                    true
                } else if self.take_word("performance") {
                    false
                } else {
                    return Err(self.unexpected(&["performance", "memory"]));
                };
            }
            "auto-merge" => set.auto_merge = true,
            "comment" => set.comment = Some(self.comment()?),
            "counter" => set.statements.push(Statement::Counter(Counter::default())),
            "limit" | "quota" => {
                self.at -= 1;
                let statement = self.element_statement()?;
                block.set.statements.push(statement);
            }
            "elements" => {
                self.expect_sign("=", &["'='"])?;
                self.expect_sign("{", &["'{'", "'$'"])?;
                block.elements = self.raw_elements(false)?;
            }
            _ => {
                self.at -= 1;
                return Err(self.unexpected(&[]));
            }
        }
        Ok(())
    }

    fn set_type(&mut self, block: &mut SetBlock, is_map: bool) -> Syntax<()> {
        if let Some(types) = self.type_list()? {
            block.set.key = types;
            block.has_type = true;
        }
        if !is_map {
            let ended = matches!(self.peek().kind, Kind::Newline | Kind::Sign(";"));
            return if ended { Ok(()) } else { Err(self.unexpected(&["newline", "semicolon", "."])) };
        }
        self.expect_sign(":", &["colon", "."])?;
        if self.take_word("verdict") {
            block.set.data = SetData::Verdict;
            return Ok(());
        }
        if matches!(&self.peek().kind, Kind::Word(w) if matches!(&**w, "counter" | "quota" | "limit")) {
            return Err(Problem::not_modelled(self.span(), "nft: maps to objects"));
        }
        block.set.data = SetData::Values(self.type_list()?.unwrap_or_default());
        Ok(())
    }

    /// `A . B`; none if a type is unknown, which is noted.
    fn type_list(&mut self) -> Syntax<Option<Vec<Ty>>> {
        let mut types = Vec::new();
        let mut known = true;
        loop {
            let span = self.span();
            let Kind::Word(word) = self.peek().kind.clone() else { return Err(self.unexpected(&["string"])) };
            if *word == *"pkttype" {
                return Err(self.unexpected(&[]));
            }
            self.at += 1;
            match Ty::by_name(&word) {
                Some(ty) => types.push(ty),
                None => {
                    self.syntax.push(Problem::new(span, format!("unknown datatype {word}")));
                    known = false;
                }
            }
            if !self.take_sign(".") {
                return Ok(known.then_some(types));
            }
        }
    }

    fn set_typeof(&mut self, block: &mut SetBlock, is_map: bool) -> Syntax<()> {
        self.family = None;
        let Some(key) = self.expression()? else { return Err(self.unexpected(&[])) };
        block.set.key = key.types();
        block.has_type = true;
        let mut data_text = None;
        if is_map {
            self.expect_sign(":", &["colon", "."])?;
            if self.take_word("verdict") {
                block.set.data = SetData::Verdict;
            } else {
                let Some(data) = self.expression()? else { return Err(self.unexpected(&[])) };
                block.set.data = SetData::Values(data.types());
                data_text = Some(expr_text(&data).into());
            }
        }
        if let Expr::Numgen { .. } | Expr::Jhash { .. } = key {
            return Err(Problem::not_modelled(self.last_span(), "nft: typeof of a generated number"));
        }
        block.set.typeof_text = Some((expr_text(&key).into(), data_text));
        Ok(())
    }

    fn set_flags(&mut self, flags: &mut SetFlags) -> Syntax<()> {
        loop {
            if self.take_word("constant") {
                flags.constant = true;
            } else if self.take_word("interval") {
                flags.interval = true;
            } else if self.take_word("timeout") {
                flags.timeout = true;
            } else if self.take_word("dynamic") {
                flags.dynamic = true;
            } else {
                return Err(self.unexpected(&["constant", "interval", "dynamic", "timeout"]));
            }
            if !self.take_sign(",") {
                return Ok(());
            }
        }
    }

    /// `add counter …`, from behind its name.
    pub(super) fn object_command(
        &mut self,
        create: bool,
        table: TableName,
        name: Located<Arc<str>>,
        word: &str,
        start: Span,
    ) -> Syntax<()> {
        let (state, comment) = self.object_body(word)?;
        self.push(start, What::AddObject { create, table, name, state, comment });
        Ok(())
    }

    fn object_body(&mut self, word: &str) -> Syntax<(ObjectState, Option<Arc<str>>)> {
        let mut state = None;
        let mut comment = None;
        if self.take_sign("{") {
            self.block(|p| {
                if p.take_word("comment") {
                    comment = Some(p.comment()?);
                    return Ok(());
                }
                state = Some(p.object_state(word)?);
                // A brace may close right behind the state.
                if p.is_sign("}") { Ok(()) } else { p.expect_separator() }
            })?;
        } else if !matches!(self.peek().kind, Kind::Newline | Kind::End | Kind::Sign(";")) {
            state = Some(self.object_state(word)?);
        }
        let state = match (state, object_kind(word)) {
            (Some(state), _) => state,
            (None, crate::linux::nftables::model::ObjectKind::Counter) => {
                ObjectState::Counter(Counter::default())
            }
            (None, _) => return Err(self.unexpected(&[])),
        };
        Ok((state, comment))
    }

    fn object_state(&mut self, word: &str) -> Syntax<ObjectState> {
        Ok(match word {
            "counter" => {
                if !self.is_word("packets") {
                    return Err(self.unexpected(&["packets"]));
                }
                ObjectState::Counter(self.counter_values()?)
            }
            "quota" => ObjectState::Quota(self.quota()?),
            _ => ObjectState::Limit(self.limit()?),
        })
    }
}

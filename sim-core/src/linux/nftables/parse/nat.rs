//! Statements that translate: `snat`, `dnat`, `masquerade`, `redirect`.

use super::lex::Kind;
use super::{Parser, Problem, Span, Syntax};
use crate::linux::nftables::model::{Family, Nat, NatKind, NatTo, SetData, Statement};
use crate::linux::nftables::types::Ty;

impl Parser<'_> {
    pub(super) fn nat(&mut self, family: Family) -> Syntax<Statement> {
        let word = self.span();
        let kind = match &self.next().kind {
            Kind::Word(w) => match &**w {
                "dnat" => NatKind::Dnat,
                "snat" => NatKind::Snat,
                "masquerade" => NatKind::Masquerade,
                _ => NatKind::Redirect,
            },
            _ => NatKind::Redirect,
        };
        let mut nat = Nat {
            kind,
            family: None,
            to: NatTo::None,
            ports: None,
            random: false,
            fully_random: false,
            persistent: false,
        };
        let own = self.nat_family();
        let with_port = self.take_word("addr") && {
            self.expect_sign(".", &["."])?;
            self.expect_word("port", &["port"])?;
            true
        };
        let to = self.take_word("to");
        let flags_next = matches!(&self.peek().kind, Kind::Word(w) if matches!(&**w, "random" | "fully-random" | "persistent"));
        if to || !(self.ends_rule() || flags_next || self.is_word("comment")) {
            if matches!(kind, NatKind::Dnat | NatKind::Snat) {
                self.nat_target(&mut nat, family, own, with_port, word)?;
            } else {
                self.take_sign(":");
                self.nat_ports(&mut nat, word)?;
            }
        }
        self.nat_flags(&mut nat)?;
        Ok(Statement::Nat(Box::new(nat)))
    }

    fn nat_family(&mut self) -> Option<Family> {
        if self.is_word("ip") || self.is_word("ip6") {
            // `dnat ip to …`, and not `dnat to ip saddr map …`.
            let follows = matches!(&self.peek_at(1).kind, Kind::Word(w) if matches!(&**w, "to" | "addr"));
            if follows {
                let family = if self.is_word("ip") { Family::Ip } else { Family::Ip6 };
                self.at += 1;
                return Some(family);
            }
        }
        None
    }

    fn nat_target(
        &mut self,
        nat: &mut Nat,
        family: Family,
        own: Option<Family>,
        with_port: bool,
        word: Span,
    ) -> Syntax<()> {
        let start = self.span();
        if self.take_sign(":") {
            return self.nat_ports(nat, word);
        }
        let effective = match (own, family) {
            (Some(own), _) => own,
            (None, Family::Inet) => {
                self.meaning
                    .push(Problem::new(word, "ip or ip6 must be specified with address for inet tables."));
                Family::Ip
            }
            (None, family) => family,
        };
        let ty = if effective == Family::Ip6 { Ty::Ipv6 } else { Ty::Ipv4 };
        if family == Family::Inet {
            nat.family = own;
        }
        if let Some(key) = self.expression()? {
            let looks_like_port = self.map_has_ports() || with_port;
            let data = if looks_like_port { vec![ty, Ty::Service] } else { vec![ty] };
            let map = self.mapped(key, &SetData::Values(data))?;
            if looks_like_port {
                if self.transport.is_none() {
                    let text = "transport protocol mapping is only valid after transport protocol match";
                    let span = start.until(self.last_span());
                    self.meaning.push(Problem::new(span, text).and(word));
                }
                nat.family = Some(effective);
                nat.to = NatTo::MapWithPort(map);
            } else {
                nat.to = NatTo::Map(map);
            }
            return Ok(());
        }
        let range = self.raw_range()?;
        if let Some((low, high)) = self.note(range.resolve(ty)) {
            nat.to = NatTo::Addresses(ty, low, high);
        }
        if self.take_sign(":") {
            self.nat_ports(nat, word)?;
        }
        Ok(())
    }

    /// Whether the elements of the map that follows lead to an address and a port.
    fn map_has_ports(&self) -> bool {
        let mut depth = 0;
        let mut data = false;
        for ahead in 0.. {
            match self.peek_at(ahead).kind {
                Kind::Sign("{") => depth += 1,
                Kind::Sign("}") => return false,
                Kind::Sign(":") if depth == 1 => data = true,
                Kind::Sign(".") if data => return true,
                Kind::Sign(",") => data = false,
                Kind::Newline if depth == 0 => return false,
                Kind::End => return false,
                _ => {}
            }
        }
        false
    }

    fn nat_ports(&mut self, nat: &mut Nat, word: Span) -> Syntax<()> {
        let range = self.raw_range()?;
        if self.transport.is_none() {
            let text = "transport protocol mapping is only valid after transport protocol match";
            self.meaning.push(Problem::new(range.span, text).and(word));
            return Ok(());
        }
        if let Some((low, high)) = self.note(range.resolve(Ty::Service)) {
            nat.ports = Some((low as u16, high as u16));
        }
        Ok(())
    }

    fn nat_flags(&mut self, nat: &mut Nat) -> Syntax<()> {
        loop {
            if self.take_word("random") {
                nat.random = true;
            } else if self.take_word("fully-random") {
                nat.fully_random = true;
            } else if self.take_word("persistent") {
                nat.persistent = true;
            } else {
                return Ok(());
            }
            if !self.take_sign(",") {
                return Ok(());
            }
        }
    }
}

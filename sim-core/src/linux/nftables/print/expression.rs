//! Comparisons and expressions.

use std::fmt::Write as _;

use super::Printer;
use crate::linux::conntrack::Direction;
use crate::linux::nftables::expr::{Cmp, Ct, Expr, Fib, FibResult, Op, SetRef, Test};
use crate::linux::nftables::listing::sorted;
use crate::linux::nftables::types::Ty;

impl Printer<'_> {
    pub(super) fn test(&mut self, left: &Expr, test: &Test) {
        if self.flags_test(left, test) {
            return;
        }
        self.expr(left);
        self.text(" ");
        let not = |not: &bool| if *not { "!= " } else { "" };
        match test {
            Test::Value(Cmp::Implicit | Cmp::Eq, value) if matches!(left, Expr::Op(..)) => {
                self.text("== ");
                self.operand(left, *value);
            }
            Test::Value(cmp, value) => {
                let cmp = match cmp {
                    Cmp::Eq if !left.ty().is_bitmask() => Cmp::Implicit,
                    other => *other,
                };
                self.text(cmp.sign());
                self.operand(left, *value);
            }
            Test::Values(cmp, values) => {
                self.text(if *cmp == Cmp::Ne { "!= " } else { "" });
                self.values(&left.types(), values);
            }
            Test::Range(inverted, low, high) => {
                self.text(not(inverted));
                self.value(left.ty(), *low);
                self.text("-");
                self.value(left.ty(), *high);
            }
            Test::Prefix(inverted, value, length) => {
                self.text(not(inverted));
                self.prefix(left.ty(), *value, *length);
            }
            Test::Set(inverted, set) => {
                self.text(not(inverted));
                self.set_ref(set);
            }
        }
    }

    /// What an expression is compared with: `fib … oif` has words for "none" and "any".
    fn operand(&mut self, left: &Expr, value: u128) {
        match left {
            Expr::Op(inner, ..) if !inner.ty().is_bitmask() && inner.ty() != Ty::Mark => {
                // The width of a number is lost in arithmetic.
                match inner.ty() {
                    Ty::Int(_) => {
                        let _ = write!(self.out, "{value}");
                    }
                    ty => self.value(ty, value),
                }
            }
            _ => self.value(left.ty(), value),
        }
    }

    /// Tests of flags have a short form.
    fn flags_test(&mut self, left: &Expr, test: &Test) -> bool {
        let (Expr::Op(inner, Op::And, mask), Test::Value(cmp, value)) = (left, test) else { return false };
        let ty = inner.ty();
        if !ty.is_bitmask() {
            return false;
        }
        match cmp {
            Cmp::Ne if *value == 0 => {
                self.expr(inner);
                self.text(" ");
                self.value(ty, *mask);
            }
            Cmp::Eq | Cmp::Implicit if *value == 0 => {
                self.expr(inner);
                self.text(" ! ");
                self.value(ty, *mask);
            }
            Cmp::Eq | Cmp::Implicit if value == mask => {
                self.expr(inner);
                self.text(" & ");
                self.flags_list(ty, *mask);
                self.text(" == ");
                self.flags_list(ty, *value);
            }
            Cmp::Eq | Cmp::Implicit | Cmp::Ne => {
                self.expr(inner);
                self.text(if *cmp == Cmp::Ne { " != " } else { " " });
                self.value(ty, *value);
                self.text(" / ");
                self.value(ty, *mask);
            }
            _ => return false,
        }
        true
    }

    /// Flags as operands: in parentheses, with bars in between.
    fn flags_list(&mut self, ty: Ty, value: u128) {
        let mut text = String::new();
        ty.write(&mut text, value);
        if text.contains(',') {
            let _ = write!(self.out, "({})", text.replace(',', " | "));
        } else {
            self.text(&text);
        }
    }

    pub(super) fn set_ref(&mut self, set: &SetRef) {
        match set {
            SetRef::Named(name) => {
                let _ = write!(self.out, "@{name}");
            }
            SetRef::Anonymous(set) => {
                self.text("{ ");
                let elements = sorted(set, self.style.now);
                for (i, element) in elements.into_iter().chain(set.elements.any.as_deref()).enumerate() {
                    if i > 0 {
                        self.text(", ");
                    }
                    self.element(set, element);
                }
                self.text(" }");
            }
        }
    }

    /// The right side of `set`.
    pub(super) fn assigned(&mut self, expr: &Expr) {
        match expr {
            // The type is that of what is set.
            Expr::Value(_, value) => self.value(Ty::Mark, *value),
            other => self.expr(other),
        }
    }

    pub(super) fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::Field(field) => {
                let _ = write!(self.out, "{} {}", field.proto.name(), field.name);
            }
            Expr::Meta(meta) => {
                let _ = write!(self.out, "{}{}", if meta.is_short() { "" } else { "meta " }, meta.name());
            }
            Expr::Ct(ct) => self.ct(*ct),
            Expr::Fib(fib) => self.fib(*fib),
            Expr::Numgen { random, modulus, offset, .. } => {
                let kind = if *random { "random" } else { "inc" };
                let _ = write!(self.out, "numgen {kind} mod {modulus}");
                if *offset > 0 {
                    let _ = write!(self.out, " offset {offset}");
                }
            }
            Expr::Jhash { of, modulus, seed, offset } => {
                self.text("jhash ");
                self.expr(of);
                let _ = write!(self.out, " mod {modulus}");
                if let Some(seed) = seed {
                    let _ = write!(self.out, " seed 0x{seed:x}");
                }
                if *offset > 0 {
                    let _ = write!(self.out, " offset {offset}");
                }
            }
            Expr::Op(left, op, right) => {
                self.expr(left);
                let _ = write!(self.out, " {} ", op.sign());
                match left.ty() {
                    Ty::Int(_) => {
                        let _ = write!(self.out, "{right}");
                    }
                    ty if ty.is_bitmask() => self.flags_list(ty, *right),
                    ty => self.value(ty, *right),
                }
            }
            Expr::Concat(parts) => {
                for (i, part) in parts.iter().enumerate() {
                    if i > 0 {
                        self.text(" . ");
                    }
                    self.expr(part);
                }
            }
            Expr::Map(key, set) => {
                self.expr(key);
                self.text(" map ");
                self.set_ref(set);
            }
            Expr::Value(ty, value) => self.value(*ty, *value),
        }
    }

    fn ct(&mut self, ct: Ct) {
        self.text("ct ");
        match ct.dir {
            Some(Direction::Original) => self.text("original "),
            Some(Direction::Reply) => self.text("reply "),
            None => {}
        }
        self.text(ct.key.name());
    }

    fn fib(&mut self, fib: Fib) {
        self.text(if fib.source { "fib saddr" } else { "fib daddr" });
        for (on, name) in [(fib.mark, "mark"), (fib.iif, "iif"), (fib.oif, "oif")] {
            if on {
                let _ = write!(self.out, " . {name}");
            }
        }
        self.text(match fib.result {
            FibResult::Type => " type",
            FibResult::Oif | FibResult::Present => " oif",
            FibResult::Oifname => " oifname",
        });
    }
}

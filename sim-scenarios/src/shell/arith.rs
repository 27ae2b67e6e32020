//! `$((…))`.

use brush_parser::arithmetic;
use brush_parser::ast::{
    ArithmeticExpr, ArithmeticTarget, BinaryOperator, UnaryAssignmentOperator, UnaryOperator,
};

use super::Shell;

/// A variable whose value is an expression that names a variable …: not deeper than this.
const DEPTH: usize = 16;

impl Shell {
    /// The value of an arithmetic expression, or what is wrong with it.
    pub(super) fn arithmetic(&mut self, text: &str) -> Result<i64, String> {
        self.arithmetic_at(text, 0)
    }

    fn arithmetic_at(&mut self, text: &str, depth: usize) -> Result<i64, String> {
        let nested = text.chars().filter(|c| "(!~-+?*".contains(*c)).count();
        if depth > DEPTH || nested > 200 {
            return Err(format!("{text}: expression recursion level exceeded"));
        }
        let expr = arithmetic::parse(text.trim()).map_err(|_| format!("{text}: arithmetic syntax error"))?;
        self.value(&expr, depth)
    }

    fn value(&mut self, expr: &ArithmeticExpr, depth: usize) -> Result<i64, String> {
        Ok(match expr {
            ArithmeticExpr::Literal(n) => *n,
            ArithmeticExpr::Reference(target) => self.variable(target, depth)?,
            ArithmeticExpr::UnaryOp(op, x) => {
                let x = self.value(x, depth)?;
                match op {
                    UnaryOperator::UnaryPlus => x,
                    UnaryOperator::UnaryMinus => x.wrapping_neg(),
                    UnaryOperator::BitwiseNot => !x,
                    UnaryOperator::LogicalNot => i64::from(x == 0),
                }
            }
            ArithmeticExpr::BinaryOp(BinaryOperator::LogicalAnd, x, y) => {
                i64::from(self.value(x, depth)? != 0 && self.value(y, depth)? != 0)
            }
            ArithmeticExpr::BinaryOp(BinaryOperator::LogicalOr, x, y) => {
                i64::from(self.value(x, depth)? != 0 || self.value(y, depth)? != 0)
            }
            ArithmeticExpr::BinaryOp(op, x, y) => {
                let (x, y) = (self.value(x, depth)?, self.value(y, depth)?);
                binary(op, x, y)?
            }
            ArithmeticExpr::Conditional(test, yes, no) => {
                let branch = if self.value(test, depth)? != 0 { yes } else { no };
                self.value(branch, depth)?
            }
            ArithmeticExpr::Assignment(target, x) => {
                let x = self.value(x, depth)?;
                self.assign(target, x)?
            }
            ArithmeticExpr::BinaryAssignment(op, target, x) => {
                let old = self.variable(target, depth)?;
                let x = self.value(x, depth)?;
                let new = binary(op, old, x)?;
                self.assign(target, new)?
            }
            ArithmeticExpr::UnaryAssignment(op, target) => {
                let old = self.variable(target, depth)?;
                let (new, result) = match op {
                    UnaryAssignmentOperator::PrefixIncrement => (old.wrapping_add(1), old.wrapping_add(1)),
                    UnaryAssignmentOperator::PrefixDecrement => (old.wrapping_sub(1), old.wrapping_sub(1)),
                    UnaryAssignmentOperator::PostfixIncrement => (old.wrapping_add(1), old),
                    UnaryAssignmentOperator::PostfixDecrement => (old.wrapping_sub(1), old),
                };
                self.assign(target, new)?;
                result
            }
        })
    }

    fn variable(&mut self, target: &ArithmeticTarget, depth: usize) -> Result<i64, String> {
        let ArithmeticTarget::Variable(name) = target else { return Err(ARRAYS.to_owned()) };
        match self.get(name).map(str::to_owned) {
            None => Ok(0),
            Some(text) => self.arithmetic_at(&text, depth + 1),
        }
    }

    fn assign(&mut self, target: &ArithmeticTarget, value: i64) -> Result<i64, String> {
        let ArithmeticTarget::Variable(name) = target else { return Err(ARRAYS.to_owned()) };
        self.set(name, value.to_string());
        Ok(value)
    }
}

const ARRAYS: &str = "ksim: not modelled: arrays";

fn binary(op: &BinaryOperator, x: i64, y: i64) -> Result<i64, String> {
    let shift = (y & 63) as u32;
    Ok(match op {
        BinaryOperator::Power => x.wrapping_pow(u32::try_from(y).map_err(|_| "exponent less than 0")?),
        BinaryOperator::Multiply => x.wrapping_mul(y),
        BinaryOperator::Divide | BinaryOperator::Modulo if y == 0 => return Err("division by 0".to_owned()),
        BinaryOperator::Divide => x.wrapping_div(y),
        BinaryOperator::Modulo => x.wrapping_rem(y),
        BinaryOperator::Comma => y,
        BinaryOperator::Add => x.wrapping_add(y),
        BinaryOperator::Subtract => x.wrapping_sub(y),
        BinaryOperator::ShiftLeft => x.wrapping_shl(shift),
        BinaryOperator::ShiftRight => x.wrapping_shr(shift),
        BinaryOperator::LessThan => i64::from(x < y),
        BinaryOperator::LessThanOrEqualTo => i64::from(x <= y),
        BinaryOperator::GreaterThan => i64::from(x > y),
        BinaryOperator::GreaterThanOrEqualTo => i64::from(x >= y),
        BinaryOperator::Equals => i64::from(x == y),
        BinaryOperator::NotEquals => i64::from(x != y),
        BinaryOperator::BitwiseAnd => x & y,
        BinaryOperator::BitwiseXor => x ^ y,
        BinaryOperator::BitwiseOr => x | y,
        BinaryOperator::LogicalAnd => i64::from(x != 0 && y != 0),
        BinaryOperator::LogicalOr => i64::from(x != 0 || y != 0),
    })
}

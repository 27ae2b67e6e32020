//! Arithmetic of sequence numbers, modulo 2^32 (RFC 9293, 3.4).

/// `a` comes before `b`.
pub(super) const fn before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

/// `a` comes after `b`.
pub(super) const fn after(a: u32, b: u32) -> bool {
    before(b, a)
}

/// `low <= x <= high`.
pub(super) const fn between(x: u32, low: u32, high: u32) -> bool {
    high.wrapping_sub(low) >= x.wrapping_sub(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_survives_the_wrap() {
        assert!(before(u32::MAX, 0) && after(3, u32::MAX - 3) && !before(7, 7));
        assert!(between(1, u32::MAX, 5) && !between(6, u32::MAX, 5));
    }
}

//! Bob Jenkins' lookup3 hash as the kernel has it (`include/linux/jhash.h`).

const INITIAL: u32 = 0xdead_beef;

/// `jhash(key, len, seed)`.
pub(super) fn jhash(key: &[u8], seed: u32) -> u32 {
    let start = INITIAL.wrapping_add(key.len() as u32).wrapping_add(seed);
    let (mut a, mut b, mut c) = (start, start, start);
    let mut rest = key;
    while rest.len() > 12 {
        let next = |at: usize| word(&rest[at..]);
        (a, b, c) = mix(a.wrapping_add(next(0)), b.wrapping_add(next(4)), c.wrapping_add(next(8)));
        rest = &rest[12..];
    }
    if rest.is_empty() {
        return c;
    }
    let mut last = [0; 12];
    last[..rest.len()].copy_from_slice(rest);
    let next = |at: usize| word(&last[at..]);
    finish(a.wrapping_add(next(0)), b.wrapping_add(next(4)), c.wrapping_add(next(8)))
}

/// `jhash2(key, 4, initval)`.
pub(super) const fn jhash4(key: [u32; 4], initval: u32) -> u32 {
    let start = INITIAL.wrapping_add(4 << 2).wrapping_add(initval);
    let (a, b, c) = mix(start.wrapping_add(key[0]), start.wrapping_add(key[1]), start.wrapping_add(key[2]));
    finish(a.wrapping_add(key[3]), b, c)
}

fn word(bytes: &[u8]) -> u32 {
    bytes.iter().take(4).rev().fold(0, |all, b| all << 8 | u32::from(*b))
}

const fn mix(mut a: u32, mut b: u32, mut c: u32) -> (u32, u32, u32) {
    a = a.wrapping_sub(c) ^ c.rotate_left(4);
    c = c.wrapping_add(b);
    b = b.wrapping_sub(a) ^ a.rotate_left(6);
    a = a.wrapping_add(c);
    c = c.wrapping_sub(b) ^ b.rotate_left(8);
    b = b.wrapping_add(a);
    a = a.wrapping_sub(c) ^ c.rotate_left(16);
    c = c.wrapping_add(b);
    b = b.wrapping_sub(a) ^ a.rotate_left(19);
    a = a.wrapping_add(c);
    c = c.wrapping_sub(b) ^ b.rotate_left(4);
    b = b.wrapping_add(a);
    (a, b, c)
}

const fn finish(mut a: u32, mut b: u32, mut c: u32) -> u32 {
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    (c ^ b).wrapping_sub(b.rotate_left(24))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_hash_as_their_bytes() {
        let key = [0x0a0b_0c0d, 1, u32::MAX, 0x8000_0000];
        let bytes: Vec<u8> = key.iter().flat_map(|w| w.to_le_bytes()).collect();
        assert_eq!(jhash4(key, 17), jhash(&bytes, 17));
    }
}

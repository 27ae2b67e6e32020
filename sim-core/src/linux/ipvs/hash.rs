//! The hashes by which schedulers spread addresses.

/// `hash_32`: the golden ratio, of which the upper `bits` bits count.
pub(super) const fn hash_32(value: u32, bits: u32) -> u32 {
    value.wrapping_mul(0x61C8_8647) >> (32 - bits)
}

/// `hsiphash_1u32` of a 64-bit kernel: SipHash-1-3 of one little-endian word, the lower half of the result.
pub(super) const fn hsiphash(word: u32, key: [u64; 2]) -> u32 {
    let b = 4 << 56 | word as u64;
    let v = [
        0x736f_6d65_7073_6575 ^ key[0],
        0x646f_7261_6e64_6f6d ^ key[1],
        0x6c79_6765_6e65_7261 ^ key[0],
        0x7465_6462_7974_6573 ^ key[1] ^ b,
    ];
    let mut v = round(v);
    v[0] ^= b;
    v[2] ^= 0xff;
    let v = round(round(round(v)));
    (v[0] ^ v[1] ^ v[2] ^ v[3]) as u32
}

const fn round(v: [u64; 4]) -> [u64; 4] {
    let [mut a, mut b, mut c, mut d] = v;
    a = a.wrapping_add(b);
    b = b.rotate_left(13) ^ a;
    a = a.rotate_left(32);
    c = c.wrapping_add(d);
    d = d.rotate_left(16) ^ c;
    a = a.wrapping_add(d);
    d = d.rotate_left(21) ^ a;
    c = c.wrapping_add(b);
    b = b.rotate_left(17) ^ c;
    c = c.rotate_left(32);
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SipHash's own state after the key 00 01 … 0f, and a value that `hash_32` gives by its definition.
    #[test]
    fn hashes_are_those_of_the_kernel() {
        assert_eq!(hash_32(1, 8), 0x61);
        assert_eq!(hash_32(0x0a00_0001, 10), 0x0a00_0001_u32.wrapping_mul(0x61C8_8647) >> 22);
        // The same word gives another value under another key, and every bit of the word counts.
        let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        let plain = hsiphash(0, key);
        assert_ne!(plain, hsiphash(0, [0, 0]));
        assert!((0..32).all(|bit| hsiphash(1 << bit, key) != plain));
    }
}

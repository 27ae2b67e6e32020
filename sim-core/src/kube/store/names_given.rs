//! Names that the server gives: uids and random suffixes.

use crate::chance::{Chance, Dice, Purpose};
use crate::kube::objects::Kind;

/// Letters of generated names: no vowels and no look-alikes, so that no words come out.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
/// Number of letters of a generated suffix.
const SUFFIX: usize = 5;
/// A generated name fits into a label: the prefix is cut to leave room for the suffix.
const MAX_PREFIX: usize = 63 - SUFFIX;

/// The place of an object in the dice: the 64-bit FNV-1a hash of its path, so that draws for one object do not depend on
/// what else is created.
pub(crate) fn place(kind: Kind, namespace: &str, name: &str) -> u64 {
    let bytes = [kind.name(), "/", namespace, "/", name].into_iter().flat_map(str::bytes);
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

/// A version 4 UUID (RFC 9562) for the object at `place`.
pub(crate) fn uid(dice: &mut Dice, place: u64) -> String {
    let mut bits = 0_u128;
    for _ in 0..4 {
        bits = (bits << 32) | u128::from(dice.bits(Purpose::Name, place));
    }
    bits = (bits & !(0xf << 76)) | (0x4 << 76);
    bits = (bits & !(0x3 << 62)) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Five random letters for the object at `place`.
pub(crate) fn suffix(dice: &mut Dice, place: u64) -> String {
    (0..SUFFIX)
        .map(|_| char::from(ALPHABET[dice.below(Purpose::Name, place, ALPHABET.len() as u32) as usize]))
        .collect()
}

/// A name that begins with `prefix` and ends with five random letters.
pub(crate) fn generate(dice: &mut Dice, place: u64, prefix: &str) -> String {
    let cut = (0..=prefix.len().min(MAX_PREFIX)).rev().find(|i| prefix.is_char_boundary(*i)).unwrap_or(0);
    format!("{}{}", &prefix[..cut], suffix(dice, place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_look_like_version_4() {
        let id = uid(&mut Dice::seeded(1), 5);
        assert_eq!(id.len(), 36);
        assert_eq!(id.as_bytes()[14], b'4');
        assert!(matches!(id.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
        assert_eq!(id, uid(&mut Dice::seeded(1), 5));
        assert_ne!(id, uid(&mut Dice::seeded(2), 5));
    }

    #[test]
    fn long_prefixes_are_cut() {
        let name = generate(&mut Dice::seeded(1), 5, &"ä".repeat(60));
        assert!(name.len() <= 63);
    }
}

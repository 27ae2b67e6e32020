//! Hashes in names: of pod templates and of stored revisions.
//!
//! Kubernetes hashes a template with FNV-1a over Go's dump of the struct and a revision with FNV-1 over its JSON, and writes the
//! number with letters that make no words. Go's dump holds every field of the server's types, also those that the simulator does
//! not know; here a template is hashed over its JSON instead, so its hash has the real form and another value. A lab that needs
//! the real one pins the pods' names.

use serde_json::Value;

use crate::kube::objects::PodTemplateSpec;

/// Digits of a hash, as `rand.SafeEncodeString` writes `0` to `9`.
const DIGITS: &[u8; 10] = b"456789bcdf";

const OFFSET: u32 = 0x811c_9dc5;
const PRIME: u32 = 0x0100_0193;

/// The hash of a template in the name of a replica set. `collisions`: how often the name was taken.
pub(super) fn of_template(template: &PodTemplateSpec, collisions: Option<i32>) -> String {
    let mut bytes = serde_json::to_vec(template).unwrap_or_default();
    if let Some(n) = collisions {
        bytes.extend(n.to_le_bytes());
        bytes.extend([0; 4]);
    }
    let hash = bytes.iter().fold(OFFSET, |hash, b| (hash ^ u32::from(*b)).wrapping_mul(PRIME));
    safe(hash)
}

/// The hash of a revision's data in its name.
pub(super) fn of_revision(data: &Value, collisions: Option<i32>) -> String {
    let mut text = data.to_string();
    if let Some(n) = collisions {
        text.push_str(&n.to_string());
    }
    let hash = text.bytes().fold(OFFSET, |hash, b| hash.wrapping_mul(PRIME) ^ u32::from(b));
    safe(hash)
}

fn safe(hash: u32) -> String {
    hash.to_string().bytes().map(|digit| char::from(DIGITS[usize::from(digit - b'0')])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_numbers_in_letters_that_make_no_words() {
        assert_eq!(safe(1_234_567_890), "56789bcdf4");
        let template = PodTemplateSpec::default();
        assert_ne!(of_template(&template, None), of_template(&template, Some(0)));
        assert_eq!(of_revision(&Value::from("a"), None), of_revision(&Value::from("a"), None));
    }
}

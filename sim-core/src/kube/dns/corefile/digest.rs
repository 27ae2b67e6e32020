//! The number by which the plugin reload tells configurations apart.

use sha2::{Digest, Sha512};

use super::ServerBlock;

/// `SHA512` of the blocks as Go's `encoding/json` writes them: so that only what matters counts, not comments or spaces.
#[must_use]
pub fn digest(blocks: &[ServerBlock]) -> String {
    let json = serde_json::to_string(blocks).unwrap_or_default();
    let json = json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    data_encoding::HEXLOWER.encode(&Sha512::digest(json))
}

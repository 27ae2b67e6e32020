//! Frames from bytes: what is read is written again, and reads as the same frame.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sim_core::packet::bytes::{Checksums, decode, encode};

fuzz_target!(|bytes: &[u8]| {
    let Some(frame) = decode(bytes) else { return };
    let written = encode(&frame, Checksums::Full);
    assert_eq!(decode(&written).as_ref(), Some(&frame), "{written:02x?}");
});

//! The pictures in the book are what `ksim trace` draws.

use std::path::{Path, PathBuf};
use std::process::Command;

fn chapter() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../book/src/labs/day17.md")
}

/// The command lines of the chapter that draw a picture, and the blocks that follow them.
#[test]
fn every_picture_is_drawn_from_the_simulation() {
    let text = std::fs::read_to_string(chapter()).expect("the chapter is there");
    let blocks: Vec<&str> = text.split("```text\n").skip(1).filter_map(|b| b.split("\n```").next()).collect();
    let mut drawn = 0;
    for pair in blocks.windows(2) {
        let Some(arguments) = pair[0].strip_prefix("ksim trace book/src/labs/day17.md ") else { continue };
        if !arguments.contains("--format picture") {
            continue;
        }
        let out = Command::new(env!("CARGO_BIN_EXE_ksim"))
            .arg("trace")
            .arg(chapter())
            .args(arguments.split_whitespace())
            .output()
            .expect("ksim starts");
        assert_eq!(pair[1], String::from_utf8_lossy(&out.stdout).trim_end(), "{arguments}");
        drawn += 1;
    }
    assert_eq!(drawn, 2, "the chapter has two pictures");
}

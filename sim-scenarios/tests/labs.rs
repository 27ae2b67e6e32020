//! The book's labs and our own, one test each.

fn main() -> std::process::ExitCode {
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/");
    sim_scenarios::lab_tests_of(["../book/src/labs", "tests/labs"].map(|folder| format!("{here}{folder}")))
}

//! The book's labs, one test each.

fn main() -> std::process::ExitCode {
    sim_scenarios::lab_tests(concat!(env!("CARGO_MANIFEST_DIR"), "/../book/src/labs"))
}

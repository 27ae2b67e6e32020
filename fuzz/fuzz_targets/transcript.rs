//! Commands on the workstation and on a node: the shell and the tools, run on the default cluster.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sim_scenarios::lab::{parse::Lab, run};

fuzz_target!(|commands: &str| {
    let mut text = String::from("```console\n");
    for (n, line) in commands.lines().take(8).enumerate() {
        text.push_str(if n % 2 == 0 { "$ " } else { "root@node1:~# " });
        text.push_str(line);
        text.push('\n');
    }
    text.push_str("```\n");
    if let Ok(lab) = Lab::parse("fuzz.md", &text) {
        let _ = run::run(&lab, None);
    }
});

use super::*;

fn results() -> Vec<LabResult> {
    let command = |line, command: &str, failures| CommandResult {
        line,
        command: command.to_owned(),
        output: "<b>\n".to_owned(),
        status: 0,
        failures,
    };
    let diff = "@@ a.md:5 @@\n-a & b\n+<b>\n".to_owned();
    let failures = vec![Failure::Output { diff }, Failure::Status { line: 4, expected: 0, actual: 1 }];
    let good = LabResult {
        source: "a.md".into(),
        seed: 1,
        commands: vec![command(2, "ls", vec![])],
        remarks: vec![],
        digest: None,
    };
    let bad = LabResult {
        source: "a.md".into(),
        seed: 2,
        commands: vec![command(2, "ls", vec![]), command(4, "cat <<EOF\nx\nEOF", failures)],
        remarks: vec!["image x is unknown".into()],
        digest: Some("00ff".into()),
    };
    vec![good, bad]
}

#[test]
fn text_names_the_seed_that_failed() {
    insta::assert_snapshot!(text(&results(), true));
}

#[test]
fn machines_read_json_junit_and_tap() {
    insta::assert_snapshot!(json(&results()));
    insta::assert_snapshot!(junit(&results(), true));
    insta::assert_snapshot!(tap(&results(), true));
}

//! UDP request and reply between pods, counted by CPU time: the job that other simulators are measured with.
//!
//! `exchanges N [--record] [--service]` prints `exchanges_per_cpu_second=… exch_per_s=… digest=…`. With `--record` every step of
//! every packet is kept; with `--service` the requests go to cluster IPs.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints figures")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use benches::{Failure, Rig, cpu_time};

struct Arguments {
    count: u64,
    record: bool,
    service: bool,
}

fn main() -> ExitCode {
    let Some(arguments) = read_arguments(std::env::args().skip(1)) else {
        eprintln!("usage: exchanges N [--record] [--service]");
        return ExitCode::from(2);
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("exchanges: {e}");
            ExitCode::FAILURE
        }
    }
}

fn read_arguments(words: impl Iterator<Item = String>) -> Option<Arguments> {
    let mut arguments = Arguments { count: 0, record: false, service: false };
    for word in words {
        match word.as_str() {
            "--record" => arguments.record = true,
            "--service" => arguments.service = true,
            number => arguments.count = number.parse().ok()?,
        }
    }
    (arguments.count > 0).then_some(arguments)
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut rig = Rig::new(arguments.service)?;
    if arguments.record {
        rig.cluster.start_recording();
    }
    let (wall, cpu) = (Instant::now(), cpu_time());
    for k in 0..arguments.count {
        rig.exchange(k)?;
    }
    let wall = wall.elapsed();
    let cpu = match (cpu, cpu_time()) {
        (Some(before), Some(after)) => after - before,
        _ => wall,
    };
    let rate = |time: Duration| arguments.count as f64 / time.as_secs_f64();
    println!(
        "exchanges_per_cpu_second={:.0} exch_per_s={:.0} digest={:016x}",
        rate(cpu),
        rate(wall),
        rig.digest()
    );
    Ok(())
}

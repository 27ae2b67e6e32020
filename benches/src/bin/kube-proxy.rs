//! What kube-proxy costs on one node of a cluster with many Services.
//!
//! `kube-proxy MODE SERVICES ENDPOINTS` (mode `iptables`, `nftables` or `ipvs`, endpoints of each Service) prints the time that the first sync
//! takes, that of a change of one endpoint (median of 200, each at another Service), that of printing all rules, and that of the first
//! packet to the first Service and to the last (median of 200).

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints figures")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use benches::proxy::ProxiedNode;
use benches::{Failure, cpu_time};

const TIMES: u32 = 200;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let numbers = match &words[..] {
        [mode, services, endpoints] => services.parse().ok().zip(endpoints.parse().ok()).map(|n| (mode, n)),
        _ => None,
    };
    let Some((mode, (services, endpoints))) = numbers.filter(|(_, (services, _))| *services > 0) else {
        eprintln!("usage: kube-proxy iptables|nftables|ipvs SERVICES ENDPOINTS");
        return ExitCode::from(2);
    };
    match run(mode, services, endpoints) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("kube-proxy: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run(mode: &str, services: u32, endpoints: u32) -> Result<(), Failure> {
    let mut node = ProxiedNode::new(mode, services, endpoints)?;
    let (start, cpu) = (Instant::now(), cpu_time());
    node.sync()?;
    let (wall, cpu) = (start.elapsed(), cpu.zip(cpu_time()).map(|(then, now)| now - then));
    let cpu = cpu.map_or_else(String::new, |time| format!(", {:.3} ms of the processor", millis(time)));
    println!("first sync              {:>10.3} ms{cpu}", millis(wall));
    let mut times = Vec::new();
    for n in 0..TIMES {
        node.change_endpoint(n * 7919 % services, n);
        let start = Instant::now();
        node.sync()?;
        times.push(start.elapsed());
    }
    println!("change of one endpoint  {:>10.3} ms", millis(median(times)));
    let start = Instant::now();
    let lines = node.listing()?.lines().count();
    println!("all rules printed       {:>10.3} ms, {lines} lines", millis(start.elapsed()));
    for (name, service) in [("first", 0), ("last", services - 1)] {
        let mut times = Vec::new();
        for n in 0..TIMES {
            let start = Instant::now();
            node.first_packet(service, 20_000 + n as u16)?;
            times.push(start.elapsed());
        }
        println!("packet to the {name:<9} {:>10.3} ms", millis(median(times)));
    }
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

//! Many cases, several networks at a time.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::args::Args;
use crate::case::{self, Ground};
use crate::draw::Draw;
use crate::ground::{self, Divergence, Stand};
use crate::play::Probe;
use crate::{generate, shrink};

/// Probes of one network.
const PROBES: usize = 12;

#[derive(Default)]
struct Tally {
    cases: AtomicUsize,
    networks: AtomicUsize,
    /// Networks whose lab is none.
    unfit: AtomicUsize,
    /// Probes that differed among others and not alone.
    unsteady: AtomicUsize,
    failed: AtomicUsize,
    /// One report at a time.
    report: Mutex<()>,
}

/// Runs random cases; says whether any differed.
pub(crate) fn many(args: &Args) -> bool {
    let began = Instant::now();
    let next = AtomicUsize::new(args.first);
    let tally = Tally::default();
    let networks = args.first + args.cases.div_ceil(PROBES);
    std::thread::scope(|scope| {
        for _ in 0..args.jobs {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= networks || tally.failed.load(Ordering::Relaxed) >= args.stop {
                        return;
                    }
                    let probes = PROBES.min(args.cases - (index - args.first) * PROBES);
                    network(args, index as u64, probes, &tally);
                }
            });
        }
    });
    let of = |n: &AtomicUsize| n.load(Ordering::Relaxed);
    println!(
        "kernel: {} cases in {} networks, seed {}, {:.0} s: {} differ ({} labs unfit, {} probes unsteady)",
        of(&tally.cases),
        of(&tally.networks),
        args.seed,
        began.elapsed().as_secs_f64(),
        of(&tally.failed),
        of(&tally.unfit),
        of(&tally.unsteady)
    );
    of(&tally.failed) > 0
}

/// One network and its probes.
fn network(args: &Args, index: u64, probes: usize, tally: &Tally) {
    let mut ground = generate::ground(args.seed, index);
    let stand = loop {
        match ground::stand(&ground.lab(None, "")) {
            Ok(stand) => break stand,
            Err(why) => {
                // A command that the lab's machine refuses is left out.
                let before = ground.setup.len();
                let kept: Vec<_> = ground
                    .setup
                    .iter()
                    .filter(|c| !why.starts_with(&ground.command(c.text.clone())))
                    .cloned()
                    .collect();
                ground.setup = kept;
                if ground.setup.len() == before {
                    tally.unfit.fetch_add(1, Ordering::Relaxed);
                    let _one = tally.report.lock();
                    println!("network {index} is no lab: {why}");
                    return;
                }
            }
        }
    };
    let mut real = match stand.build() {
        Ok(real) => real,
        Err(why) => {
            tally.failed.fetch_add(1, Ordering::Relaxed);
            let _one = tally.report.lock();
            println!("network {index} (seed {}) cannot be built: {why}\n{}", args.seed, ground.lab(None, ""));
            return;
        }
    };
    tally.networks.fetch_add(1, Ordering::Relaxed);
    let mut d = Draw::new(args.seed ^ 0x5eed, index);
    for number in 0..probes {
        let probe = generate::probe(&ground, number as u16, &mut d);
        tally.cases.fetch_add(1, Ordering::Relaxed);
        let result = stand.compare(&mut real, &probe);
        match &result {
            Ok(None) => {}
            Ok(Some(_)) | Err(_) => match alone(&stand, &probe) {
                None => {
                    tally.unsteady.fetch_add(1, Ordering::Relaxed);
                    if let (true, Ok(Some(what))) = (args.verbose, result) {
                        let _one = tally.report.lock();
                        println!("unsteady: network {index}, probe {number}\n{}", what.difference);
                    }
                }
                Some(what) => {
                    if tally.failed.fetch_add(1, Ordering::Relaxed) < args.stop {
                        report(args, (&ground, &probe), what, index, &tally.report);
                    }
                }
            },
        }
        if tally.failed.load(Ordering::Relaxed) >= args.stop {
            return;
        }
    }
}

/// How often a kernel is asked before what it says differently counts: on a machine under load an answer may come too late.
const TRIES: usize = 3;

/// The same once more, in namespaces of its own: how it differs there, every time.
fn alone(stand: &Stand, probe: &Probe) -> Option<Divergence> {
    let ask = || stand.build().and_then(|mut real| stand.compare(&mut real, probe));
    let mut last = None;
    for _ in 0..TRIES {
        last = ask().unwrap_or_else(|why| {
            let difference = format!("the kernel cannot be asked: {why}\n");
            Some(Divergence { difference, kernel: String::new() })
        });
        last.as_ref()?;
    }
    last
}

fn differs(ground: &Ground, probe: &Probe) -> Option<Divergence> {
    let stand = ground::stand(&ground.lab(None, "")).ok()?;
    stand.at(&probe.from)?;
    alone(&stand, probe)
}

fn report(args: &Args, (ground, probe): (&Ground, &Probe), what: Divergence, index: u64, one: &Mutex<()>) {
    let seed = args.seed;
    let (small, question) = shrink::shrink(args.shrink, ground, probe, |g, p| differs(g, p).is_some());
    let what = differs(&small, &question).unwrap_or(what);
    let _one = one.lock();
    let lab = small.lab(Some(&question), &what.kernel);
    println!("---- network {index} of seed {seed}: they differ\n\n{}\n{lab}----", what.difference);
}

/// One case from a file; says whether it differs. `bless` writes down what the kernel says.
pub(crate) fn one_lab(path: &Path, bless: bool) -> bool {
    let name = path.display();
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{name}: {e}"));
    let Some(probe) = case::probe_of(&text) else {
        println!("{name}: no `json probe` block");
        return true;
    };
    let stand = match ground::stand(&text) {
        Ok(stand) => stand,
        Err(why) => {
            println!("{name}: {why}");
            return true;
        }
    };
    if bless {
        let said = stand.build().and_then(|mut real| stand.ask_kernel(&mut real, &probe));
        return match said.map(|said| std::fs::write(path, case::with_kernel(&text, &said.to_string()))) {
            Ok(Ok(())) => false,
            other => {
                println!("{name}: {other:?}");
                true
            }
        };
    }
    match alone(&stand, &probe) {
        None => {
            println!("{name}: they agree");
            false
        }
        Some(what) => {
            println!("{name}: they differ\n{}\nWhat the kernel says:\n\n{}", what.difference, what.kernel);
            true
        }
    }
}

/// Cases that once differed, with what the kernel said: needs no kernel. Says whether any differs.
pub(crate) fn found() -> bool {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kernel/found");
    let mut files: Vec<_> =
        std::fs::read_dir(&folder).map(|d| d.flatten().map(|e| e.path()).collect()).unwrap_or_default();
    files.sort();
    let mut failed = 0;
    for path in &files {
        if let Some(what) = recorded(path) {
            println!("{}: {what}", path.display());
            failed += 1;
        }
    }
    println!("kernel: {} recorded cases, {failed} differ", files.len());
    failed > 0
}

fn recorded(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (Some(probe), Some(kernel)) = (case::probe_of(&text), case::kernel_of(&text)) else {
        return Some("no `json probe` and `text kernel` blocks".to_owned());
    };
    match ground::stand(&text) {
        Ok(stand) => stand
            .compare_with(kernel, &probe)
            .map(|s| format!("they differ\nkernel\n{kernel}\nsimulator\n{s}")),
        Err(why) => Some(why),
    }
}

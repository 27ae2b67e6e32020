//! What the program is asked to do.

use std::path::PathBuf;

/// The arguments.
#[derive(Clone, Debug)]
pub(crate) struct Args {
    /// Probes to make.
    pub(crate) cases: usize,
    /// What all draws follow from.
    pub(crate) seed: u64,
    /// Number of the network to begin with.
    pub(crate) first: usize,
    /// Networks that stand at a time.
    pub(crate) jobs: usize,
    /// Divergences after which to stop.
    pub(crate) stop: usize,
    /// Seconds to spend on making a case smaller.
    pub(crate) shrink: u64,
    /// Show what differed among others and not alone.
    pub(crate) verbose: bool,
    /// With a lab: write down what the kernel says.
    pub(crate) bless: bool,
    /// Instead of random cases: this one.
    pub(crate) lab: Option<PathBuf>,
}

impl Args {
    /// Reads them; none if nobody asked for the kernel.
    ///
    /// # Errors
    /// What cannot be understood.
    pub(crate) fn read(words: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut args = Self {
            cases: 300,
            seed: 1,
            first: 0,
            jobs: 4,
            stop: 3,
            shrink: 60,
            verbose: false,
            bless: false,
            lab: None,
        };
        let mut asked = std::env::var_os("KSIM_KERNEL").is_some_and(|v| !v.is_empty() && v != "0");
        let mut words = words;
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
            let number = |text: String| text.parse::<u64>().map_err(|_| format!("{text} is not a number"));
            match word.as_str() {
                "--cases" => args.cases = number(value()?)? as usize,
                "--seed" => args.seed = number(value()?)?,
                "--first" => args.first = number(value()?)? as usize,
                "--jobs" => args.jobs = (number(value()?)? as usize).max(1),
                "--stop" => args.stop = (number(value()?)? as usize).max(1),
                "--shrink" => args.shrink = number(value()?)?,
                "--bless" => args.bless = true,
                "--verbose" => args.verbose = true,
                "--lab" => args.lab = Some(value()?.into()),
                // What `cargo test` hands to every test program.
                _ => continue,
            }
            asked = true;
        }
        Ok(asked.then_some(args))
    }
}

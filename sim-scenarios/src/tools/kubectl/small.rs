//! Verbs that say one thing.

use super::ctl::Ctl;
use super::failure::Failure;

/// Runs `kubectl top`: there is no metrics-server.
pub(crate) fn top(_ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    Err(Failure::plain("Metrics API not available"))
}

/// Runs `kubectl completion bash`: a transcript's shell completes nothing, so the script is one remark.
pub(crate) fn completion(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    match ctl.args.words.as_slice() {
        [] => Err(Failure::usage(&ctl.path, "Shell not specified.")),
        [shell] if matches!(shell.as_str(), "bash" | "zsh" | "fish" | "powershell") => {
            Err(Failure::not_modelled(format!("the completion script for {shell}")))
        }
        [shell] => Err(Failure::usage(&ctl.path, format!("Unsupported shell type {shell:?}."))),
        _ => Err(Failure::usage(&ctl.path, "Too many arguments. Expected only the shell type.")),
    }
}

//! `ksim export`: a lab's network, written down for other tools.

use std::process::ExitCode;

use sim_scenarios::export::netns;

use crate::args::{ExportArgs, ExportTo};
use crate::{Trouble, print, shell};

pub(crate) fn export(args: &ExportArgs) -> Result<ExitCode, Trouble> {
    match &args.to {
        ExportTo::Netns { lab } => {
            let session = shell::after_lab(lab)?;
            let script = netns::script(&session.cluster().world)
                .map_err(|why| Trouble::Input(format!("ksim: {}: {why}\n", lab.display())))?;
            print(&script);
        }
    }
    Ok(ExitCode::SUCCESS)
}

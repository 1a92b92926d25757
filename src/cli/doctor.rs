//! `bowerbird doctor`: tries everything that the service needs, and says how to mend what is wrong.

use anyhow::bail;

use super::{DoctorArgs, output::say};
use crate::app::settings::Settings;

/// Tries everything, and fails when something is wrong.
pub async fn run(settings: &Settings, args: DoctorArgs) -> anyhow::Result<()> {
    let report = crate::app::checkup::examine(settings).await;
    if args.json {
        say(format_args!("{}\n", serde_json::to_string_pretty(&report)?))?;
    } else {
        say(&report)?;
    }
    match report.faults() {
        0 => Ok(()),
        1 => bail!("one thing needs mending"),
        faults => bail!("{faults} things need mending"),
    }
}

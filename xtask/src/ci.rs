//! `cargo xtask ci`: runs `.ci/run`.
//!
//! The steps are listed only there, so that a laptop and the server run the same. The script stops at
//! the first step that fails and names it in its last line.

use std::path::Path;
use std::process::Command;

const SCRIPT: &str = ".ci/run";

pub(crate) fn run(root: &Path) -> Result<String, String> {
    let status = Command::new("bash")
        .arg(SCRIPT)
        .current_dir(root)
        .status()
        .map_err(|error| format!("ci: cannot start bash: {error}"))?;
    if status.success() {
        Ok("ci: every step passed".to_owned())
    } else {
        Err(format!("ci: {SCRIPT} failed ({status}); its last line names the step"))
    }
}

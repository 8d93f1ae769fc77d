//! The temporary folder of a run.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process,
};

const PREFIX: &str = "smtp-interop-";

/// A folder that goes away with this value.
pub(crate) struct Workspace {
    folder: PathBuf,
    is_kept: bool,
}

impl Workspace {
    /// Makes it, and removes those of runs that were killed.
    pub(crate) fn new() -> io::Result<Self> {
        let temporary = env::temp_dir();
        for entry in fs::read_dir(&temporary)? {
            let entry = entry?;
            let name = entry.file_name();
            let of = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
            let of = of.and_then(|of| of.parse::<u32>().ok());
            if of.is_some_and(|of| !Path::new(&format!("/proc/{of}")).exists()) {
                // It may be that of another user.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        let folder = temporary.join(format!("{PREFIX}{}", process::id()));
        fs::create_dir(&folder)?;
        Ok(Self { folder, is_kept: false })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Lets the folder stay until the next run.
    pub(crate) fn keep(&mut self) -> &Path {
        self.is_kept = true;
        &self.folder
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

//! Servers, fetched into a folder: nothing is installed on the machine.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

use crate::process::run;

/// After this time the lists of packages are fetched again.
const LISTS_AGE: Duration = Duration::from_secs(7 * 24 * 3600);

const ARCHIVE: &str = "http://deb.debian.org/debian";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The folder of what was fetched. What is there already is not fetched again.
pub(crate) struct Cache {
    folder: PathBuf,
    /// Held while the lists of packages are fetched.
    lists: Mutex<()>,
}

/// What was fetched for a server.
pub(crate) struct Installed {
    pub(crate) root: PathBuf,
    pub(crate) version: String,
}

/// Where a Debian package comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Release {
    /// The release of the machine.
    Stable,
    /// Its backports.
    Backports,
}

impl Cache {
    pub(crate) fn new(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self { folder: folder.canonicalize()?, lists: Mutex::new(()) })
    }

    /// Fetches Debian packages with all they depend on that the machine does not have, and unpacks
    /// them into one folder. The version is that of the first package.
    ///
    /// # Errors
    /// Why it is not possible, such as that there is no network.
    pub(crate) fn debian(&self, packages: &[&str], from: Release) -> Result<Installed, String> {
        let [first, ..] = packages else { return Err("no packages are named".to_owned()) };
        if fs::metadata("/etc/debian_version").is_err() {
            return Err("Debian packages need a Debian system".to_owned());
        }
        if run("id", ["-u"])?.trim() != "0" {
            return Err("a mail server of Debian needs root; run it with sudo".to_owned());
        }
        let folder = self.once(&format!("debian-{first}"), &packages.join(" "), |folder| {
            let debs = folder.join("debs");
            fs::create_dir_all(debs.join("partial")).map_err(text)?;
            if self.download(&debs, packages, from).is_err() {
                self.update(Duration::ZERO)?;
                self.download(&debs, packages, from)?;
            }
            unpack(&debs, &folder.join("root"))
        })?;
        let version = version_of_deb(&folder.join("debs"), first).map_err(text)?;
        Ok(Installed { root: folder.join("root"), version })
    }

    fn download(&self, debs: &Path, packages: &[&str], from: Release) -> Result<(), String> {
        self.update(LISTS_AGE)?;
        let mut arguments = self.apt_options();
        arguments.extend(["-o".to_owned(), format!("Dir::Cache::archives={}", debs.display())]);
        if from == Release::Backports {
            arguments.extend(["-t".to_owned(), format!("{}-backports", codename()?)]);
        }
        let words =
            ["install", "--yes", "--download-only", "--reinstall", "--no-install-recommends"];
        arguments.extend(words.map(str::to_owned));
        arguments.extend(packages.iter().map(|package| (*package).to_owned()));
        run("apt-get", &arguments).map(drop)
    }

    /// Fetches the lists of packages if they are older.
    fn update(&self, age: Duration) -> Result<(), String> {
        let held = self.lists.lock();
        let apt = self.folder.join("apt");
        let stamp = apt.join("updated");
        let modified = fs::metadata(&stamp).and_then(|stamp| stamp.modified());
        let elapsed = modified.ok().and_then(|modified| modified.elapsed().ok());
        if elapsed.is_some_and(|elapsed| elapsed < age) {
            return Ok(());
        }
        for folder in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(apt.join(folder)).map_err(text)?;
        }
        fs::write(apt.join("sources.list"), sources(&codename()?)).map_err(text)?;
        let mut arguments = self.apt_options();
        arguments.extend(["update".to_owned(), "--error-on=any".to_owned()]);
        run("apt-get", &arguments)?;
        drop(held);
        fs::write(stamp, "").map_err(text)
    }

    /// Options that keep everything that apt writes in the cache.
    fn apt_options(&self) -> Vec<String> {
        let apt = self.folder.join("apt");
        let apt = apt.display();
        [
            format!("Dir::State::lists={apt}/lists"),
            format!("Dir::Cache={apt}/cache"),
            format!("Dir::Etc::sourcelist={apt}/sources.list"),
            "Dir::Etc::sourceparts=/dev/null".to_owned(),
            "APT::Sandbox::User=root".to_owned(),
            "Acquire::http::Timeout=20".to_owned(),
            "Debug::NoLocking=1".to_owned(),
        ]
        .into_iter()
        .flat_map(|option| ["-o".to_owned(), option])
        .collect()
    }

    /// Fetches a package of PyPI, and what it does not say it needs, into a virtual environment,
    /// whose interpreter is `bin/python` in the root.
    ///
    /// # Errors
    /// Why it is not possible.
    pub(crate) fn python(
        &self,
        package: &str,
        version: &str,
        others: &[&str],
    ) -> Result<Installed, String> {
        let wanted = format!("{package}=={version}");
        let all = [&[&*wanted], others].concat();
        let folder = self.once(&format!("python-{package}"), &all.join(" "), |folder| {
            run("python3", ["-m".as_ref(), "venv".as_ref(), folder.as_os_str()])?;
            let pip = folder.join("bin/pip").display().to_string();
            let words = ["install", "--quiet", "--disable-pip-version-check", "--retries", "1"];
            run(&pip, words.into_iter().chain(["--timeout", "20"]).chain(all.iter().copied()))
                .map(drop)
        })?;
        Ok(Installed { root: folder, version: version.to_owned() })
    }

    /// Fetches a package of npm; the root has `node_modules`.
    ///
    /// # Errors
    /// Why it is not possible.
    pub(crate) fn npm(&self, package: &str, version: &str) -> Result<Installed, String> {
        let wanted = format!("{package}@{version}");
        let folder = self.once(&format!("npm-{package}"), &wanted, |folder| {
            let prefix = folder.display().to_string();
            let words = ["install", "--no-audit", "--no-fund", "--fetch-retries", "1"];
            run("npm", words.into_iter().chain(["--prefix", &*prefix, &*wanted])).map(drop)
        })?;
        Ok(Installed { root: folder, version: version.to_owned() })
    }

    /// Fetches a crate, and builds a program that needs no other: `target/release/server` in the root.
    ///
    /// # Errors
    /// Why it is not possible.
    pub(crate) fn cargo(
        &self,
        package: &str,
        version: &str,
        program: &str,
    ) -> Result<Installed, String> {
        let wanted = format!("{package}@{version} {program}");
        let folder = self.once(&format!("cargo-{package}"), &wanted, |folder| {
            let manifest = format!(
                "[package]\nname = \"server\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
                 [workspace]\n[dependencies]\n{package} = \"={version}\"\n"
            );
            fs::create_dir(folder.join("src")).map_err(text)?;
            fs::write(folder.join("src/main.rs"), program).map_err(text)?;
            fs::write(folder.join("Cargo.toml"), manifest).map_err(text)?;
            let [manifest, target] =
                ["Cargo.toml", "target"].map(|name| folder.join(name).display().to_string());
            let words = ["build", "--quiet", "--release", "--manifest-path", &manifest];
            run("cargo", words.into_iter().chain(["--target-dir", &*target])).map(drop)
        })?;
        Ok(Installed { root: folder, version: version.to_owned() })
    }

    /// Fills a folder of this name, unless it was filled with the same before. What was interrupted
    /// begins again.
    fn once(
        &self,
        name: &str,
        what: &str,
        fill: impl FnOnce(&Path) -> Result<(), String>,
    ) -> Result<PathBuf, String> {
        let folder = self.folder.join(name);
        let stamp = folder.join("complete");
        if fs::read_to_string(&stamp).is_ok_and(|done| done == what) {
            return Ok(folder);
        }
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(text)?;
        }
        fs::create_dir_all(&folder).map_err(text)?;
        fill(&folder)?;
        fs::write(stamp, what).map_err(text)?;
        Ok(folder)
    }
}

fn text(error: io::Error) -> String {
    error.to_string()
}

/// Unpacks packages. Folders such as `/lib` are those of `/usr`, as on every Debian system since 12.
fn unpack(debs: &Path, root: &Path) -> Result<(), String> {
    fs::create_dir_all(root.join("usr")).map_err(text)?;
    for entry in fs::read_dir(debs).map_err(text)? {
        let path = entry.map_err(text)?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            run("dpkg", ["-x".as_ref(), path.as_os_str(), root.as_os_str()])?;
        }
    }
    for name in ["bin", "sbin", "lib", "lib64"] {
        let outside = root.join(name);
        if outside.is_dir() && !outside.is_symlink() {
            let inside = root.join("usr").join(name);
            fs::create_dir_all(&inside).map_err(text)?;
            run("cp", ["-a".as_ref(), outside.join(".").as_os_str(), inside.as_os_str()])?;
            fs::remove_dir_all(outside).map_err(text)?;
        }
    }
    Ok(())
}

/// Returns the version in the name of a package, such as `postfix_3.7.11-0+deb12u1_amd64.deb`.
fn version_of_deb(debs: &Path, package: &str) -> io::Result<String> {
    for entry in fs::read_dir(debs)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let mut parts = name.split('_');
        if let (true, Some(version)) = (parts.next() == Some(package), parts.next()) {
            let upstream = version.rsplit("%3a").next().unwrap_or(version);
            let upstream = upstream.split(['-', '+']).next().unwrap_or(upstream);
            return Ok(upstream.to_owned());
        }
    }
    Ok("unknown".to_owned())
}

fn codename() -> Result<String, String> {
    let release = fs::read_to_string("/etc/os-release").map_err(text)?;
    let line = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    line.map(|name| name.trim_matches('"').to_owned()).ok_or("no VERSION_CODENAME".to_owned())
}

/// Returns the lines for the release, its updates and its backports, from the mirror of the machine.
fn sources(codename: &str) -> String {
    let mirror = mirror().unwrap_or_else(|| ARCHIVE.to_owned());
    let security = format!("{mirror}-security");
    let suites =
        [(&mirror, ""), (&mirror, "-updates"), (&mirror, "-backports"), (&security, "-security")];
    let line = |(archive, suffix): (&String, &str)| {
        format!("deb [signed-by={KEYRING}] {archive} {codename}{suffix} main\n")
    };
    suites.map(line).concat()
}

fn mirror() -> Option<String> {
    let parts = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = parts.map(|part| part.path()).collect();
    files.push("/etc/apt/sources.list".into());
    let texts = files.iter().filter_map(|file| fs::read_to_string(file).ok());
    texts.into_iter().find_map(|text| {
        let words =
            text.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace);
        let mut urls = words.map(|word| word.trim_end_matches('/'));
        urls.find(|url| url.starts_with("http") && url.ends_with("/debian")).map(str::to_owned)
    })
}

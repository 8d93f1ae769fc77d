//! The project's files and packages, read once; classifies files, and judges none.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fs, io};

use super::lexer::{self, Token};
use crate::metadata::{self, Package, Purpose};

/// The folders whose files the rules check.
const FOLDERS: &[&str] = &["crates", "xtask", "docs"];

/// Files outside of these folders that a rule reads, besides the `.md` and `.toml` files at the root.
const TOP: &[&str] = &[".ci/run"];

/// Everything that a rule may look at.
pub(super) struct Tree {
    /// By the path from the root of the project, with `/` between the parts.
    files: BTreeMap<String, File>,
    /// The members of the workspace, in the order in which the root manifest lists them.
    members: Vec<Package>,
    /// The packages in `crates/` that are workspaces of their own.
    separate: Vec<Package>,
}

impl Tree {
    pub(super) fn read(root: &Path) -> Result<Self, String> {
        let members = metadata::packages(root, "Cargo.toml")?;
        let files = read_files(root).map_err(|error| format!("cannot read: {error}"))?;
        let mut tree = Self { files, members, separate: Vec::new() };
        for path in tree.separate_manifests() {
            tree.separate.extend(metadata::packages(root, &path)?);
        }
        Ok(tree)
    }

    /// A tree of made-up files and members.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)], members: &[Package]) -> Self {
        let files =
            files.iter().map(|(path, text)| ((*path).to_owned(), File::new(path, text))).collect();
        Self { files, members: members.to_vec(), separate: Vec::new() }
    }

    /// The tree with these packages as workspaces of their own.
    #[cfg(test)]
    pub(super) fn with_separate(self, packages: &[Package]) -> Self {
        Self { separate: packages.to_vec(), ..self }
    }

    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files.get(path)
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &File> {
        self.files.values()
    }

    pub(super) fn sources(&self) -> impl Iterator<Item = &File> {
        self.files().filter(|file| file.is_source())
    }

    pub(super) fn members(&self) -> &[Package] {
        &self.members
    }

    /// The members of the workspace, then the packages that are workspaces of their own.
    pub(super) fn packages(&self) -> impl Iterator<Item = &Package> {
        self.members.iter().chain(&self.separate)
    }

    /// The names of the packages of this project that `name` depends on, directly or not, for
    /// itself and not only for its tests.
    pub(super) fn below(&self, name: &str) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        let mut pending = vec![name];
        while let Some(next) = pending.pop() {
            let package = self.packages().find(|package| package.name == next);
            for dependency in package.into_iter().flat_map(|package| &package.dependencies) {
                let ours = self.packages().find(|package| package.name == dependency.package);
                let Some(ours) = ours.filter(|_| dependency.purpose == Purpose::Crate) else {
                    continue;
                };
                if found.insert(ours.name.as_str()) {
                    pending.push(&ours.name);
                }
            }
        }
        found
    }

    fn separate_manifests(&self) -> Vec<String> {
        let is_manifest = |path: &&String| {
            matches!(path.split('/').collect::<Vec<_>>()[..], ["crates", _, "Cargo.toml"])
        };
        let is_member =
            |path: &&String| self.members.iter().any(|member| member.manifest == **path);
        let manifests = self.files.keys().filter(is_manifest);
        manifests.filter(|path| !is_member(path)).cloned().collect()
    }
}

fn read_files(root: &Path) -> io::Result<BTreeMap<String, File>> {
    let mut files = BTreeMap::new();
    for folder in FOLDERS {
        walk(root, folder, &mut files)?;
    }
    for path in TOP.iter().filter(|path| root.join(path).is_file()) {
        load(root, path, &mut files)?;
    }
    for entry in fs::read_dir(root)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".md") || name.ends_with(".toml") {
            load(root, &name, &mut files)?;
        }
    }
    Ok(files)
}

fn walk(root: &Path, folder: &str, files: &mut BTreeMap<String, File>) -> io::Result<()> {
    let whole = root.join(folder);
    if !whole.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(whole)? {
        let entry = entry?;
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if is_build_output(&path) {
            continue;
        }
        if entry.path().is_dir() {
            walk(root, &path, files)?;
        } else {
            load(root, &path, files)?;
        }
    }
    Ok(())
}

/// Returns whether this is where cargo writes if it runs in the folder of a separate workspace.
fn is_build_output(path: &str) -> bool {
    matches!(path.split('/').collect::<Vec<_>>()[..], ["crates", _, "target"])
}

fn load(root: &Path, path: &str, files: &mut BTreeMap<String, File>) -> io::Result<()> {
    let bytes = fs::read(root.join(path))?;
    let file = File::new(path, &String::from_utf8_lossy(&bytes));
    files.insert(path.to_owned(), file);
    Ok(())
}

/// One file, with its tokens if it is Rust.
pub(super) struct File {
    pub(super) path: String,
    pub(super) text: String,
    pub(super) tokens: Vec<Token>,
}

impl File {
    fn new(path: &str, text: &str) -> Self {
        let tokens = if path.ends_with(".rs") { lexer::lex(text) } else { Vec::new() };
        Self { path: path.to_owned(), text: text.to_owned(), tokens }
    }

    pub(super) fn is_source(&self) -> bool {
        self.path.ends_with(".rs")
    }

    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Returns whether the file holds only tests: in a folder `tests`, or named `tests.rs`.
    pub(super) fn is_tests(&self) -> bool {
        self.name() == "tests.rs" || self.path.split('/').any(|part| part == "tests")
    }

    /// The lines, counted from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// The rows of the table between the lines `begin` and `end`, without its heading and the
    /// delimiter row.
    pub(super) fn table(&self, begin: &str, end: &str) -> impl Iterator<Item = (usize, &str)> {
        let table = self.lines().skip_while(move |(_, line)| line.trim() != begin).skip(1);
        let table = table.take_while(move |(_, line)| line.trim() != end);
        table.filter(|(_, line)| !line.trim().is_empty()).skip(2)
    }
}

//! The project's files, read once; knows which file is what, and judges none.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use super::lexer::{self, Token};

/// The folders whose files the rules are about.
const FOLDERS: &[&str] = &["crates", "xtask", "docs"];

/// The files at the top that some rule reads; every `.md` and `.toml` there is read as well.
const TOP: &[&str] = &[".ci/run"];

/// Every file that a rule may ask for, by its path from the top, with `/` between the parts.
pub(super) struct Tree {
    files: BTreeMap<String, File>,
}

impl Tree {
    pub(super) fn read(root: &Path) -> io::Result<Self> {
        let mut tree = Self { files: BTreeMap::new() };
        for folder in FOLDERS {
            tree.walk(root, folder)?;
        }
        for path in TOP.iter().filter(|path| root.join(path).is_file()) {
            tree.load(root, path)?;
        }
        for entry in fs::read_dir(root)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.ends_with(".md") || name.ends_with(".toml") {
                tree.load(root, &name)?;
            }
        }
        Ok(tree)
    }

    /// A tree of made-up files.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let files =
            files.iter().map(|(path, text)| ((*path).to_owned(), File::new(path, text))).collect();
        Self { files }
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

    /// The manifests of the workspace's members.
    pub(super) fn manifests(&self) -> impl Iterator<Item = &File> {
        self.files().filter(|file| {
            matches!(
                file.path.split('/').collect::<Vec<_>>()[..],
                ["crates", _, "Cargo.toml"] | ["xtask", "Cargo.toml"]
            )
        })
    }

    fn walk(&mut self, root: &Path, folder: &str) -> io::Result<()> {
        let whole = root.join(folder);
        if !whole.is_dir() {
            return Ok(());
        }
        for entry in fs::read_dir(whole)? {
            let entry = entry?;
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                self.walk(root, &path)?;
            } else {
                self.load(root, &path)?;
            }
        }
        Ok(())
    }

    fn load(&mut self, root: &Path, path: &str) -> io::Result<()> {
        let bytes = fs::read(root.join(path))?;
        let file = File::new(path, &String::from_utf8_lossy(&bytes));
        self.files.insert(path.to_owned(), file);
        Ok(())
    }
}

/// One file, and its tokens when it is Rust.
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

    /// Whether the whole file is tests: in a folder `tests`, or `tests.rs` beside the code.
    pub(super) fn is_tests(&self) -> bool {
        self.name() == "tests.rs" || self.path.split('/').any(|part| part == "tests")
    }

    /// The lines, counted from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// The rows of the table between two lines that mark it, without its heading and the rule
    /// below that.
    pub(super) fn table(&self, begin: &str, end: &str) -> impl Iterator<Item = (usize, &str)> {
        let table = self.lines().skip_while(move |(_, line)| line.trim() != begin).skip(1);
        let table = table.take_while(move |(_, line)| line.trim() != end);
        table.filter(|(_, line)| !line.trim().is_empty()).skip(2)
    }
}

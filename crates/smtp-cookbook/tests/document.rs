//! The excerpts in docs/cookbook.md are those of the programs.
use std::{fs, path::Path};

/// The text without its white space, which formatting changes.
fn bare(text: &str) -> String {
    text.split_whitespace().collect()
}

#[test]
fn every_excerpt_stands_in_the_program_named_before_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = fs::read_to_string(root.join("../../docs/cookbook.md")).expect("the document");
    let (mut program, mut excerpt, mut found) = (None::<(String, String)>, None, 0);
    for line in document.lines() {
        if let Some((name, _)) = line.strip_prefix("[`").and_then(|line| line.split_once("`]")) {
            if let Ok(text) = fs::read_to_string(root.join("src/bin").join(name)) {
                program = Some((name.to_owned(), text));
            }
        }
        match (&mut excerpt, line) {
            (None, "```rust,ignore") => excerpt = Some(String::new()),
            (Some(text), "```") => {
                let (name, whole) = program.as_ref().expect("a program before the excerpt");
                assert!(bare(whole).contains(&bare(text)), "{name} has no\n{text}");
                (excerpt, found) = (None, found + 1);
            }
            (Some(text), line) => *text = format!("{text}{line}\n"),
            (None, _) => {}
        }
    }
    assert!(found > 5);
    let programs = fs::read_dir(root.join("src/bin")).expect("the programs");
    for program in programs {
        let name = program.expect("a program").file_name();
        assert!(document.contains(&*name.to_string_lossy()), "{name:?} is not in the document");
    }
}

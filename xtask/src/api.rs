//! `cargo xtask api`: writes the public items of each library crate to `public-api`, or compares
//! them with the files that are there, so that a review sees what changes for users.
//!
//! The items are those with all features. They come from the JSON that rustdoc writes, an unstable
//! format of which each version of Rust has its own: where it is not the one that is read here,
//! nothing is compared, and the output says so.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use public_api::Builder;

use crate::metadata;

const FOLDER: &str = "public-api";

/// The format of rustdoc that the crate `public-api` reads, in the version of the root manifest.
const FORMAT: &str = "57";

const USAGE: &str = "usage: cargo xtask api [--check]";

/// Traits that no user relies on, or that follow from others.
const NOISE: &[&str] = &[
    "core::marker::Freeze",
    "core::marker::StructuralPartialEq",
    "core::marker::UnsafeUnpin",
    "core::panic::unwind_safe::RefUnwindSafe",
    "core::panic::unwind_safe::UnwindSafe",
];

/// The members without a library.
const PROGRAMS: &[&str] = &["smtpkit", "xtask"];

pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<String, String> {
    let check = match arguments {
        [] => false,
        ["--check"] => true,
        _ => return Err(USAGE.to_owned()),
    };
    let packages = metadata::packages(root, "Cargo.toml")?;
    let crates = packages.iter().map(|package| package.name.as_str());
    let crates: Vec<&str> = crates.filter(|name| !PROGRAMS.contains(name)).collect();
    let documents = document(root)?;
    let mut differences = Vec::new();
    for name in &crates {
        let json = documents.join(name.replace('-', "_")).with_extension("json");
        let failed = |path: &Path, why: &dyn ToString| {
            format!("api: {}: {}", path.display(), why.to_string())
        };
        let text = fs::read_to_string(&json).map_err(|error| failed(&json, &error))?;
        match format_of(&text) {
            FORMAT => {}
            other => {
                return Ok(format!("api: SKIPPED, rustdoc writes format {other}, not {FORMAT}"));
            }
        }
        let items = Builder::from_rustdoc_json(&json).omit_blanket_impls(true).build();
        let items = without_noise(&items.map_err(|error| failed(&json, &error))?.to_string());
        let file = root.join(FOLDER).join(name).with_extension("txt");
        if check {
            let known = fs::read_to_string(&file).map_err(|error| failed(&file, &error))?;
            differences.extend(difference(name, &known, &items));
        } else {
            fs::create_dir_all(root.join(FOLDER)).map_err(|error| failed(&file, &error))?;
            fs::write(&file, items).map_err(|error| failed(&file, &error))?;
        }
    }
    if !differences.is_empty() {
        differences.push(format!("api: {FOLDER} differs; `cargo xtask api` writes it"));
        return Err(differences.join("\n"));
    }
    let done = if check { "as written" } else { "written" };
    Ok(format!("api: the public items of {} crates are {done}", crates.len()))
}

/// Lets rustdoc document the libraries as JSON, and returns the folder.
fn document(root: &Path) -> Result<PathBuf, String> {
    let target = env::var_os("CARGO_TARGET_DIR");
    let target = target.map_or_else(|| root.join("target"), |folder| root.join(folder));
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["doc", "--quiet", "--workspace", "--lib", "--no-deps"])
        .args(PROGRAMS.iter().flat_map(|name| ["--exclude", name]))
        .args(["--locked", "--all-features", "--target-dir"])
        .arg(&target)
        // Only rustdoc gets what the unstable format needs: dependencies are built as ever.
        .env("RUSTDOC", root.join(".ci/rustdoc-json"))
        .env("RUSTDOCFLAGS", "-Z unstable-options --output-format json")
        .current_dir(root)
        .status();
    let status = status.map_err(|error| format!("api: cannot start cargo: {error}"))?;
    if !status.success() {
        return Err(format!("api: cargo doc failed ({status})"));
    }
    Ok(target.join("doc"))
}

/// The version of the format, which stands at the end.
fn format_of(json: &str) -> &str {
    let rest = json.rsplit_once("\"format_version\":").map_or("", |(_, rest)| rest);
    rest.split(|next: char| !next.is_ascii_digit()).next().unwrap_or_default()
}

fn without_noise(items: &str) -> String {
    let is_noise = |line: &&str| {
        let of = line.split(" for ").next().unwrap_or_default();
        of.starts_with("impl") && NOISE.iter().any(|name| of.ends_with(name))
    };
    items.lines().filter(|line| !is_noise(line)).flat_map(|line| [line, "\n"]).collect()
}

/// Returns the lines that only one of the two has, in the order of their texts.
fn difference(name: &str, known: &str, items: &str) -> Vec<String> {
    let mut counts: BTreeMap<&str, i32> = BTreeMap::new();
    known.lines().for_each(|line| *counts.entry(line).or_default() -= 1);
    items.lines().for_each(|line| *counts.entry(line).or_default() += 1);
    let differing = counts.into_iter().filter(|(_, count)| *count != 0);
    differing
        .map(|(line, count)| format!("{name}: {} {line}", if count < 0 { '-' } else { '+' }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_one_side_has_is_shown() {
        let known = "pub fn a()\npub fn b()\nimpl Clone\nimpl Clone\n";
        let items = "pub fn a()\npub fn c()\nimpl Clone\n";
        let expected = ["x: - impl Clone", "x: - pub fn b()", "x: + pub fn c()"];
        assert_eq!(difference("x", known, items), expected);
        assert_eq!(difference("x", known, known), Vec::<String>::new());
    }

    #[test]
    fn a_trait_that_no_user_relies_on_is_left_out() {
        let items = "impl core::marker::Freeze for x::Y\nimpl core::marker::Send for x::Y\n\
            impl<T> core::panic::unwind_safe::UnwindSafe for x::Z<T> where T: Copy\n\
            impl !core::panic::unwind_safe::UnwindSafe for x::W\n";
        assert_eq!(without_noise(items), "impl core::marker::Send for x::Y\n");
    }

    #[test]
    fn the_format_is_read_from_the_end() {
        assert_eq!(
            format_of("{\"docs\":\"\\\"format_version\\\":1\",\"format_version\":57}"),
            "57"
        );
        assert_eq!(format_of("{\"format_version\":58,\"target\":{}}"), "58");
        assert_eq!(format_of("{}"), "");
    }
}

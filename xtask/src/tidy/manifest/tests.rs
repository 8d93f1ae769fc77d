//! No way to write a dependency goes unseen.

use super::*;

/// Compares with `line package` pairs, in the order of their tables.
#[track_caller]
fn check(manifest: &str, expected: &[(Purpose, usize, &str)]) {
    let root = "[workspace.dependencies]\nnet = { package = \"tokio\", version = \"1\" }\n\
                [workspace.dependencies.wire]\npackage = \"bytes\"\n";
    let renames = renames(root).expect("readable");
    let found = dependencies(manifest, &renames).expect("readable");
    let found: Vec<_> =
        found.iter().map(|found| (found.purpose, found.line, found.package.as_str())).collect();
    assert_eq!(found, expected);
}

#[test]
fn one_line_each() {
    let body = "a.workspace = true\nb = { workspace = true, optional = true }\nc = \"1\"\n\
                \"d\" = { path = \"../d\" }\ne.version = \"1\"\ne.features = [\"x\"]\n";
    for (section, purpose) in [
        ("[dependencies]", Purpose::Crate),
        ("[dev-dependencies]", Purpose::Tests),
        ("[build-dependencies]", Purpose::Build),
        ("[target.'cfg(unix)'.dependencies]", Purpose::Crate),
        ("[target.\"cfg(unix)\".dev-dependencies]", Purpose::Tests),
        ("[target.x86_64-unknown-linux-gnu.build-dependencies]", Purpose::Build),
        ("[ dependencies ]", Purpose::Crate),
        ("['dependencies']", Purpose::Crate),
    ] {
        let expected: Vec<_> = ["a", "b", "c", "d", "e"]
            .into_iter()
            .zip(2..)
            .map(|(n, at)| (purpose, at, n))
            .collect();
        check(&format!("{section}\n{body}"), &expected);
    }
}

#[test]
fn a_table_each() {
    check("[dependencies.a]\nversion = \"1\"\n", &[(Purpose::Crate, 1, "a")]);
    check("[dependencies.a]\n", &[(Purpose::Crate, 1, "a")]);
    check("[target.'cfg(unix)'.dependencies.a]\n", &[(Purpose::Crate, 1, "a")]);
    check("[dev-dependencies.'a']\nworkspace = true\n", &[(Purpose::Tests, 1, "a")]);
}

#[test]
fn above_every_section() {
    check("dependencies.a = \"1\"\n[package]\n", &[(Purpose::Crate, 1, "a")]);
    check("dependencies = { a = \"1\" }\n", &[(Purpose::Crate, 1, "a")]);
    check("target.'cfg(unix)'.dependencies.a = \"1\"\n", &[(Purpose::Crate, 1, "a")]);
}

#[test]
fn renamed() {
    let tokio = [(Purpose::Crate, 2, "tokio")];
    check("[dependencies]\nx = { package = \"tokio\", version = \"1\" }\n", &tokio);
    check("[dependencies]\nx.package = \"tokio\"\nx.version = \"1\"\n", &tokio);
    check("[dependencies]\nnet.workspace = true\n", &tokio);
    check("[dependencies]\nnet = { workspace = true }\n", &tokio);
    check("[dependencies.x]\npackage = \"tokio\"\n", &[(Purpose::Crate, 1, "tokio")]);
    check("[dependencies]\nwire.workspace = true\n", &[(Purpose::Crate, 2, "bytes")]);
}

#[test]
fn over_many_lines() {
    let manifest = "[dependencies]\na = {\n  version = \"1\",\n  package = \"tokio\",\n}\n\
                    b = { version = \"1\", features = [\n  \"x\",\n] }\n";
    check(manifest, &[(Purpose::Crate, 2, "tokio"), (Purpose::Crate, 6, "b")]);
}

#[test]
fn what_is_no_dependency_is_left_alone() {
    check("[package]\nname = \"a\"\n[features]\ntokio = [\"dep:tokio\"]\n[lints]\n", &[]);
    check("# [dependencies]\n# a = \"1\"\n[dependencies]\n", &[]);
}

#[test]
fn names_and_members_are_read() {
    assert_eq!(name("[package]\nname = \"a\"\n").expect("readable").as_deref(), Some("a"));
    let root = "[workspace]\nmembers = [\n  # A.\n  \"crates/a\",\n  \"xtask\",\n]\n";
    let listed = members(root).expect("readable");
    assert_eq!(listed, [(4, "crates/a".to_owned()), (5, "xtask".to_owned())]);
}

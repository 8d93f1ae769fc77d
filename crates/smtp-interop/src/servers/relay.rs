//! The example `relay` of this project's own server, which passes on to `maildir`.
use super::{Problem, Site, maildir::Next};
use crate::{
    certs::HOST,
    process::{Launch, run},
    target::{ACCOUNTS, Endpoints, Prepared, Rules, SIZE_LIMIT, Target},
};

/// Prints the line of a user with this password.
const NEW_USER: &str = r#"printf '%s\n' "$2" | "$0" --new-user "$1""#;

pub(super) fn prepare(site: &Site) -> Result<Prepared, Problem> {
    let program = site.example("relay")?.display().to_string();
    let next = Next::new(site)?;
    let [clear, tls] = Site::ports()?;
    let mut users = String::new();
    for (user, password) in ACCOUNTS {
        users += &run("sh", ["-c", NEW_USER, &program, user, password])?;
    }
    let users = site.write("users", &users)?;
    let words = [
        program,
        "--to".to_owned(),
        format!("smtp://127.0.0.1:{}", next.port),
        "--listen".to_owned(),
        format!("127.0.0.1:{clear}"),
        "--tls".to_owned(),
        format!("127.0.0.1:{tls}"),
        "--cert".to_owned(),
        site.certs.chain.display().to_string(),
        site.certs.key.display().to_string(),
        "--users".to_owned(),
        users.display().to_string(),
        "--host".to_owned(),
        HOST.to_owned(),
        "--size".to_owned(),
        SIZE_LIMIT.to_string(),
        site.make("spool")?.display().to_string(),
    ];
    let launch = Launch::new(&site.folder, next.then(words));
    Ok(Prepared {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        launch,
        targets: vec![Target {
            rules: Rules { needs_login: true, accepts_any: true },
            ..Target::new("relay", Endpoints::smtp(clear, tls), next.store)
        }],
    })
}

//! The users of a relay: a file with the keys that SCRAM needs, which serve PLAIN and LOGIN as well.
use std::{collections::HashMap, error::Error, fs, io, path::Path};

use smtp_server::{Context, Identity, Login, Refuse, ScramHash, ScramKeys, Verify};
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

/// The users, and their keys. No password is stored.
pub(crate) struct Users {
    keys: HashMap<String, ScramKeys>,
    /// The keys of those that do not exist: their logins take as long as others.
    unknown: ScramKeys,
}

impl Users {
    /// Reads the users: lines of a name, a space and the keys.
    pub(crate) fn read(path: &Path) -> Result<Self, Box<dyn Error>> {
        let mut keys = HashMap::new();
        let text = fs::read_to_string(path);
        let text = text.map_err(|error| format!("{}: {error}", path.display()))?;
        for (number, line) in text.lines().enumerate() {
            let user = line.rsplit_once(' ').and_then(|(name, keys)| {
                let keys = keys.parse().ok()?;
                Some((name.to_owned(), keys))
            });
            let (name, one) = user.ok_or_else(|| {
                let line = number + 1;
                format!("{}, line {line}: a user name, a space and keys expected", path.display())
            })?;
            keys.insert(name, one);
        }
        Ok(Self { keys, ..Self::none()? })
    }

    /// Returns no users: a relay that asks for no login.
    pub(crate) fn none() -> io::Result<Self> {
        Ok(Self { keys: HashMap::new(), unknown: ScramKeys::generate("")? })
    }

    /// Returns the line of a new user.
    pub(crate) fn line(name: &str, password: &str) -> io::Result<String> {
        Ok(format!("{name} {}", ScramKeys::generate(password)?))
    }
}

impl Verify for Users {
    async fn login(&self, _: &Context, login: Login<'_>) -> Result<Identity, Refuse> {
        match login {
            // Everybody sends as themselves.
            Login::Password { identity, user, password } if ["", user].contains(&identity) => {
                let keys = self.keys.get(user).unwrap_or(&self.unknown).clone();
                let password = Zeroizing::new(password.to_owned());
                let is_right = spawn_blocking(move || keys.verify(&password)).await?;
                match is_right && self.keys.contains_key(user) {
                    true => Ok(Identity::as_claimed()),
                    false => Err(Refuse::wrong_credentials()),
                }
            }
            // The server has checked the proof.
            Login::Scram { identity, user } if ["", user].contains(&identity) => {
                Ok(Identity::as_claimed())
            }
            _ => Err(Refuse::wrong_credentials()),
        }
    }

    async fn scram_keys(
        &self,
        _: &Context,
        user: &str,
        hash: ScramHash,
    ) -> Result<Option<ScramKeys>, Refuse> {
        Ok(self.keys.get(user).filter(|keys| keys.hash() == hash).cloned())
    }
}

//! The options for the credentials. Secrets come from environment variables: command lines are
//! visible in the list of processes.
use smtp_client::{
    Invalid,
    sasl::{ClearText, Credentials, Login, Mechanism, Secret},
};

use crate::options::{OptionError, value};

/// The values of the options.
#[derive(Default)]
pub(crate) struct Given {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) act_as: Option<String>,
    pub(crate) mechanisms: Vec<String>,
    pub(crate) clear_text: ClearText,
}

impl Given {
    /// Returns the login that these options describe, if there is one.
    pub(crate) fn login(self) -> Result<Option<Login>, OptionError> {
        let user = self.user.as_deref();
        let mut credentials = match (user, &self.password, &self.token) {
            (None, None, None) if self.mechanisms.is_empty() && self.act_as.is_none() => {
                return Ok(None);
            }
            (None, None, None) if self.mechanisms.iter().any(|name| name == "ANONYMOUS") => {
                invalid("--mechanism", Credentials::anonymous(""))?
            }
            (None, None, None) => Credentials::external(),
            (Some(user), Some(variable), None) => {
                invalid("--user", Credentials::password(user, secret(variable)?))?
            }
            (Some(user), None, Some(variable)) => {
                invalid("--user", Credentials::bearer(user, secret(variable)?))?
            }
            (None, ..) => return Err(OptionError::Missing("--user")),
            (Some(_), ..) => return Err(OptionError::Missing("--password-env or --token-env")),
        };
        if let Some(identity) = self.act_as {
            credentials = invalid("--act-as", credentials.act_as(identity))?;
        }
        let mut login = Login::new(credentials).clear_text(self.clear_text);
        if !self.mechanisms.is_empty() {
            let parse = |name: &String| value("--mechanism", name, str::parse::<Mechanism>);
            login =
                login.mechanisms(self.mechanisms.iter().map(parse).collect::<Result<Vec<_>, _>>()?);
        }
        Ok(Some(login))
    }
}

/// Returns the secret in this environment variable.
fn secret(variable: &str) -> Result<Secret, OptionError> {
    let missing = |_| OptionError::Variable { name: variable.to_owned() };
    std::env::var(variable).map(Secret::from).map_err(missing)
}

/// Returns an error without the value, which may be a secret.
fn invalid<T>(option: &'static str, made: Result<T, Invalid>) -> Result<T, OptionError> {
    value(option, "", |_| made)
}

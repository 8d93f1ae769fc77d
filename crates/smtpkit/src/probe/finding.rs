//! Findings: what deserves attention about a server.
use std::fmt;

use serde::Serialize;

use crate::output::{BAD, WARNING};

/// Something about a server that deserves attention.
///
/// | Field | Value |
/// |---|---|
/// | `level` | `problem`: a client fails or is not protected; `notice`: worth knowing |
/// | `code` | what was found, such as `certificate_expired`; it does not change |
/// | `text` | the same for people |
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) level: Level,
    pub(crate) code: &'static str,
    pub(crate) text: String,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    Problem,
    Notice,
}

impl Finding {
    pub(crate) fn problem(code: &'static str, text: impl Into<String>) -> Self {
        Self { level: Level::Problem, code, text: text.into() }
    }

    pub(crate) fn notice(code: &'static str, text: impl Into<String>) -> Self {
        Self { level: Level::Notice, code, text: text.into() }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Problem => "problem",
            Self::Notice => "notice",
        })
    }
}

impl Level {
    pub(crate) fn style(self) -> anstyle::Style {
        match self {
            Self::Problem => BAD,
            Self::Notice => WARNING,
        }
    }
}

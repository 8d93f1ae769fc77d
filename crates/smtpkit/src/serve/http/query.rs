//! The query of a request: conditions, paging, and waiting.

use std::time::Duration;

use super::answer::Refusal;
use crate::serve::store::Filter;

/// The parameters as axum decodes them.
pub(super) type Pairs = Vec<(String, String)>;

/// Messages of one answer.
const LARGEST_PAGE: usize = 10_000;
const USUAL_PAGE: usize = 100;
const LONGEST_WAIT: Duration = Duration::from_secs(600);
const USUAL_WAIT: Duration = Duration::from_secs(10);

const CONDITIONS: &[&str] = &["to", "from", "subject", "text", "search"];
const PAGING: &[&str] = &["limit", "before"];
const WAITING: &[&str] = &["count", "timeout"];

/// Which messages, and how many.
#[derive(Debug)]
pub(super) struct Paging {
    pub(super) filter: Filter,
    pub(super) limit: usize,
    pub(super) before: Option<u64>,
}

/// Which messages are awaited, how many, and how long.
#[derive(Debug)]
pub(super) struct Wait {
    pub(super) filter: Filter,
    pub(super) count: usize,
    pub(super) timeout: Duration,
}

/// Reads a query that has only conditions.
pub(super) fn conditions(pairs: &Pairs) -> Result<Filter, Refusal> {
    check_names(pairs, &[CONDITIONS])?;
    Ok(filter(pairs))
}

pub(super) fn paging(pairs: &Pairs) -> Result<Paging, Refusal> {
    check_names(pairs, &[CONDITIONS, PAGING])?;
    let mut paging = Paging { filter: filter(pairs), limit: USUAL_PAGE, before: None };
    for (name, value) in pairs {
        match name.as_str() {
            "limit" => paging.limit = number(name, value, 1..=LARGEST_PAGE as u64)? as usize,
            "before" => paging.before = Some(number(name, value, 0..=u64::MAX)?),
            _ => {}
        }
    }
    Ok(paging)
}

pub(super) fn wait(pairs: &Pairs) -> Result<Wait, Refusal> {
    check_names(pairs, &[CONDITIONS, WAITING])?;
    let mut wait = Wait { filter: filter(pairs), count: 1, timeout: USUAL_WAIT };
    for (name, value) in pairs {
        match name.as_str() {
            "count" => wait.count = number(name, value, 0..=LARGEST_PAGE as u64)? as usize,
            "timeout" => wait.timeout = duration(value)?,
            _ => {}
        }
    }
    Ok(wait)
}

fn filter(pairs: &Pairs) -> Filter {
    pairs.iter().fold(Filter::default(), |filter, (name, value)| match name.as_str() {
        "to" => filter.to(value),
        "from" => filter.from(value),
        "subject" => filter.subject(value),
        "text" => filter.text(value),
        "search" => filter.search(value),
        _ => filter,
    })
}

/// A misspelled condition, or one whose variable was not set, would fit every message, and DELETE would
/// remove them.
fn check_names(pairs: &Pairs, known: &[&[&str]]) -> Result<(), Refusal> {
    if let Some((name, _)) = pairs.iter().find(|(_, value)| value.is_empty()) {
        return Err(Refusal::bad_request(format!("{name} has no value; leave it out")));
    }
    let known = known.concat();
    match pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some((name, _)) => {
            let known = known.join(", ");
            Err(Refusal::bad_request(format!("no parameter is named {name:?}; there are {known}")))
        }
    }
}

fn number(name: &str, value: &str, range: std::ops::RangeInclusive<u64>) -> Result<u64, Refusal> {
    value.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
        let (least, most) = range.into_inner();
        Refusal::bad_request(format!("{name} is {value:?}; it is a number from {least} to {most}"))
    })
}

/// Reads `10s`, `500ms`, `1m`; a number alone is in seconds.
fn duration(value: &str) -> Result<Duration, Refusal> {
    let read = match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => humantime::parse_duration(value).ok(),
    };
    read.filter(|duration| *duration <= LONGEST_WAIT).ok_or_else(|| {
        Refusal::bad_request(format!("timeout is {value:?}; it is like 10s or 500ms, at most 10m"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(name: &str, value: &str) -> Pairs {
        vec![(name.to_owned(), value.to_owned())]
    }

    #[test]
    fn timeouts() {
        let timeout = |value| wait(&pairs("timeout", value)).ok().map(|wait| wait.timeout);
        assert_eq!(timeout("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(timeout("2"), Some(Duration::from_secs(2)));
        assert_eq!(timeout("10m"), Some(LONGEST_WAIT));
        assert_eq!(timeout("11m"), None);
        assert_eq!(timeout("soon"), None);
        assert_eq!(timeout("-1"), None);
    }

    #[test]
    fn names_and_numbers() {
        assert!(conditions(&pairs("form", "x")).is_err());
        assert!(conditions(&pairs("limit", "1")).is_err());
        assert!(paging(&pairs("limit", "0")).is_err());
        assert!(paging(&pairs("limit", "10001")).is_err());
        assert_eq!(paging(&pairs("before", "7")).unwrap().before, Some(7));
        assert_eq!(wait(&pairs("count", "0")).unwrap().count, 0);
    }
}

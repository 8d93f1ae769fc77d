//! Tests of `smtp-testkit` with clients that were not written for it; see `tests/it`.

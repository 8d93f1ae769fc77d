//! Tests of `smtp-testkit` with clients that do not know it; see `tests/it`.

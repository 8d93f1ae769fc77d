//! `serve`: the listeners, the rules, the limits, the maildir, and its end.

mod bad_input;
mod catching;
mod limits;
mod rules;
mod running;

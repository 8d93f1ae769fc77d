//! Replies and commands that another parser accepts as well: both must give the same result, except
//! for the differences that [`known`] lists.
#![no_main]

mod commands;
mod known;
mod params;
mod replies;

use libfuzzer_sys::fuzz_target;
use smtp_fuzz::Input;

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    match input.octet() % 2 {
        0 => replies::compare(input.rest()),
        _ => commands::compare(input.rest()),
    }
});

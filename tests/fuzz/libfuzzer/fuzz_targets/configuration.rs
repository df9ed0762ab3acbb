//! See `paychan_fuzz::config::configuration`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    paychan_fuzz::config::configuration(bytes);
});

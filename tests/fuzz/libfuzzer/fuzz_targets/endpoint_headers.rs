//! See `paychan_fuzz::config::endpoint_header`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    paychan_fuzz::config::endpoint_header(bytes);
});

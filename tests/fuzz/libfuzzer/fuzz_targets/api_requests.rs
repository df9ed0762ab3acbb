//! See `paychan_fuzz::api::request`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    paychan_fuzz::api::request(bytes);
});

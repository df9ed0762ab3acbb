//! See `paychan_fuzz::mpp::credentials`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    paychan_fuzz::mpp::credentials(bytes);
});

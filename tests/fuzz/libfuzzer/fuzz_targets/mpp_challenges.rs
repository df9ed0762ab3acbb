//! See `paychan_fuzz::mpp::challenges`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    paychan_fuzz::mpp::challenges(bytes);
});

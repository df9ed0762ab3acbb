//! See `paychan_fuzz::mpp::requests`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    paychan_fuzz::mpp::requests(bytes);
});

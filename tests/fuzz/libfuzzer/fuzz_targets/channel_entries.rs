//! See `paychan_fuzz::channel::entries`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    paychan_fuzz::channel::entries(bytes);
});

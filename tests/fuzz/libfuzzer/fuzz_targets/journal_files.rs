//! See `paychan_fuzz::journal::files`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    paychan_fuzz::journal::files(bytes);
});

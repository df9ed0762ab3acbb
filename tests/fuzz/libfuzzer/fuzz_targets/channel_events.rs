//! See `paychan_fuzz::channel::event`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    paychan_fuzz::channel::event(bytes);
});

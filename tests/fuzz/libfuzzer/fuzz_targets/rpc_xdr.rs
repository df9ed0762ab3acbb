//! See `paychan_fuzz::rpc::xdr`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    paychan_fuzz::rpc::xdr(bytes);
});

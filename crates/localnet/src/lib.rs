//! A Stellar network in one process.

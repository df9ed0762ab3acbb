//! The language that all off-chain code of Paychan speaks.

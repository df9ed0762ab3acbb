//! One file per command.

pub(crate) mod close;
pub(crate) mod close_start;
pub(crate) mod inspect;
pub(crate) mod keygen;
pub(crate) mod open;
pub(crate) mod pay;
pub(crate) mod refund;
pub(crate) mod restore;
pub(crate) mod settle;
pub(crate) mod sign;
pub(crate) mod spent;
pub(crate) mod submit;
pub(crate) mod top_up;

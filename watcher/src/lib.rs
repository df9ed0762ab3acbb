//! The daemon that protects the one who is paid.

pub mod acceptance;
pub mod admission;
pub mod api;
pub mod chain;
pub mod clock;
pub mod config;
pub mod daemon;
#[cfg(test)]
mod fixtures;
pub mod floor;
pub mod follower;
pub mod policy;
mod reminder;
pub mod settler;
pub mod status;
pub mod view;

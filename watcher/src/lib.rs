//! The daemon that keeps a recipient's commitments and settles them before the funder can take the money back.

pub mod alarm;
pub mod api;
mod caught;
pub mod chain;
pub mod channels;
pub mod clock;
pub mod commands;
pub mod commitments;
pub mod config;
pub mod daemon;
#[cfg(test)]
mod fixtures;
pub mod floor;
pub mod follower;
pub mod liveness;
pub mod notify;
pub mod pause;
pub mod policy;
pub mod promises;
pub mod reader;
mod reminder;
pub mod settler;
pub mod status;
pub mod view;

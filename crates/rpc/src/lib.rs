//! Talks to Stellar RPC.

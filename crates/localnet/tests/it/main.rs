//! What a local network does, as its clients see it.

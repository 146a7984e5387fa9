//! Nothing: this crate is here for its dependency.

//! Tidegate host.

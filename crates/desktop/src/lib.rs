//! Host-neutral desktop logic.

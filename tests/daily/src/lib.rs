//! Ordinary days with Tidegate: a model that works by a script, and a person who answers what they are asked.

pub mod afternoon;
pub mod person;
pub mod snapshot;

//! Systems without Landlock: nothing confines what a command may write.

use super::protocol::{Plan, Sandbox};

/// Confines nothing.
pub(super) fn confine(_plan: &Plan) -> Result<Sandbox, String> {
    Ok(Sandbox::Unavailable)
}

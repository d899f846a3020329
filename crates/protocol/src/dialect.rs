//! What differs between the protocol's versions: a value, chosen at negotiation.

use serde_json::json;

use crate::error::{ErrorCode, ErrorShape};
use crate::scope::Scope;

/// A version of the protocol. 3 is spoken by 2026.4.x, 4 by 2026.5.x and later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    V3,
    V4,
}

impl Dialect {
    /// The oldest version that is spoken.
    pub const OLDEST: Self = Self::V3;
    /// The newest version that is spoken.
    pub const NEWEST: Self = Self::V4;

    /// The version's number.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::V3 => 3,
            Self::V4 => 4,
        }
    }

    /// The newest version within what the client speaks.
    #[must_use]
    pub fn negotiate(client_min: u32, client_max: u32) -> Option<Self> {
        [Self::V4, Self::V3].into_iter().find(|dialect| (client_min..=client_max).contains(&dialect.number()))
    }

    /// The answer to a method whose scope the session lacks.
    #[must_use]
    pub fn missing_scope(self, scope: &Scope) -> ErrorShape {
        let message = format!("missing scope: {scope}");
        match self {
            Self::V3 => ErrorShape::new(ErrorCode::InvalidRequest, message),
            Self::V4 => ErrorShape::new(ErrorCode::Forbidden, message).with_details(json!({
                "code": "MISSING_SCOPE", "missingScope": scope, "requiredScopes": [scope],
            })),
        }
    }

    /// Whether a repeated `chat.send` of a running turn answers `in_flight` (3) or `ok` (4).
    #[must_use]
    pub fn repeated_send_status(self) -> &'static str {
        match self {
            Self::V3 => "in_flight",
            Self::V4 => "ok",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_common_version_is_chosen() {
        assert_eq!(Dialect::negotiate(3, 3), Some(Dialect::V3));
        assert_eq!(Dialect::negotiate(3, 4), Some(Dialect::V4));
        assert_eq!(Dialect::negotiate(1, 99), Some(Dialect::V4));
        assert_eq!(Dialect::negotiate(99, 99), None);
        assert_eq!(Dialect::negotiate(4, 3), None);
    }
}

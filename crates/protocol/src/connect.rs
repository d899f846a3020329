//! `connect`: the first request of a connection.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::ClientInfo;
use crate::device::DeviceClaim;
use crate::json::ParseError;
use crate::scope::{MAX_SCOPE_LENGTH, Scope};

objects! {
    /// The parameters of `connect`. Fields of both protocol versions are known; unknown ones are
    /// refused by name.
    ConnectParams {
        min_protocol: u32,
        max_protocol: u32,
        client: ClientInfo,
        #[serde(default, skip_serializing_if = "Vec::is_empty")] caps: Vec<String>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")] commands: Vec<String>,
        permissions: Option<BTreeMap<String, bool>>,
        path_env: Option<String>,
        role: Option<String>,
        #[serde(default)] scopes: Vec<String>,
        device: Option<DeviceClaim>,
        auth: Option<AuthParams>,
        locale: Option<String>,
        user_agent: Option<String>,
        model_catalog: Option<serde_json::Value>,
        computer_use: Option<serde_json::Value>,
        worker_runs: Option<serde_json::Value>,
    }
}

/// `connect.params.auth`.
#[serde_with_macros::skip_serializing_none]
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuthParams {
    pub token: Option<String>,
    pub bootstrap_token: Option<String>,
    pub device_token: Option<String>,
    pub password: Option<String>,
    pub approval_runtime_token: Option<String>,
    pub agent_runtime_identity_token: Option<String>,
}

impl std::fmt::Debug for AuthParams {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("AuthParams")
            .field("token", &self.token.is_some())
            .field("device_token", &self.device_token.is_some())
            .finish_non_exhaustive()
    }
}

/// The most scopes that one connection may ask for.
const MAX_SCOPES: usize = 32;

impl ConnectParams {
    /// Checks the bounds that the types do not hold.
    ///
    /// # Errors
    /// Naming the field that is out of bounds.
    pub fn check(&self) -> Result<(), ParseError> {
        let texts = [
            ("/client/version", Some(&self.client.version), 1, 128),
            ("/client/platform", Some(&self.client.platform), 1, 128),
            ("/client/displayName", self.client.display_name.as_ref(), 1, 1024),
            ("/client/deviceFamily", self.client.device_family.as_ref(), 1, 128),
            ("/client/modelIdentifier", self.client.model_identifier.as_ref(), 1, 128),
            ("/client/instanceId", self.client.instance_id.as_ref(), 1, 128),
            ("/role", self.role.as_ref(), 1, 32),
        ];
        for (place, text, least, most) in texts {
            if let Some(text) = text
                && !(least..=most).contains(&text.chars().count())
            {
                return Err(ParseError::at(place, &format!("must have {least} to {most} characters")));
            }
        }
        if self.min_protocol == 0 {
            return Err(ParseError::at("/minProtocol", "must be at least 1"));
        }
        if self.scopes.len() > MAX_SCOPES {
            return Err(ParseError::at("/scopes", &format!("must have at most {MAX_SCOPES} entries")));
        }
        for (index, scope) in self.scopes.iter().enumerate() {
            if Scope::parse(scope).is_err() {
                return Err(ParseError::at(
                    &format!("/scopes/{index}"),
                    &format!("must be a scope name of 1 to {MAX_SCOPE_LENGTH} characters"),
                ));
            }
        }
        Ok(())
    }

    /// The role asked for; `operator` when none is.
    #[must_use]
    pub fn role(&self) -> &str {
        self.role.as_deref().unwrap_or("operator")
    }

    /// The scopes asked for. Call [`Self::check`] first: what is no scope is left out here.
    #[must_use]
    pub fn requested_scopes(&self) -> Vec<Scope> {
        self.scopes.iter().filter_map(|scope| Scope::parse(scope).ok()).collect()
    }

    /// The token that the device's signature is over.
    #[must_use]
    pub fn signed_token(&self) -> &str {
        let Some(auth) = &self.auth else { return "" };
        auth.token
            .as_deref()
            .or(auth.device_token.as_deref())
            .or(auth.bootstrap_token.as_deref())
            .unwrap_or("")
    }

    /// Whether the client declared a capability.
    #[must_use]
    pub fn has_cap(&self, cap: &str) -> bool {
        self.caps.iter().any(|declared| declared == cap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    const SMALLEST: &str = r#"{"minProtocol":3,"maxProtocol":4,"client":{"id":"cli","version":"1","platform":"linux","mode":"cli"}}"#;

    fn parse(text: &str) -> Result<ConnectParams, ParseError> {
        let params: ConnectParams = json::parse(text)?;
        params.check().map(|()| params)
    }

    #[test]
    fn missing_scopes_are_none_and_not_a_default() {
        let params = parse(SMALLEST).expect("valid");
        assert!(params.scopes.is_empty());
        assert_eq!(params.role(), "operator");
    }

    #[test]
    fn wrong_types_are_named_with_their_place() {
        for (from, to, place) in [
            ("\"cli\",\"version\"", "\"nobody\",\"version\"", "/client/id"),
            ("\"minProtocol\":3", "\"minProtocol\":\"3\"", "/minProtocol"),
            ("\"minProtocol\":3", "\"minProtocol\":0", "/minProtocol"),
            ("\"minProtocol\":3", "\"minProtocol\":3,\"scopes\":[\"\"]", "/scopes/0"),
            ("\"minProtocol\":3", "\"minProtocol\":3,\"scopes\":[],\"scopes\":[]", "scopes"),
            ("\"minProtocol\":3", "\"minProtocol\":3,\"auth\":{\"token\":[]}", "/auth/token"),
            ("\"minProtocol\":3", "\"minProtocol\":3,\"auth\":{\"tokn\":\"x\"}", "/auth"),
            ("\"minProtocol\":3", "\"minProtocol\":3,\"__proto__\":{}", "__proto__"),
        ] {
            let text = SMALLEST.replace(from, to);
            let error = parse(&text).expect_err(&text).to_string();
            assert!(error.contains(place), "{text}: {error}");
        }
    }

    #[test]
    fn debug_output_never_shows_a_token() {
        let params =
            parse(&SMALLEST.replace("\"minProtocol\":3", "\"minProtocol\":3,\"auth\":{\"token\":\"hush\"}"));
        assert!(!format!("{params:?}").contains("hush"));
    }
}

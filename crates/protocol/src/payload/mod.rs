//! What methods answer and events carry, as types: for the schemas, and for whoever reads them.
//!
//! All objects are closed: a field that the gateway sends and that is not here fails a test. An optional
//! field without a value is left out, or is `null` where it says `serialize_always`: some clients' schemas
//! take only the one, and some only the other.

macro_rules! payload {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident : $type:ty,)* })*) => {
        $(
            $(#[$meta])*
            #[serde_with_macros::skip_serializing_none]
            #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
            #[serde(rename_all = "camelCase", deny_unknown_fields)]
            #[allow(missing_docs, reason = "the names are the protocol's")]
            pub struct $name {
                $($(#[$field_meta])* pub $field: $type,)*
            }
        )*
    };
}

pub mod agents;
pub mod approvals;
pub mod chat;
pub mod client_params;
pub mod devices;
pub mod events;
pub mod files;
pub mod frames;
pub mod lists;
pub mod sessions;
pub mod surface_params;
pub mod surfaces;
pub mod system;

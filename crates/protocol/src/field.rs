//! Fields of parameters that OpenClaw's protocol documents and that Tidegate does not use: what becomes of
//! them stands in their type, and with it in the schemas and in the table of docs/protocol.md.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where a schema says what becomes of a field.
pub(crate) const KEYWORD: &str = "x-tidegate";

/// Why a field is ignored or refused.
pub trait Reason: 'static {
    /// A clause that follows the field's name and a colon. Of a refused field it names the remedy, too.
    const TEXT: &'static str;
    /// Texts that ask for nothing but what is done anyhow, and are never refused.
    const TAKES: &'static [&'static str] = &[];
}

/// A field that is accepted with any value and changes nothing.
pub struct Ignored<R>(PhantomData<R>);

/// A field that would change what the request means. It is refused, unless it asks for nothing: by `false`,
/// a list or an object without entries, or a text that the reason takes. (`null` is no value at all: fields
/// of this type are optional.)
pub struct Refused<R>(PhantomData<R>);

impl<'de, R: Reason> Deserialize<'de> for Ignored<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self(PhantomData))
    }
}

impl<'de, R: Reason> Deserialize<'de> for Refused<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AsksForNothing(PhantomData))
    }
}

/// Takes the values that ask for nothing.
struct AsksForNothing<R>(PhantomData<R>);

impl<R: Reason> AsksForNothing<R> {
    fn only_if<E: Error>(asks_for_nothing: bool) -> Result<Refused<R>, E> {
        if asks_for_nothing { Ok(Refused(PhantomData)) } else { Err(E::custom(R::TEXT)) }
    }
}

impl<'de, R: Reason> Visitor<'de> for AsksForNothing<R> {
    type Value = Refused<R>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(R::TEXT)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Self::only_if(!value)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        Self::only_if(R::TAKES.contains(&value))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Self::only_if(false)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Self::only_if(false)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Self::only_if(false)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        Self::only_if(entries.next_element::<IgnoredAny>()?.is_none())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        Self::only_if(entries.next_key::<IgnoredAny>()?.is_none())
    }
}

impl<R: Reason> JsonSchema for Ignored<R> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Ignored".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": format!("Ignored: {}.", R::TEXT), KEYWORD: "ignored" })
    }
}

impl<R: Reason> JsonSchema for Refused<R> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Refused".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut nothing = vec![false.into()];
        nothing.extend(R::TAKES.iter().map(|&text| text.into()));
        let nothing: Vec<serde_json::Value> = nothing;
        json_schema!({
            "description": format!("Refused: {}.", R::TEXT),
            KEYWORD: "refused",
            "anyOf": [
                { "enum": nothing },
                { "type": "array", "maxItems": 0 },
                { "type": "object", "maxProperties": 0 },
                { "type": "null" },
            ],
        })
    }
}

macro_rules! unit_like {
    ($($name:ident)*) => {$(
        impl<R> Serialize for $name<R> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bool(false)
            }
        }

        impl<R> Clone for $name<R> {
            fn clone(&self) -> Self {
                Self(PhantomData)
            }
        }

        impl<R> PartialEq for $name<R> {
            fn eq(&self, _: &Self) -> bool {
                true
            }
        }

        impl<R> fmt::Debug for $name<R> {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(stringify!($name))
            }
        }
    )*};
}

unit_like! { Ignored Refused }

macro_rules! reasons {
    ($($name:ident = $text:literal $(takes $($taken:literal)|+)?;)*) => {
        $(
            #[doc = $text]
            #[derive(Debug, Clone, Copy)]
            pub enum $name {}

            impl Reason for $name {
                const TEXT: &'static str = $text;
                $(const TAKES: &'static [&'static str] = &[$($taken),+];)?
            }
        )*
    };
}

/// The reasons, each once.
pub mod reasons {
    use super::Reason;

    reasons! {
        OneAgent = "all sessions are of the one configured agent";
        NoProfiles = "there are no user profiles, and every session is the person's own";
        NoJobs = "there are no jobs, so it leaves nothing out";
        AlwaysFresh = "the list is made anew each time";
        NewestChangeFirst = "sessions are listed newest change first, and a turn is a change";
        AlwaysPrepared = "models are listed without starting anything";
        NoProviderKinds = "providers are not told apart by what else they can do";
    }
}

//! Objects and words of the wire.

/// Structs for JSON objects. All are closed: an unknown field is refused by name. An optional field without a
/// value is left out, or is `null` where it says `serialize_always`. Fields in round brackets are those that
/// `new` takes. Fields in square brackets are all refused, or ignored, for one of [`crate::field::reasons`].
macro_rules! objects {
    (@new $name:ident () $fields:tt $unused:tt) => {};
    (@new $name:ident ($($required:ident: $required_type:ty,)+) ($($field:ident)*) ($($unused:ident)*)) => {
        impl $name {
            /// One with these fields, and without all that may be left out.
            #[must_use]
            pub fn new($($required: $required_type),+) -> Self {
                Self { $($required,)+ $($field: Default::default(),)* $($unused: None,)* }
            }
        }
    };
    ($(
        $(#[$meta:meta])* $name:ident $(($($required:ident: $required_type:ty),+))? {
            $($(#[$field_meta:meta])* $field:ident : $type:ty,)*
            $([$treatment:ident $reason:ident: $($unused:ident),+])*
        }
    )*) => {$(
        $(#[$meta])*
        #[serde_with_macros::skip_serializing_none]
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name {
            $($(pub $required: $required_type,)+)?
            $($(#[$field_meta])* pub $field: $type,)*
            $($(pub $unused: Option<$crate::field::$treatment<$crate::field::reasons::$reason>>,)+)*
        }

        objects!(@new $name ($($($required: $required_type,)+)?) ($($field)*) ($($($unused)+)*));
    )*};
}

/// Enumerations whose values are words of the wire, and their names in our own texts.
macro_rules! words {
    ($($(#[$meta:meta])* $name:ident { $($(#[$value_meta:meta])* $value:ident = $word:literal,)* })*) => {$(
        $(#[$meta])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
            schemars::JsonSchema,
        )]
        pub enum $name {
            $($(#[$value_meta])* #[serde(rename = $word)] $value,)*
        }

        impl $name {
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$value,)*];

            /// Its name on the wire.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$value => $word,)* }
            }
        }
    )*};
}

/// The ways of a type with `parse` and a text of its own into and out of JSON.
macro_rules! string_form {
    ($name:ty, $error:ty) => {
        impl TryFrom<String> for $name {
            type Error = $error;
            fn try_from(text: String) -> Result<Self, $error> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.to_string()
            }
        }
    };
}

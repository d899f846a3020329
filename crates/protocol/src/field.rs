//! Fields of parameters that OpenClaw's protocol documents and that Tidegate does not use: what becomes of
//! them stands in their type, and with it in the schemas and in the table of docs/protocol.md.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

use crate::ids::{AgentId, DEFAULT_AGENT};

/// Where a schema says what becomes of a field.
pub(crate) const KEYWORD: &str = "x-tidegate";

/// Why a field is ignored or refused.
pub trait Reason: 'static {
    /// A clause that follows the field's name and a colon. Of a refused field it names the remedy, too.
    const TEXT: &'static str;
    /// Texts that ask for nothing but what is done anyhow, and are never refused.
    const TAKES: &'static [&'static str] = &[];
    /// Whether an empty list asks for something: for less than is given.
    const EVEN_EMPTY: bool = false;
}

/// A field that is accepted with any value and changes nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Ignored<R>(PhantomData<R>);

/// A field that would change what the request means. It is refused, unless it asks for nothing: by `false`,
/// a list or an object without entries, or a text that the reason takes. (`null` is no value at all: fields
/// of this type are optional.)
#[derive(Debug, Clone, PartialEq)]
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
        Self::only_if(entries.next_element::<IgnoredAny>()?.is_none() && !R::EVEN_EMPTY)
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
        let mut nothing = vec![Value::Bool(false)];
        nothing.extend(R::TAKES.iter().map(|&text| Value::from(text)));
        let mut taken = vec![
            json!({ "enum": nothing }),
            json!({ "type": "object", "maxProperties": 0 }),
            json!({ "type": "null" }),
        ];
        if !R::EVEN_EMPTY {
            taken.push(json!({ "type": "array", "maxItems": 0 }));
        }
        json_schema!({ "description": format!("Refused: {}.", R::TEXT), KEYWORD: "refused", "anyOf": taken })
    }
}

/// A field of a patch: absent, `null`, or a value.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Change<T> {
    /// It was not sent, and what is there stays.
    #[default]
    Absent,
    /// `null`: what is there is cleared.
    Clear,
    /// A new value.
    Set(T),
}

impl<T> Change<T> {
    /// The same change of another kind of value.
    pub fn map<U>(self, of: impl FnOnce(T) -> U) -> Change<U> {
        match self {
            Self::Absent => Change::Absent,
            Self::Clear => Change::Clear,
            Self::Set(value) => Change::Set(of(value)),
        }
    }

    /// Whether the field was not sent.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Change<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Clear, Self::Set))
    }
}

impl<T: Serialize> Serialize for Change<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Absent | Self::Clear => serializer.serialize_none(),
            Self::Set(value) => value.serialize(serializer),
        }
    }
}

impl<T: JsonSchema> JsonSchema for Change<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Change_of_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Option<T>>()
    }
}

/// The id of an agent that is served. There is one, [`DEFAULT_AGENT`]; another is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServedAgent;

impl<'de> Deserialize<'de> for ServedAgent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = AgentId::deserialize(deserializer)?;
        if id.as_str() == DEFAULT_AGENT {
            return Ok(Self);
        }
        Err(D::Error::custom(format_args!("unknown agent id \"{id}\"; the only one is \"{DEFAULT_AGENT}\"")))
    }
}

impl Serialize for ServedAgent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(DEFAULT_AGENT)
    }
}

impl JsonSchema for ServedAgent {
    fn schema_name() -> Cow<'static, str> {
        "ServedAgent".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<AgentId>()
    }
}

macro_rules! asks_for_nothing {
    ($($name:ident)*) => {$(
        impl<R> Serialize for $name<R> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bool(false)
            }
        }
    )*};
}

asks_for_nothing! { Ignored Refused }

macro_rules! reasons {
    (@even empty) => { true };
    ($($name:ident = $text:literal $(takes $($taken:literal)|+)? $(even $empty:ident)?;)*) => {
        $(
            #[doc = $text]
            #[derive(Debug, Clone, Copy, PartialEq)]
            pub enum $name {}

            impl Reason for $name {
                const TEXT: &'static str = $text;
                $(const TAKES: &'static [&'static str] = &[$($taken),+];)?
                $(const EVEN_EMPTY: bool = reasons!(@even $empty);)?
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
        NoChannelsToAsk = "there are no channels";
        AlwaysFresh = "the list is always current";
        SameForAllSessions = "every session has the same commands, and the same models to choose from";
        NewestChangeFirst = "sessions are listed newest change first, and a turn is a change";
        AlwaysPrepared = "models are listed without starting anything";
        NoProviderKinds = "providers are not told apart by what else they can do";
        ModelsOwnThinking = "models think as much as their server is set to";
        OneSpeed = "there is no faster mode of a model";
        TextHasIt = "the agent is given the message as it is written";
        FixedRouting = "a session key always leads to the same session";
        NothingPending = "no input waits outside the transcript";
        NoSideRuns = "there are no side runs";
        NothingDelivered = "answers only go to clients";
        OneQueue = "each session has one queue";
        NoMcpServers = "no MCP server is started for a run";
        NoMessageTool = "there is no message tool";
        NoHooks = "there are no hooks";
        NoPlugins = "there are no plugins";
        NoSkills = "there are no skills";
        NoAccounts = "there are no accounts of model providers";
        NoUpdates = "Tidegate looks for no updates";
        NoSuggestions = "there are no suggested tasks";
        NoSessionHasAny = "no session has one";
        NoObserver = "nothing observes sessions";
        NoCursors = "no answer has a cursor";
        OldestTaskFirst = "tasks are listed in the order in which they began";
        NoMadeTitles = "no title is made of what was said";
        KeyIsUnique = "the key names one session";
        AllThatFit = "all sessions that the short id fits are named";
        EveryKeyHasAnAgent = "every session belongs to the agent";
        NothingSensitive = "the snapshot has nothing that a session may not see";
        SeenByTheGateway = "the gateway itself knows who is connected";
        NoGroups = "there are no group chats";
        EmptyEitherWay = "the new transcript is empty either way";
        OnlyDeciders = "requests only go to clients that may decide, and to the person";
        ShownAsSent = "the command is shown as it was sent";
        OfTheClient = "the command is the client's own, and of no run here";

        NoChannels = "there are no channels; leave it out, and name the session with sessionKey";
        OnlyClients = "messages only come from clients; leave it out" takes "webchat" | "last";
        AnswersGoToClients = "answers go to clients on their own; leave it out" takes "automatic";
        TurnsWait = "a message waits until the turns before it have ended; leave it out, or stop them with \
            chat.abort first" takes "followup" | "collect";
        NoReplies = "replies to single messages are not supported yet; quote it in the message";
        TextOnly = "attachments are not supported yet; send text";
        NoToolsOfClients = "agents have no tools of clients; leave it out";
        NoGoals = "sessions have no goals; say it in the message";
        OwnProvenance = "the gateway itself records where a message comes from; leave it out";
        NoPermissionModes = "sessions have no permission mode; leave it out, or send null";
        NoToolOverrides = "sessions have no tool overrides; leave it out, or send null";
        PersonChoosesFolder = "a person chooses the folder of a session; leave it out, and send /workspace FOLDER";
        AgentRuns = "a run is always a turn of the agent; leave it out";
        WholePrompt = "the agent always has its whole prompt; leave it out" takes "full";
        OrdinaryRuns = "every run is an ordinary one; leave it out" takes "default";
        VisibleRuns = "every run can be seen; leave it out" takes "visible";
        RuntimeOnly = "it is for OpenClaw's own runtime; leave it out";
        AlwaysAsked = "a person is asked about each command that they did not allow before; leave it out" takes "on-miss" | "always";
        PersonDecides = "a person decides what may run; leave it out" takes "allowlist" | "full";
        NoNodes = "there are no nodes; send command and commandArgv";
        OnThisComputer = "commands run on this computer; leave it out" takes "gateway" | "sandbox";
        CommandsOnly = "only commands are asked about; leave it out";
        NoWarnings = "the dialog shows what the gateway knows, and no text of a client; leave it out";
        ScopesDecide = "who may decide follows from operator.approvals alone; leave it out" even empty;
        ScopesOfTheDevice = "a token has the scopes that its device was granted; leave it out" even empty;
        CallerDecides = "the decision is that of the session that sends it; leave it out";
        NeverLasting = "a command is only ever allowed once; leave it out";
        AlwaysStored = "every session is stored; leave it out";
        NoForks = "a transcript cannot be copied; leave it out";
        NoProjects = "there are no projects; leave it out";
        NoCatalogs = "there are no catalogs of sessions; leave it out";
        OwnRuntime = "turns are run by Tidegate itself; leave it out";
        NoRevisions = "sessions have no lifecycle revision; use expectedSessionId";
        NeverElevated = "commands of agents never run elevated; leave it out" takes "off";
        OwnConfinement = "where commands of agents run, and who is asked, is decided on this computer; leave it out";
        NoSendPolicy = "there are no channels to keep messages from; leave it out" takes "allow";
        ModelsOwnWindow = "the context window is the model's; choose another model";
        NoReadMarks = "sessions have no mark of what was read; leave it out";
        NoStatusNotes = "sessions have no status note; leave it out, or send null";
        ChatsOnly = "sessions are shown as chats; leave it out" takes "chat";
        LineageIsAFact = "which session spawned another, and with which tools, is a fact of the runtime; leave it out" even empty;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    type Ruled = Refused<reasons::WholePrompt>;
    type Strict = Refused<reasons::LineageIsAFact>;

    #[test]
    fn a_refused_field_takes_what_asks_for_nothing() {
        for nothing in [json!(null), json!(false), json!([]), json!({}), json!("full")] {
            assert!(serde_json::from_value::<Option<Ruled>>(nothing.clone()).is_ok(), "{nothing}");
        }
        for something in [json!(true), json!(0), json!(-1), json!(0.5), json!(""), json!("none"), json!([0])]
        {
            let error = serde_json::from_value::<Option<Ruled>>(something.clone()).expect_err("refused");
            assert_eq!(error.to_string(), reasons::WholePrompt::TEXT, "{something}");
        }
    }

    #[test]
    fn an_empty_list_that_would_narrow_is_refused() {
        assert!(serde_json::from_value::<Strict>(json!([])).is_err());
    }

    #[test]
    fn an_ignored_field_takes_anything() {
        for value in [json!(1), json!("x"), json!([{ "y": null }]), json!(true)] {
            assert!(serde_json::from_value::<Ignored<reasons::NoJobs>>(value).is_ok());
        }
    }

    #[test]
    fn another_agent_is_refused_by_name() {
        assert!(serde_json::from_value::<ServedAgent>(json!("main")).is_ok());
        let error = serde_json::from_value::<ServedAgent>(json!("other")).expect_err("refused");
        assert_eq!(error.to_string(), "unknown agent id \"other\"; the only one is \"main\"");
    }

    #[test]
    fn a_change_tells_null_from_nothing() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Patch {
            #[serde(default, skip_serializing_if = "Change::is_absent")]
            label: Change<String>,
        }
        for (text, label) in [
            ("{}", Change::Absent),
            (r#"{"label":null}"#, Change::Clear),
            (r#"{"label":"x"}"#, Change::Set("x".to_owned())),
        ] {
            let patch: Patch = serde_json::from_str(text).expect("parsed");
            assert_eq!(patch, Patch { label });
            assert_eq!(serde_json::to_string(&patch).expect("printed"), text);
        }
    }
}

//! Lists of what Tidegate does not have: empty, and true.

use serde_json::{Value, json};
use tidegate_protocol::Method;

use crate::now;

/// The empty list of a method.
pub(crate) fn empty(method: Method) -> Value {
    match method {
        Method::CommandsList => json!({ "commands": [] }),
        Method::CronList => json!({
            "jobs": [], "total": 0, "offset": 0, "limit": 0, "hasMore": false, "nextOffset": null,
        }),
        Method::CronStatus => json!({ "enabled": false, "storePath": null, "jobs": 0, "nextWakeAtMs": null }),
        Method::NodeList => json!({ "ts": now::wall(), "nodes": [] }),
        Method::ChannelsStatus => json!({
            "ts": now::wall(),
            "channelOrder": [],
            "channelLabels": {},
            "channelDetailLabels": {},
            "channelSystemImages": {},
            "channelMeta": [],
            "channels": {},
            "channelAccounts": {},
            "channelDefaultAccountId": {},
        }),
        Method::QuestionList => json!({ "questions": [] }),
        Method::TaskSuggestionsList => json!({ "suggestions": [] }),
        _ => json!([]),
    }
}

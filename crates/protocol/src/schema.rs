//! JSON schemas of everything on the wire, generated from the types (draft 2020-12). They are
//! committed in `schemas/`; a test holds that they are current.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::connect::ConnectParams;
use crate::error::ErrorShape;
use crate::hello::HelloOk;
use crate::method::Access;
use crate::payload::{chat, frames};
use crate::{Event, Method};

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

fn access(method: Method) -> String {
    match method.access() {
        Access::Anyone => "anyone".to_owned(),
        Access::Scope(scope) => scope.to_string(),
        _ => "own-surfaces".to_owned(),
    }
}

/// The whole protocol as one document: every type is under `$defs`. `methods` and `events` say which
/// of them belong to what: `params` and `result` of a method, the payload of an event.
///
/// It is an ordinary JSON schema besides, of any frame.
#[must_use]
pub fn document() -> Value {
    let mut generator = SchemaGenerator::default();
    let frames = [of::<frames::ClientFrame>(&mut generator), of::<frames::GatewayFrame>(&mut generator)];
    for definition in [of::<ConnectParams>, of::<HelloOk>, of::<ErrorShape>] {
        definition(&mut generator);
    }
    of::<chat::AgentAccepted>(&mut generator);
    let mut methods = Map::new();
    methods.insert(
        "connect".to_owned(),
        json!({ "access": "anyone", "params": of::<ConnectParams>(&mut generator), "result": of::<HelloOk>(&mut generator) }),
    );
    for &method in Method::ALL {
        let (params, result) = method.schemas(&mut generator);
        let entry = json!({
            "access": access(method), "power": method.power().name(), "params": params, "result": result,
        });
        methods.insert(method.name().to_owned(), entry);
    }
    let mut events = Map::new();
    for &event in Event::ALL {
        events.insert(event.name().to_owned(), json!(event.schema(&mut generator)));
    }
    let definitions = generator.take_definitions(true);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tidegate gateway protocol, versions 3 and 4",
        "description": "Generated from the types of crates/protocol; do not edit.",
        "anyOf": frames,
        "methods": methods,
        "events": events,
        "$defs": definitions,
    })
}

//! The schemas of the protocol as validators, for a test that holds them against a running gateway.

use jsonschema::Validator;
use serde_json::{Value, json};
use tidegate_protocol::schema;

/// The schemas that the protocol crate generates.
#[derive(Debug)]
pub struct Schemas {
    document: Value,
}

impl Default for Schemas {
    fn default() -> Self {
        Self { document: schema::document() }
    }
}

impl Schemas {
    /// What a frame of the gateway does not fit, with its payload: that of an event by its name, that
    /// of an answer when the method is given.
    #[must_use]
    pub fn problems_of_frame(&self, frame: &Value, method: Option<&str>) -> Vec<String> {
        let mut problems = self.problems(&json!({ "$ref": "#/$defs/GatewayFrame" }), frame);
        if let Some(event) = frame["event"].as_str() {
            problems.extend(self.problems_of(event, &self.document["events"][event], &frame["payload"]));
        }
        if let (Some(method), true) = (method, frame["ok"] == true) {
            problems.extend(self.problems_of_result(method, &frame["payload"]));
        }
        problems
    }

    /// What an answer's payload does not fit.
    #[must_use]
    pub fn problems_of_result(&self, method: &str, payload: &Value) -> Vec<String> {
        self.problems_of(method, &self.document["methods"][method]["result"], payload)
    }

    /// What parameters do not fit.
    #[must_use]
    pub fn problems_of_params(&self, method: &str, params: &Value) -> Vec<String> {
        self.problems_of(method, &self.document["methods"][method]["params"], params)
    }

    fn problems_of(&self, name: &str, schema: &Value, value: &Value) -> Vec<String> {
        if !schema.is_object() {
            return vec![format!("{name} has no schema")];
        }
        self.problems(schema, value).into_iter().map(|problem| format!("{name}: {problem}")).collect()
    }

    fn problems(&self, schema: &Value, value: &Value) -> Vec<String> {
        let mut whole = schema.clone();
        whole["$defs"] = self.document["$defs"].clone();
        match jsonschema::draft202012::new(&whole) {
            Ok(validator) => explain(&validator, value),
            Err(error) => vec![format!("no schema: {error}")],
        }
    }
}

fn explain(validator: &Validator, value: &Value) -> Vec<String> {
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

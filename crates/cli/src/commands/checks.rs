//! `doctor` and `selftest`: whether every part works, and what to do.

use serde::Deserialize;
use tidegate_protocol::Method;

use super::{Context, nothing};
use crate::client::{Wire, read};
use crate::failure::Failure;
use crate::layout::Table;

#[derive(Debug, Deserialize)]
struct Checks {
    #[serde(default)]
    checks: Vec<Check>,
}

#[derive(Debug, Deserialize)]
struct Check {
    name: String,
    #[serde(default)]
    level: String,
    #[serde(default)]
    sentence: String,
    #[serde(default)]
    todo: Option<String>,
}

/// Checks every part.
pub(super) async fn doctor<W: Wire>(context: &mut Context<'_, W>) -> Result<(), Failure> {
    let method = Method::TidegateDoctor;
    let answer = context.client.call(method, nothing()).await?;
    let checks: Checks = read(method.name(), answer.clone())?;
    context.show(&answer, || Ok(render(&checks)))?;
    let failed: Vec<&str> =
        checks.checks.iter().filter(|check| check.level == "fail").map(|check| check.name.as_str()).collect();
    match failed.is_empty() {
        true => Ok(()),
        false => Err(Failure::Failed(format!("Not everything works: {}", failed.join(", ")))),
    }
}

fn render(checks: &Checks) -> String {
    let mut table = Table::new(&["", "PART", "FINDING"]);
    for check in &checks.checks {
        table.row([&check.level, &check.name, &check.sentence]);
        if let Some(todo) = check.todo.as_deref().filter(|todo| !todo.is_empty()) {
            table.row(["", "", &format!("-> {todo}")]);
        }
    }
    table.render()
}

#[derive(Debug, Deserialize)]
struct SelfTest {
    ok: bool,
    #[serde(default)]
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
struct Step {
    name: String,
    ok: bool,
    #[serde(default)]
    ms: u64,
    #[serde(default)]
    sentence: String,
}

/// Spawns a subagent through the whole path.
pub(super) async fn self_test<W: Wire>(context: &mut Context<'_, W>) -> Result<(), Failure> {
    let method = Method::TidegateSelfTest;
    let answer = context.client.call(method, nothing()).await?;
    let test: SelfTest = read(method.name(), answer.clone())?;
    context.show(&answer, || {
        let mut table = Table::new(&["", "STEP", "TOOK", "FINDING"]);
        for step in &test.steps {
            let state = if step.ok { "ok" } else { "fail" };
            table.row([state, &step.name, &format!("{} ms", step.ms), &step.sentence]);
        }
        Ok(table.render())
    })?;
    match test.ok {
        true => Ok(()),
        false => Err(Failure::Failed("The self-test failed. `tidegate doctor` may show why.".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_stands_below_the_finding() {
        let answer = serde_json::json!({ "checks": [
            { "name": "gateway", "ok": true, "level": "ok", "sentence": "It listens.", "todo": null },
            { "name": "keyring", "ok": true, "level": "warn", "sentence": "It is locked.", "todo": "Unlock it." },
        ]});

        let text = render(&serde_json::from_value(answer).unwrap());

        assert_eq!(
            text,
            "      PART     FINDING\n\
             ok    gateway  It listens.\n\
             warn  keyring  It is locked.\n\
             \x20              -> Unlock it.\n"
        );
    }
}

//! `doctor` and `selftest`: whether every part works, and what to do.

use tidegate_protocol::params::Empty;
use tidegate_protocol::payload::surfaces::{CheckLevel, DoctorResult};
use tidegate_protocol::rpc;

use super::Context;
use crate::client::Wire;
use crate::failure::Failure;
use crate::layout::Table;

/// Checks every part.
pub(super) async fn doctor<W: Wire>(context: &mut Context<'_, W>) -> Result<(), Failure> {
    let doctor = context.client.ask::<rpc::TidegateDoctor>(&Empty {}).await?;
    context.show(&doctor, || render(&doctor))?;
    let failed = doctor.checks.iter().filter(|check| check.level == CheckLevel::Fail);
    let failed: Vec<&str> = failed.map(|check| check.name.as_str()).collect();
    match failed.is_empty() {
        true => Ok(()),
        false => Err(Failure::Failed(format!("Not everything works: {}", failed.join(", ")))),
    }
}

fn render(doctor: &DoctorResult) -> String {
    let mut table = Table::new(&["", "PART", "FINDING"]);
    for check in &doctor.checks {
        table.row([check.level.name(), &check.name, &check.sentence]);
        if let Some(todo) = check.todo.as_deref().filter(|todo| !todo.is_empty()) {
            table.row(["", "", &format!("-> {todo}")]);
        }
    }
    table.render()
}

/// Spawns a subagent through the whole path.
pub(super) async fn self_test<W: Wire>(context: &mut Context<'_, W>) -> Result<(), Failure> {
    let test = context.client.ask::<rpc::TidegateSelfTest>(&Empty {}).await?;
    context.show(&test, || {
        let mut table = Table::new(&["", "STEP", "TOOK", "FINDING"]);
        for step in &test.steps {
            let state = if step.ok { "ok" } else { "fail" };
            table.row([state, &step.name, &format!("{} ms", step.ms), &step.sentence]);
        }
        table.render()
    })?;
    match test.ok {
        true => Ok(()),
        false => Err(Failure::Failed("The self-test failed. `tidegate doctor` may show why.".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use tidegate_protocol::payload::surfaces::DoctorCheck;

    use super::*;

    #[test]
    fn what_to_do_stands_below_the_finding() {
        let check = |name: &str, level, sentence: &str, todo: Option<&str>| DoctorCheck {
            name: name.to_owned(),
            ok: true,
            level,
            sentence: sentence.to_owned(),
            todo: todo.map(str::to_owned),
        };
        let gateway = check("gateway", CheckLevel::Ok, "It listens.", None);
        let keyring = check("keyring", CheckLevel::Warn, "It is locked.", Some("Unlock it."));

        let text = render(&DoctorResult { checks: vec![gateway, keyring] });

        assert_eq!(
            text,
            "      PART     FINDING\n\
             ok    gateway  It listens.\n\
             warn  keyring  It is locked.\n\
             \x20              -> Unlock it.\n"
        );
    }
}

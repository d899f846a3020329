//! Landlock's rules about files, and its scopes.

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible as _, PathBeneath, PathFd, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, RulesetStatus, Scope,
};
use tidegate_inside::{Enforcement, FileAccess, FileRule};

/// The newest rules that are asked for; older kernels enforce what they know.
const RULES: ABI = ABI::V6;

/// Puts the rules on this thread and what it starts from now on.
///
/// # Errors
/// When the kernel has Landlock and yet refuses a rule.
pub(crate) fn enforce(rules: &[FileRule]) -> Result<Enforcement, landlock::RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(RULES))?
        .create()?;
    for rule in rules {
        // A path that is not there needs no rule.
        let Ok(path) = PathFd::new(&rule.path) else { continue };
        ruleset = ruleset.add_rule(PathBeneath::new(path, allowed(rule.access)))?;
    }
    let enforced = ruleset.restrict_self()?;
    Ok(enforcement(enforced.ruleset))
}

/// Lets this thread and what it starts signal nothing outside, and reach no abstract socket there.
///
/// # Errors
/// When the kernel knows scopes and yet refuses.
pub(crate) fn scope() -> Result<Enforcement, landlock::RulesetError> {
    let ruleset = Ruleset::default().scope(Scope::from_all(RULES))?.create()?;
    let enforced = ruleset.restrict_self()?;
    Ok(enforcement(enforced.ruleset))
}

fn enforcement(status: RulesetStatus) -> Enforcement {
    match status {
        RulesetStatus::FullyEnforced => Enforcement::Full,
        RulesetStatus::PartiallyEnforced => Enforcement::Partial,
        RulesetStatus::NotEnforced => Enforcement::None,
    }
}

fn allowed(access: FileAccess) -> BitFlags<AccessFs> {
    let read = AccessFs::from_read(RULES);
    let change = AccessFs::WriteFile | AccessFs::Truncate;
    let devices = AccessFs::MakeChar | AccessFs::MakeBlock;
    let private = AccessFs::from_all(RULES) & !(devices | AccessFs::IoctlDev);
    match access {
        FileAccess::Read => read,
        FileAccess::Devices => read | change | AccessFs::IoctlDev,
        FileAccess::Folder => private & !(AccessFs::MakeSock | AccessFs::MakeFifo),
        FileAccess::FolderWithoutLinks => {
            private & !(AccessFs::MakeSock | AccessFs::MakeFifo | AccessFs::MakeSym)
        }
        FileAccess::FolderWithSockets => private & !AccessFs::MakeFifo,
        FileAccess::Private => private,
    }
}

//! Which permissions allow a request, and why those that nearly do are not enough.

use std::path::Path;

use tidegate_protocol::UnixMillis;
use tidegate_protocol::confinement::{CommandClass, Confinement, Need};

use super::{Attendance, GrantedNeeds, Permission, PermissionKind, RequestContext, WhyAsked, sentence};
use crate::approval::{FileAccess, Operation};
use crate::folder::Folder;
use crate::rules::{self, PlainCommand, PlainRequest, Rule, RuleId, WhyNot};

/// Which of the permissions that are in effect allow a request, together. `Err` says why a person is asked,
/// where that is worth a sentence.
pub(crate) fn allowing<'a>(
    permissions: &'a [Permission],
    operation: &Operation,
    session_key: &str,
    context: &RequestContext,
    now: UnixMillis,
) -> Result<Vec<&'a Permission>, Option<WhyAsked>> {
    let valid = || permissions.iter().filter(|known| !known.has_expired(now) && known.is_for(context));
    match operation {
        Operation::Exec { confinement: Some(confinement), .. }
            if confinement.class == CommandClass::Contained =>
        {
            let plain = valid().find(|known| known.kind == PermissionKind::Contained);
            if let Some(plain) = plain.filter(|_| confinement.needs.is_empty()) {
                return Ok(vec![plain]);
            }
            let asked = Asked { confinement, context };
            let granting: Vec<_> =
                valid().filter_map(|known| Some((known, known.needs_for(context)?))).collect();
            let used = with_needs(&granting, &asked).map_or_else(
                || match by_rules(valid(), &asked) {
                    Ok(used) => Ok(used),
                    Err(why) => Err(why_asked(permissions, &asked, now).or(why)),
                },
                Ok,
            )?;
            match context.attendance {
                Attendance::Attended => Ok(used),
                Attendance::Unattended => Err(Some(WhyAsked::Unattended)),
            }
        }
        Operation::File { access: FileAccess::Read, trigger: false, .. } => {
            let reads = |known: &&Permission| matches!(&known.kind, PermissionKind::Read { session_key: session } if session == session_key);
            match valid().find(reads) {
                Some(_) if context.attendance == Attendance::Unattended => Err(Some(WhyAsked::Unattended)),
                Some(known) => Ok(vec![known]),
                None => Err(None),
            }
        }
        Operation::Exec { .. } | Operation::File { .. } => Err(None),
    }
}

/// The permissions that allow a command's needs, each need by one of them. A command without needs may do less
/// than any of them allows.
fn with_needs<'a>(
    granting: &[(&'a Permission, &GrantedNeeds)],
    asked: &Asked<'_>,
) -> Option<Vec<&'a Permission>> {
    if asked.confinement.needs.is_empty() {
        return granting.first().map(|(known, _)| vec![*known]);
    }
    let mut used: Vec<&Permission> = Vec::new();
    for need in &asked.confinement.needs {
        let (known, _) = granting.iter().find(|(_, granted)| granted.allow(need, asked))?;
        if !used.contains(known) {
            used.push(known);
        }
    }
    Some(used)
}

/// The rules that allow a plain command. `Err` names a rule that nearly does.
fn by_rules<'a>(
    valid: impl Iterator<Item = &'a Permission>,
    asked: &Asked<'_>,
) -> Result<Vec<&'a Permission>, Option<WhyAsked>> {
    let Asked { confinement, context } = asked;
    let (Some(command), Some(folder)) = (&context.plain, context.folders.first()) else {
        return Err(rule_without_program(valid, asked));
    };
    let rules: Vec<(&Permission, Rule)> =
        valid.filter_map(|known| Some((known, known.rule(folder, asked, command.command())?))).collect();
    let needs = confinement.needs.iter().cloned().collect();
    let request = PlainRequest { command, folder, needs: &needs, sets_variables: false };
    let covered = rules::covers(&rules.iter().map(|(_, rule)| rule).collect::<Vec<_>>(), &request);
    match covered {
        Ok(covered) => {
            let is_used = |known: &Permission| covered.rules.iter().any(|id| id.0 == known.id);
            Ok(rules.iter().map(|(known, _)| *known).filter(|known| is_used(known)).collect())
        }
        Err(WhyNot::NoRule { .. } | WhyNot::Variables | WhyNot::Unconfined) => Err(None),
        Err(why) => Err(Some(why.into())),
    }
}

/// A rule for what a command begins with, where its program was not found.
fn rule_without_program<'a>(
    mut valid: impl Iterator<Item = &'a Permission>,
    asked: &Asked<'_>,
) -> Option<WhyAsked> {
    let segments = asked.context.not_found.as_ref()?.segments();
    valid.find_map(|known| match &known.kind {
        PermissionKind::Rule { prefix, program, .. }
            if segments.iter().any(|segment| prefix.matches(segment)) =>
        {
            Some(WhyAsked::ProgramGone { program: sentence::path(&program.file) })
        }
        _ => None,
    })
}

/// What of what a person allowed does not hold for this command.
fn why_asked(permissions: &[Permission], asked: &Asked<'_>, now: UnixMillis) -> Option<WhyAsked> {
    let Asked { confinement, context } = asked;
    let wants = |granted: &GrantedNeeds| confinement.needs.iter().any(|need| granted.needs.contains(need));
    let concerns = |known: &&Permission| match &known.kind {
        PermissionKind::Contained => confinement.needs.is_empty(),
        PermissionKind::Needs(granted) => confinement.needs.is_empty() || wants(granted),
        PermissionKind::Task { .. } | PermissionKind::Rule { .. } | PermissionKind::Read { .. } => false,
    };
    let concerned = || permissions.iter().filter(concerns);
    let replaced = concerned().find(|known| {
        !known.has_expired(now)
            && context
                .folders
                .iter()
                .any(|folder| folder.path == known.folder.path && *folder != known.folder)
    });
    if let Some(known) = replaced {
        return Some(WhyAsked::Replaced { folder: sentence::path(&known.folder.path) });
    }
    let here = || concerned().filter(|known| known.is_for(context));
    let expired = here().find_map(|known| match &known.kind {
        PermissionKind::Needs(granted) if known.has_expired(now) => Some(granted),
        _ => None,
    });
    if let Some(granted) = expired {
        return Some(WhyAsked::Expired { needs: sentence::needs(&granted.needs) });
    }
    let mut all_here = permissions.iter().filter(|known| known.is_for(context));
    let moved = all_here.find_map(|known| known.needs_for(context)?.replaced(asked));
    if let Some(folder) = moved {
        return Some(WhyAsked::ReplacedOutside { folder: sentence::path(folder) });
    }
    let is_other = |known: &Permission| {
        let granted = known.needs_for(context);
        granted.is_some_and(|granted| {
            granted.needs.contains(&Need::Git) && granted.repository != confinement.repository
        })
    };
    let asks_git = confinement.needs.contains(&Need::Git);
    (asks_git && here().any(is_other)).then_some(WhyAsked::Repository)
}

impl Permission {
    /// It as a rule in a folder that it is for. Folders elsewhere have to be those that were shown, and needs are
    /// for the very command that was shown: options behind its first words can make a program run others.
    fn rule(&self, folder: &Folder, asked: &Asked<'_>, command: &PlainCommand) -> Option<Rule> {
        let PermissionKind::Rule { prefix, program, granted } = &self.kind else { return None };
        let mut matching = command.segments().iter().filter(|segment| prefix.matches(segment));
        let is_exact = matching.all(|segment| segment.words() == prefix.words());
        let needs = granted.needs.iter().filter(|need| is_exact && granted.still_holds(need, asked));
        Some(Rule {
            id: RuleId(self.id.clone()),
            folder: folder.clone(),
            prefix: prefix.clone(),
            program: program.clone(),
            needs: needs.cloned().collect(),
            created_at: self.granted_at,
        })
    }

    /// The needs that it allows a task's commands, where it allows commands.
    fn needs_for(&self, context: &RequestContext) -> Option<&GrantedNeeds> {
        match &self.kind {
            PermissionKind::Needs(granted) => Some(granted),
            PermissionKind::Task { task, granted } if *task == context.task => Some(granted),
            _ => None,
        }
    }
}

/// What is asked for by a contained command.
#[derive(Clone, Copy)]
struct Asked<'a> {
    confinement: &'a Confinement,
    context: &'a RequestContext,
}

impl Asked<'_> {
    /// The folder elsewhere that one of its needs names.
    fn folder<'a>(&'a self, need: &'a Need) -> Option<&'a Path> {
        match need {
            Need::Write(path) => Some(Path::new(path)),
            Need::Git => self.confinement.repository.as_deref().map(Path::new),
            _ => None,
        }
    }
}

impl GrantedNeeds {
    /// Whether one need of a command is allowed.
    fn allow(&self, need: &Need, asked: &Asked<'_>) -> bool {
        self.needs.contains(need) && self.still_holds(need, asked)
    }

    /// Whether what a need names is what was shown with it.
    fn still_holds(&self, need: &Need, asked: &Asked<'_>) -> bool {
        let is_other = *need == Need::Git && self.repository != asked.confinement.repository;
        !is_other && asked.folder(need).is_none_or(|folder| is_known(&self.outside, asked, folder))
    }

    /// The folder of a need that was shown with it and is another one now.
    fn replaced<'a>(&self, asked: &'a Asked<'_>) -> Option<&'a Path> {
        let named = asked.confinement.needs.iter().filter(|need| self.needs.contains(need));
        named.filter_map(|need| asked.folder(need)).find(|folder| {
            let was_shown = self.outside.iter().any(|known| known.path == *folder);
            was_shown && !is_known(&self.outside, asked, folder)
        })
    }
}

/// Whether a folder that a request names is one of those that were shown.
fn is_known(shown: &[Folder], asked: &Asked<'_>, folder: &Path) -> bool {
    let mut now = asked.context.outside.iter().filter(|now| now.path == folder);
    now.any(|now| shown.contains(now))
}

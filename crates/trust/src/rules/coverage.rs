//! Whether rules allow a command.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tidegate_protocol::confinement::Need;
use tidegate_protocol::text;

use super::plain::Segment;
use super::prefix::NotOffered;
use super::program_file::{ProgramFile, ResolvedCommand};
use super::{Rule, RuleId};
use crate::folder::Folder;

/// A command for which rules are looked for.
#[derive(Debug, Clone, Copy)]
pub struct PlainRequest<'a> {
    pub command: &'a ResolvedCommand,
    /// The workspace of the run, as it is now.
    pub folder: &'a Folder,
    /// Everything that the command needs beyond the sandbox.
    pub needs: &'a BTreeSet<Need>,
    /// Whether the call adds or changes variables. They choose what programs do as much as words, and no
    /// rule shows them.
    pub sets_variables: bool,
}

/// The rules that allow a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoveredBy {
    /// One for each segment; the same one may be there several times.
    pub rules: Vec<RuleId>,
}

/// Why no rule allows a command. Each sentence is for the person who is asked instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WhyNot {
    #[error("the call sets variables, which no rule allows")]
    Variables,
    #[error("no rule allows a command to run unconfined")]
    Unconfined,
    #[error("no rule in this folder allows {segment:?}")]
    NoRule { segment: String },
    /// There was a rule, and the file is another one, or was changed, since then.
    #[error("{} was replaced or changed since you made the rule{}", path(.was), moved(.was, .is))]
    ProgramChanged { rule: RuleId, was: PathBuf, is: PathBuf },
    /// There is a rule, and none like it would be made now.
    #[error("your rule does not hold any more: {why}")]
    NoLongerOffered { rule: RuleId, why: NotOffered },
    /// All segments run in one sandbox, so each of them could use what one of them may.
    #[error("the rule for {segment:?} does not include {need}")]
    Need { rule: RuleId, segment: String, need: Need },
}

/// Looks for one rule for each segment of a command. Each must carry every need of the command: all
/// segments share one sandbox, and what one of them may use, the others could use through it. Needs of
/// two rules are not added up either, because nobody was asked about both together.
///
/// # Errors
/// Why the first segment without a rule has none; the rule that comes closest decides what is said.
pub fn covers(rules: &[&Rule], request: &PlainRequest<'_>) -> Result<CoveredBy, WhyNot> {
    if request.sets_variables {
        return Err(WhyNot::Variables);
    }
    if request.needs.contains(&Need::Unconfined) {
        return Err(WhyNot::Unconfined);
    }
    let here: Vec<&Rule> = rules.iter().copied().filter(|rule| rule.folder == *request.folder).collect();
    let segments = request.command.command().segments().iter();
    let covered = segments.zip(request.command.programs()).map(|(segment, program)| {
        let mut closest = WhyNot::NoRule { segment: shown(segment) };
        for rule in here.iter().filter(|rule| rule.prefix.matches(segment)) {
            match check(rule, segment, program, request.needs) {
                Ok(()) => return Ok(rule.id.clone()),
                Err(why) if rank(&why) > rank(&closest) => closest = why,
                Err(_) => {}
            }
        }
        Err(closest)
    });
    Ok(CoveredBy { rules: covered.collect::<Result<_, _>>()? })
}

/// Whether a rule that matches allows a segment.
fn check(
    rule: &Rule,
    segment: &Segment,
    program: &ProgramFile,
    needs: &BTreeSet<Need>,
) -> Result<(), WhyNot> {
    let id = || rule.id.clone();
    rule.prefix.check(program).map_err(|why| WhyNot::NoLongerOffered { rule: id(), why })?;
    if rule.program != *program {
        let (was, is) = (rule.program.path.clone(), program.path.clone());
        return Err(WhyNot::ProgramChanged { rule: id(), was, is });
    }
    match needs.difference(&rule.needs).next() {
        Some(need) => Err(WhyNot::Need { rule: id(), segment: shown(segment), need: need.clone() }),
        None => Ok(()),
    }
}

/// How close a rule came.
fn rank(why: &WhyNot) -> u8 {
    match why {
        WhyNot::Variables | WhyNot::Unconfined | WhyNot::NoRule { .. } => 0,
        WhyNot::NoLongerOffered { .. } => 1,
        WhyNot::ProgramChanged { .. } => 2,
        WhyNot::Need { .. } => 3,
    }
}

fn shown(segment: &Segment) -> String {
    text::one_line(&segment.words().join(" "), 200)
}

fn path(path: &Path) -> String {
    text::one_line(&path.to_string_lossy(), 200)
}

/// Where the program is now, when that is elsewhere.
fn moved(was: &Path, is: &Path) -> String {
    if was == is { String::new() } else { format!("; the command would now run {}", path(is)) }
}

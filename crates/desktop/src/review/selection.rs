//! From what a person selected to what is granted.

use tidegate_protocol::{Scope, text};
use tidegate_trust::decision::{Choice, Verdict};
use tidegate_trust::pairing::{PendingRequest, Subject};
use tidegate_trust::{Level, ScopeSet, records};

use crate::dialog::{Extent, GrantOptions, Selection};

/// The most characters of a claimed name in a token's name, which has [`records::MAX_NAME`] at most.
const MAX_CLAIMED: usize = records::MAX_NAME - CODE - 2;
/// The characters of a request's id that people compare.
const CODE: usize = 8;

/// What letting someone in means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// A decision about the request.
    Verdict(Verdict),
    /// A token of its own instead.
    OwnToken {
        /// The token's name.
        name: String,
        level: Level,
        /// Whether it may manage pairing.
        pairing: bool,
    },
}

/// What has to be known of a request to grant it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestRule {
    asked: ScopeSet,
    is_program: bool,
    token_name: String,
}

impl RequestRule {
    pub(super) fn of(request: &PendingRequest) -> Self {
        let ask = &request.details;
        Self {
            asked: ask.asked.clone(),
            is_program: matches!(ask.subject, Subject::Program(_)),
            token_name: token_name(request),
        }
    }

    /// What a selection grants: nothing that the dialog did not offer.
    pub(super) fn grant(
        &self,
        options: Option<&GrantOptions>,
        selection: &Selection,
    ) -> Result<Grant, &'static str> {
        const NOT_OFFERED: &str = "That was not offered. Choose again.";
        let options = options.ok_or(NOT_OFFERED)?;
        let is_extent = options.extents.iter().any(|option| option.extent == selection.extent);
        // A token of its own can stand for what the shared one cannot carry.
        let stands_for_asked = selection.own_token && selection.extent == Extent::Asked;
        let is_duration = options.durations.iter().any(|option| option.duration == selection.duration);
        if !(is_extent || stands_for_asked)
            || !(is_duration || selection.own_token)
            || (selection.own_token && !options.can_have_token)
            || (selection.pairing && !options.can_pair)
        {
            return Err(NOT_OFFERED);
        }
        let scopes = selection.scopes.as_ref().unwrap_or(&self.asked);
        if scopes.iter().any(|scope| !self.asked.names(scope)) {
            return Err(NOT_OFFERED);
        }
        if selection.own_token {
            let (level, pairing) = match selection.extent {
                Extent::Level(level) => (level, selection.pairing),
                Extent::Asked => (level_within(scopes).ok_or(CHOOSE_A_LEVEL)?, scopes.names(&Scope::Pairing)),
            };
            return Ok(Grant::OwnToken { name: self.token_name.clone(), level, pairing });
        }
        let choice = match selection.extent {
            Extent::Level(Level::Full) if self.is_program => return Err(NEEDS_OWN_TOKEN),
            Extent::Level(level) => Choice::Level { level, pairing: selection.pairing },
            Extent::Asked if scopes == &self.asked => Choice::All,
            Extent::Asked => Choice::Scopes(scopes.clone()),
        };
        Ok(Grant::Verdict(Verdict::Approve { choice, duration: selection.duration }))
    }
}

const CHOOSE_A_LEVEL: &str = "No level gives just what it asks for. Choose a level for its token.";
const NEEDS_OWN_TOKEN: &str =
    "A program can have full control only with a token of its own. Choose that too, or a lower level.";

/// The claimed name and the request's code, so that no token has the name already.
fn token_name(request: &PendingRequest) -> String {
    let claims = &request.details.claims;
    let names = [claims.display_name.as_deref(), Some(claims.client_id.as_str())];
    let name = names.into_iter().flatten().map(str::trim).find(|name| !name.is_empty());
    let code: String = request.id.chars().take(CODE).collect();
    format!("{} {code}", text::one_line(name.unwrap_or("program"), MAX_CLAIMED))
}

/// The highest level that gives nothing beyond `scopes`.
fn level_within(scopes: &ScopeSet) -> Option<Level> {
    let levels = [Level::Full, Level::Write, Level::Read];
    levels.into_iter().find(|level| ScopeSet::from(*level).not_held_by(scopes).is_empty())
}

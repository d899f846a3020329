//! The shared token, and tokens of single programs.

use tidegate_protocol::text;

use super::ManagementError;
use crate::audit::AuditKind;
use crate::authority::{Authority, Effect, Entropy};
use crate::decider::Decider;
use crate::decision::{DecisionError, Verdict};
use crate::pairing::Subject;
use crate::principal::Principal;
use crate::records::{Change, MAX_NAME, ProgramToken};
use crate::scopes::Level;
use crate::timestamp::Timestamp;
use crate::token::Token;
use crate::transaction::{PreparedTransaction, Step, Transaction};

/// A token that is to be made for a program.
#[derive(Debug, Clone, Copy)]
pub struct NewProgramToken<'a> {
    pub name: &'a str,
    pub level: Level,
    /// Whether the program may manage pairing.
    pub pairing: bool,
}

/// Why a program that waits gets no token. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GiveTokenError {
    /// A device asks, and only programs get tokens.
    #[error("only a program can get a token of its own; a device keeps its own key")]
    NotAProgram,
    /// The request cannot be ended.
    #[error(transparent)]
    Decision(#[from] DecisionError),
    /// The token cannot be made.
    #[error(transparent)]
    Management(#[from] ManagementError),
}

impl Authority {
    /// Replaces the shared token. Grants of programs end with it, and so does every connection
    /// that was opened with the old one.
    pub fn rotate_shared_token(&mut self, entropy: &Entropy, now: Timestamp) -> Transaction<Token> {
        let token = Token::from_entropy(entropy.token);
        let old = self.tokens.generation();
        let record = self.tokens.rotate_shared(token.hash(), now);
        let mut durable = vec![Change::PutSharedToken(record)];
        let mut effects = Vec::new();
        // One from outside stands in for it, and stays.
        if !self.tokens.is_overridden() {
            durable.extend(self.programs.removal(|_| true));
            let revoked = self.programs.remove(|_| true);
            effects.extend(self.sessions.end(|live| live.token_generation == Some(old)));
            effects.extend(revoked.into_iter().flat_map(|principal| self.revoke_work(principal)));
        }
        let line = "shared token rotated".to_owned();
        effects.push(Effect::audit(now, AuditKind::SharedTokenRotated, "shared token", line));
        Transaction::applied(token, durable, effects)
    }

    /// Makes a token for one program. Its text is for nobody before it is committed.
    ///
    /// # Errors
    /// When the name is empty, too long, or taken.
    pub fn new_program_token(
        &mut self,
        name: &str,
        level: Level,
        pairing: bool,
        entropy: &Entropy,
        now: Timestamp,
    ) -> Result<PreparedTransaction<(Token, ProgramToken)>, ManagementError> {
        let name = name.trim();
        if self.tokens.of_programs().iter().any(|token| token.name == name) {
            return Err(ManagementError::NameTaken);
        }
        if name.is_empty() || text::one_line(name, MAX_NAME) != name {
            return Err(ManagementError::Name);
        }
        let token = Token::from_entropy(entropy.token);
        let record = ProgramToken {
            id: entropy.uuid(),
            name: name.to_owned(),
            level,
            pairing,
            hash: token.hash(),
            created_at: now.wall,
            last_used_at: None,
        };
        self.tokens.add(record.clone());
        let line = format!("program token made name={name}");
        let effects = vec![Effect::audit(now, AuditKind::ProgramTokenMade, name, line)];
        let step = Step::ProgramToken { id: record.id.clone(), rejection: None };
        Ok(PreparedTransaction::new((token, record.clone()), vec![Change::from(&record)], effects, step))
    }

    /// Makes a token for a program that waits, in the place of a grant, and rejects its request: with the
    /// token it need not ask. Both take effect together. Its text is for nobody before it is committed.
    ///
    /// # Errors
    /// Why there is none; the request then waits on.
    pub fn give_program_token(
        &mut self,
        decider: &Decider,
        request: &str,
        digest: &str,
        new: &NewProgramToken<'_>,
        entropy: &Entropy,
        now: Timestamp,
    ) -> Result<PreparedTransaction<(Token, ProgramToken)>, GiveTokenError> {
        let is_device = |subject: &Subject| matches!(subject, Subject::Device(_));
        if self.pending.get(request).is_some_and(|waiting| is_device(&waiting.details.subject)) {
            return Err(GiveTokenError::NotAProgram);
        }
        let reject = Verdict::Reject;
        let (rejection, audit, _) =
            self.prepare_decision(decider, request, Some(digest), &reject, entropy, now)?;
        match self.new_program_token(new.name, new.level, new.pairing, entropy, now) {
            Ok(made) => Ok(made.with_rejection(rejection, audit)),
            Err(error) => {
                self.pending.set_deciding(request, false);
                Err(error.into())
            }
        }
    }

    /// Takes a program's token away, by id or name. Every connection that came in with it ends, also
    /// a device's or a visitor's.
    ///
    /// # Errors
    /// When there is none.
    pub fn revoke_program_token(
        &mut self,
        id_or_name: &str,
        now: Timestamp,
    ) -> Result<Transaction<()>, ManagementError> {
        let token = self.tokens.take(id_or_name).ok_or(ManagementError::UnknownToken)?;
        let closed = self.sessions.end(|live| live.program_token.as_ref() == Some(&token.id));
        let mut effects: Vec<Effect> = closed.into_iter().collect();
        effects.extend(self.revoke_work(Principal::ProgramToken(token.id.clone())));
        let line = format!("program token revoked name={}", token.name);
        effects.push(Effect::audit(now, AuditKind::ProgramTokenRevoked, token.name, line));
        Ok(Transaction::applied((), vec![Change::RemoveToken(token.id)], effects))
    }
}

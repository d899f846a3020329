//! The shared token, and tokens of single programs.

use tidegate_protocol::text;

use super::ManagementError;
use crate::audit::AuditKind;
use crate::authority::{Authority, Effect, Entropy};
use crate::principal::Principal;
use crate::records::{Change, MAX_NAME, ProgramToken};
use crate::scopes::Level;
use crate::timestamp::Timestamp;
use crate::token::Token;
use crate::transaction::{Prepared, Step, Transaction};

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
            effects.extend(revoked.into_iter().map(|principal| Effect::Revoked { principal }));
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
    ) -> Result<Transaction<(Token, ProgramToken), Prepared>, ManagementError> {
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
        let step = Step::ProgramToken(record.id.clone());
        Ok(Transaction::prepared((token, record.clone()), vec![Change::from(&record)], effects, step))
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
        effects.push(Effect::Revoked { principal: Principal::ProgramToken(token.id.clone()) });
        let line = format!("program token revoked name={}", token.name);
        effects.push(Effect::audit(now, AuditKind::ProgramTokenRevoked, token.name, line));
        Ok(Transaction::applied((), vec![Change::RemoveToken(token.id)], effects))
    }
}

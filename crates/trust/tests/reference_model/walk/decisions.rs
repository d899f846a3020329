//! Decisions about waiting requests.

use super::*;

impl Walk {
    pub(super) fn draw_verdict(&mut self, request: &str) -> Verdict {
        let length = [Length::Always, Length::UntilQuit, Length::Once][self.index(3)];
        let level = [Level::Read, Level::Write, Level::Full][self.index(3)];
        let asked = self.model.requests.iter().find(|known| known.id == request);
        let asked: Vec<_> =
            asked.map(|known| known.shown.asked.iter().copied().collect()).unwrap_or_default();
        match self.draw(20) {
            0..8 => Verdict::All(length),
            8..11 => {
                let mut scopes: Set = asked.into_iter().filter(|_| self.one_in(2)).collect();
                if self.one_in(4) {
                    scopes.extend(self.scopes());
                }
                Verdict::Scopes(scopes, length)
            }
            11..16 => Verdict::Level(level, self.one_in(3), length),
            16..18 => Verdict::Reject,
            18 => Verdict::Later,
            _ if self.one_in(3) => Verdict::Block,
            _ => Verdict::Later,
        }
    }

    /// A client that may act: preferably one that was given the right to manage pairing.
    pub(super) fn client(&mut self) -> Option<Connection> {
        let pairing = !self.one_in(4);
        let clients: Vec<_> = self
            .model
            .connections
            .iter()
            .filter(|client| !pairing || client.allowed.contains(crate::model::PAIRING))
            .cloned()
            .collect();
        (!clients.is_empty()).then(|| clients[self.index(clients.len())].clone())
    }

    pub(super) fn decide(&mut self) -> &'static str {
        let client = if self.one_in(2) { self.client() } else { None };
        let by_surface = client.is_none() && self.one_in(4);
        let request = match self.one_in(12) {
            true => self.ids.iter().next().cloned().unwrap_or_default(),
            false if self.model.requests.is_empty() => String::new(),
            false => {
                let index = self.index(self.model.requests.len());
                self.model.requests[index].id.clone()
            }
        };
        let verdict = self.draw_verdict(&request);
        let right_digest = !self.one_in(10);
        self.trace
            .push(format!("decide {request} by {client:?} as {verdict:?}, digest right: {right_digest}, by a surface: {by_surface}"));
        let problems = self.model.problems(&request, client.as_ref(), by_surface, right_digest, &verdict);
        let decider = match &client {
            None if by_surface && self.one_in(2) => Decider::of(&self.window, Desktop::Running),
            None if by_surface => Decider::of(&support::command_line(), Desktop::Running),
            None if self.one_in(2) => Ok(self.person.clone()),
            None => Ok(support::person()),
            Some(client) => Decider::of(&self.sessions[&client.name], Desktop::Running),
        };
        let Ok(decider) = decider else {
            self.expect_same("not a decider", &BTreeSet::from([Problem::NoDecider]), &problems);
            return "not decided";
        };
        let digest = self.world.authority.waiting().iter().find(|waiting| waiting.id == request);
        let digest = digest.map(|waiting| waiting.details.digest());
        let digest = if right_digest { digest } else { Some("another".to_owned()) };
        let entropy = self.world.entropy();
        let before = self.world.authority.waiting().len();
        let result = self.world.authority.decide(
            &decider,
            &request,
            digest.as_deref(),
            &theirs(&verdict),
            &entropy,
            self.world.now,
        );
        let decided = match result {
            Err(error) => {
                self.expect(
                    &format!("{error:?} is none of {problems:?}"),
                    problems.contains(&problem(&error)),
                );
                self.expect_same("waiting", &self.world.authority.waiting().len(), &before);
                return "not decided";
            }
            Ok(decided) => decided,
        };
        self.expect(&format!("decided in spite of {problems:?}"), problems.is_empty());
        if self.one_in(10) {
            self.world.authority.roll_back(decided);
            return "decision withdrawn";
        }
        self.commit(decided, &request, &verdict, &entropy, before, client.is_some(), by_surface)
    }

    #[expect(clippy::too_many_arguments, reason = "everything about the decision is compared")]
    pub(super) fn commit(
        &mut self,
        decided: PreparedTransaction<()>,
        request: &str,
        verdict: &Verdict,
        entropy: &Entropy,
        before: usize,
        by_client: bool,
        by_surface: bool,
    ) -> &'static str {
        let durable = decided.durable.clone();
        let completed = self.world.authority.apply(decided, self.world.now);
        self.expect("nothing came in between", completed.value.is_some());
        let removes = *verdict == Verdict::Block && completed.durable.iter().all(Change::takes_away);
        self.expect("all was stored", completed.durable.is_empty() || removes);
        let effects = completed.effects;
        let closes = self.model.decide(request, verdict, entropy.uuid());
        self.expect_same("closed by a decision", &names(&support::closed(&effects)), &closes);
        self.ended.extend(closes);
        let left = self.world.authority.waiting().len();
        let resolved: Vec<_> = effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Resolved { request, approved } => Some((request.id.as_str(), *approved)),
                _ => None,
            })
            .collect();
        let approves = verdict.approves();
        if *verdict == Verdict::Later {
            self.expect("later consumes nothing", left == before && resolved.is_empty());
        } else {
            self.expect("a decision consumes exactly one request", left + 1 == before);
            self.expect("and says so", resolved == [(request, approves)]);
        }
        if approves {
            let lasting = verdict.length() == Length::Always;
            self.expect_same("only what lasts is stored", &durable.len(), &usize::from(lasting));
        }
        self.stored(&durable);
        match verdict {
            Verdict::Reject | Verdict::Block if by_surface => "refused by a surface",
            Verdict::Reject => "rejected",
            Verdict::Later => "later",
            Verdict::Block => "blocked",
            _ if by_client => "approved by a client",
            _ => "approved by the person",
        }
    }
}

fn theirs(verdict: &Verdict) -> decision::Verdict {
    let duration = match verdict.length() {
        Length::Once => decision::GrantLifetime::Once,
        Length::UntilQuit => decision::GrantLifetime::UntilQuit,
        Length::Always => decision::GrantLifetime::Always,
    };
    let choice = match verdict {
        Verdict::Reject => return decision::Verdict::Reject,
        Verdict::Later => return decision::Verdict::Later,
        Verdict::Block => return decision::Verdict::Block,
        Verdict::All(_) => Choice::All,
        Verdict::Scopes(scopes, _) => Choice::Scopes(scope_set(scopes)),
        Verdict::Level(level, pairing, _) => Choice::Level { level: their_level(*level), pairing: *pairing },
    };
    decision::Verdict::Approve { choice, duration }
}

fn problem(error: &DecisionError) -> Problem {
    match error {
        DecisionError::Unknown => Problem::Unknown,
        DecisionError::Changed => Problem::Changed,
        DecisionError::BeyondDecider(_) => Problem::Beyond,
        DecisionError::Own => Problem::Own,
        DecisionError::PersonOnly => Problem::PersonOnly,
        DecisionError::DesktopDecides => Problem::DesktopDecides,
        DecisionError::NotAsked(_) => Problem::NotAsked,
        DecisionError::NeedsOwnToken => Problem::NeedsOwnToken,
        DecisionError::OnlyOnce(_) => Problem::OnlyOnce,
    }
}

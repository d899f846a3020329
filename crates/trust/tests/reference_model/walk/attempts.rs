//! Attempts of clients, and their outcomes.

use super::*;

impl Walk {
    pub(super) fn credential(&mut self, device: Option<usize>) -> Credential {
        let any_device = self.index(DEVICES);
        let own = device.unwrap_or(any_device);
        let text_of =
            |model: &Model, device| model.device_tokens.get(&device).and_then(|token| token.text.clone());
        match self.draw(24) {
            0 => Credential::None,
            1 => Credential::Token("wrong".to_owned()),
            2 => Credential::DeviceToken("wrong".to_owned()),
            3 if !self.old_texts.is_empty() => {
                let index = self.index(self.old_texts.len());
                Credential::Token(self.old_texts[index].clone())
            }
            4..6 => text_of(&self.model, own).map_or(Credential::None, Credential::DeviceToken),
            6 => text_of(&self.model, own).map_or(Credential::None, Credential::Token),
            7 => text_of(&self.model, any_device).map_or(Credential::None, Credential::Token),
            8 if !self.model.own_tokens.is_empty() => {
                let index = self.index(self.model.own_tokens.len());
                Credential::Token(self.model.own_tokens[index].text.clone())
            }
            _ => Credential::Token(self.model.shared.clone()),
        }
    }

    pub(super) fn draw_attempt(&mut self) -> PairingAttempt {
        let device = (!self.one_in(4)).then(|| self.index(DEVICES));
        let program = (device.is_none() && !self.one_in(8) || self.one_in(3)).then(|| self.index(PROGRAMS));
        let unidentified = program.is_none() && self.one_in(3);
        let source = match program {
            Some(program) => support::local(program_of(program, false)).source(),
            None if unidentified => Origin::Loopback(Peer::Unknown { uid: None }).source(),
            None => format!("192.0.2.{}", self.draw(5)),
        };
        PairingAttempt {
            device,
            program,
            ephemeral: self.one_in(4),
            unidentified,
            beside_a_command: !self.one_in(3),
            source,
            asked: self.scopes(),
            platform: if self.one_in(10) { "darwin" } else { "linux" },
            version: self.draw(12) / 11,
            credential: self.credential(device),
        }
    }

    pub(super) fn request_pairing(&mut self) -> &'static str {
        let repeats = self.one_in(3) && !self.model.requests.is_empty();
        let mut attempt = self.draw_attempt();
        if repeats {
            self.repeat_a_request(&mut attempt);
        } else if self.one_in(3) && !self.model.rows.is_empty() {
            self.come_back(&mut attempt);
        } else if self.one_in(8) && !self.model.own_tokens.is_empty() {
            let index = self.index(self.model.own_tokens.len());
            attempt.credential = Credential::Token(self.model.own_tokens[index].text.clone());
            attempt.device = None;
            attempt.come_unidentified();
        }
        self.world.commands = match attempt.beside_a_command {
            true => CommandsAlive::Beyond,
            false => CommandsAlive::None,
        };
        let origin = match attempt.program {
            Some(program) => support::local(program_of(program, attempt.ephemeral)),
            None if attempt.unidentified => Origin::Loopback(Peer::Unknown { uid: None }),
            None => Origin::Remote { address: attempt.source.parse().expect("an address") },
        };
        let mut client = match attempt.device {
            Some(device) => Client::new(&device_key(device)),
            None => Client::without_device(),
        };
        client = match &attempt.credential {
            Credential::None => client.no_token(),
            Credential::Token(text) => client.token(text),
            Credential::DeviceToken(text) => client.device_token(text),
        };
        client = client.asks(scope_set(&attempt.asked).iter()).platform(attempt.platform);
        client.info.version = attempt.version.to_string();
        self.trace.push(format!("{attempt:?}"));

        let admission = self.world.connect(&origin, &client);
        let once = self.once_row(&attempt);
        let outcome = self.model.request_pairing(&attempt);
        self.trace.push(format!("  {outcome:?}"));
        self.compare_admission(admission, outcome, &attempt, once)
    }

    pub(super) fn once_row(&self, attempt: &PairingAttempt) -> bool {
        let subject = match (attempt.device, attempt.program) {
            (Some(device), _) => Subject::Device(device),
            (None, Some(program)) => Subject::Program(program),
            (None, None) => return false,
        };
        let ephemeral = attempt.device.is_none() && attempt.ephemeral;
        self.model.row(subject, ephemeral).is_some_and(|row| row.length == Length::Once)
    }

    /// Makes a attempt the return of someone who was let in.
    pub(super) fn come_back(&mut self, attempt: &mut PairingAttempt) {
        let index = self.index(self.model.rows.len());
        let mut row = self.model.rows[index].clone();
        let vouched = |row: &&Row| match row.subject {
            Subject::Device(device) => self.model.vouched.contains_key(&device),
            Subject::Program(_) => false,
        };
        if let Some(vouched) = self.model.rows.iter().rev().find(vouched).cloned()
            && self.one_in(3)
        {
            row = vouched;
            attempt.come_unidentified();
        }
        match row.subject {
            Subject::Device(device) => attempt.device = Some(device),
            Subject::Program(program) => {
                attempt.device = None;
                attempt.program = Some(program);
                attempt.ephemeral = row.ephemeral;
                attempt.unidentified = false;
                attempt.source = support::local(program_of(program, false)).source();
            }
        }
        attempt.platform = row.platform;
        attempt.asked = row.decided.iter().copied().filter(|_| !self.one_in(3)).collect();
        if row.granted.contains(crate::model::PAIRING) && self.one_in(2) {
            // As OpenClaw's clients do that manage devices.
            attempt.asked = [crate::model::PAIRING].into();
        }
        if self.one_in(3) {
            attempt.credential = Credential::Token(self.model.shared.clone());
        }
    }

    /// Makes a attempt the retry of a waiting request.
    pub(super) fn repeat_a_request(&mut self, attempt: &mut PairingAttempt) {
        let index = self.index(self.model.requests.len());
        let request = self.model.requests[index].clone();
        match request.shown.subject {
            Subject::Device(device) => attempt.device = Some(device),
            Subject::Program(program) => {
                attempt.device = None;
                attempt.program = Some(program);
                attempt.ephemeral = request.shown.ephemeral;
                attempt.unidentified = false;
                attempt.source = support::local(program_of(program, false)).source();
            }
        }
        if request.shown.unidentified {
            attempt.come_unidentified();
        }
        attempt.asked.clone_from(&request.shown.asked);
        if self.one_in(3) {
            attempt.asked = attempt.asked.iter().copied().filter(|_| !self.one_in(3)).collect();
        }
        attempt.platform = request.shown.platform;
        attempt.version = request.shown.version;
        attempt.credential = Credential::Token(self.model.shared.clone());
    }

    pub(super) fn compare_admission(
        &mut self,
        admission: Admission,
        outcome: Outcome,
        attempt: &PairingAttempt,
        once: bool,
    ) -> &'static str {
        let (refusal, effects) = match (admission, outcome) {
            (
                Admission::Admitted(admitted),
                Outcome::Admitted { actor, allowed, by_shared_token, by_own_token, mints },
            ) => {
                let connection = Connection {
                    name: String::new(),
                    actor,
                    allowed,
                    by_shared_token,
                    by_own_token,
                    program: attempt.program,
                };
                let by = match (&connection.actor, attempt.may_be_a_command()) {
                    (Actor::Device(_), true) => Some("admitted as vouched for"),
                    (Actor::Token(_), true) => Some("admitted a token that may only read"),
                    _ => None,
                };
                let told = support::audits(&admitted.effects);
                let told = told.iter().any(|event| event.kind.name() == "program-token.unidentified");
                let is_limited = matches!((&connection.actor, by), (Actor::Token(_), Some(_)));
                self.expect_same("told of a token of a peer that nobody knows", &told, &is_limited);
                let what = self.admitted(*admitted, connection, mints, once);
                return by.unwrap_or(what);
            }
            (Admission::Refused { refusal, effects, .. }, outcome) => {
                return self.compare_refusal(&refusal, &effects, outcome);
            }
            (admission, outcome) => (format!("{admission:?}"), format!("{outcome:?}")),
        };
        self.expect(&format!("authority {refusal}\nmodel {effects}"), false);
        unreachable!("the line before has failed")
    }

    pub(super) fn compare_refusal(
        &mut self,
        refusal: &Refusal,
        effects: &[Effect],
        outcome: Outcome,
    ) -> &'static str {
        let requested: Vec<_> = effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Requested(request) => Some(request.id.clone()),
                _ => None,
            })
            .collect();
        let superseded = ended_ids(effects, Ended::Superseded);
        let (id, expect_decision) = match refusal {
            Refusal::PairingRequired(required) => (required.request_id.clone(), required.expect_decision),
            _ => (None, true),
        };
        let asks = matches!(refusal, Refusal::PairingRequired(_));
        let (is, what) = match outcome {
            Outcome::Same(expected) => (id == Some(expected) && requested.is_empty(), "asked: same request"),
            Outcome::Wider(expected) => {
                (id == Some(expected) && requested.is_empty(), "asked: narrower request")
            }
            Outcome::New { ends } => {
                let new = id.clone().unwrap_or_default();
                let fresh = asks && self.ids.insert(new.clone());
                let announced = requested == [new.clone()];
                if let Some(request) = self.model.requests.last_mut() {
                    request.id = new;
                }
                let what = if ends.is_some() { "asked: superseded" } else { "asked: new request" };
                (fresh && announced && superseded == ends.into_iter().collect(), what)
            }
            Outcome::Full => (asks && id.is_none() && expect_decision, "asked: full"),
            Outcome::Silenced => (asks && id.is_none() && !expect_decision, "asked: silenced"),
            Outcome::Unauthorized => {
                (matches!(refusal, Refusal::Unauthorized { .. }), "refused: unauthorized")
            }
            Outcome::NoIdentity => (*refusal == Refusal::DeviceIdentityRequired, "refused: no identity"),
            Outcome::Admitted { .. } => (false, "admitted"),
        };
        self.expect(&format!("expected {what}, got {refusal:?} and {effects:?}"), is);
        what
    }

    pub(super) fn admitted(
        &mut self,
        admitted: tidegate_trust::admission::Admitted,
        mut connection: Connection,
        mints: bool,
        once: bool,
    ) -> &'static str {
        let session = admitted.session;
        connection.name = session.connection().as_str().to_owned();
        let principal = match &connection.actor {
            Actor::Own => Principal::SubagentClient,
            Actor::Device(device) => Principal::Device(device_id(*device)),
            Actor::Program(id) => Principal::Program(id.clone()),
            Actor::Token(id) => Principal::ProgramToken(id.clone()),
            Actor::Visitor => Principal::Visitor,
        };
        self.expect_same("principal", session.principal(), &principal);
        let holds: Set = SCOPES
            .into_iter()
            .filter(|name| session.scopes().holds(&Scope::parse(name).expect("a scope")))
            .collect();
        self.expect_same("scopes", &holds, &connection.allowed);
        self.expect_same("by the shared token", &admitted.uses_shared_token, &connection.by_shared_token);
        self.expect_same("by a program token", &admitted.program_token, &connection.by_own_token);
        self.expect_same("mints a token", &admitted.device_token.is_some(), &mints);
        let actor = connection.actor.clone();
        if let (Some(made), Actor::Device(device)) = (admitted.device_token, &actor) {
            self.expect("a token is stored", !made.durable.is_empty());
            self.stored(&made.durable);
            let text = self.world.commit(made).0.reveal().to_owned();
            self.model.device_tokens.insert(*device, DeviceToken { text: Some(text), revoked: false });
        }
        self.sessions.insert(connection.name.clone(), session);
        self.model.connections.push(connection);
        match actor {
            _ if mints => "minted a device token",
            _ if once => "admitted once",
            Actor::Own => "admitted our own client",
            Actor::Visitor => "admitted a visitor",
            Actor::Program(_) => "admitted a program",
            Actor::Token(_) => "admitted a program token",
            Actor::Device(_) => "admitted",
        }
    }

    pub(super) fn own_client(&mut self) -> &'static str {
        let asked: Set = if self.one_in(2) { ["operator.admin"].into() } else { self.scopes() };
        self.trace.push(format!("our own client asks {asked:?}"));
        let origin = self.world.in_process.origin();
        let client = Client::new(&own()).no_token().asks(scope_set(&asked).iter());
        let admitted = self.world.admitted(&origin, &client);
        let connection = Connection {
            name: String::new(),
            actor: Actor::Own,
            allowed: SCOPES.into_iter().filter(|scope| crate::model::holds(&asked, scope)).collect(),
            by_shared_token: false,
            by_own_token: None,
            program: None,
        };
        self.admitted(admitted, connection, false, false)
    }

    pub(super) fn own_key_elsewhere(&mut self) -> &'static str {
        self.trace.push("our own key from elsewhere".to_owned());
        let (refusal, effects) =
            self.world.refused(&support::local_named("thief"), &Client::new(&own()).asks(&[Scope::Admin]));
        let refused = matches!(refusal, Refusal::Unauthorized { reason: AuthReason::OwnKeyElsewhere, .. });
        self.expect("a stolen key is refused with an alarm", refused && support::alarms(&effects) == 1);
        "our own key from elsewhere"
    }
}

impl PairingAttempt {
    /// Makes it a attempt of somebody local whom nobody can identify, while a command runs.
    fn come_unidentified(&mut self) {
        (self.program, self.unidentified, self.beside_a_command) = (None, true, true);
        self.source = Origin::Loopback(Peer::Unknown { uid: None }).source();
    }
}

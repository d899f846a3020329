//! Taking away, rotating and blocking.

use super::*;

impl Walk {
    pub(super) fn manage(&mut self) -> &'static str {
        let client = if self.one_in(2) { self.client() } else { None };
        let mut device = self.index(DEVICES);
        let known = self.model.rows.iter().filter_map(|row| match row.subject {
            Subject::Device(device) => Some(device),
            Subject::Program(_) => None,
        });
        let known: Vec<_> = known.collect();
        if !known.is_empty() && !self.one_in(3) {
            device = known[self.index(known.len())];
        }
        let id = device_id(device);
        let what = self.draw(4);
        self.trace.push(format!("manage {what} device {device} by {client:?}"));
        let session = match &client {
            None => support::command_line(),
            Some(client) => self.sessions[&client.name].clone(),
        };
        let may = self.model.may_manage(client.as_ref(), device);
        let granted = self.model.row(Subject::Device(device), false);
        let granted = granted.map(|row| row.granted.clone()).unwrap_or_default();
        let known = self.model.row(Subject::Device(device), false).is_some();
        let entropy = self.world.entropy();
        let now = self.world.now;
        let authority = &mut self.world.authority;
        let (result, expected, what) = match what {
            0 => {
                let result = authority.remove_device(&session, id, now);
                (result.map(|changed| (changed.durable, changed.effects)), may, "removed")
            }
            1 => {
                let result = authority.rename_device(&session, id, "a name", now);
                (result.map(|changed| (changed.durable, changed.effects)), may && known, "renamed")
            }
            2 => {
                let result = authority.rotate_token(&session, id, "operator", &entropy, now);
                if let Ok(changed) = &result {
                    let text = changed.value.token.as_ref().map(|token| token.reveal().to_owned());
                    self.model.device_tokens.insert(device, DeviceToken { text, revoked: false });
                }
                (result.map(|changed| (changed.durable, changed.effects)), may && known, "rotated")
            }
            _ => {
                let result = authority.revoke_token(&session, id, "operator", now);
                let expected = may && known && self.model.device_tokens.contains_key(&device);
                (result.map(|changed| (changed.durable, changed.effects)), expected, "revoked")
            }
        };
        let Ok((durable, effects)) = result else {
            self.expect("it may", !expected);
            return "not managed";
        };
        self.expect("it may not", expected);
        let lasting = self.model.lasting(device).is_some();
        let closes = match what {
            "removed" => self.model.remove(device),
            "renamed" => BTreeSet::new(),
            _ => self.model.close(|connection| connection.actor == Actor::Device(device)),
        };
        if what == "revoked"
            && let Some(token) = self.model.device_tokens.get_mut(&device)
        {
            token.revoked = true;
            self.model.vouched.remove(&device);
        }
        self.expect_same("closed", &names(&support::closed(&effects)), &closes);
        self.ended.extend(closes);
        if what != "removed" {
            self.expect_same("stored when it lasts", &durable.len(), &usize::from(lasting));
            self.stored(&durable);
        }
        if client
            .is_some_and(|client| client.actor != Actor::Device(device) && !covers_all(&client, &granted))
        {
            return "managed with more than was asked for";
        }
        what
    }

    pub(super) fn block(&mut self) -> &'static str {
        let blocked: Vec<_> = self.model.blocked.iter().copied().collect();
        if !blocked.is_empty() && self.one_in(2) {
            let subject = blocked[self.index(blocked.len())];
            self.trace.push(format!("unblock {subject:?}"));
            let theirs = match subject {
                Subject::Device(device) => pairing::Subject::Device(device_id(device)),
                Subject::Program(program) => pairing::Subject::Program(program_of(program, false).identity),
            };
            let _ = self.world.authority.unblock(&theirs, self.world.now).expect("blocked");
            self.model.blocked.remove(&subject);
            self.model.silenced.remove(&subject);
            return "unblocked";
        }
        if !self.one_in(3) {
            return "nothing";
        }
        let device = self.index(DEVICES);
        self.trace.push(format!("block device {device}"));
        let id = device_id(device);
        let changed = self.world.authority.block_device(id, self.world.now).expect("not built in");
        let closes = self.model.block(Subject::Device(device));
        self.expect_same("closed by a block", &names(&support::closed(&changed.effects)), &closes);
        self.ended.extend(closes);
        "blocked a device"
    }

    pub(super) fn program_tokens(&mut self) -> &'static str {
        if self.model.own_tokens.len() >= 3 || !self.model.own_tokens.is_empty() && self.one_in(3) {
            let index = self.index(self.model.own_tokens.len());
            let token = self.model.own_tokens.remove(index);
            self.trace.push(format!("revoke program token {}", token.id));
            self.old_texts.push(token.text);
            let changed =
                self.world.authority.revoke_program_token(&token.id, self.world.now).expect("known");
            let closes = self.model.close(|connection| connection.by_own_token.as_ref() == Some(&token.id));
            self.expect_same("closed", &names(&support::closed(&changed.effects)), &closes);
            self.ended.extend(closes);
            return "revoked a program token";
        }
        let (level, pairing) = ([Level::Read, Level::Write, Level::Full][self.index(3)], self.one_in(2));
        let entropy = self.world.entropy();
        let name = entropy.uuid();
        self.trace.push(format!("new program token {level:?} {pairing}"));
        let authority = &mut self.world.authority;
        let made = authority
            .new_program_token(&name, their_level(level), pairing, &entropy, self.world.now)
            .expect("a new name");
        let mut granted = level.scopes();
        granted.extend(pairing.then_some(crate::model::PAIRING));
        let (token, record) = self.world.commit(made);
        let text = token.reveal().to_owned();
        self.model.own_tokens.push(OwnToken { id: record.id, text, granted });
        "new program token"
    }

    pub(super) fn rotate_shared(&mut self) -> &'static str {
        if !self.one_in(2) {
            return "nothing";
        }
        self.trace.push("rotate the shared token".to_owned());
        let entropy = self.world.entropy();
        let changed = self.world.authority.rotate_shared_token(&entropy, self.world.now);
        self.old_texts.push(self.model.shared.clone());
        let closes = self.model.rotate_shared(changed.value.reveal().to_owned());
        self.expect_same("closed", &names(&support::closed(&changed.effects)), &closes);
        self.ended.extend(closes);
        "rotated the shared token"
    }

    pub(super) fn remove_program(&mut self) -> &'static str {
        let of_rows = self.model.rows.iter().filter(|row| matches!(row.subject, Subject::Program(_)));
        let mut ids: Vec<String> = of_rows.map(|row| row.id.clone()).collect();
        ids.extend(self.model.connections.iter().filter_map(|connection| match &connection.actor {
            Actor::Program(id) => Some(id.clone()),
            _ => None,
        }));
        if ids.is_empty() {
            return "nothing";
        }
        let id = ids[self.index(ids.len())].clone();
        self.trace.push(format!("remove program {id}"));
        let changed = self.world.authority.remove_program(&id, self.world.now).expect("known");
        self.model.rows.retain(|row| matches!(row.subject, Subject::Device(_)) || row.id != id);
        let closes = self.model.close(|connection| connection.actor == Actor::Program(id.clone()));
        self.expect_same("closed", &names(&support::closed(&changed.effects)), &closes);
        self.ended.extend(closes);
        "removed a program"
    }

    /// Another gateway takes over: every connection ends, and nothing else changes.
    pub(super) fn restart(&mut self) -> &'static str {
        self.trace.push("restart".to_owned());
        let drawn = |world: &World| {
            let waiting = world.authority.waiting().iter();
            waiting.map(|request| (request.id.clone(), request.details.digest())).collect::<Vec<_>>()
        };
        let before = drawn(&self.world);
        self.world.restart_gateway();
        self.expect_same("what a person sees", &drawn(&self.world), &before);
        let closes = self.model.close(|_| true);
        self.ended.extend(closes);
        "restarted"
    }

    pub(super) fn disconnect(&mut self) -> &'static str {
        if self.model.connections.is_empty() {
            return "nothing";
        }
        let index = self.index(self.model.connections.len());
        let connection = self.model.connections.remove(index);
        self.trace.push(format!("disconnect {}", connection.name));
        let session = &self.sessions[&connection.name];
        self.world.authority.disconnected(session.connection());
        self.ended.insert(connection.name);
        "disconnected"
    }
}

fn covers_all(client: &Connection, scopes: &Set) -> bool {
    scopes.iter().all(|scope| client.allowed.contains(scope))
}

//! The walk: draws a step, takes it on both sides, and compares.

use std::collections::BTreeSet;
use std::time::Duration;

use tidegate_protocol::Scope;
use tidegate_trust::approval::{ApprovalQueue, ApprovalRequest, Clearance, Question, Requester};
use tidegate_trust::decision::{Decider, Desktop};
use tidegate_trust::permissions::PermissionError;
use tidegate_trust::{Change, Session, TrustRecords};

use crate::model::{
    Answer, COMMANDS, Kind, Model, NEEDS, Needs, Offer, PATHS, PLACES, Run, Wanted, is_at_or_above,
};
use crate::requests::{answer, denied, offer, request};
use crate::support::{
    Client, World, command_line, key, local_named, person_at_desktop, record, records, scopes,
};

const DAY: u64 = 24 * 3600 * 1000;

/// What a long walk must have met at least once.
pub(crate) const OUTCOMES: [&str; 29] = [
    "unasked",
    "asked",
    "asked: everything",
    "asked: replaced",
    "asked: expired",
    "asked: unattended",
    "asked: repository",
    "asked: replaced outside",
    "asked: a rule is near",
    "denied before",
    "given",
    "given again",
    "a rule given",
    "given by a client",
    "not given: not offered",
    "not given: a client",
    "not saved",
    "given while asking about everything",
    "revoked",
    "revoked while it was given again",
    "denied",
    "everything is asked",
    "used again",
    "use was overtaken",
    "spawned",
    "another folder",
    "another folder or program elsewhere",
    "restarted",
    "time passed",
];

pub(crate) struct Walk {
    world: World,
    queue: ApprovalQueue,
    person: Decider,
    client: Session,
    model: Model,
    stored: TrustRecords,
    runs: Vec<Run>,
    revoked: BTreeSet<String>,
    /// Tasks and sessions so far; identities of folders; questions.
    counters: [u64; 3],
    random: u64,
    trace: Vec<String>,
}

impl Walk {
    pub(crate) fn new(seed: u64) -> Self {
        let approvals = scopes([Scope::Approvals]);
        let stored = TrustRecords { devices: vec![record(&key(3), &approvals)], ..records() };
        let mut world = World::new(stored.clone());
        let client = Client::new(&key(3)).asks(approvals.iter());
        let client = world.admitted(&local_named("ui"), &client).session;
        let person = person_at_desktop(&mut world);
        let model = Model { now: world.now.wall.0, ..Model::default() };
        let queue = ApprovalQueue::default();
        let mut walk = Self {
            world,
            queue,
            person,
            client,
            model,
            stored,
            runs: Vec::new(),
            revoked: BTreeSet::new(),
            counters: [0; 3],
            random: seed,
            trace: Vec::new(),
        };
        walk.begin_task();
        walk
    }

    /// `SplitMix64`.
    fn draw(&mut self, below: usize) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % below as u64).expect("small")
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.draw(many) == 0
    }

    fn next(&mut self, counter: usize) -> u64 {
        self.counters[counter] += 1;
        self.counters[counter]
    }

    fn expect(&self, what: &str, is: bool) {
        if !is {
            let from = self.trace.len().saturating_sub(25);
            panic!("{what}\nthe last steps:\n{}\n{:#?}", self.trace[from..].join("\n"), self.model.grants);
        }
    }

    fn expect_same<T: PartialEq + std::fmt::Debug>(&self, what: &str, ours: &T, models: &T) {
        self.expect(&format!("{what}:\n  authority {ours:?}\n  model     {models:?}"), ours == models);
    }

    pub(crate) fn step(&mut self) -> &'static str {
        match self.draw(100) {
            0..45 => self.ask(),
            45..70 => self.give(),
            70..75 => self.narrowing("a revocation", Self::revoke),
            75..79 => self.narrowing("a denial", Self::deny),
            79 => self.narrowing("asking about everything", Self::ask_everything),
            80..88 => self.use_again(),
            88 => self.begin_task(),
            89..91 => self.spawn(),
            91..93 => self.narrowing("the end of a task", Self::end_task),
            93..95 => self.replace_folder(),
            95 => self.narrowing("a restart", Self::restart),
            96..98 => self.replace_elsewhere(),
            _ => self.pass(),
        }
    }

    fn a_run(&mut self) -> Run {
        let at = self.draw(self.runs.len());
        self.runs[at].clone()
    }

    fn a_request(&mut self) -> Wanted {
        if self.one_in(5) {
            let (path, is_read, is_trigger) = (self.draw(PATHS.len()), !self.one_in(4), self.one_in(8));
            return Wanted::File { path: PATHS[path], is_read, is_trigger };
        }
        let count = [0, 0, 0, 1, 1, 2, 3][self.draw(7)];
        let names: BTreeSet<_> = (0..count).map(|_| NEEDS[self.draw(NEEDS.len())]).collect();
        let repository = [None, Some("/a/.git"), Some("/d/.git")][self.draw(3)];
        let repository = repository.filter(|_| names.contains("git"));
        let needs = Needs { names, repository };
        let segments = [1, 1, 1, 2][self.draw(4)];
        let plain: Vec<_> = (0..segments).map(|_| COMMANDS[self.draw(COMMANDS.len())]).collect();
        let plain = Some(plain).filter(|_| self.one_in(2));
        Wanted::Command { is_contained: !self.one_in(12), needs, after_network: self.one_in(8), plain }
    }

    /// Much like what is allowed: drawn at random, few would be.
    fn a_request_near_a_grant(&mut self) -> (Run, Wanted) {
        let (mut run, mut wanted) = (self.a_run(), self.a_request());
        let Some(last) = self.model.grants.len().checked_sub(1) else { return (run, wanted) };
        let at = self.draw(last + 1);
        let grant = self.model.grants[at].clone();
        run.path = grant.path;
        let Wanted::Command { needs, plain, .. } = &mut wanted else { return (run, wanted) };
        match grant.kind {
            Kind::Contained => *needs = Needs::default(),
            Kind::Needs(held) => *needs = held,
            Kind::Task(task, held) => (run.task, *needs) = (task, held),
            Kind::Rule(words, held) => {
                *plain = Some(vec![words; 1 + usize::from(self.one_in(4))]);
                *needs = if self.one_in(3) { Needs::default() } else { held };
            }
            Kind::Read(session) => run.session = session,
        }
        (run, wanted)
    }

    /// What comes of a request, by both sides.
    fn answered(&mut self, run: &Run, wanted: &Wanted) -> Answer {
        let asked = request(&self.model, run, wanted);
        let ours = self.world.authority.permitted(&asked, self.world.now);
        let models = self.model.answer(run, wanted);
        self.expect_same(&format!("{run:?} wants {wanted:?}"), &answer(&ours), &models);
        for id in ours.iter().flat_map(|permitted| &permitted.permissions) {
            let grant = self.model.grants.iter().find(|grant| grant.id == *id);
            let is_for = grant.is_some_and(|grant| is_at_or_above(grant.path, wanted.path(run)));
            self.expect(&format!("N4: {id} was used"), is_for && !self.revoked.contains(id));
        }
        models
    }

    fn ask(&mut self) -> &'static str {
        let (run, wanted) = match self.one_in(2) {
            true => self.a_request_near_a_grant(),
            false => (self.a_run(), self.a_request()),
        };
        self.trace.push(format!("{run:?} wants {wanted:?}"));
        let asked = request(&self.model, &run, &wanted);
        let was_denied = self.model.denied.contains(&(run.task, denied(&wanted)));
        self.expect_same("N5 denied before", &self.queue.was_denied(&asked), &was_denied);
        let offers: Vec<_> =
            self.world.authority.offers(&asked).into_iter().map(|offered| offered.offer).collect();
        let models: Vec<_> = self.model.offers(&run, &wanted).into_iter().map(offer).collect();
        self.expect_same("offers", &offers, &models);
        let answered = self.answered(&run, &wanted);
        self.compare_with_relatives(&run, &wanted, answered);
        match answered {
            _ if was_denied => "denied before",
            Answer::Unasked => "unasked",
            Answer::Asked => "asked",
            Answer::Everything => "asked: everything",
            Answer::Replaced => "asked: replaced",
            Answer::Expired => "asked: expired",
            Answer::Unattended => "asked: unattended",
            Answer::Repository => "asked: repository",
            Answer::ReplacedOutside => "asked: replaced outside",
            Answer::Rule => "asked: a rule is near",
        }
    }

    fn compare_with_relatives(&mut self, run: &Run, wanted: &Wanted, answered: Answer) {
        let watched = Run { attended: true, ..run.clone() };
        let by_watched = self.answered(&watched, wanted);
        self.expect("N3", answered != Answer::Unasked || by_watched == Answer::Unasked);
        if matches!(wanted, Wanted::File { .. }) {
            return;
        }
        // Its parent in the same folder, and a child below.
        let other = Run { session: 0, ..run.clone() };
        let by_other = self.answered(&other, wanted);
        self.expect("N2: another run of the task in the same folder", by_other == answered);
        for path in PATHS.into_iter().filter(|path| is_at_or_above(run.path, path)) {
            let child = Run { path, ..other.clone() };
            let by_child = self.answered(&child, wanted);
            self.expect("N2: a child below", answered != Answer::Unasked || by_child == Answer::Unasked);
        }
    }

    /// What every run may unasked, of a sample of what there is.
    fn unasked(&mut self, sample: &[(Run, Wanted)]) -> Vec<bool> {
        let answers = sample.iter().map(|(run, wanted)| self.answered(run, wanted) == Answer::Unasked);
        answers.collect()
    }

    fn narrowing(&mut self, what: &str, step: fn(&mut Self) -> &'static str) -> &'static str {
        let sample: Vec<_> = (0..12).map(|_| (self.a_run(), self.a_request())).collect();
        let before = self.unasked(&sample);
        let outcome = step(self);
        let after = self.unasked(&sample);
        let widened = before.iter().zip(&after).position(|(before, after)| !before && *after);
        self.expect(&format!("N1: {what} widened {widened:?} of {sample:?}"), widened.is_none());
        outcome
    }

    /// Something waits, and someone is cleared to allow it.
    fn cleared(&mut self, asked: &ApprovalRequest, by_client: bool) -> Clearance {
        let id = format!("{:08}", self.next(2));
        let half_an_hour = Duration::from_mins(30);
        if self.queue.waiting().len() > 30 {
            // They end, so that there is room.
            self.world.pass(half_an_hour);
            self.model.now = self.world.now.wall.0;
        }
        let (now, question) = (self.world.now, Question::default());
        self.queue.tick(now);
        let waits = self.queue.ask(id.clone(), asked.clone(), Requester::Run, question, half_an_hour, now);
        waits.expect("there is room");
        let cleared = match by_client {
            true => self.queue.clear(&self.client, Desktop::Running, &id, now),
            false => self.queue.clear_shown(&self.person, &id, &asked.digest, now),
        };
        cleared.expect("may allow it").0
    }

    fn give(&mut self) -> &'static str {
        let (run, wanted, by_client) = (self.a_run(), self.a_request(), self.one_in(4));
        let offered = self.model.offers(&run, &wanted);
        let all = [Offer::Task, Offer::Contained, Offer::Needs, Offer::Read, Offer::Rule(2), Offer::Rule(3)];
        let chosen = match offered.get(self.draw(offered.len() + 1)) {
            Some(offer) => *offer,
            None => all[self.draw(all.len())],
        };
        self.trace.push(format!("{run:?} is given {chosen:?} with {wanted:?}, by a client: {by_client}"));
        let asked = request(&self.model, &run, &wanted);
        let clearance = self.cleared(&asked, by_client);
        let entropy = self.world.entropy();
        let prepared = self.world.authority.give_permission(
            &clearance,
            &asked,
            &offer(chosen),
            &entropy,
            self.world.now,
        );
        let mut prepared = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                self.queue.give_back(&clearance);
                let expected = match by_client && chosen != Offer::Task {
                    true => PermissionError::PersonOnly,
                    false => PermissionError::NotOffered,
                };
                self.expect_same("not given", &error, &expected);
                self.expect(
                    "it is offered",
                    by_client && chosen != Offer::Task || !self.model.is_given(&run, &wanted, chosen),
                );
                return if by_client { "not given: a client" } else { "not given: not offered" };
            }
        };
        let is_given = self.model.is_given(&run, &wanted, chosen);
        self.expect("it is not offered", is_given && (!by_client || chosen == Offer::Task));
        if self.one_in(10) {
            self.world.authority.roll_back(prepared);
            self.queue.give_back(&clearance);
            return "not saved";
        }
        let durable = std::mem::take(&mut prepared.durable);
        let mut grant = self.model.granted(&run, &wanted, chosen, "");
        let known = self.model.alike(&grant).map(|known| known.id.clone());
        let revoked = known.clone().filter(|_| self.one_in(6));
        if let Some(id) = &revoked {
            self.revoke_id(id);
        }
        let everything = self.one_in(20);
        if everything {
            self.ask_everything();
        }
        self.store(durable);
        let applied = self.world.authority.apply(prepared, self.world.now);
        self.store(applied.durable);
        let given = applied.value;
        self.expect_same("whether it was given", &given.is_some(), &revoked.is_none());
        let Some(given) = given else {
            self.model.forget();
            return "revoked while it was given again";
        };
        self.queue.allow(clearance, Some(given.id.clone()), self.world.now).expect("it waits");
        if let Some(known) = &known {
            self.expect_same("its id", &given.id, known);
        }
        grant.id = given.id;
        self.model.give(grant);
        match (everything, by_client, known) {
            (true, ..) => "given while asking about everything",
            (_, true, _) => "given by a client",
            (.., Some(_)) => "given again",
            _ if matches!(chosen, Offer::Rule(_)) => "a rule given",
            _ => "given",
        }
    }

    fn store(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::PutPermission(permission) => {
                    self.stored.permissions.retain(|known| known.id != permission.id);
                    self.stored.permissions.push(*permission);
                }
                Change::RemovePermission(id) => self.stored.permissions.retain(|known| known.id != id),
                Change::AskEverything(asks) => self.stored.ask_everything = asks,
                other => panic!("{other:?}"),
            }
        }
    }

    fn revoke_id(&mut self, id: &str) {
        let session = if self.one_in(2) { self.client.clone() } else { command_line() };
        let revoked = self.world.authority.revoke_permission(&session, id, self.world.now);
        self.store(revoked.expect("there is one").durable);
        self.model.grants.retain(|grant| grant.id != id);
        // A later one that replaces its like would have its id; this one is gone.
        self.revoked.insert(id.to_owned());
    }

    fn revoke(&mut self) -> &'static str {
        let Some(grant) = self.model.grants.len().checked_sub(1) else { return "nothing to revoke" };
        let at = self.draw(grant + 1);
        let id = self.model.grants[at].id.clone();
        self.trace.push(format!("revoked {:?}", self.model.grants[at]));
        self.revoke_id(&id);
        "revoked"
    }

    fn deny(&mut self) -> &'static str {
        let (run, wanted) = (self.a_run(), self.a_request());
        let asked = request(&self.model, &run, &wanted);
        let clearance = self.cleared(&asked, false);
        self.queue.give_back(&clearance);
        let id = format!("{:08}", self.counters[2]);
        self.queue.deny(&self.client, &id, None, self.world.now).expect("it waits");
        self.model.deny(run.task, &denied(&wanted));
        "denied"
    }

    fn ask_everything(&mut self) -> &'static str {
        let asked = self.world.authority.ask_everything(&self.client, self.world.now);
        self.store(asked.expect("anyone may").durable);
        self.model.asks_everything = true;
        "everything is asked"
    }

    fn use_again(&mut self) -> &'static str {
        let prepared = self.world.authority.use_permissions(&self.person, self.world.now);
        let mut prepared = prepared.expect("the person");
        let durable = std::mem::take(&mut prepared.durable);
        let is_overtaken = self.one_in(8);
        if is_overtaken {
            self.ask_everything();
        }
        self.store(durable);
        let applied = self.world.authority.apply(prepared, self.world.now);
        self.store(applied.durable);
        self.expect_same("whether they are used", &applied.value.is_some(), &!is_overtaken);
        self.model.asks_everything &= is_overtaken;
        self.expect_same("stored", &self.stored.ask_everything, &is_overtaken);
        if is_overtaken { "use was overtaken" } else { "used again" }
    }

    fn begin_task(&mut self) -> &'static str {
        let (task, path, attended) = (self.next(0), PATHS[self.draw(PATHS.len())], !self.one_in(3));
        // Some sessions come back with another task.
        let session = if self.one_in(2) { task } else { 1 };
        self.runs.push(Run { task, session, attended, path });
        "a task began"
    }

    fn spawn(&mut self) -> &'static str {
        let parent = self.a_run();
        let below: Vec<_> = PATHS.into_iter().filter(|path| is_at_or_above(parent.path, path)).collect();
        let path = below[self.draw(below.len())];
        let session = self.next(0);
        self.runs.push(Run { session, path, ..parent });
        "spawned"
    }

    fn end_task(&mut self) -> &'static str {
        let task = self.a_run().task;
        self.runs.retain(|run| run.task != task);
        if self.runs.is_empty() {
            self.begin_task();
        }
        "a task ended"
    }

    fn replace_folder(&mut self) -> &'static str {
        let path = PATHS[1 + self.draw(PATHS.len() - 1)];
        // Moved away, or an earlier one comes back.
        let by = if self.one_in(3) { 0 } else { self.next(1) };
        self.trace.push(format!("another folder {by} at {path}"));
        self.model.replace_folder(path, by);
        "another folder"
    }

    fn replace_elsewhere(&mut self) -> &'static str {
        let at = self.draw(PLACES.len() + 1);
        let program = COMMANDS[self.draw(COMMANDS.len())][0];
        let name = PLACES.get(at).copied().unwrap_or(program);
        let by = if self.one_in(3) { 0 } else { self.next(1) };
        self.trace.push(format!("another {by} at {name}"));
        self.model.replace_elsewhere(name, by);
        "another folder or program elsewhere"
    }

    fn restart(&mut self) -> &'static str {
        self.trace.push("restart".to_owned());
        let mut stored = self.stored.permissions.clone();
        stored.sort_by(|one, other| one.id.cmp(&other.id));
        self.stored.permissions = stored;
        self.world.authority.start_over(self.stored.clone());
        self.queue = ApprovalQueue::default();
        self.model.grants.retain(crate::model::Grant::is_stored);
        self.model.denied.clear();
        let mut ours: Vec<_> = self.stored.permissions.iter().map(|known| known.id.clone()).collect();
        let mut models: Vec<_> = self.model.grants.iter().map(|grant| grant.id.clone()).collect();
        ours.sort_unstable();
        models.sort_unstable();
        self.expect_same("stored", &ours, &models);
        self.expect_same(
            "asks everything",
            &self.world.authority.asks_everything(),
            &self.model.asks_everything,
        );
        "restarted"
    }

    fn pass(&mut self) -> &'static str {
        let now = &mut self.world.now.wall.0;
        let before = *now;
        *now = match self.random % 10 {
            0..4 => before + DAY,
            4 => before + 29 * DAY,
            5 => before + 30 * DAY,
            6 => before + 31 * DAY,
            7 => before - 4000,
            8 => before - 6000,
            _ => before - 3 * DAY,
        };
        self.world.now.monotonic += Duration::from_secs(3600);
        self.trace.push(format!("time: {before} to {}", self.world.now.wall.0));
        self.model.now = self.world.now.wall.0;
        self.queue.tick(self.world.now);
        "time passed"
    }
}

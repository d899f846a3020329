//! What both sides hold is the same.

use super::*;

impl Walk {
    /// I8: what is to be stored is what lasts, and nothing else.
    pub(super) fn stored(&self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::PutDevice(record) => {
                    let device = (0..DEVICES).find(|&device| device_id(device) == record.id);
                    let row = self.model.lasting(device.expect("a device of ours"));
                    let granted = row.map(|row| (row.decided.clone(), row.granted.clone()));
                    let stored = (plain(&record.grant.decided), plain(&record.grant.granted));
                    self.expect_same("stored grant", &Some(stored), &granted);
                }
                Change::PutProgram(record) => {
                    let row = self.model.rows.iter().find(|row| row.id == record.id && !row.ephemeral);
                    let lasting = row.is_some_and(|row| row.length == Length::Always);
                    self.expect("only a lasting grant of a program is stored", lasting);
                }
                _ => {}
            }
        }
    }

    /// What both sides hold is the same.
    pub(super) fn compare(&mut self) {
        let ours: Vec<_> = self
            .world
            .authority
            .waiting()
            .iter()
            .map(|request| (request.id.clone(), request.later))
            .collect();
        let models: Vec<_> =
            self.model.requests.iter().map(|request| (request.id.clone(), request.later)).collect();
        self.expect_same("waiting requests", &ours, &models);
        self.expect("I4: 8 wait at most", ours.len() <= 8);
        let mut sources = BTreeMap::new();
        for request in self.world.authority.waiting() {
            *sources.entry(request.details.source.clone()).or_insert(0) += 1;
        }
        self.expect("I4: 2 of one source", sources.values().all(|&count| count <= 2));
        for (request, known) in self.world.authority.waiting().iter().zip(&self.model.requests) {
            self.expect_same("asked", &plain(&request.details.asked), &known.shown.asked);
            self.expect_same("has", &plain(&request.details.has), &known.shown.has);
            let subject = match &request.details.subject {
                pairing::Subject::Device(id) => {
                    (0..DEVICES).find(|&device| device_id(device) == *id).map(Subject::Device)
                }
                pairing::Subject::Program(identity) => (0..PROGRAMS)
                    .find(|&program| program_of(program, false).identity == *identity)
                    .map(Subject::Program),
            };
            self.expect_same("subject", &subject, &Some(known.shown.subject));
        }
        self.compare_grants();
        for connection in &self.model.connections {
            let live = self.world.authority.is_live(self.sessions[&connection.name].connection());
            self.expect(&format!("{} serves", connection.name), live);
        }
        for name in &self.ended {
            let live = self.world.authority.is_live(self.sessions[name].connection());
            self.expect(&format!("I3: {name} never serves again"), !live);
        }
        let touched = self.world.authority.take_touched();
        self.stored(&touched);
        for device in 0..DEVICES {
            let ours = self.world.authority.is_connected(device_id(device));
            let models = self.model.connections.iter().any(|other| other.actor == Actor::Device(device));
            self.expect_same("connected", &ours, &models);
        }
    }

    pub(super) fn compare_grants(&self) {
        for device in 0..DEVICES {
            let id = device_id(device);
            let ours = self.world.authority.devices().find(|(record, _)| record.id == id);
            let ours = ours.map(|(record, lifetime)| {
                (plain(&record.grant.decided), plain(&record.grant.granted), length(lifetime))
            });
            let row = self.model.row(Subject::Device(device), false);
            let models = row.map(|row| (row.decided.clone(), row.granted.clone(), row.length));
            self.expect_same("grant", &ours, &models);
        }
        let ours: BTreeMap<_, _> = self
            .world
            .authority
            .programs()
            .map(|(record, lifetime)| (record.id.clone(), (plain(&record.grant.granted), length(lifetime))))
            .collect();
        let mut models = BTreeMap::new();
        for program in 0..PROGRAMS {
            for ephemeral in [false, true] {
                if let Some(row) = self.model.row(Subject::Program(program), ephemeral) {
                    models.insert(row.id.clone(), (row.granted.clone(), row.length));
                }
            }
        }
        self.expect_same("programs", &ours, &models);
        self.expect(
            "no program holds admin with the shared token",
            ours.values().all(|(granted, _)| !granted.contains("operator.admin")),
        );
    }
}

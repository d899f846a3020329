//! Random sequences of operations, compared with a plain model of the rules.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tidegate_protocol::TranscriptMessage;
use tidegate_store::{
    BegunRun, NewRun, Outcome, ParentEdge, RunState, Settled, Settlement, Store, StoreError, TranscriptEntry,
};

use crate::common::*;

const MAX_CHILDREN: u32 = 2;
const MAX_TREE: u32 = 4;

#[derive(Debug, Clone)]
enum Step {
    Begin { run: u8, session: u8, parent: Option<u8>, input: bool },
    Start(u8),
    Append { run: u8, count: u8 },
    Consume(u8),
    Settle { run: u8, outcome: Outcome, entries: u8 },
    Recover,
    Reset(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let run = 0..8_u8;
    let outcome = prop_oneof![
        Just(Outcome::Ok),
        Just(Outcome::Error),
        Just(Outcome::TimedOut),
        Just(Outcome::Cancelled)
    ];
    let step = prop_oneof![
        6 => (run.clone(), 0..4_u8, proptest::option::of(run.clone()), any::<bool>())
            .prop_map(|(run, session, parent, input)| Step::Begin { run, session, parent, input }),
        5 => run.clone().prop_map(Step::Start),
        3 => (run.clone(), 0..3_u8).prop_map(|(run, count)| Step::Append { run, count }),
        2 => run.clone().prop_map(Step::Consume),
        4 => (run, outcome, 0..2_u8).prop_map(|(run, outcome, entries)| Step::Settle { run, outcome, entries }),
        1 => Just(Step::Recover),
        1 => (0..4_u8).prop_map(Step::Reset),
    ];
    proptest::collection::vec(step, 1..40)
}

#[derive(Debug, Clone, PartialEq)]
struct ModelRun {
    session: u8,
    transcript: String,
    parent: Option<(u8, u8)>,
    root: u8,
    state: RunState,
    input: bool,
    boot: u32,
    order: usize,
}

#[derive(Debug, Clone, PartialEq)]
struct ModelInbox {
    source: u8,
    text: String,
    position: Option<u64>,
}

#[derive(Debug, Default)]
struct Model {
    runs: BTreeMap<u8, ModelRun>,
    /// The current transcript and the newest run of each session.
    sessions: BTreeMap<u8, (String, Option<u8>)>,
    transcripts: BTreeMap<String, Vec<String>>,
    inboxes: BTreeMap<u8, Vec<ModelInbox>>,
    boot: u32,
    resets: u32,
}

fn run_name(run: u8) -> String {
    format!("r{run}")
}

fn session_name(session: u8) -> String {
    format!("agent:main:s{session}")
}

fn unfinished(state: RunState) -> bool {
    matches!(state, RunState::Queued | RunState::Running)
}

impl Model {
    fn begin(&mut self, run: u8, session: u8, parent: Option<u8>, input: bool) -> &'static str {
        if let Some(existing) = self.runs.get(&run) {
            return if existing.session == session { "existing" } else { "taken" };
        }
        let mut root = run;
        let mut edge = None;
        if let Some(parent) = parent {
            let Some(above) = self.runs.get(&parent).filter(|above| unfinished(above.state)) else {
                return "parent ended";
            };
            let family = above.session;
            let active =
                |child: &&ModelRun| child.parent.is_some_and(|(_, s)| s == family) && unfinished(child.state);
            if self.runs.values().filter(active).count() >= MAX_CHILDREN as usize {
                return "children";
            }
            root = above.root;
            let in_tree = |other: &&ModelRun| other.root == root && other.parent.is_some();
            if self.runs.values().filter(in_tree).count() >= MAX_TREE as usize {
                return "descendants";
            }
            edge = Some((parent, family));
        }
        let made = (fresh_id(&run_name(run)).to_string(), None);
        let place = self.sessions.entry(session).or_insert(made);
        place.1 = Some(run);
        let transcript = place.0.clone();
        let (boot, order) = (self.boot, self.runs.len());
        let state = RunState::Queued;
        self.runs
            .insert(run, ModelRun { session, transcript, parent: edge, root, state, input, boot, order });
        "created"
    }

    fn write(&mut self, transcript: &str, text: String) -> u64 {
        let entries = self.transcripts.entry(transcript.to_owned()).or_default();
        entries.push(text);
        entries.len() as u64
    }

    fn consume(&mut self, run: u8) -> Vec<String> {
        let ModelRun { session, transcript, .. } = self.runs[&run].clone();
        let mut rows = self.inboxes.remove(&session).unwrap_or_default();
        let mut said = Vec::new();
        for row in rows.iter_mut().filter(|row| row.position.is_none()) {
            row.position = Some(self.write(&transcript, row.text.clone()));
            said.push(row.text.clone());
        }
        self.inboxes.insert(session, rows);
        said
    }

    fn running(&self, run: u8) -> Option<&ModelRun> {
        self.runs.get(&run).filter(|run| run.state == RunState::Running)
    }

    fn start(&mut self, run: u8) -> Option<Vec<String>> {
        let queued = self.runs.get_mut(&run).filter(|run| run.state == RunState::Queued)?;
        queued.state = RunState::Running;
        queued.transcript = self.sessions[&queued.session].0.clone();
        let (input, transcript) = (queued.input, queued.transcript.clone());
        let mut said = self.consume(run);
        if input {
            said.push(format!("do r{run}"));
            self.write(&transcript, format!("do r{run}"));
        }
        Some(said)
    }

    fn settle(&mut self, run: u8, outcome: Outcome, texts: &[String], result: &str) -> bool {
        let Some(ended) = self.runs.get_mut(&run).filter(|run| unfinished(run.state)) else { return false };
        let is_unread = ended.state == RunState::Queued && ended.input && outcome != Outcome::Cancelled;
        ended.state = RunState::Terminal(outcome);
        if is_unread {
            ended.transcript = self.sessions[&ended.session].0.clone();
        }
        let (parent, transcript) = (ended.parent, ended.transcript.clone());
        if is_unread {
            let reason = match outcome {
                Outcome::Ok => "it ended before it began",
                _ => result.trim_end_matches('.'),
            };
            self.write(&transcript, format!("do r{run}"));
            let note =
                format!("The message above was not worked on: {reason}. It is not started again by itself.");
            self.write(&transcript, note);
        }
        for text in texts {
            self.write(&transcript, text.clone());
        }
        if let Some((_, session)) = parent {
            let row = ModelInbox { source: run, text: result.to_owned(), position: None };
            self.inboxes.entry(session).or_default().push(row);
        }
        true
    }
}

fn said(entries: &[TranscriptEntry]) -> Vec<String> {
    texts(entries)
}

fn words(run: u8, count: u8) -> Vec<String> {
    (0..count).map(|index| format!("r{run} says {index}")).collect()
}

fn messages(run: u8, count: u8) -> Vec<TranscriptMessage> {
    words(run, count).iter().map(|text| user(text)).collect()
}

async fn apply(store: &Store, model: &mut Model, step: Step) {
    match step {
        Step::Begin { run, session, parent, input } => {
            let name = run_name(run);
            let parent_edge = parent.map(|parent| {
                let family = model.runs.get(&parent).map_or(0, |above| above.session);
                ParentEdge {
                    max_active_children: MAX_CHILDREN,
                    max_descendants: MAX_TREE,
                    ..edge(&run_name(parent), &session_name(family))
                }
            });
            let mut new = NewRun {
                parent: parent_edge,
                boot: format!("boot-{}", model.boot),
                ..new_run(&name, &session_name(session))
            };
            if !input {
                new.input = None;
            }
            let expected = model.begin(run, session, parent, input);
            let got = match store.begin_run(new).await.expect("begun") {
                BegunRun::Created(_) => "created",
                BegunRun::Existing(_) => "existing",
                BegunRun::TakenElsewhere => "taken",
                BegunRun::TooManyChildren { .. } => "children",
                BegunRun::TooManyDescendants { .. } => "descendants",
                BegunRun::ParentEnded => "parent ended",
            };
            assert_eq!(got, expected);
        }
        Step::Start(run) => {
            let got = store.start_run(run_id(&run_name(run)), at(200)).await.expect("asked");
            assert_eq!(got.map(|start| said(&start.appended)), model.start(run));
        }
        Step::Append { run, count } => {
            let got = store.append(run_id(&run_name(run)), messages(run, count), at(210)).await;
            match model.running(run).map(|run| run.transcript.clone()) {
                Some(transcript) => {
                    assert_eq!(got.map(|entries| entries.len()), Ok(usize::from(count)));
                    words(run, count).into_iter().for_each(|text| {
                        model.write(&transcript, text);
                    });
                }
                None => {
                    assert!(matches!(got, Err(StoreError::RunEnded | StoreError::NoSuchRun(_))), "{got:?}")
                }
            }
        }
        Step::Consume(run) => {
            let got = store.consume_inbox(run_id(&run_name(run)), at(220)).await;
            if model.running(run).is_some() {
                assert_eq!(got.map(|entries| said(&entries)), Ok(model.consume(run)));
            } else {
                assert!(got.is_err(), "{got:?}");
            }
        }
        Step::Settle { run, outcome, entries } => {
            let name = run_name(run);
            let settle = Settlement { entries: messages(run, entries), ..settlement(&name, outcome) };
            let result = settle.result.clone().or(settle.error.clone()).expect("one of them");
            let got = store.settle_run(settle).await;
            let before = model.runs.get(&run).map(|run| run.state);
            let first = model.settle(run, outcome, &words(run, entries), &result);
            match (got, before) {
                (Ok(Settled::First { .. }), _) => assert!(first),
                (Ok(Settled::Already(earlier)), Some(RunState::Terminal(outcome))) => {
                    assert_eq!(earlier, outcome)
                }
                (Err(StoreError::NoSuchRun(_)), None) => {}
                (got, before) => panic!("{got:?} for {before:?}"),
            }
        }
        Step::Recover => {
            model.boot += 1;
            let got = store.recover(format!("boot-{}", model.boot), at(400)).await.expect("recovered");
            let mut open: Vec<(usize, u8)> = model
                .runs
                .iter()
                .filter(|(_, run)| unfinished(run.state))
                .map(|(name, run)| (run.order, *name))
                .collect();
            open.sort_unstable();
            let names: Vec<String> = open.iter().map(|(_, run)| run_name(*run)).collect();
            assert_eq!(got.interrupted.iter().map(|run| run.id.to_string()).collect::<Vec<_>>(), names);
            for (_, run) in open {
                let was = if model.runs[&run].state == RunState::Queued { "queued" } else { "working" };
                let text = format!("Tidegate stopped while this run was {was}.");
                model.settle(run, Outcome::Interrupted, &[], &text);
            }
            let waiting: Vec<String> = model
                .inboxes
                .iter()
                .filter(|(_, rows)| rows.iter().any(|row| row.position.is_none()))
                .map(|(session, _)| session_name(*session))
                .collect();
            assert_eq!(got.waiting_inboxes.iter().map(ToString::to_string).collect::<Vec<_>>(), waiting);
        }
        Step::Reset(session) => {
            model.resets += 1;
            let id = format!("reset-{}", model.resets);
            let got = store
                .reset_session(key(&session_name(session)), session_id(&id), at(500))
                .await
                .expect("asked");
            assert_eq!(got.is_some(), model.sessions.contains_key(&session));
            if let Some(place) = model.sessions.get_mut(&session) {
                place.0 = id;
            }
        }
    }
}

async fn compare(store: &Store, model: &Model) {
    assert_eq!(store.count_sessions().await, Ok(model.sessions.len() as u64));
    for (run, expected) in &model.runs {
        let got = store.run(run_id(&run_name(*run))).await.expect("read").expect("there");
        assert_eq!((got.state, got.root.as_str()), (expected.state, run_name(expected.root).as_str()));
        assert_eq!(got.session_id.as_str(), expected.transcript);
    }
    for (session, (transcript, newest)) in &model.sessions {
        let row = store.session(key(&session_name(*session))).await.expect("read").expect("there");
        assert_eq!(row.session_id.as_str(), transcript);
        assert_eq!(row.last_run, newest.map(|run| run_id(&run_name(run))));
        assert_eq!(row.last_state, newest.map(|run| model.runs[&run].state));
        let rows = store.inbox(row.key).await.expect("inbox");
        let got: Vec<_> =
            rows.iter().map(|row| (row.source.to_string(), row.text.clone(), row.consumed_at_seq)).collect();
        let expected: Vec<_> = model
            .inboxes
            .get(session)
            .map(Vec::as_slice)
            .unwrap_or_default()
            .iter()
            .map(|row| (run_name(row.source), row.text.clone(), row.position))
            .collect();
        assert_eq!(got, expected);
    }
    for (transcript, expected) in &model.transcripts {
        let entries = store.transcript(session_id(transcript), None, 10_000).await.expect("read");
        assert_eq!(&said(&entries), expected);
        assert!(entries.iter().enumerate().all(|(index, entry)| entry.seq == index as u64 + 1));
    }
    let unfinished = model.runs.values().filter(|run| unfinished(run.state)).count();
    assert_eq!(store.unfinished_runs().await.expect("read").len(), unfinished);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_operations_does_what_the_model_does(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        runtime.block_on(async {
            let store = Store::in_memory().expect("store");
            let mut model = Model::default();
            for step in steps {
                apply(&store, &mut model, step).await;
            }
            compare(&store, &model).await;
        });
    }
}

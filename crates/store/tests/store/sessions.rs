use serde_json::json;
use tidegate_protocol::AgentId;
use tidegate_store::{OpenOptions, SessionFilter, SessionPatch, Store, StoreError};
use tidegate_trust::decision::{Decider, Desktop};
use tidegate_trust::workspace::{ChosenWorkspace, ProposedWorkspace};
use tidegate_trust::{Authority, FileIdentity, Folder, TrustRecords};

use crate::common::*;

fn keys(rows: &[tidegate_store::SessionRow]) -> Vec<&str> {
    rows.iter().map(|row| row.key.as_str()).collect()
}

fn patch(value: serde_json::Value) -> SessionPatch {
    SessionPatch { label: None, settings: value.as_object().expect("object").clone() }
}

#[tokio::test]
async fn ensuring_a_session_twice_keeps_the_first() {
    let store = Store::in_memory().expect("store");
    let first = store.ensure_session(key("main"), session_id("a"), at(5)).await.expect("made");
    let second = store.ensure_session(key("main"), session_id("b"), at(9)).await.expect("found");
    assert_eq!(first, second);
    assert_eq!((first.session_id, first.depth, first.created_at), (session_id("a"), 0, at(5)));
    assert_eq!(store.count_sessions().await, Ok(1));
}

#[tokio::test]
async fn one_session_too_many_is_refused_until_another_is_deleted() {
    let directory = tempfile::tempdir().expect("directory");
    let few = OpenOptions { max_sessions: 2, ..options() };
    let (store, _) = Store::open(directory.path(), few).expect("opened");
    store.ensure_session(key("agent:main:a"), session_id("a"), at(5)).await.expect("made");
    created(&store, new_run("r1", "agent:main:b")).await;

    let limit = Err(StoreError::TooManySessions { limit: 2 });
    assert_eq!(store.ensure_session(key("agent:main:c"), session_id("c"), at(6)).await.map(|_| ()), limit);
    assert_eq!(store.begin_run(new_run("r2", "agent:main:c")).await.map(|_| ()), limit);
    assert_eq!(store.count_sessions().await, Ok(2), "nothing of it was kept");
    created(&store, new_run("r3", "agent:main:b")).await;

    assert_eq!(delete(&store, key("agent:main:a"), false).await, Ok(true));
    created(&store, new_run("r2", "agent:main:c")).await;
}

#[tokio::test]
async fn a_transcript_id_belongs_to_one_session() {
    let store = Store::in_memory().expect("store");
    store.ensure_session(key("main"), session_id("a"), at(5)).await.expect("made");
    let clash = store.ensure_session(key("other"), session_id("a"), at(6)).await;
    assert!(matches!(clash, Err(StoreError::Conflict(_))), "{clash:?}");
    assert_eq!(store.session(key("other")).await, Ok(None));
    assert_eq!(store.count_sessions().await, Ok(1));
}

#[tokio::test]
async fn a_patch_sets_changes_and_clears_only_what_it_names() {
    let store = Store::in_memory().expect("store");
    store.ensure_session(key("main"), session_id("a"), at(5)).await.expect("made");
    store
        .patch_session(key("main"), patch(json!({ "model": "a", "thinkingLevel": "high" })), at(6))
        .await
        .expect("patched");
    let named =
        SessionPatch { label: Some(Some("work".to_owned())), ..patch(json!({ "model": null, "x": [1] })) };
    let row = store.patch_session(key("main"), named, at(7)).await.expect("patched").expect("there");
    assert_eq!(serde_json::Value::Object(row.settings.clone()), json!({ "thinkingLevel": "high", "x": [1] }));
    assert_eq!((row.label.as_deref(), row.updated_at), (Some("work"), at(7)));
    let cleared = SessionPatch { label: Some(None), ..SessionPatch::default() };
    let row = store.patch_session(key("main"), cleared, at(8)).await.expect("patched").expect("there");
    assert_eq!(row.label, None);
    assert_eq!(store.patch_session(key("none"), SessionPatch::default(), at(8)).await, Ok(None));
}

#[tokio::test]
async fn sessions_are_listed_newest_first_and_filtered() {
    let store = Store::in_memory().expect("store");
    for (index, name) in ["agent:main:a", "agent:main:B", "agent:other:c", "agent:main:d"].iter().enumerate()
    {
        let created = at(10 + index as u64);
        store.ensure_session(key(name), fresh_id(name), created).await.expect("made");
    }
    let named = SessionPatch { label: Some(Some("Blue".to_owned())), ..SessionPatch::default() };
    store.patch_session(key("agent:main:a"), named, at(20)).await.expect("patched");
    created(&store, new_run("parent", "agent:main:d")).await;
    let child =
        tidegate_store::NewRun { parent: Some(edge("parent", "agent:main:d")), ..new_child("kid", "parent") };
    created(&store, child).await;

    let list = async |filter: SessionFilter| {
        store.sessions(SessionFilter { limit: 10, ..filter }).await.expect("list")
    };
    let all = list(SessionFilter::default()).await;
    assert_eq!(all.len(), 5);
    assert!(all.windows(2).all(|pair| pair[0].updated_at >= pair[1].updated_at));
    let other = AgentId::parse("other").expect("agent");
    assert_eq!(
        keys(&list(SessionFilter { agent: Some(other), ..Default::default() }).await),
        ["agent:other:c"]
    );
    let spawned = SessionFilter { spawned_by: Some(key("agent:main:d")), ..Default::default() };
    assert_eq!(keys(&list(spawned).await), [child_session("kid")]);
    let labelled = SessionFilter { label: Some("Blue".to_owned()), ..Default::default() };
    assert_eq!(keys(&list(labelled).await), ["agent:main:a"]);
    for search in ["BLUE", "main:A"] {
        let found = SessionFilter { search: Some(search.to_owned()), ..Default::default() };
        assert_eq!(keys(&list(found).await), ["agent:main:a"], "{search}");
    }
    let wildcard = SessionFilter { search: Some("%".to_owned()), ..Default::default() };
    assert_eq!(list(wildcard).await, []);
    let recent = SessionFilter { updated_since: Some(at(20)), ..Default::default() };
    assert_eq!(list(recent).await.len(), 3);
    let one = store.sessions(SessionFilter { limit: 1, ..Default::default() }).await.expect("list");
    assert_eq!(one, all[..1]);
    let next = SessionFilter { limit: 2, offset: 1, ..Default::default() };
    assert_eq!(store.sessions(next).await.expect("list"), all[1..3]);
    let with_runs = SessionFilter { with_runs: true, ..Default::default() };
    let with_runs = list(with_runs).await;
    assert!(with_runs.iter().all(|row| row.last_run.is_some()), "{with_runs:?}");
    assert_eq!(with_runs.len(), 2);
}

#[tokio::test]
async fn archived_sessions_are_listed_where_asked_for() {
    let store = Store::in_memory().expect("store");
    for (index, name) in ["agent:main:old", "agent:main:new"].iter().enumerate() {
        store.ensure_session(key(name), fresh_id(name), at(10 + index as u64)).await.expect("made");
    }
    let archived = patch(json!({ "archived": true }));
    store.patch_session(key("agent:main:old"), archived, at(5)).await.expect("patched");
    let misleading = patch(json!({ "model": "\"archived\":true" }));
    store.patch_session(key("agent:main:new"), misleading, at(6)).await.expect("patched");

    let listed = async |archived: Option<bool>| {
        let filter = SessionFilter { limit: 10, archived, ..SessionFilter::default() };
        keys(&store.sessions(filter).await.expect("list")).join(" ")
    };
    assert_eq!(listed(Some(false)).await, "agent:main:new");
    assert_eq!(listed(Some(true)).await, "agent:main:old");
    assert_eq!(listed(None).await, "agent:main:new agent:main:old");
}

#[tokio::test]
async fn a_transcript_is_read_in_pages_from_its_end() {
    let store = Store::in_memory().expect("store");
    let run = created(&store, new_run("r1", MAIN)).await;
    started(&store, "r1").await;
    store.append(run_id("r1"), vec![user("two"), user("three"), user("four")], at(300)).await.expect("added");
    let read = async |offset: u64, limit: u32| {
        let page = store.transcript_page(run.session_id.clone(), offset, limit).await.expect("read");
        (page.entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), page.total)
    };

    assert_eq!(read(0, 3).await, (vec![2, 3, 4], 4));
    assert_eq!(read(3, 3).await, (vec![1], 4));
    assert_eq!(read(4, 3).await, (vec![], 4));
    assert_eq!(read(u64::MAX, 3).await, (vec![], 4));
    let none = store.transcript_page(session_id("none"), 0, 3).await.expect("read");
    assert_eq!((none.entries, none.total), (Vec::new(), 0));
}

#[tokio::test]
async fn a_reset_begins_a_new_transcript_and_keeps_the_old_one() {
    let store = Store::in_memory().expect("store");
    let run = created(&store, new_run("r1", MAIN)).await;
    started(&store, "r1").await;
    created(&store, new_run("r2", MAIN)).await;

    let row =
        store.reset_session(key(MAIN), session_id("new"), at(400)).await.expect("reset").expect("there");

    assert_eq!((row.session_id, row.updated_at), (session_id("new"), at(400)));
    assert_eq!(store.transcript(run.session_id.clone(), None, 10).await.expect("old").len(), 1);
    assert_eq!(store.transcript(session_id("new"), None, 10).await, Ok(Vec::new()));
    let late = store.append(run_id("r1"), vec![user("late")], at(401)).await.expect("appended");
    assert_eq!(late[0].seq, 2, "a running run goes on in its own transcript");
    assert_eq!(
        started(&store, "r2").await.run.session_id,
        session_id("new"),
        "a queued one starts on the new one"
    );
    assert_eq!(store.reset_session(key("none"), session_id("x"), at(1)).await, Ok(None));
}

#[tokio::test]
async fn a_session_with_unfinished_runs_is_not_deleted() {
    let store = Store::in_memory().expect("store");
    created(&store, new_run("r1", MAIN)).await;
    assert_eq!(delete(&store, key(MAIN), false).await, Err(StoreError::SessionBusy { unfinished: 1 }));
    assert!(store.session(key(MAIN)).await.expect("read").is_some());
}

#[tokio::test]
async fn a_session_that_was_reset_since_is_not_deleted() {
    let store = Store::in_memory().expect("store");
    store.ensure_session(key(MAIN), session_id("old"), at(5)).await.expect("made");
    store.reset_session(key(MAIN), session_id("new"), at(6)).await.expect("reset");

    assert_eq!(store.delete_session(key(MAIN), session_id("old"), false).await, Ok(false));

    assert!(store.session(key(MAIN)).await.expect("read").is_some());
    assert_eq!(store.delete_session(key(MAIN), session_id("new"), false).await, Ok(true));
}

#[tokio::test]
async fn deleting_a_session_removes_its_text_and_keeps_its_run_ids_taken() {
    for keep_transcript in [true, false] {
        let store = Store::in_memory().expect("store");
        let run = created(&store, new_run("r1", MAIN)).await;
        started(&store, "r1").await;
        store.settle_run(settlement("r1", tidegate_store::Outcome::Ok)).await.expect("settled");

        assert_eq!(delete(&store, key(MAIN), keep_transcript).await, Ok(true));

        assert_eq!(store.session(key(MAIN)).await, Ok(None));
        assert_eq!(store.count_sessions().await, Ok(0));
        let kept = store.transcript(run.session_id, None, 10).await.expect("transcript");
        assert_eq!(kept.len(), usize::from(keep_transcript));
        let tombstone = store.run(run_id("r1")).await.expect("read").expect("the id stays known");
        assert_eq!(tombstone.input.is_some(), keep_transcript);
        assert_eq!(tombstone.result.is_some(), keep_transcript);
        let again = store.begin_run(new_run("r1", MAIN)).await.expect("begin");
        assert!(matches!(again, tidegate_store::BegunRun::Existing(_)), "{again:?}");
        assert_eq!(delete(&store, key(MAIN), keep_transcript).await, Ok(false));
    }
}

#[tokio::test]
async fn a_flag_is_set_read_and_cleared() {
    let store = Store::in_memory().expect("store");
    assert_eq!(store.flag("paused").await, Ok(None));
    store.set_flag("paused", Some("a".to_owned())).await.expect("set");
    store.set_flag("paused", Some("yes".to_owned())).await.expect("set");
    assert_eq!(store.flag("paused").await, Ok(Some("yes".to_owned())));
    store.set_flag("paused", None).await.expect("cleared");
    assert_eq!(store.flag("paused").await, Ok(None));
}

/// What a person at a desktop chose.
fn chosen(session: &str, folder: Option<Folder>) -> ChosenWorkspace {
    let (mut authority, _) = Authority::new(TrustRecords::default());
    let person = authority.take_desktop_key(Desktop::Running).expect("there is a desktop");
    let proposed = ProposedWorkspace { session: key(session), folder };
    let digest = proposed.digest();
    Decider::person_at_desktop(&person).choose_workspace(proposed, &digest).expect("a person may")
}

fn folder(path: &str) -> Folder {
    Folder { path: path.into(), identity: FileIdentity { device: u64::MAX, inode: 7 } }
}

#[tokio::test]
async fn a_chosen_folder_stays_with_its_session() {
    let directory = tempfile::tempdir().expect("directory");
    let (store, _) = Store::open(directory.path(), options()).expect("opened");
    let site = Some(folder("/home/ada/my \"site\" ü"));
    store.ensure_session(key(MAIN), session_id("a"), at(5)).await.expect("made");

    let row = store.set_workspace(chosen(MAIN, site.clone()), session_id("b"), at(9)).await.expect("kept");
    let new = store.set_workspace(chosen("new", site.clone()), session_id("c"), at(9)).await.expect("kept");
    store.reset_session(key(MAIN), session_id("d"), at(10)).await.expect("reset");
    store.patch_session(key(MAIN), patch(json!({ "model": "a" })), at(11)).await.expect("patched");
    store.close().await;
    let (store, _) = Store::open(directory.path(), options()).expect("opened again");

    assert_eq!((row.session_id, row.workspace, row.updated_at), (session_id("a"), site.clone(), at(9)));
    assert_eq!((new.session_id, new.workspace), (session_id("c"), site.clone()));
    let kept = store.session(key(MAIN)).await.expect("read").expect("there");
    assert_eq!((kept.session_id, kept.workspace), (session_id("d"), site.clone()));
    assert_eq!(store.workspaces().await, Ok(site.into_iter().collect()), "each once");
    for session in [MAIN, "new"] {
        let row = store.set_workspace(chosen(session, None), session_id("e"), at(12)).await.expect("kept");
        assert_eq!(row.workspace, None);
    }
    assert_eq!(store.workspaces().await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_child_session_has_the_folder_its_parent_works_in() {
    let store = Store::in_memory().expect("store");
    created(&store, new_run("parent", MAIN)).await;
    let mut edge = edge("parent", MAIN);
    edge.workspace = Some(folder("/home/ada/site"));
    let new = tidegate_store::NewRun { parent: Some(edge), ..new_run("child", &child_session("child")) };

    created(&store, new).await;
    created(&store, new_child("other", "parent")).await;

    let workspace =
        async |session: &str| store.session(key(session)).await.expect("read").expect("there").workspace;
    assert_eq!(workspace(&child_session("child")).await, Some(folder("/home/ada/site")));
    assert_eq!(workspace(&child_session("other")).await, None);
    assert_eq!(workspace(MAIN).await, None);
}

#[tokio::test]
async fn sessions_below_one_go_along_when_they_worked_where_it_worked() {
    let store = Store::in_memory().expect("store");
    let site = || Some(folder("/home/ada/site"));
    let own = || Some(folder("/home/ada/own"));
    created(&store, new_run("parent", MAIN)).await;
    created(&store, new_child("child", "parent")).await;
    let mut below = edge("child", &child_session("child"));
    below.depth = 2;
    created(&store, tidegate_store::NewRun { parent: Some(below), ..new_run("deep", "deep") }).await;
    created(&store, new_child("alone", "parent")).await;
    store.ensure_session(key("stranger"), session_id("s"), at(1)).await.expect("made");
    let workspace =
        async |session: &str| store.session(key(session)).await.expect("read").expect("there").workspace;
    let choose = async |session: &str, chosen_folder| {
        store.set_workspace(chosen(session, chosen_folder), session_id("n"), at(9)).await.expect("kept");
    };
    choose(&child_session("alone"), own()).await;

    choose(MAIN, site()).await;
    for (session, expected) in [
        (MAIN, site()),
        (&child_session("child"), site()),
        ("deep", site()),
        (&child_session("alone"), own()),
        ("stranger", None),
    ] {
        assert_eq!(workspace(session).await, expected, "{session}");
    }
    choose(MAIN, None).await;

    for session in [MAIN, &child_session("child"), "deep"] {
        assert_eq!(workspace(session).await, None, "{session}: taken back");
    }
    assert_eq!(workspace(&child_session("alone")).await, own());
}

#[tokio::test]
async fn a_session_with_an_unreadable_folder_is_damaged_and_not_without_one() {
    let directory = tempfile::tempdir().expect("directory");
    let (store, report) = Store::open(directory.path(), options()).expect("opened");
    store.set_workspace(chosen(MAIN, Some(folder("/w"))), session_id("a"), at(5)).await.expect("kept");
    store.close().await;
    let file = rusqlite::Connection::open(&report.file).expect("file");
    file.execute_batch("UPDATE sessions SET workspace = '{\"path\":7}'").expect("damaged");
    file.close().expect("closed");
    let (store, _) = Store::open(directory.path(), options()).expect("opened again");

    let read = store.session(key(MAIN)).await;

    assert!(matches!(&read, Err(StoreError::Corrupt(reason)) if reason.contains("workspace")), "{read:?}");
}

//! Records of what was set aside: what a person sees of it, keeps and discards, and what somebody else
//! makes of it meanwhile.
#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use common::{Fixture, Place};
use proptest::prelude::*;
use tidegate_protocol::UnixMillis;
use tidegate_triggers::records::{
    CommandOrigin, Content, MAX_AGE, MAX_RECORDS, MAX_SHOWN, Record, RecordError, Records,
};
use tidegate_triggers::{Finding, KeepError};

/// The files are from now.
static NOW: LazyLock<UnixMillis> = LazyLock::new(|| {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("later");
    UnixMillis::default().plus(now)
});

fn aside(place: &Place) -> PathBuf {
    place.root.join("aside")
}

fn open(place: &Place) -> Records {
    Records::open(&aside(place), *NOW).expect("opened")
}

fn origin() -> CommandOrigin {
    let text = |text: &str| text.to_owned();
    CommandOrigin { session: text("main"), run: text("run"), call: text("call"), command: text("make\u{1b}") }
}

/// Sets aside what a command plants, and records it.
fn plant(fixture: &Fixture, script: &str) -> (Records, Vec<Record>) {
    let command = fixture.guard.begin("run", Vec::new()).expect("begun");
    fixture.place().shell(script);
    let report = fixture.guard.finish(command).expect("finished");
    let mut records = open(&fixture.place());
    let workspace = fixture.place().workspace();
    let added = report.findings.iter().filter_map(|it| records.add(it, &workspace, vec![origin()], *NOW));
    let added = added
        .map(|(record, saved)| {
            saved.expect("saved");
            record
        })
        .collect();
    (records, added)
}

fn one(fixture: &Fixture, script: &str) -> (Records, Record) {
    let (records, mut added) = plant(fixture, script);
    assert_eq!(added.len(), 1, "{added:#?}");
    (records, added.remove(0))
}

#[test]
fn a_record_outlives_a_restart_and_its_file_is_kept_as_shown() {
    let fixture = Fixture::new();
    let (records, record) = one(&fixture, "mkdir a; echo 'export A=1' > new; chmod 750 new; mv new a/.envrc");
    drop(records);

    let mut records = open(&fixture.place());
    assert_eq!(records.list(), std::slice::from_ref(&record));
    let shown = records.show(&record.id).expect("shown");
    assert_eq!(shown.content, Content::Start { bytes: b"export A=1\n".to_vec(), is_cut: false });
    assert_eq!(shown.record.commands[0].command, "make\\u{1b}");
    let kept = records.keep(&record.id, &shown.record.digest()).expect("kept");

    let place = fixture.place();
    assert_eq!(kept.aside.place.to_string(), "a/.envrc");
    assert_eq!(place.read("a/.envrc"), "export A=1\n");
    let mode = fs::metadata(place.path("a/.envrc")).expect("there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o750);
    assert!(matches!(records.show(&record.id), Err(RecordError::Unknown)));
    assert_eq!(fs::read_dir(aside(&place)).expect("listed").count(), 0);
}

#[test]
fn a_discarded_file_is_gone_for_good() {
    let fixture = Fixture::new();
    let (mut records, record) = one(&fixture, "echo x > .envrc");

    records.discard(&record.id).expect("discarded");

    assert!(matches!(records.discard(&record.id), Err(RecordError::Unknown)));
    assert!(open(&fixture.place()).list().is_empty());
    assert_eq!(fs::read_dir(aside(&fixture.place())).expect("listed").count(), 0);
    assert!(!fixture.place().path(".envrc").exists());
}

#[test]
fn a_changed_file_comes_back_over_the_restored_one() {
    let fixture = Fixture::prepared(|place| place.write(".envrc", "the person's"));
    let (mut records, record) = one(&fixture, "echo agent > .envrc");
    assert_eq!(fixture.place().read(".envrc"), "the person's");

    let digest = records.show(&record.id).expect("shown").record.digest();
    records.keep(&record.id, &digest).expect("kept");

    assert_eq!(fixture.place().read(".envrc"), "agent\n");
}

#[test]
fn nothing_but_what_was_shown_is_kept() {
    let fixture = Fixture::new();
    let (mut records, record) = one(&fixture, "echo harmless > .envrc");
    let digest = records.show(&record.id).expect("shown").record.digest();
    let stored = aside(&fixture.place()).join(&record.aside.stored);

    fs::write(&stored, "evil").expect("written");
    let changed = records.keep(&record.id, &digest);
    fs::write(&stored, "harmless\n").expect("written");
    fs::set_permissions(&stored, fs::Permissions::from_mode(0o755)).expect("set");
    let executable = records.keep(&record.id, &digest);
    fs::remove_file(&stored).expect("removed");
    symlink("/etc/passwd", &stored).expect("linked");
    let linked = records.keep(&record.id, &digest);

    for refused in [changed, executable, linked] {
        assert!(matches!(refused, Err(RecordError::NotAsShown)), "{refused:?}");
    }
    assert!(!fixture.place().path(".envrc").is_symlink() && !fixture.place().path(".envrc").exists());
}

#[test]
fn a_file_comes_back_without_set_user_id() {
    let fixture = Fixture::new();
    let (mut records, record) = one(&fixture, "echo x > .envrc");
    let stored = aside(&fixture.place()).join(&record.aside.stored);
    fs::set_permissions(&stored, fs::Permissions::from_mode(0o6755)).expect("set");

    let digest = records.show(&record.id).expect("shown").record.digest();
    records.keep(&record.id, &digest).expect("kept");

    let mode = fs::metadata(fixture.place().path(".envrc")).expect("there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o755);
}

#[test]
fn a_place_that_changed_since_is_left_alone() {
    let fixture = Fixture::new();
    let (mut records, record) = one(&fixture, "mkdir sub; echo x > sub/.envrc");
    let digest = records.show(&record.id).expect("shown").record.digest();
    let place = fixture.place();
    let (sub, outside) = (place.path("sub"), place.root.join("home"));

    fs::write(sub.join(".envrc"), "other").expect("written");
    let taken = records.keep(&record.id, &digest);
    fs::remove_file(sub.join(".envrc")).expect("removed");
    symlink(outside.join("target"), sub.join(".envrc")).expect("linked");
    let link = records.keep(&record.id, &digest);
    fs::remove_dir_all(&sub).expect("removed");
    let gone = records.keep(&record.id, &digest);
    symlink(&outside, &sub).expect("linked");
    let redirected = records.keep(&record.id, &digest);

    assert!(matches!(taken, Err(RecordError::Keep(KeepError::Taken(_)))), "{taken:?}");
    assert!(matches!(link, Err(RecordError::Keep(KeepError::Taken(_)))), "{link:?}");
    assert!(matches!(gone, Err(RecordError::Keep(KeepError::NoFolder(_)))), "{gone:?}");
    assert!(matches!(redirected, Err(RecordError::Keep(KeepError::Redirected(_)))), "{redirected:?}");
    assert_eq!(fs::read_dir(&outside).expect("listed").count(), 0, "nothing came outside");
    assert_eq!(records.list().len(), 1, "it still waits");
}

#[test]
fn a_workspace_that_became_a_link_gets_nothing() {
    let fixture = Fixture::new();
    let (mut records, record) = one(&fixture, "echo x > .envrc");
    let digest = records.show(&record.id).expect("shown").record.digest();
    let place = fixture.place();
    fs::rename(place.workspace(), place.root.join("elsewhere")).expect("renamed");
    symlink(place.root.join("home"), place.workspace()).expect("linked");

    let refused = records.keep(&record.id, &digest);

    assert!(matches!(refused, Err(RecordError::NoWorkspace(_))), "{refused:?}");
    assert!(!place.root.join("home/.envrc").exists());
}

#[test]
fn long_and_binary_content_is_cut_and_a_link_shows_where_it_leads() {
    let fixture = Fixture::new();
    let (records, added) =
        plant(&fixture, "mkdir a b; head -c 100000 /dev/zero > a/.envrc; ln -s /etc/passwd b/.envrc; true");

    let of = |place: &str| {
        let record = added.iter().find(|record| record.aside.place.to_string() == place).expect("recorded");
        records.show(&record.id).expect("shown")
    };

    assert_eq!(of("a/.envrc").content, Content::Start { bytes: vec![0; MAX_SHOWN], is_cut: true });
    assert_eq!(of("b/.envrc").content, Content::NoFile);
}

#[test]
fn a_file_of_any_size_that_is_stored_comes_back_whole() {
    let fixture = Fixture::new();
    let (mut records, record) =
        one(&fixture, "mkdir a; truncate -s 100M new; echo end >> new; mv new a/.envrc");

    let shown = records.show(&record.id).expect("shown");
    records.keep(&record.id, &shown.record.digest()).expect("kept");

    assert_eq!(shown.content, Content::Start { bytes: vec![0; MAX_SHOWN], is_cut: true });
    let kept = fs::read(fixture.place().path("a/.envrc")).expect("it is back");
    assert_eq!(kept.len(), (100 << 20) + 4);
    assert!(kept.ends_with(b"\0end\n"));
}

#[test]
fn a_file_that_is_larger_than_all_that_is_stored_is_discarded() {
    let fixture = Fixture::new();
    let (mut records, record) = one(&fixture, "mkdir a; truncate -s 300M new; mv new a/.envrc");

    let shown = records.show(&record.id).expect_err("too large");
    let discarded = records.enforce_limits(*NOW);

    assert!(matches!(shown, RecordError::TooLarge), "{shown}");
    assert_eq!(discarded.iter().map(|record| &record.id).collect::<Vec<_>>(), [&record.id]);
}

#[test]
fn the_oldest_files_are_discarded_when_there_are_too_many_or_too_old() {
    let fixture = Fixture::new();
    let (mut records, first) = one(&fixture, "echo x > .envrc");
    let folder = aside(&fixture.place());
    let mut ids = vec![first.id.clone()];
    for number in 0..MAX_RECORDS {
        let mut finding = Finding::clone(&findings(&first));
        let aside = finding.aside.as_mut().expect("aside");
        aside.stored = format!("other-{number}");
        fs::write(folder.join(&aside.stored), "x").expect("written");
        let at = NOW.plus(Duration::from_secs(1 + number as u64));
        let (record, saved) =
            records.add(&finding, &fixture.place().workspace(), Vec::new(), at).expect("new");
        saved.expect("saved");
        ids.push(record.id);
    }

    let discarded = records.enforce_limits(NOW.plus(Duration::from_secs(500)));
    assert_eq!(discarded.iter().map(|record| &record.id).collect::<Vec<_>>(), [&ids[0]]);
    assert_eq!(records.list().len(), MAX_RECORDS);
    assert!(!folder.join(&first.aside.stored).exists());

    let later = Records::open(&folder, NOW.plus(MAX_AGE).plus(Duration::from_secs(101))).expect("opened");
    assert_eq!(later.list().first().map(|record| &record.id), Some(&ids[102]));
}

/// A finding like the one that a record was made of.
fn findings(record: &Record) -> Finding {
    let aside = serde_json::to_value(&record.aside).expect("written");
    let finding = serde_json::json!({
        "place": aside["place"], "trigger": record.trigger, "action": record.action, "reason": "",
        "aside": aside,
    });
    serde_json::from_value(finding).expect("read")
}

#[test]
fn what_is_no_record_is_dropped_and_its_file_is_not_listed() {
    let fixture = Fixture::new();
    let (records, record) = one(&fixture, "echo x > .envrc");
    drop(records);
    let folder = aside(&fixture.place());
    let named = folder.join(format!("{}.json", record.aside.stored));
    let text = fs::read_to_string(&named).expect("read");
    fs::write(folder.join("other-1"), "x").expect("written");
    // Of another file, under another name.
    fs::write(folder.join("other-1.json"), &text).expect("written");
    fs::write(folder.join("torn-1.json.new"), &text[..40]).expect("written");
    symlink("/etc/passwd", folder.join("link-1.json")).expect("linked");

    let listed = open(&fixture.place()).list();

    assert_eq!(listed, [record]);
    let mut left: Vec<_> =
        fs::read_dir(&folder).expect("listed").flatten().map(|it| it.file_name()).collect();
    left.sort();
    assert_eq!(left.len(), 3, "{left:?}");
    assert!(folder.join("other-1").exists(), "a file without a record waits until it is old");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_for_a_record_are_read_or_dropped(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let directory = tempfile::tempdir().expect("made");
        let root = directory.path().canonicalize().expect("found");
        fs::write(root.join("a-1"), "x").expect("written");
        fs::write(root.join("a-1.json"), bytes).expect("written");
        prop_assert!(Records::open(&root, UnixMillis(0)).expect("opened").list().is_empty());
    }
}

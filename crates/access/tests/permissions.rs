//! Permissions as runs meet them: saved before they count, used while they hold, and gone everywhere at once.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use tidegate_access::{AllowError, PermissionUse, RunRequest, Runs, StoreKind, TrustService};
use tidegate_protocol::confinement::{CommandClass, Confinement};
use tidegate_protocol::payload::permissions::{PermissionName, PermissionOffer as Offer};
use tidegate_protocol::{ClientInfo, ConnectionId, UnixMillis};
use tidegate_store::{OpenOptions, Store};
use tidegate_trust::approval::{ApprovalRequest, Decision, Operation, PendingApproval};
use tidegate_trust::decision::{Decider, Desktop};
use tidegate_trust::origin::Peer;
use tidegate_trust::permissions::{Attendance, RequestContext, WhyAsked};
use tidegate_trust::principal::command_line_session;
use tidegate_trust::{Authority, FileIdentity, Folder, Origin, Session, TrustRecords};

const HALF_AN_HOUR: Duration = Duration::from_mins(30);

struct Place {
    service: TrustService,
    person: Decider,
    store: Store,
}

impl Place {
    async fn over(store: Store) -> Self {
        let service = TrustService::new(Authority::new(TrustRecords::default()).0, Desktop::Running);
        service.open(store.clone(), StoreKind::OnDisk, true).await;
        let key = service.authority().take_desktop_key(Desktop::Running).expect("it was not taken");
        Self { service, person: Decider::person_at_desktop(&key), store }
    }

    async fn new() -> Self {
        Self::over(Store::in_memory().expect("a store")).await
    }

    fn waits(&self, id: &str, request: &ApprovalRequest) -> PendingApproval {
        match self.service.ask_for_run(id.to_owned(), request.clone(), HALF_AN_HOUR) {
            RunRequest::Waits(waiting) => *waiting,
            other => panic!("{other:?}"),
        }
    }

    fn unasked(&self, request: &ApprovalRequest) -> (Arc<PermissionUse>, PermissionName) {
        match self.service.ask_for_run("never waits".to_owned(), request.clone(), HALF_AN_HOUR) {
            RunRequest::Permitted(used, kind) => (used, kind),
            other => panic!("{other:?}"),
        }
    }

    async fn allow(&self, id: &str, offer: Option<&Offer>) -> Result<Option<String>, AllowError> {
        self.service.allow_shown(&self.person, id, "digest", offer).await
    }

    /// The person allows contained commands; the permission's id.
    async fn allow_folder(&self) -> String {
        self.waits("the first command", &command(&[]));
        self.allow("the first command", Some(&Offer::Contained)).await.expect("it offers that");
        self.service.permissions().0[0].id.clone()
    }
}

fn on_disk(directory: &Path) -> Store {
    Store::open(directory, OpenOptions::default()).expect("a store").0
}

/// A contained command of a run.
fn command(needs: &[&str]) -> ApprovalRequest {
    let mut confinement = Confinement::plain(CommandClass::Contained, 1800);
    confinement.needs = needs.iter().map(|need| need.parse().expect("a need")).collect();
    ApprovalRequest {
        operation: Operation::Exec {
            command: "make".to_owned(),
            command_argv: vec!["make".to_owned()],
            cwd: "/project".to_owned(),
            env: Vec::new(),
            confinement: Some(confinement),
        },
        session_key: "agent:main:main".to_owned(),
        run_id: Some("run-1".to_owned()),
        ancestors: Vec::new(),
        digest: "digest".to_owned(),
        context: Some(RequestContext {
            task: "run-1".to_owned(),
            plain: None,
            not_found: None,
            attendance: Attendance::Attended,
            outside: Vec::new(),
            folders: vec![Folder {
                path: PathBuf::from("/project"),
                identity: FileIdentity { device: 1, inode: 2 },
            }],
        }),
    }
}

fn in_task(mut request: ApprovalRequest, task: &str) -> ApprovalRequest {
    request.context.as_mut().expect("of a run").task = task.to_owned();
    request
}

fn command_line() -> Session {
    let connection = ConnectionId::parse("cli").expect("an id");
    let peer = Peer::Process { uid: 1000, same_user: true, program: None };
    let client: ClientInfo = serde_json::from_value(serde_json::json!({
        "id": "cli", "version": "1", "platform": "linux", "mode": "cli",
    }))
    .expect("a client");
    command_line_session(connection, &Origin::LocalSocket(peer), client).expect("the person")
}

async fn audit_kinds(place: &Place) -> Vec<String> {
    let mut kinds: Vec<String> = Vec::new();
    let wait = async {
        while kinds.len() < 3 {
            tokio::task::yield_now().await;
            let events = place.store.audit_tail(20).await.expect("read");
            kinds = events.iter().map(|event| event.kind.name().to_owned()).collect();
        }
    };
    tokio::time::timeout(Duration::from_mins(1), wait).await.expect("written");
    kinds
}

#[tokio::test]
async fn what_cannot_be_saved_allows_nothing_and_waits_on() {
    let place = Place::new().await;
    place.waits("1", &command(&[]));
    place.store.clone().close().await;

    let given = place.allow("1", Some(&Offer::Contained)).await;

    assert!(matches!(given, Err(AllowError::NotSaved(_))), "{given:?}");
    assert_eq!(place.service.approvals().waiting().len(), 1);
    assert!(place.service.permissions().0.is_empty());
    place.waits("2", &command(&[]));
    assert_eq!(place.allow("1", None).await.expect("once is not saved"), None);
    assert_eq!(place.service.decision("1").await, Some(Some(Decision::AllowOnce)));
}

#[tokio::test]
async fn what_could_not_be_saved_before_holds_up_nothing_that_needs_no_saving() {
    let place = Place::new().await;
    let folder = place.allow_folder().await;
    place.store.clone().close().await;
    let (_, saved) = place.service.revoke_permission(&command_line(), &folder).await.expect("there is one");
    assert!(!saved);

    place.waits("1", &command(&["git"]));
    place.allow("1", Some(&Offer::Task)).await.expect("for the task, in memory alone");

    place.unasked(&command(&["git"]));
}

#[tokio::test]
async fn a_permission_is_given_though_who_gave_it_is_gone() {
    let place = Place::new().await;
    place.waits("1", &command(&[]));
    {
        let mut giving = pin!(place.allow("1", Some(&Offer::Contained)));
        assert!(
            std::future::poll_fn(|context| Poll::Ready(giving.as_mut().poll(context).is_pending())).await
        );
    }

    let resolved = place.service.resolution("1").await.expect("it was decided");

    assert_eq!(resolved.decision, Some(Decision::AllowAlways));
    assert!(place.service.use_permissions(&resolved.permissions).is_some());
    assert_eq!(place.store.load_trust().await.expect("read").records.permissions.len(), 1);
}

#[tokio::test]
async fn what_waits_and_is_permitted_by_now_is_allowed_and_nothing_else() {
    let place = Place::new().await;
    let elsewhere = {
        let mut request = command(&[]);
        request.context.as_mut().expect("of a run").folders[0].identity.inode = 3;
        request
    };
    place.waits("first", &command(&[]));
    place.waits("beside", &in_task(command(&[]), "another"));
    place.waits("with-needs", &command(&["git"]));
    place.waits("elsewhere", &elsewhere);

    place.allow("first", Some(&Offer::Contained)).await.expect("it offers that");

    let beside = place.service.resolution("beside").await.expect("it was decided");
    assert_eq!(beside.decision, Some(Decision::AllowAlways));
    assert!(place.service.use_permissions(&beside.permissions).is_some());
    let left: Vec<_> = place.service.approvals().waiting().iter().map(|waiting| waiting.id.clone()).collect();
    assert_eq!(left, ["with-needs", "elsewhere"]);
    assert_eq!(place.service.unasked_commands(), 1);
}

#[tokio::test]
async fn a_revoked_permission_is_used_no_more_and_ends_what_uses_it() {
    let place = Place::new().await;
    let id = place.allow_folder().await;
    let (used, kind) = place.unasked(&command(&[]));
    let (other, _) = place.unasked(&command(&[]));
    drop(other);
    assert!(kind == PermissionName::Contained && !used.revoked().is_cancelled());

    let revoked = place.service.revoke_permission(&command_line(), &id).await.expect("there is one");

    assert_eq!(revoked, (1, true), "one command ends, and it is saved");
    assert!(used.revoked().is_cancelled());
    assert!(place.service.use_permissions(&[id]).is_none());
    place.waits("2", &command(&[]));
    assert!(place.store.load_trust().await.expect("read").records.permissions.is_empty());
}

#[tokio::test]
async fn needs_that_end_while_a_command_runs_let_it_go_on_and_the_next_asks() {
    let place = Place::new().await;
    place.waits("1", &command(&["git"]));
    place.allow("1", Some(&Offer::Needs)).await.expect("it offers that");
    let (running, _) = place.unasked(&command(&["git"]));
    // 30 days later.
    let mut ended = place.service.permissions().0[0].clone();
    let days = Duration::from_hours(30 * 24).as_millis();
    ended.granted_at = UnixMillis(ended.granted_at.0 - u64::try_from(days).expect("days"));
    place
        .service
        .authority()
        .start_over(TrustRecords { permissions: vec![ended], ..TrustRecords::default() });

    let waiting = place.waits("2", &command(&["git"]));

    assert_eq!(waiting.why_asked, Some(WhyAsked::Expired { needs: "git".to_owned() }));
    assert!(!running.revoked().is_cancelled(), "what it allowed while it held goes on");
}

#[tokio::test]
async fn a_permission_revoked_before_the_answer_is_used_is_not_used() {
    let place = Place::new().await;
    let id = place.allow_folder().await;
    let resolved = place.service.resolution("the first command").await.expect("it was decided");
    assert_eq!(resolved.permissions, [id.as_str()]);

    place.service.revoke_permission(&command_line(), &id).await.expect("there is one");

    assert!(place.service.use_permissions(&resolved.permissions).is_none(), "it asks again");
}

/// In either order: what was permitted learns that it was revoked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_use_survives_a_revocation_that_races_with_its_start() {
    let place = Place::new().await;
    for number in 0..200 {
        let id = place.allow_folder_again(number).await;
        let service = place.service.clone();
        let starting = std::thread::spawn(move || {
            let mut uses = Vec::new();
            loop {
                match service.ask_for_run(format!("racing {number}"), command(&[]), HALF_AN_HOUR) {
                    RunRequest::Permitted(used, _) => uses.push(used),
                    RunRequest::Waits(waiting) => break (uses, waiting.id),
                    other => panic!("{other:?}"),
                }
            }
        });

        place.service.revoke_permission(&command_line(), &id).await.expect("there is one");

        let (uses, waiting) = starting.join().expect("it ends");
        assert!(uses.iter().all(|used| used.revoked().is_cancelled()), "{number}");
        place.service.withdraw(&waiting);
    }
}

impl Place {
    async fn allow_folder_again(&self, number: usize) -> String {
        let id = format!("command {number} that gives");
        self.waits(&id, &command(&[]));
        self.allow(&id, Some(&Offer::Contained)).await.expect("it offers that");
        self.service.permissions().0[0].id.clone()
    }
}

#[tokio::test]
async fn a_denial_is_remembered_in_its_task_and_the_next_asks() {
    let place = Place::new().await;
    place.waits("1", &command(&[]));
    place.service.deny_shown(&place.person, "1", "digest", Some("use make test"), false).expect("it waits");

    let resolved = place.service.resolution("1").await.expect("it was decided");
    assert_eq!((resolved.decision, resolved.words.as_deref()), (Some(Decision::Deny), Some("use make test")));
    let again = place.service.ask_for_run("2".to_owned(), command(&[]), HALF_AN_HOUR);
    assert!(matches!(again, RunRequest::Denied), "{again:?}");
    place.waits("3", &in_task(command(&[]), "the next task"));
    assert_eq!(place.service.approvals().waiting().len(), 1);
}

/// Which runs a person stopped.
#[derive(Default)]
struct Stopped(Mutex<Vec<String>>);

impl Runs for Stopped {
    fn admit_client(&self, _: &str) {}

    fn stop_client(&self, _: &str) {}

    fn stop_run(&self, run: &str) {
        self.0.lock().expect("a lock").push(run.to_owned());
    }
}

#[tokio::test]
async fn deny_and_stop_stops_the_run_that_asked_and_deny_does_not() {
    let place = Place::new().await;
    let stopped = Arc::new(Stopped::default());
    place.service.attach_runs(Arc::clone(&stopped) as Arc<dyn Runs>);
    place.waits("1", &command(&[]));
    place.waits("2", &in_task(command(&[]), "another"));

    place.service.deny(&command_line(), "1", None, false).expect("it waits");
    assert!(stopped.0.lock().expect("a lock").is_empty());
    place.service.deny(&command_line(), "2", None, true).expect("it waits");
    assert_eq!(*stopped.0.lock().expect("a lock"), ["run-1"]);
}

#[tokio::test]
async fn asking_about_everything_holds_after_a_restart_until_the_person_ends_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = Place::over(on_disk(directory.path())).await;
    place.allow_folder().await;
    assert_eq!(place.service.ask_everything(&command_line()).await, Ok(true));
    place.store.clone().close().await;

    let place = Place::over(on_disk(directory.path())).await;
    let waiting = place.waits("1", &command(&[]));
    assert_eq!((waiting.why_asked, waiting.offers), (Some(WhyAsked::Everything), Vec::new()));
    place.service.use_permissions_again(&place.person).await.expect("the person");
    let resolved = place.service.resolution("1").await.expect("it is permitted now");
    assert_eq!(resolved.decision, Some(Decision::AllowAlways));
    place.store.clone().close().await;

    let place = Place::over(on_disk(directory.path())).await;
    place.unasked(&command(&[]));
}

#[tokio::test]
async fn asking_about_everything_that_is_not_saved_counts_until_it_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = Place::over(on_disk(directory.path())).await;
    place.allow_folder().await;
    place.store.clone().close().await;

    assert_eq!(place.service.ask_everything(&command_line()).await, Ok(false), "the answer says so");
    place.waits("1", &command(&[]));
    let used = place.service.use_permissions_again(&place.person).await;
    assert!(matches!(used, Err(AllowError::NotSaved(_))), "{used:?}");
    place.waits("2", &command(&[]));

    let store = on_disk(directory.path());
    place.service.open(store.clone(), StoreKind::OnDisk, false).await;
    let (permissions, asks_everything) = place.service.permissions();
    assert_eq!((permissions.len(), asks_everything), (1, true));
    place.service.use_permissions_again(&place.person).await.expect("saved");
    place.service.save_unsaved().await;
    assert!(!store.load_trust().await.expect("read").records.ask_everything, "the later one counts");
    place.unasked(&command(&[]));
}

#[tokio::test]
async fn a_restart_knows_folders_and_needs_and_no_task() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = Place::over(on_disk(directory.path())).await;
    place.allow_folder().await;
    for (id, needs, offer) in [("needs", "sockets", Offer::Needs), ("task", "listen:8080", Offer::Task)] {
        place.waits(id, &command(&[needs]));
        place.allow(id, Some(&offer)).await.expect("it offers that");
    }
    // Another gateway in the same process finds all of it.
    assert_eq!(place.service.permissions().0.len(), 3);
    place.unasked(&command(&["listen:8080"]));
    place.store.clone().close().await;

    let place = Place::over(on_disk(directory.path())).await;

    place.unasked(&command(&[]));
    place.unasked(&command(&["sockets"]));
    place.waits("again", &command(&["listen:8080"]));
}

#[tokio::test]
async fn what_nobody_was_asked_about_is_listed_and_audited() {
    let place = Place::new().await;
    let id = place.allow_folder().await;
    assert_eq!(place.service.unasked_commands(), 0, "the first one was asked");
    let mut request = command(&[]);
    request.session_key = format!("agent:main:\u{202e}{}", "x".repeat(1000));

    place.unasked(&request);

    let (count, unasked) = place.service.unasked();
    assert_eq!((count, unasked[0].title.as_str(), &unasked[0].permissions), (1, "make", &vec![id]));
    assert!(unasked[0].session_key.chars().count() <= 200 && !unasked[0].session_key.contains('\u{202e}'));
    let kinds = audit_kinds(&place).await;
    for kind in ["permission.given", "command.allowed", "command.unasked"] {
        assert!(kinds.iter().any(|known| known == kind), "{kind}: {kinds:?}");
    }
}

//! What a run of the model wants, as the crate is asked for it.

use std::path::{Path, PathBuf};

use tidegate_protocol::confinement::{CommandClass, Confinement};
use tidegate_protocol::payload::permissions::PermissionOffer;
use tidegate_trust::approval::{ApprovalRequest, FileAccess, Operation};
use tidegate_trust::permissions::{Attendance, RequestContext, WhyAsked};
use tidegate_trust::rules::{FileTime, PlainCommand, ProgramFile, ResolvedCommand};
use tidegate_trust::{FileIdentity, Folder};

use crate::model::{Answer, Model, Offer, Run, Wanted};

pub(crate) fn request(model: &Model, run: &Run, wanted: &Wanted) -> ApprovalRequest {
    let folders = Path::new(wanted.path(run)).ancestors().map(|path| folder(model, path));
    let context = RequestContext {
        task: format!("task-{}", run.task),
        attendance: if run.attended { Attendance::Attended } else { Attendance::Unattended },
        folders: folders.collect(),
        outside: outside(model, wanted),
        plain: plain(model, wanted),
        not_found: None,
    };
    ApprovalRequest {
        operation: operation(wanted),
        session_key: format!("session-{}", run.session),
        run_id: Some("run".to_owned()),
        ancestors: Vec::new(),
        digest: digest(wanted),
        context: Some(context),
    }
}

/// What its needs lead to, as it is now.
fn outside(model: &Model, wanted: &Wanted) -> Vec<Folder> {
    let Wanted::Command { needs, .. } = wanted else { return Vec::new() };
    let written = needs.names.iter().filter_map(|need| need.strip_prefix("write:"));
    written.chain(needs.repository).map(|place| folder(model, Path::new(place))).collect()
}

fn plain(model: &Model, wanted: &Wanted) -> Option<ResolvedCommand> {
    let Wanted::Command { is_contained: true, plain: Some(segments), .. } = wanted else { return None };
    let text: Vec<_> = segments.iter().map(|words| words.join(" ")).collect();
    let command = PlainCommand::parse(&text.join(" && ")).expect("plain");
    let program = |words: &&[&'static str]| ProgramFile {
        path: format!("/usr/bin/{}", words[0]).into(),
        file: format!("/usr/bin/{}", words[0]).into(),
        identity: FileIdentity { device: 1, inode: 7 },
        length: 1000,
        changed_at: FileTime {
            seconds: 1_700_000_000,
            nanoseconds: u32::try_from(model.generation(words[0])).expect("few"),
        },
    };
    Some(ResolvedCommand::new(command, segments.iter().map(program).collect()).expect("its programs"))
}

/// What is not asked again once it was denied: the same, whatever was read before.
pub(crate) fn denied(wanted: &Wanted) -> String {
    match wanted {
        Wanted::Command { is_contained, needs, plain, .. } => digest(&Wanted::Command {
            is_contained: *is_contained,
            needs: needs.clone(),
            after_network: false,
            plain: plain.clone(),
        }),
        Wanted::File { .. } => digest(wanted),
    }
}

/// What is wanted as a text: nothing else is the same plan.
pub(crate) fn digest(wanted: &Wanted) -> String {
    format!("{wanted:?}")
}

fn folder(model: &Model, path: &Path) -> Folder {
    let name = path.to_str().expect("a text");
    // Of the folders that had a name, each is another, some on another device.
    let generation = model.generation(name);
    let identity = FileIdentity { device: generation % 2, inode: generation * 100 + name.len() as u64 };
    Folder { path: PathBuf::from(path), identity }
}

fn operation(wanted: &Wanted) -> Operation {
    match wanted {
        Wanted::Command { is_contained, needs, after_network, plain } => {
            let class = if *is_contained { CommandClass::Contained } else { CommandClass::Partial };
            let mut confinement = Confinement::plain(class, 60);
            confinement.needs = needs.names.iter().map(|need| need.parse().expect("a need")).collect();
            confinement.repository = needs.repository.map(str::to_owned);
            confinement.after_network = *after_network;
            Operation::Exec {
                command: format!("{plain:?}"),
                command_argv: vec!["make".to_owned()],
                cwd: "/".to_owned(),
                env: Vec::new(),
                confinement: Some(confinement),
            }
        }
        Wanted::File { path, is_read, is_trigger } => Operation::File {
            path: format!("{path}/file"),
            exists: true,
            trigger: *is_trigger,
            access: match is_read {
                true => FileAccess::Read,
                false => FileAccess::Write { content: String::new() },
            },
        },
    }
}

pub(crate) fn answer<T>(ours: &Result<T, Option<WhyAsked>>) -> Answer {
    match ours {
        Ok(_) => Answer::Unasked,
        Err(None) => Answer::Asked,
        Err(Some(WhyAsked::Everything)) => Answer::Everything,
        Err(Some(WhyAsked::Replaced { .. })) => Answer::Replaced,
        Err(Some(WhyAsked::Expired { .. })) => Answer::Expired,
        Err(Some(WhyAsked::Unattended)) => Answer::Unattended,
        Err(Some(WhyAsked::Repository)) => Answer::Repository,
        Err(Some(WhyAsked::ReplacedOutside { .. })) => Answer::ReplacedOutside,
        Err(Some(WhyAsked::Rule(_))) => Answer::Rule,
        Err(Some(WhyAsked::ProgramGone { .. })) => panic!("the model's programs are all there"),
    }
}

pub(crate) fn offer(offer: Offer) -> PermissionOffer {
    match offer {
        Offer::Task => PermissionOffer::Task,
        Offer::Contained => PermissionOffer::Contained,
        Offer::Needs => PermissionOffer::Needs,
        Offer::Read => PermissionOffer::ReadBelow,
        Offer::Rule(words) => PermissionOffer::Rule { words },
    }
}

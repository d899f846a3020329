//! What a request offers beyond allowing it once.

use tidegate_protocol::UnixMillis;
use tidegate_protocol::confinement::CommandClass;
use tidegate_protocol::payload::permissions::PermissionOffer;

use super::{Attendance, GrantedNeeds, Offered, Permission, PermissionKind, RequestContext};
use crate::approval::{ApprovalRequest, FileAccess, Operation};
use crate::rules::{RulePrefix, Segment};

impl Permission {
    /// The permission that an offer of a request stands for; `None` where the request does not offer it.
    pub(super) fn offered(
        offer: &PermissionOffer,
        request: &ApprovalRequest,
        id: String,
        now: UnixMillis,
    ) -> Option<Self> {
        let context = request.context.as_ref()?;
        let kind = kind(offer, request, context)?;
        // What could not be read whole is not given.
        let folder = context.folders.first()?.path.to_string_lossy().len();
        let rule = match &kind {
            PermissionKind::Rule { prefix, .. } => prefix.words().iter().map(String::len).sum(),
            _ => 0,
        };
        if folder > MAX_SHOWN || rule > MAX_SHOWN {
            return None;
        }
        Some(Self {
            id,
            folder: context.folders.first()?.clone(),
            kind,
            granted_at: now,
            last_used_at: None,
            given_by: None,
        })
    }
}

/// The most bytes of a folder, and of a rule's words, that a sentence shows whole.
const MAX_SHOWN: usize = 240;

/// Everything that a request offers, in sentences.
pub(super) fn all(request: &ApprovalRequest) -> Vec<Offered> {
    let mut kinds = vec![
        PermissionOffer::Task,
        PermissionOffer::Contained,
        PermissionOffer::Needs,
        PermissionOffer::ReadBelow,
    ];
    // The program with one word more, and the whole command.
    let lengths = plain_segment(request).map(|segment| [2, segment.words().len()]);
    kinds.extend(lengths.into_iter().flatten().map(|words| PermissionOffer::Rule { words }));
    kinds.dedup();
    let offered = |offer: PermissionOffer| {
        let permission = Permission::offered(&offer, request, String::new(), UnixMillis(0))?;
        Some(Offered { sentence: permission.offer_sentence(), offer })
    };
    kinds.into_iter().filter_map(offered).collect()
}

fn kind(
    offer: &PermissionOffer,
    request: &ApprovalRequest,
    context: &RequestContext,
) -> Option<PermissionKind> {
    let confinement = match &request.operation {
        Operation::Exec { confinement: Some(confinement), .. } => confinement,
        Operation::File { access: FileAccess::Read, trigger: false, .. } => {
            let is_offered =
                *offer == PermissionOffer::ReadBelow && context.attendance == Attendance::Attended;
            let session_key = request.session_key.clone();
            return is_offered.then_some(PermissionKind::Read { session_key });
        }
        Operation::Exec { .. } | Operation::File { .. } => return None,
    };
    // What another computer wrote may be why it asks: each time is looked at by itself.
    if confinement.class != CommandClass::Contained
        || (confinement.after_network && !confinement.needs.is_empty())
    {
        return None;
    }
    let granted = || GrantedNeeds {
        needs: confinement.needs.iter().cloned().collect(),
        repository: confinement.repository.clone(),
        outside: context.outside.clone(),
    };
    let has_needs = !confinement.needs.is_empty();
    // A run that nobody watches could not use more.
    if context.attendance == Attendance::Unattended && has_needs {
        return None;
    }
    match offer {
        PermissionOffer::Contained if !has_needs => Some(PermissionKind::Contained),
        PermissionOffer::Needs if has_needs => Some(PermissionKind::Needs(granted())),
        PermissionOffer::Rule { words } if context.attendance == Attendance::Attended => {
            let program = context.plain.as_ref()?.programs().first()?;
            let segment = plain_segment(request)?;
            // With needs, the whole command: what follows its first words could use them otherwise.
            if has_needs && *words != segment.words().len() {
                return None;
            }
            let prefix = RulePrefix::offer(segment, *words, program).ok()?;
            Some(PermissionKind::Rule { prefix, program: program.clone(), granted: granted() })
        }
        PermissionOffer::Task if has_needs => {
            Some(PermissionKind::Task { task: context.task.clone(), granted: granted() })
        }
        _ => None,
    }
}

/// The one segment of a plain command: of several, none is offered.
fn plain_segment(request: &ApprovalRequest) -> Option<&Segment> {
    match request.context.as_ref()?.plain.as_ref()?.command().segments() {
        [segment] => Some(segment),
        _ => None,
    }
}

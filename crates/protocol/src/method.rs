//! What stands beside a method in the table of [`crate::rpc`].

use crate::scope::Scope;

/// Who may call a method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Every session, also one without scopes.
    Anyone,
    /// A session that has the scope.
    Scope(Scope),
    /// Only the person's own surfaces: the command line on the local socket and, as far as the
    /// method's [`Power`] allows, windows. Not part of OpenClaw's protocol.
    OwnSurfaces,
}

words! {
    /// What calling a method can lead to. The person's own surfaces are not the person: what they may
    /// call depends on this, beside [`Access`].
    Power {
        /// It shows something.
        Look = "look",
        /// It has agents or models work.
        Work = "work",
        /// It takes something away, refuses or stops.
        Narrow = "narrow",
        /// It takes a decision that its parameters name; of those, our surfaces take only the ones that
        /// narrow where a dialog decides.
        Decide = "decide",
        /// It lets someone or something in, or lets it in again. Where a dialog decides, our surfaces
        /// only request the dialog.
        Widen = "widen",
        /// It asks that a dialog is opened, and decides nothing.
        OpenDialog = "dialog",
        /// It concerns names, secrets, sessions' settings or the process. No window may.
        Administer = "administer",
    }
}

/// Whether a connection's next request waits for a method's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Concurrency {
    /// It waits: the answer takes no longer than a look into the store.
    InOrder,
    /// It may take long, and is answered beside the requests that follow.
    Beside,
}

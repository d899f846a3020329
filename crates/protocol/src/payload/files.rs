//! Trigger files that commands of agents planted and that were set aside, and files that commands only
//! read, because other folders hold them as well. Not part of OpenClaw's protocol. All texts are cleaned.

use crate::UnixMillis;

words! {
    /// What became of the place.
    SetAsideAction {
        /// Nothing is there now.
        SetAside = "set-aside",
        /// Its harmless settings are there now.
        PlainPartKept = "plain-part-kept",
        /// What was there before is there again.
        Restored = "restored",
    }
    /// What was set aside.
    SetAsideKind {
        File = "file",
        Link = "link",
        Folder = "folder",
        /// A socket or a pipe.
        Other = "other",
    }
}

objects! {
    /// A command that ran when a file was set aside.
    SetAsideCommand {
        session_key: String,
        run_id: String,
        tool_call_id: String,
        command: String,
    }
    /// A file that was set aside.
    SetAsideFile {
        id: String,
        /// Where it was, below the workspace: one line.
        path: String,
        workspace: String,
        action: SetAsideAction,
        kind: SetAsideKind,
        /// What it would do: one line.
        reason: String,
        /// What can happen when it is kept, in a sentence.
        effect: String,
        /// Whether it can be kept: folders, sockets and pipes can not.
        can_keep: bool,
        /// Bytes, of a file.
        #[serialize_always] size: Option<u64>,
        executable: bool,
        /// Where it leads, of a link.
        #[serialize_always] target: Option<String>,
        /// One of them made it.
        commands: Vec<SetAsideCommand>,
        set_aside_at_ms: UnixMillis,
        /// When it is discarded, if nobody decides before.
        expires_at_ms: UnixMillis,
    }
    /// `tidegate.files.show`: a file with what is in it.
    SetAsideFileDetails {
        file: SetAsideFile,
        /// Of exactly this file at this place; `tidegate.files.keep` takes it.
        digest: String,
        /// What it says, if it is text: lines whose hidden characters are visible, and tabs spaces.
        #[serialize_always] content: Option<String>,
        /// Whether it is a file that is no text.
        binary: bool,
        /// Whether it has more than is in `content`.
        cut: bool,
    }
    /// `tidegate.files.list`, oldest first.
    FilesListResult {
        files: Vec<SetAsideFile>,
    }
    /// `tidegate.files.unshare`: files that other folders hold as well (hard links).
    SharedFolder {
        folder: String,
        /// How many; when they were unshared, those that are the folder's own now.
        files: u64,
        /// Bytes of these.
        bytes: u64,
        /// Files and folders, relative, in which they all lie, or which could not be looked into.
        places: Vec<String>,
        /// Whether they were unshared.
        unshared: bool,
        /// Files that could not be: not readable, of another user, or changed meanwhile.
        left: u64,
        /// The first of them, relative.
        left_files: Vec<String>,
    }
    /// `tidegate.files.keep` and `tidegate.files.discard`.
    FileDecidedResult {
        id: String,
        path: String,
        workspace: String,
        /// Whether it is back where it was.
        kept: bool,
    }
}

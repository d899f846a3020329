//! Keeping a process's memory and variables from the commands that it starts.

/// Makes this process unreadable for other processes of the same user: its variables, memory and
/// descriptors under `/proc`, and debuggers. It makes no core dumps any more.
///
/// A host calls it before it starts any command. Without it, a command can read the host's variables
/// (which may hold keys) from `/proc/PID/environ`: Landlock does not prevent that. On other systems
/// than Linux this does nothing.
///
/// # Errors
/// When the system refuses.
pub fn shield_process() -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Gives up, for this thread and what it starts, the capabilities by which a process of root reaches
/// into other processes or the kernel in spite of [`shield_process`] and Landlock. Processes of other
/// users have none of them anyway.
#[cfg(target_os = "linux")]
pub(crate) fn give_up_capabilities() -> std::io::Result<()> {
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    let reaching = CapabilitySet::SYS_PTRACE
        | CapabilitySet::SYS_ADMIN
        | CapabilitySet::SYS_MODULE
        | CapabilitySet::SYS_RAWIO
        | CapabilitySet::SYS_BOOT
        | CapabilitySet::PERFMON
        | CapabilitySet::BPF
        | CapabilitySet::CHECKPOINT_RESTORE;
    let mut sets = capabilities(None)?;
    for set in [&mut sets.effective, &mut sets.permitted, &mut sets.inheritable] {
        set.remove(reaching);
    }
    Ok(set_capabilities(None, sets)?)
}

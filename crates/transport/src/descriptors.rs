//! How many files and sockets this process may have open.

/// More than the gateway ever needs. Where the system allows a billion, as some containers do,
/// programs that go through all numbers before they start another would not come to an end.
#[cfg(unix)]
const ENOUGH: u64 = 65_536;

/// Raises the limit as far as the system lets an ordinary process. To be called once at start, before
/// a gateway is built: how many connections it takes is counted by this limit.
///
/// # Errors
/// When the system refuses; the limit is then what it was.
#[cfg(unix)]
pub fn raise_limit() -> std::io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // No limit at all is given as `None`.
    let wanted = limit.maximum.unwrap_or(ENOUGH).min(ENOUGH);
    if limit.current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum })?;
    }
    Ok(())
}

/// Raises the limit: this system has none that matters.
///
/// # Errors
/// Never.
#[cfg(not(unix))]
pub fn raise_limit() -> std::io::Result<()> {
    Ok(())
}

/// The limit as it is now.
#[must_use]
pub fn limit() -> usize {
    #[cfg(unix)]
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    #[cfg(not(unix))]
    let limit: Option<u64> = None;
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}

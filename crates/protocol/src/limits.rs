//! All limits of connections and requests, in one place.

use std::time::Duration;

/// How long a socket may take from being accepted to `hello-ok`.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// The most bytes of one message before the handshake is done.
pub const MAX_PAYLOAD_BEFORE_AUTH: usize = 64 * 1024;
/// The most bytes of one message after it, as `hello-ok.policy.maxPayload` announces.
pub const MAX_PAYLOAD: usize = 25 * 1024 * 1024;
/// The most bytes of one message of a session without any scope, which `hello-ok.policy.maxPayload`
/// announces to it: nobody decided about it, and only `health` answers it.
pub const MAX_PAYLOAD_WITHOUT_SCOPES: usize = MAX_PAYLOAD_BEFORE_AUTH;
/// The most bytes of messages that have not arrived whole, over all connections.
pub const MAX_UNFINISHED_BYTES: usize = 4 * MAX_PAYLOAD;
/// The most bytes that may wait for a slow reader before its socket is closed, as
/// `hello-ok.policy.maxBufferedBytes` announces.
pub const MAX_BUFFERED_BYTES: usize = 4 * 1024 * 1024;
/// The most frames that may wait for a slow reader.
pub const MAX_BUFFERED_FRAMES: usize = 512;
/// Interval of `tick` events, as `hello-ok.policy.tickIntervalMs` announces.
pub const TICK_INTERVAL: Duration = Duration::from_secs(30);
/// How far `device.signedAt` may be from our clock, either way.
pub const SIGNATURE_SKEW: Duration = Duration::from_secs(120);
/// Sockets that may be open without a finished handshake.
pub const MAX_UNAUTHENTICATED: usize = 64;
/// Of those, the share kept for the least represented user or address.
pub const RESERVED_UNAUTHENTICATED: usize = MAX_UNAUTHENTICATED / 4;
/// Refused sockets that are waited for at once, so that they can read why; more are just dropped.
pub const MAX_LINGERING: usize = 64;
/// Connections that may be open in all, where the system gives descriptors for so many.
pub const MAX_CONNECTIONS: usize = 4096;
/// Connections of one device, program or token that may be open.
pub const MAX_CONNECTIONS_PER_CLIENT: usize = 512;
/// Connections without a device and without scopes that may be open.
pub const MAX_VISITORS: usize = 32;
/// The same of one user or address.
pub const MAX_VISITORS_PER_USER: usize = 8;
/// Connections of the person's command line that may be open, beside [`MAX_CONNECTIONS`].
pub const MAX_COMMAND_LINES: usize = RESERVED_DESCRIPTORS / 4;
/// Descriptors that connections over TCP never take: they are for the local socket, for look-ups of
/// peers, and for files, models and commands.
pub const RESERVED_DESCRIPTORS: usize = 256;
/// Requests of one connection that may be unanswered at once.
pub const MAX_OUTSTANDING: usize = 64;
/// Delay of the first failed credential; doubles with each further one.
pub const FIRST_FAILURE_DELAY: Duration = Duration::from_millis(250);
/// The longest delay of a failed credential.
pub const MAX_FAILURE_DELAY: Duration = Duration::from_secs(5);
/// Pairing requests that may wait at once.
pub const MAX_PENDING: usize = 8;
/// Pairing requests of one program, or of one user or address whose program is not known, that may
/// wait at once.
pub const MAX_PENDING_PER_SOURCE: usize = 2;
/// The second of them gets a place only while fewer than this wait in all: the rest is for programs
/// and addresses of which none waits.
pub const MAX_PENDING_BEFORE_SECOND: usize = MAX_PENDING / 2;
/// Pairing requests of all programs of one user that may wait at once: the last place is another's.
pub const MAX_PENDING_PER_USER: usize = MAX_PENDING - 1;
/// How long a pairing request lives after its device last asked.
pub const PENDING_IDLE: Duration = Duration::from_mins(5);
/// How long a pairing request lives in all.
pub const PENDING_LIFE: Duration = Duration::from_mins(15);
/// How long a rejected key or program stays unheard.
pub const REJECT_SILENCE: Duration = Duration::from_mins(10);
/// How long a grant for one admission waits for it.
pub const ONCE_LIFE: Duration = Duration::from_mins(5);
/// Bytes of a close reason (RFC 6455 section 5.5 leaves 123).
pub const MAX_CLOSE_REASON: usize = 120;

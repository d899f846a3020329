//! Which server the first bytes of a TLS connection name.
//!
//! rustls reads the handshake: its reader is strict about lengths, duplicates and fragments, and a
//! second one of our own could be led to another name than servers see. The bytes are kept and passed
//! on unchanged.

use std::io;

use rustls::server::Acceptor;

use crate::host_name::HostName;

/// Bytes in which the first message of a handshake must be complete. With the largest key shares in
/// use it has about 2 KiB.
pub const MAX_HELLO_BYTES: usize = 32 * 1024;

/// The content type of a handshake record (RFC 8446 section 5.1), which is a TLS connection's first
/// byte.
pub(crate) const HANDSHAKE: u8 = 0x16;

/// Reads the first message of a TLS handshake from pieces of any size.
#[derive(Default)]
pub struct ClientHelloReader {
    acceptor: Acceptor,
    seen: Vec<u8>,
}

/// What a handshake says about its server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerName {
    /// The host that it names.
    Host(HostName),
    /// It names something that is no public host.
    Other(String),
    /// It names none. Encrypted names (ECH) do not count: the outer one does.
    None,
}

/// Why the first bytes are no TLS handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClientHelloError {
    /// It is another protocol.
    #[error("not TLS")]
    NotTls,
    /// It breaks the rules of TLS.
    #[error("the TLS handshake breaks the protocol's rules")]
    Malformed,
    /// It does not end.
    #[error("the TLS handshake is longer than {MAX_HELLO_BYTES} bytes")]
    TooLong,
}

impl ClientHelloReader {
    /// Takes the next bytes, and tells the name once the message is complete.
    ///
    /// # Errors
    /// When it is no TLS handshake. Nothing may be read after that.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Option<ServerName>, ClientHelloError> {
        self.seen.extend_from_slice(bytes);
        match self.seen.as_slice() {
            [HANDSHAKE] | [] => {}
            [HANDSHAKE, 3, ..] => {}
            _ => return Err(ClientHelloError::NotTls),
        }
        if self.seen.len() > MAX_HELLO_BYTES {
            return Err(ClientHelloError::TooLong);
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            // It takes as much as it has room for.
            match self.acceptor.read_tls(&mut rest) {
                Ok(0) => return Err(ClientHelloError::Malformed),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return Err(ClientHelloError::TooLong),
            }
            match self.acceptor.accept() {
                Ok(Some(accepted)) => return Ok(Some(server_name(accepted.client_hello().server_name()))),
                Ok(None) => {}
                Err(_) => return Err(ClientHelloError::Malformed),
            }
        }
        Ok(None)
    }

    /// All that was read, unchanged.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.seen
    }
}

fn server_name(name: Option<&str>) -> ServerName {
    match name {
        None => ServerName::None,
        Some(name) => {
            HostName::parse(name).map_or_else(|_| ServerName::Other(name.to_owned()), ServerName::Host)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, LazyLock};

    use proptest::prelude::*;
    use rustls::{ClientConfig, ClientConnection, RootCertStore};

    use super::*;

    /// What a client sends first.
    fn hello(name: &str) -> Vec<u8> {
        static CONFIG: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = ClientConfig::builder_with_provider(provider);
            let config = config.with_safe_default_protocol_versions().unwrap();
            let config = config.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
            Arc::new(config)
        });
        let name = name.to_owned().try_into().unwrap();
        let mut client = ClientConnection::new(Arc::clone(&CONFIG), name).unwrap();
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        bytes
    }

    /// The same handshake in records of at most `size` bytes.
    fn in_records(hello: &[u8], size: usize) -> Vec<u8> {
        let message = &hello[5..];
        let record = |part: &[u8]| {
            let length = u16::try_from(part.len()).unwrap().to_be_bytes();
            [&[HANDSHAKE, 3, 1], &length[..], part].concat()
        };
        message.chunks(size).flat_map(record).collect()
    }

    fn read(bytes: &[u8], piece: usize) -> Result<Option<ServerName>, ClientHelloError> {
        let mut reader = ClientHelloReader::default();
        for piece in bytes.chunks(piece) {
            if let Some(name) = reader.read(piece)? {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    fn host(name: &str) -> Result<Option<ServerName>, ClientHelloError> {
        Ok(Some(ServerName::Host(HostName::parse(name).unwrap())))
    }

    #[test]
    fn the_name_is_found_and_the_bytes_are_kept() {
        let hello = hello("Example.com");
        let mut reader = ClientHelloReader::default();

        assert_eq!(reader.read(&hello), host("example.com"));
        assert_eq!(reader.into_bytes(), hello);
    }

    #[test]
    fn a_handshake_without_a_name_says_none() {
        assert_eq!(read(&hello("192.0.2.1"), 5_000), Ok(Some(ServerName::None)));
    }

    #[test]
    fn other_protocols_are_not_tls() {
        for bytes in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            b"SSH-2.0-x\r\n",
            b"\x80\x2e\x01\x03\x01",
            b"\x17\x03\x03\x00\x01\x00",
            b"\x16\x02\x00",
            b"\0",
        ] {
            assert_eq!(read(bytes, 1), Err(ClientHelloError::NotTls), "{bytes:?}");
        }
    }

    #[test]
    fn a_handshake_that_does_not_end_is_given_up() {
        let mut endless = vec![HANDSHAKE, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff];
        endless.resize(5 + 0x4000, 0);
        let endless = endless.repeat(4);

        assert!(read(&endless, 1_000).is_err());
        // Records of no bytes do not keep the reader busy for ever, either.
        let empty = [HANDSHAKE, 3, 1, 0, 0].repeat(MAX_HELLO_BYTES);
        assert!(read(&empty, 4_096).is_err());
    }

    #[test]
    fn a_name_that_appears_twice_is_malformed() {
        // The extension server_name, once more, at the end of the extensions.
        let mut bytes = hello("granted.example");
        let name = b"evil.example";
        let mut extension = vec![0, 0];
        for more in [5, 3] {
            extension.extend_from_slice(&u16::try_from(name.len() + more).unwrap().to_be_bytes());
        }
        extension.push(0);
        extension.extend_from_slice(&u16::try_from(name.len()).unwrap().to_be_bytes());
        extension.extend_from_slice(name);
        let added = u16::try_from(extension.len()).unwrap();
        let start = extensions_at(&bytes);
        for at in [3, 7, start] {
            let length = u16::from_be_bytes([bytes[at], bytes[at + 1]]) + added;
            bytes[at..at + 2].copy_from_slice(&length.to_be_bytes());
        }
        bytes.extend_from_slice(&extension);

        assert_eq!(read(&bytes, 5_000), Err(ClientHelloError::Malformed));
    }

    /// Where the length of the extensions stands: after the record's and the message's head, version,
    /// random, session id, suites and compression.
    fn extensions_at(hello: &[u8]) -> usize {
        let mut at = 5 + 4 + 2 + 32;
        at += 1 + usize::from(hello[at]);
        at += 2 + usize::from(u16::from_be_bytes([hello[at], hello[at + 1]]));
        at + 1 + usize::from(hello[at])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn fragments_of_any_size_give_the_same_name(
            name in "[a-z]{1,20}[.](example|com)", record in 1_usize..600, piece in 1_usize..600
        ) {
            let bytes = in_records(&hello(&name), record);
            let mut reader = ClientHelloReader::default();
            let mut found = None;
            let mut fed = 0;
            for piece in bytes.chunks(piece) {
                fed += piece.len();
                found = reader.read(piece).unwrap();
                if found.is_some() { break }
            }
            prop_assert_eq!(found, Some(ServerName::Host(HostName::parse(&name).unwrap())));
            prop_assert_eq!(&reader.into_bytes()[..], &bytes[..fed]);
        }

        #[test]
        fn a_changed_handshake_never_gives_a_name_that_is_not_in_it(
            at in 0_usize..200, value: u8, piece in 1_usize..300
        ) {
            let mut bytes = hello("granted.example");
            let index = at % bytes.len();
            bytes[index] = value;
            if let Ok(Some(ServerName::Host(name))) = read(&bytes, piece) {
                let text = name.as_str().as_bytes();
                let lower = bytes.to_ascii_lowercase();
                prop_assert!(lower.windows(text.len()).any(|window| window == text));
            }
        }

        #[test]
        fn arbitrary_bytes_are_never_kept_beyond_the_limit(bytes: Vec<u8>, piece in 1_usize..64) {
            let bytes = [&[HANDSHAKE, 3], &bytes[..]].concat();
            let _ = read(&bytes, piece);
        }
    }
}

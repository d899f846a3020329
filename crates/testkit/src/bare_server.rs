//! The bare reference server, which speed is a ratio to: per handshake one HTTP upgrade, the
//! challenge, one strict ed25519 verification of the signed `connect`, and one reply as long as a
//! gateway's `hello-ok`; per `health` one reply as long as a gateway's. Nothing else: no rules, no
//! records, no limits, no deadlines. It is for measurements on loopback and safe for nothing.
//!
//! It is frozen. A change of it changes the meaning of every ratio that was ever written down.

use std::net::{Ipv4Addr, SocketAddr};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, VerifyingKey};
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};
use tokio_websockets::{Message, ServerBuilder};

use crate::client::clock_millis;
use crate::identity::{SignedConnect, SignedText};

/// How long the replies are, whole frames in bytes of JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplySizes {
    /// The answer to `connect`.
    pub hello: usize,
    /// The answer to `health`.
    pub health: usize,
}

/// Listens on loopback; port 0 takes any that is free.
///
/// # Errors
/// When the port cannot be had.
pub async fn bind(port: u16) -> std::io::Result<TcpListener> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await
}

/// Serves until the listener fails.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, sizes: ReplySizes) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        // A connection that breaks off ends alone.
        tokio::spawn(connection(stream, sizes));
    }
}

#[derive(Deserialize)]
struct Request<T> {
    id: String,
    method: String,
    #[serde(default = "Option::default")]
    params: Option<T>,
}

#[derive(Deserialize)]
struct Connect {
    client: Client,
    role: String,
    scopes: Vec<String>,
    auth: Auth,
    device: Device,
}

#[derive(Deserialize)]
struct Client {
    id: String,
    platform: String,
    mode: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Auth {
    device_token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Device {
    id: String,
    public_key: String,
    signature: String,
    signed_at: u64,
}

/// `None` when the client said something unexpected or is gone.
async fn connection(stream: TcpStream, sizes: ReplySizes) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let (_, mut socket) = ServerBuilder::new().accept(stream).await.ok()?;
    let nonce = nonce()?;
    let challenge = format!(
        r#"{{"type":"event","event":"connect.challenge","payload":{{"nonce":"{nonce}","ts":{}}}}}"#,
        clock_millis()
    );
    socket.send(Message::text(challenge)).await.ok()?;

    let message = socket.next().await?.ok()?;
    let request: Request<Connect> = serde_json::from_str(message.as_text()?).ok()?;
    verify(&request.params?, &nonce)?;
    socket.send(Message::text(reply(&request.id, "hello-ok", sizes.hello))).await.ok()?;

    while let Some(Ok(message)) = socket.next().await {
        let Some(text) = message.as_text() else { continue };
        let request: Request<serde::de::IgnoredAny> = serde_json::from_str(text).ok()?;
        if request.method != "health" {
            return None;
        }
        socket.send(Message::text(reply(&request.id, "health", sizes.health))).await.ok()?;
    }
    Some(())
}

fn nonce() -> Option<String> {
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random).ok()?;
    let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    // As long as a UUID.
    Some([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
}

fn verify(connect: &Connect, nonce: &str) -> Option<()> {
    let text = SignedConnect {
        device_id: &connect.device.id,
        client_id: &connect.client.id,
        client_mode: &connect.client.mode,
        role: &connect.role,
        scopes: &connect.scopes,
        signed_at: connect.device.signed_at,
        token: &connect.auth.device_token,
        nonce,
        platform: &connect.client.platform,
        device_family: "",
    }
    .text(SignedText::V3);
    let key: [u8; 32] = bytes(&connect.device.public_key)?;
    let signature: [u8; 64] = bytes(&connect.device.signature)?;
    let key = VerifyingKey::from_bytes(&key).ok()?;
    key.verify_strict(text.as_bytes(), &Signature::from_bytes(&signature)).ok()
}

fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

/// A reply of `size` bytes, or a little more where its fixed part is longer.
fn reply(id: &str, kind: &str, size: usize) -> String {
    let start =
        format!(r#"{{"type":"res","id":"{id}","ok":true,"payload":{{"type":"{kind}","ok":true,"padding":""#);
    let end = "\"}}";
    let padding = size.saturating_sub(start.len() + end.len());
    let mut reply = String::with_capacity(start.len() + padding + end.len());
    reply.push_str(&start);
    reply.extend(std::iter::repeat_n('x', padding));
    reply.push_str(end);
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_json_of_the_length_that_was_asked_for() {
        let text = reply("r1", "health", 640);

        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((text.len(), value["payload"]["type"].as_str()), (640, Some("health")));
    }
}

//! The way from a page to the gateway: one connection for each window, as frames of text. These are
//! all commands that a page can call (`src-tauri/capabilities`); what a connection may do, the
//! gateway decides.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tauri::ipc::Channel;
use tauri::{State, WebviewWindow};
use tidegate_transport::{ChannelClient, ClientReceived};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::host::Host;

/// How many frames of a page wait for the gateway.
const WAITING_FRAMES: usize = 32;
/// How long a frame of a page waits for its place.
const PATIENCE: Duration = Duration::from_secs(10);
/// After so many bytes to a page it is asked whether it still takes them.
const BYTES_UNANSWERED: usize = 512 * 1024;
/// And after so many frames.
const FRAMES_UNANSWERED: usize = 256;

/// The connections of all windows, by the window's label. A cheap handle.
#[derive(Debug, Clone, Default)]
pub(crate) struct Backends(Arc<Mutex<Backend>>);

#[derive(Debug, Default)]
struct Backend {
    senders: HashMap<String, mpsc::Sender<String>>,
}

/// What a page receives.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(crate) enum ToPage {
    Frame(String),
    /// The connection has ended; nothing follows.
    Closed {
        /// Why, as a sentence.
        closed: String,
    },
}

/// Opens the window's connection; frames arrive in `channel`. One that is open already ends.
///
/// Like every command it is `async`, so that it runs in the runtime: a panic on the main thread,
/// where others run, would end the process.
///
/// # Errors
/// A sentence why there is no gateway.
#[tauri::command]
pub(crate) async fn backend_open(
    window: WebviewWindow,
    channel: Channel<ToPage>,
    backends: State<'_, Backends>,
    host: State<'_, Host>,
) -> Result<(), String> {
    let client = host.desktop()?.open_window();
    let (sender, frames) = mpsc::channel(WAITING_FRAMES);
    // The sender of a connection that was open before is dropped here, which ends it.
    backends.lock().senders.insert(window.label().to_owned(), sender);
    tauri::async_runtime::spawn(carry(window, client, frames, channel));
    Ok(())
}

/// Sends one frame on the window's connection.
///
/// # Errors
/// A sentence why it was not sent.
#[tauri::command]
pub(crate) async fn backend_send(
    window: WebviewWindow,
    text: String,
    backends: State<'_, Backends>,
) -> Result<(), String> {
    let sender = backends.lock().senders.get(window.label()).cloned();
    let sender = sender.ok_or("The gateway is not connected.")?;
    sender.send_timeout(text, PATIENCE).await.map_err(|error| match error {
        mpsc::error::SendTimeoutError::Timeout(_) => "The gateway is busy.".to_owned(),
        mpsc::error::SendTimeoutError::Closed(_) => "The gateway closed the connection.".to_owned(),
    })
}

impl Backends {
    /// Ends the connection of a window that is no more.
    pub(crate) fn close(&self, label: &str) {
        self.lock().senders.remove(label);
    }

    fn lock(&self) -> MutexGuard<'_, Backend> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Carries frames both ways until one end is gone.
async fn carry(
    window: WebviewWindow,
    mut client: ChannelClient,
    mut frames: mpsc::Receiver<String>,
    channel: Channel<ToPage>,
) {
    let mut unanswered = Unanswered::default();
    let reason = loop {
        tokio::select! {
            frame = frames.recv() => match frame {
                // The gateway says itself what is wrong with a frame, or why it closes.
                Some(frame) => if client.send(frame).await.is_err() {
                    break "The gateway stopped.".to_owned();
                },
                // Another connection took its place, or the window is closed.
                None => return,
            },
            received = client.receive() => match received {
                ClientReceived::Text(text) => {
                    let Ok(text) = String::from_utf8(text.into()) else { continue };
                    let is_much = unanswered.add(text.len());
                    if channel.send(ToPage::Frame(text)).is_err() {
                        return;
                    }
                    if is_much {
                        if !takes(&window).await {
                            tracing::warn!("window is not reading events; closing its connection");
                            break "The window was too slow.".to_owned();
                        }
                        unanswered = Unanswered::default();
                    }
                }
                ClientReceived::Closed(_) => break "The gateway stopped.".to_owned(),
            },
        }
    };
    // A window that is closed needs no word.
    let _ = channel.send(ToPage::Closed { closed: reason });
}

/// What a page was sent since it last showed that it takes it. Nothing else bounds what waits for a
/// page that hangs.
#[derive(Debug, Default)]
struct Unanswered {
    bytes: usize,
    frames: usize,
}

impl Unanswered {
    /// Whether it is time to ask the page.
    fn add(&mut self, bytes: usize) -> bool {
        self.bytes += bytes;
        self.frames += 1;
        self.bytes > BYTES_UNANSWERED || self.frames > FRAMES_UNANSWERED
    }
}

/// Whether a page evaluates something in time, after all that it was sent before.
async fn takes(window: &WebviewWindow) -> bool {
    let (answer, answered) = oneshot::channel();
    let answer = Mutex::new(Some(answer));
    let asked = window.eval_with_callback("0", move |_| {
        if let Some(answer) = answer.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = answer.send(());
        }
    });
    asked.is_ok() && timeout(PATIENCE, answered).await.is_ok_and(|answer| answer.is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_reaches_the_page_as_a_text_and_the_end_as_an_object() {
        let frame = serde_json::to_string(&ToPage::Frame("{\"type\":\"event\"}".to_owned())).unwrap();
        let end = serde_json::to_string(&ToPage::Closed { closed: "Why.".to_owned() }).unwrap();

        assert_eq!(frame, "\"{\\\"type\\\":\\\"event\\\"}\"");
        assert_eq!(end, "{\"closed\":\"Why.\"}");
    }

    #[test]
    fn a_page_is_asked_after_many_bytes_and_after_many_frames() {
        let mut few = Unanswered::default();
        assert!(!few.add(BYTES_UNANSWERED));
        assert!(few.add(1));

        let mut small = Unanswered::default();
        assert!((0..FRAMES_UNANSWERED).all(|_| !small.add(1)));
        assert!(small.add(1));
    }
}

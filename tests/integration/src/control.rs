//! The person's command line, as it speaks on the local socket.

use std::path::Path;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use crate::host::Served;

/// A connection on the local socket of a host in this process.
#[derive(Debug)]
pub struct Control {
    lines: Lines<BufReader<OwnedReadHalf>>,
    writer: OwnedWriteHalf,
}

impl Control {
    /// Connects and waits for the greeting.
    ///
    /// # Panics
    /// When it is not greeted.
    pub async fn open(served: &Served) -> Self {
        Self::open_at(served.host.state_dir()).await
    }

    /// The same for a program in a process of its own.
    ///
    /// # Panics
    /// When it is not greeted.
    pub async fn open_at(state_dir: &Path) -> Self {
        let path = tidegate_host::control_socket(state_dir).unwrap();
        let (reader, writer) = UnixStream::connect(path).await.unwrap().into_split();
        let mut control = Self { lines: BufReader::new(reader).lines(), writer };
        let welcome = control.next().await;
        assert_eq!(welcome["event"], "tidegate.welcome", "{welcome}");
        control
    }

    /// Calls a method.
    ///
    /// # Errors
    /// The gateway's error.
    ///
    /// # Panics
    /// When the connection ends.
    pub async fn call(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let request = json!({ "type": "req", "id": "1", "method": method, "params": params });
        self.writer.write_all(format!("{request}\n").as_bytes()).await.unwrap();
        loop {
            let mut frame = self.next().await;
            if frame["type"] == "res" {
                return match frame["ok"] == true {
                    true => Ok(frame["payload"].take()),
                    false => Err(frame["error"].take()),
                };
            }
        }
    }

    async fn next(&mut self) -> Value {
        let line = self.lines.next_line().await.unwrap().expect("the connection is open");
        serde_json::from_str(&line).unwrap()
    }
}

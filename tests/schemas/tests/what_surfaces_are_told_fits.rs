//! A real host answers every method that windows and the command line use beside OpenClaw's: each
//! answer and each event fits its schema, to the last field. The types of the windows' pages are made
//! from these schemas.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure in a test's own helper fails the test"
)]

use serde_json::{Value, json};
use tidegate_host::local_socket;
use tidegate_integration_tests::host::Served;
use tidegate_integration_tests::place::Place;
use tidegate_protocol::payload::surfaces::{DesktopStatus, DesktopSurface, SurfaceState};
use tidegate_protocol::{Method, Scope};
use tidegate_schema_tests::Schemas;
use tidegate_testkit::identity::DeviceIdentity;
use tidegate_transport::lines::{LineReceived, LinesClient};
use tidegate_transport::{ChannelClient, ClientReceived};
use tidegate_trust::Level;
use tidegate_trust::decision::Desktop;
use tokio::net::UnixStream;

enum Wire {
    Window(ChannelClient),
    CommandLine(LinesClient<UnixStream>),
}

struct Surface {
    wire: Wire,
    schemas: Schemas,
    problems: Vec<String>,
}

impl Surface {
    async fn greeted(wire: Wire) -> Self {
        let mut surface = Self { wire, schemas: Schemas::default(), problems: Vec::new() };
        let welcome = surface.next().await;
        assert_eq!(welcome["event"], "tidegate.welcome");
        surface.problems.extend(surface.schemas.problems_of_frame(&welcome, None));
        surface
    }

    async fn next(&mut self) -> Value {
        let text = match &mut self.wire {
            Wire::Window(client) => match client.receive().await {
                ClientReceived::Text(text) => String::from_utf8(text.into()).unwrap(),
                ClientReceived::Closed(frame) => panic!("closed: {frame:?}"),
            },
            Wire::CommandLine(client) => match client.receive().await {
                LineReceived::Text(text) => text,
                LineReceived::Closed(reason) => panic!("closed: {reason:?}"),
            },
        };
        serde_json::from_str(&text).unwrap()
    }

    /// Asks, and checks question, answer and every event that came until then.
    async fn ask(&mut self, method: Method, params: Value) -> Value {
        self.problems.extend(self.schemas.problems_of_params(method.name(), &params));
        let frame = json!({ "type": "req", "id": "1", "method": method.name(), "params": params });
        match &mut self.wire {
            Wire::Window(client) => client.send(frame.to_string()).await.unwrap(),
            Wire::CommandLine(client) => client.send(&frame.to_string()).await.unwrap(),
        }
        loop {
            let frame = self.next().await;
            let is_answer = frame["type"] == "res";
            let asked = is_answer.then_some(method.name());
            self.problems.extend(self.schemas.problems_of_frame(&frame, asked));
            if is_answer {
                assert_eq!(frame["ok"], true, "{method:?}: {frame}");
                return frame["payload"].clone();
            }
        }
    }
}

/// A configuration file that would open something.
fn configure(place: &Place) {
    std::fs::create_dir(place.state_dir()).unwrap();
    let text = "{gateway:{bind:'lan',controlUi:{allowedOrigins:['https://ui.example']}}}";
    std::fs::write(place.state_dir().join("openclaw.json"), text).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_to_a_window_fits_its_schema() {
    use Method as M;
    let place = Place::new();
    configure(&place);
    let (kept, other, stranger) =
        (DeviceIdentity::numbered(1), DeviceIdentity::numbered(2), DeviceIdentity::numbered(3));
    let devices: &[(&DeviceIdentity, &[Scope])] = &[(&kept, &[Scope::Read]), (&other, &[Scope::Read])];
    let served =
        Served::with_devices_and(&place, devices, |options| options.desktop = Desktop::Running).await;
    let desktop = served.host.desktop().expect("a desktop runs");
    let works = DesktopSurface { state: SurfaceState::Ok, sentence: String::new() };
    desktop.set_surfaces(DesktopStatus { tray: works.clone(), notifications: works, autostart: false });
    desktop.new_token("a program", Level::Write, false).await.unwrap();
    let mut window = Surface::greeted(Wire::Window(desktop.open_window())).await;
    let connected = served.connect(&kept, &["operator.read"]).await.unwrap();
    assert!(served.connect(&stranger, &["operator.read"]).await.is_err(), "nobody decided");

    let waiting = window.ask(M::TidegateDevicesWaiting, json!({})).await;
    let request = waiting["requests"][0]["requestId"].clone();
    assert!(request.is_string(), "{waiting}");
    let status = window.ask(M::TidegateStatus, json!({})).await;
    assert_eq!(status["desktop"]["tray"]["state"], "ok");
    for (method, params) in [
        (M::TidegateDoctor, json!({})),
        (M::TidegateConnect, json!({})),
        (M::TidegateTokenList, json!({})),
        (M::TidegateConfigList, json!({})),
        (M::TidegateCommandsList, json!({})),
        (M::TidegateFilesList, json!({})),
        (M::TidegateAudit, json!({ "limit": 10 })),
        (M::TidegateDialogOpen, json!({ "kind": "review", "id": request })),
        (M::TidegateDialogOpen, json!({ "kind": "newToken" })),
        (M::TidegateDialogOpen, json!({ "kind": "modelKey" })),
        (M::TidegateModelsUse, json!({ "model": "offline/demo" })),
        (M::TidegateModelsTest, json!({ "model": "offline/demo" })),
        (M::TidegateModelsTest, json!({ "model": "offline/nothing" })),
        (M::TidegatePause, json!({})),
        (M::TidegateResume, json!({})),
        (M::TidegateDevicesShow, json!({ "id": request })),
        (M::TidegateDevicesShow, json!({ "id": kept.device_id() })),
        (M::TidegateDevicesDecide, json!({ "requestId": request, "verdict": "later" })),
        (M::DevicePairReject, json!({ "requestId": request })),
        (M::TidegateDevicesBlock, json!({ "id": other.device_id() })),
        (M::TidegateDevicesShow, json!({ "id": other.device_id() })),
        (M::DevicePairList, json!({})),
        (M::TidegateDevicesRevoke, json!({ "id": kept.device_id() })),
        (M::SessionsSubscribe, json!({})),
        (M::ChatSend, json!({ "sessionKey": "main", "message": "hello", "idempotencyKey": "one" })),
        (M::AgentWait, json!({ "runId": "one", "timeoutMs": 20_000 })),
        (M::SessionsList, json!({ "limit": 10, "includeLastMessage": true })),
        (M::ChatHistory, json!({ "sessionKey": "main" })),
    ] {
        window.ask(method, params).await;
    }
    let tokens = window.ask(M::TidegateTokenList, json!({})).await;
    window.ask(M::TidegateTokenRevoke, json!({ "id": tokens["tokens"][0]["id"] })).await;

    assert!(window.problems.is_empty(), "{:#?}", window.problems);
    drop(connected);
    served.host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_to_the_command_line_fits_its_schema() {
    use Method as M;
    let place = Place::new();
    configure(&place);
    let device = DeviceIdentity::numbered(1);
    let served = Served::with_devices(&place, &[(&device, &[Scope::Read])]).await;
    let client = local_socket::connect(&place.state_dir()).await.unwrap();
    let mut command_line = Surface::greeted(Wire::CommandLine(client)).await;

    command_line.ask(M::TidegateTokenNew, json!({ "name": "a program", "level": "read" })).await;
    command_line.ask(M::TidegateDevicesBlock, json!({ "id": device.device_id() })).await;
    let list = command_line.ask(M::DevicePairList, json!({})).await;
    command_line.ask(M::TidegateDevicesUnblock, json!({ "id": list["blocked"][0]["id"] })).await;
    let list = command_line.ask(M::TidegateConfigList, json!({})).await;
    assert_eq!(list["refused"][0]["key"], "gateway.bind");
    let (key, digest) = (&list["settings"][0]["key"], &list["settings"][0]["digest"]);
    command_line.ask(M::TidegateConfigConfirm, json!({ "key": key, "digest": digest })).await;
    command_line.ask(M::TidegateConfigReject, json!({ "key": key })).await;

    assert!(command_line.problems.is_empty(), "{:#?}", command_line.problems);
    served.host.stop().await;
}

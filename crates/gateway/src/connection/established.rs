//! A connection that was let in: requests and events until it ends.

use std::sync::Arc;

use tidegate_protocol::frame::{RequestFrame, id_of_broken_frame};
use tidegate_protocol::method::{Concurrency, Power};
use tidegate_protocol::{CloseCode, CloseFrame, ErrorShape, Method, RequestId, limits};
use tidegate_trust::Session;
use tidegate_trust::principal::{Denied, unknown_method};
use tokio::sync::{Semaphore, mpsc};

use super::max_payload;
use crate::connection_places::ConnectionPlace;
use crate::dispatch::{self, Caller, Reply};
use crate::gateway::Gateway;
use crate::methods::desktop::instead_of;
use crate::outbox::{Outbox, Outgoing};
use crate::transport::{Received, Transport};

/// A connection that was let in.
pub(super) struct Established<T> {
    pub(super) transport: T,
    pub(super) queue: mpsc::Receiver<Outgoing>,
    pub(super) peer: Peered,
}

/// What of a connection does not depend on its transport.
pub(super) struct Peered {
    pub(super) gateway: Gateway,
    pub(super) session: Arc<Session>,
    pub(super) outbox: Arc<Outbox>,
    /// What it counts as among the open connections; own surfaces count as nothing.
    pub(super) _place: Option<ConnectionPlace>,
}

impl<T: Transport> Established<T> {
    pub(super) async fn serve(mut self) {
        self.transport.set_limit(max_payload(&self.peer.session));
        let outstanding = Arc::new(Semaphore::new(limits::MAX_OUTSTANDING));
        let close = loop {
            tokio::select! {
                biased;
                close = self.peer.outbox.closed() => break close,
                Some(outgoing) = self.queue.recv() => {
                    let bytes = outgoing.bytes();
                    let frame = match outgoing {
                        Outgoing::Close(close) => break close,
                        Outgoing::Answer(frame) => frame,
                        Outgoing::Event(event, number) => event.numbered(number).into(),
                    };
                    let outbox = self.peer.outbox.clone();
                    let sent = tokio::select! {
                        biased;
                        close = outbox.closed() => break close,
                        sent = self.transport.send(frame) => sent,
                    };
                    self.peer.outbox.written(bytes);
                    if sent.is_err() {
                        break CloseFrame::new(CloseCode::Normal, "");
                    }
                }
                received = self.transport.receive() => match received {
                    Received::Text(text) => self.peer.request(&text, &outstanding).await,
                    Received::Refused(close) => break close,
                    Received::Closed => break CloseFrame::new(CloseCode::Normal, ""),
                },
            }
        };
        drop(self.peer);
        self.transport.close(close).await;
    }
}

/// Nothing is kept for a connection that has ended, also when it was cut off or an answer panicked.
impl Drop for Peered {
    fn drop(&mut self) {
        let inner = self.gateway.inner();
        self.outbox.revoke();
        inner.gatekeeper.authority().disconnected(self.session.connection());
        inner.hub.leave(&self.session);
        crate::approvals::withdraw_connection(inner, self.session.connection());
    }
}

impl Peered {
    async fn request(&self, text: &str, outstanding: &Arc<Semaphore>) {
        let request = match RequestFrame::parse(text) {
            Ok(request) => request,
            Err(error) => {
                let id = id_of_broken_frame(text);
                let error = ErrorShape::invalid(format!("invalid request frame: {error}"));
                return self.refuse(id.as_ref().map_or("invalid", RequestId::as_str), &error);
            }
        };
        if self.outbox.is_revoked() {
            return;
        }
        let (method, is_wish) = match self.authorize(&request) {
            Ok(authorized) => authorized,
            Err(error) => return self.refuse(request.id.as_str(), &error),
        };
        if self.gateway.inner().stop.is_cancelled() {
            let error = ErrorShape::unavailable("the gateway is stopping");
            return self.refuse(request.id.as_str(), &error);
        }
        let Ok(permit) = outstanding.clone().try_acquire_owned() else {
            let message =
                format!("more than {} requests of this connection are unanswered", limits::MAX_OUTSTANDING);
            return self.refuse(request.id.as_str(), &ErrorShape::unavailable(message));
        };
        let caller = Caller {
            gateway: self.gateway.clone(),
            session: self.session.clone(),
            outbox: self.outbox.clone(),
            id: request.id.clone(),
        };
        let call = async move |caller: &Caller| match is_wish {
            true => caller.error(&instead_of(&caller.gateway, method, &request).await),
            false => dispatch::call(caller, method, &request).await,
        };
        if method.concurrency() == Concurrency::Beside {
            self.gateway.inner().waiting.spawn(async move {
                let reply = match method.power() {
                    // Who only looks is gone with the connection, however long there was to wait.
                    Power::Look => caller.outbox.until_revoked(call(&caller)).await,
                    _ => Some(call(&caller).await),
                };
                if let Some(reply) = reply {
                    caller.answer(reply);
                }
                drop(permit);
            });
        } else {
            let reply = call(&caller).await;
            caller.answer(reply);
            // Who took their own rights away has heard it now.
            self.outbox.answered();
        }
    }

    /// The method of a request, if the session may call it, and whether it only opens the dialog that does
    /// it.
    fn authorize(&self, request: &RequestFrame) -> Result<(Method, bool), ErrorShape> {
        let (session, name) = (&self.session, request.method.as_str());
        if name == "connect" {
            return Err(ErrorShape::invalid("connect is only valid as the first request"));
        }
        let Some(method) = Method::parse(name) else { return Err(unknown_method(name)) };
        match session.authorize(method, self.gateway.inner().gatekeeper.desktop) {
            Ok(()) => Ok((method, false)),
            Err(Denied::DesktopDecides) => Ok((method, true)),
            // To everyone else it does not exist, so it is answered like what does not.
            Err(Denied::LocalOnly) => Err(unknown_method(name)),
            Err(denied) => Err(denied.answer(session.dialect(), name)),
        }
    }

    fn refuse(&self, id: &str, error: &ErrorShape) {
        Reply::error(id, error).send(&self.outbox);
    }
}

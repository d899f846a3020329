//! A connection that was let in: requests and events until it ends.

use std::pin::{Pin, pin};
use std::sync::Arc;

use tidegate_protocol::frame::{RequestFrame, id_of_broken_frame};
use tidegate_protocol::method::{Concurrency, Power};
use tidegate_protocol::{CloseCode, CloseFrame, ErrorShape, Method, RequestId, limits};
use tidegate_transport::{Gone, Received, Transport};
use tidegate_trust::Session;
use tidegate_trust::principal::{Denied, unknown_method};
use tokio::sync::{Semaphore, mpsc};
use tracing::Instrument as _;

use crate::connection_places::ConnectionPlace;
use crate::dispatch::{self, Caller, Reply};
use crate::outbox::{Outbox, Outgoing};
use crate::state::Gateway;

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
        // Events go out, and the end is noticed, while a request is answered; the request after it waits.
        let mut answering: Option<Answering> = None;
        let mut next: Option<String> = None;
        let close = loop {
            if answering.is_none()
                && let Some(text) = next.take()
            {
                answering = self.peer.request(&text, &outstanding);
            }
            tokio::select! {
                biased;
                close = self.peer.outbox.closed() => break close,
                // Before the queue: events without end would keep it from going on.
                () = finished(&mut answering) => answering = None,
                Some(outgoing) = self.queue.recv() => {
                    let bytes = outgoing.bytes();
                    let frame = match outgoing {
                        Outgoing::Close(close) => break close,
                        Outgoing::Answer(frame) => frame,
                        Outgoing::Event(event, number) => event.numbered(number).into(),
                    };
                    let outbox = self.peer.outbox.clone();
                    let mut sending = pin!(self.transport.send(frame));
                    let sent = loop {
                        tokio::select! {
                            biased;
                            close = outbox.closed() => break Err(close),
                            sent = &mut sending => break Ok(sent),
                            // A slow reader does not hold up its own request.
                            () = finished(&mut answering) => answering = None,
                        }
                    };
                    match sent {
                        Ok(Ok(())) => self.peer.outbox.written(bytes),
                        Ok(Err(Gone)) => break CloseFrame::new(CloseCode::Normal, ""),
                        Err(close) => break close,
                    }
                }
                received = self.transport.receive(), if next.is_none() => match received {
                    Received::Text(text) if answering.is_some() => next = Some(text),
                    Received::Text(text) => answering = self.peer.request(&text, &outstanding),
                    Received::Refused(close) => break close,
                    Received::Closed => break CloseFrame::new(CloseCode::Normal, ""),
                },
            }
        };
        if let Some(Answering { answer, power }) = answering
            && power != Power::Look
        {
            // What was begun is done, whether or not anybody hears of it.
            self.peer.gateway.inner().waiting.spawn(answer);
        }
        drop(self.peer);
        self.transport.close(close).await;
    }
}

/// The answer to a request, for which the next request waits.
struct Answering {
    answer: Pin<Box<dyn Future<Output = ()> + Send>>,
    power: Power,
}

/// Waits until an answer is sent; without one, forever.
async fn finished(answering: &mut Option<Answering>) {
    match answering {
        Some(answering) => answering.answer.as_mut().await,
        None => std::future::pending().await,
    }
}

/// Nothing is kept for a connection that has ended, also when it was cut off or an answer panicked.
impl Drop for Peered {
    fn drop(&mut self) {
        let inner = self.gateway.inner();
        self.outbox.revoke();
        inner.trust.authority().disconnected(self.session.connection());
        inner.hub.leave(&self.session);
        // What was asked for on it waits on when it is the gateway that ends.
        if !inner.stop.is_cancelled() {
            inner.trust.withdraw_connection(self.session.connection());
        }
    }
}

impl Peered {
    /// Begins to answer a request. The answer, where the next request waits for it.
    fn request(&self, text: &str, outstanding: &Arc<Semaphore>) -> Option<Answering> {
        let request = match RequestFrame::parse(text) {
            Ok(request) => request,
            Err(error) => {
                let id = id_of_broken_frame(text);
                let error = ErrorShape::invalid(format!("invalid request frame: {error}"));
                return self.refuse(id.as_ref().map_or("invalid", RequestId::as_str), &error);
            }
        };
        if !self.outbox.takes_requests() {
            return None;
        }
        let (method, is_for_desktop) = match self.authorize(&request) {
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
        let call = async move |caller: &Caller| match is_for_desktop {
            true => dispatch::refer_to_desktop(caller, method, &request).await,
            false => dispatch::call(caller, method, &request).await,
        };
        let power = method.power();
        if method.concurrency() == Concurrency::Beside {
            let answer = async move {
                let reply = match power {
                    // Who only looks is gone with the connection, however long there was to wait.
                    Power::Look => caller.outbox.until_revoked(call(&caller)).await,
                    _ => Some(call(&caller).await),
                };
                if let Some(reply) = reply {
                    caller.answer(reply);
                }
                drop(permit);
            };
            self.gateway.inner().waiting.spawn(answer.in_current_span());
            return None;
        }
        let answer = Box::pin(async move {
            let reply = call(&caller).await;
            caller.answer(reply);
            // Who took their own rights away has heard it now.
            caller.outbox.answered();
            drop(permit);
        });
        Some(Answering { answer, power })
    }

    /// The method of a request, if the session may call it, and whether only the desktop may carry it out.
    fn authorize(&self, request: &RequestFrame) -> Result<(Method, bool), ErrorShape> {
        let (session, name) = (&self.session, request.method.as_str());
        if name == "connect" {
            return Err(ErrorShape::invalid("connect is only valid as the first request"));
        }
        let Some(method) = Method::parse(name) else { return Err(unknown_method(name)) };
        match session.authorize(method, self.gateway.inner().trust.desktop()) {
            Ok(()) => Ok((method, false)),
            Err(Denied::DesktopDecides) => Ok((method, true)),
            // To everyone else it does not exist, so it is answered like what does not.
            Err(Denied::LocalOnly) => Err(unknown_method(name)),
            Err(denied) => Err(denied.answer(session.dialect(), name)),
        }
    }

    fn refuse(&self, id: &str, error: &ErrorShape) -> Option<Answering> {
        Reply::error(id, error).send(&self.outbox);
        None
    }
}

/// The most bytes of one message of a session.
pub(super) fn max_payload(session: &Session) -> usize {
    match session.scopes().is_empty() {
        true => limits::MAX_PAYLOAD_WITHOUT_SCOPES,
        false => limits::MAX_PAYLOAD,
    }
}

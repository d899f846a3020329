//! From a method's name to its handler. Who may call it was decided before.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use tidegate_access::TrustService;
use tidegate_protocol::frame::{RequestFrame, ResponseFrame};
use tidegate_protocol::rpc::{self, Rpc};
use tidegate_protocol::{ErrorShape, Method, RequestId, for_each_method};
use tidegate_store::Store;
use tidegate_trust::Session;
use tidegate_trust::principal::desktop_decides;

use crate::dialog_requests::DialogRequest;
use crate::outbox::{Outbox, frame};
use crate::state::Gateway;

/// The session that called a method, and where its answer goes.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) gateway: Gateway,
    pub(crate) session: Arc<Session>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) id: RequestId,
}

impl Caller {
    pub(crate) fn trust(&self) -> &TrustService {
        &self.gateway.inner().trust
    }

    pub(crate) fn store(&self) -> &Store {
        &self.gateway.inner().store
    }

    /// Sends an answer to the request. A method with two answers sends the first one itself.
    pub(crate) fn answer(&self, reply: Reply) {
        reply.send(&self.outbox);
    }

    /// The response that carries `result`.
    pub(crate) fn ok(&self, result: &impl Serialize) -> Reply {
        Reply(frame(&ResponseFrame::ok(self.id.as_str(), result)))
    }

    /// The response that carries `error`.
    pub(crate) fn error(&self, error: &ErrorShape) -> Reply {
        Reply::error(self.id.as_str(), error)
    }

    /// A failure that also carries a payload (`agent`, final answer).
    pub(crate) fn failed(&self, error: &ErrorShape, result: &impl Serialize) -> Reply {
        Reply(frame(&ResponseFrame::failed(self.id.as_str(), error, result)))
    }
}

/// An answer as it goes onto the wire.
#[derive(Debug)]
pub(crate) struct Reply(Option<Bytes>);

impl Reply {
    pub(crate) fn error(id: &str, error: &ErrorShape) -> Self {
        Self(frame(&ResponseFrame::error(id, error)))
    }

    pub(crate) fn send(self, outbox: &Outbox) {
        if let Some(frame) = self.0 {
            outbox.answer(frame);
        }
    }
}

/// What answers a method. Each row of [`tidegate_protocol::rpc`] has one.
pub(crate) trait Handler: Rpc {
    /// Does what is asked.
    fn handle(
        caller: &Caller,
        params: Self::Params,
    ) -> impl Future<Output = Result<Self::Result, ErrorShape>> + Send;

    /// The dialog at the desktop that does the same, where there is one: for sessions that may not do it
    /// themselves.
    fn dialog(
        _caller: &Caller,
        _request: &RequestFrame,
    ) -> impl Future<Output = Result<Option<DialogRequest>, ErrorShape>> + Send {
        async { Ok(None) }
    }

    /// Answers a request: for methods that do not answer exactly once, with exactly the result.
    fn answer(caller: &Caller, request: &RequestFrame) -> impl Future<Output = Reply> + Send {
        async move {
            let answer = match parse::<Self>(request) {
                Ok(params) => Self::handle(caller, params).await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(result) => caller.ok(&result),
                Err(error) => caller.error(&error),
            }
        }
    }
}

/// Refuses a request that only the desktop may carry out, and asks for the dialog that does.
pub(crate) async fn refer_to_desktop(caller: &Caller, method: Method, request: &RequestFrame) -> Reply {
    let error = match dialog(caller, method, request).await {
        Ok(Some(request)) => caller.gateway.inner().dialog_requests.refuse_and_make(request),
        Ok(None) => desktop_decides(),
        Err(error) => error,
    };
    caller.error(&error)
}

macro_rules! by_method {
    ($($method:ident)*) => {
        /// Calls a method. All but the most frequent one are waited for in a box, because the task of a
        /// connection has room for the largest thing that it ever waits for.
        pub(crate) async fn call(caller: &Caller, method: Method, request: &RequestFrame) -> Reply {
            if method == Method::Health {
                return rpc::Health::answer(caller, request).await;
            }
            match method {
                $(Method::$method => Box::pin(rpc::$method::answer(caller, request)).await,)*
            }
        }

        /// The dialog that does what a method does.
        async fn dialog(
            caller: &Caller,
            method: Method,
            request: &RequestFrame,
        ) -> Result<Option<DialogRequest>, ErrorShape> {
            match method {
                $(Method::$method => Box::pin(rpc::$method::dialog(caller, request)).await,)*
            }
        }
    };
}

for_each_method!(by_method);

/// The parameters of a request.
pub(crate) fn parse<R: Rpc + ?Sized>(request: &RequestFrame) -> Result<R::Params, ErrorShape> {
    request
        .params()
        .map_err(|error| ErrorShape::invalid(format!("invalid {} params: {error}", R::METHOD.name())))
}

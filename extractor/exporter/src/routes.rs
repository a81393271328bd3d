//! From a request to its reply: the paths, statuses and texts of the existing exporter, and two paths of our own.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use crate::extraction::{Extractor, Failure};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::request::{BodyProblem, container_ids, options};

/// The state of one connection that its request moves.
pub struct Exchange {
    deadline: Rc<Cell<Instant>>,
    permit: RefCell<Option<OwnedSemaphorePermit>>,
}

impl Exchange {
    /// An exchange whose connection ends at `deadline` unless the request moves it.
    pub fn new(deadline: Rc<Cell<Instant>>) -> Self {
        Self {
            deadline,
            permit: RefCell::new(None),
        }
    }

    /// The reply is sent: another request may be worked on.
    pub fn end(&self) {
        self.permit.take();
    }
}

/// Everything a reply is made from.
pub struct Routes {
    extractor: Rc<Extractor>,
    metrics: Rc<Metrics>,
    limits: Limits,
    requests: Arc<Semaphore>,
}

type Reply = Response<Full<Bytes>>;

impl Routes {
    /// Routes to that extractor within those limits.
    pub fn new(extractor: Extractor, metrics: Rc<Metrics>, limits: Limits) -> Self {
        let requests = Arc::new(Semaphore::new(limits.requests));
        Self {
            extractor: Rc::new(extractor),
            metrics,
            limits,
            requests,
        }
    }

    /// The bounds in force.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The reply to a request; never fails.
    pub async fn answer(&self, request: Request<Incoming>, exchange: &Exchange) -> Reply {
        let reply = match request.uri().path() {
            "/gather_runtime_info" => {
                let reply = self.gather(request, exchange).await.unwrap_or_else(|reply| reply);
                self.metrics.request(reply.status().as_u16());
                reply
            }
            "/healthz" if is_read(request.method()) => reply(StatusCode::OK, "text/plain; charset=utf-8", "ok"),
            "/metrics" if is_read(request.method()) => reply(
                StatusCode::OK,
                "text/plain; version=0.0.4; charset=utf-8",
                self.metrics.text(),
            ),
            "/healthz" | "/metrics" => error(StatusCode::NOT_FOUND, "Method is not supported."),
            _ => error(StatusCode::NOT_FOUND, "404 page not found"),
        };
        exchange.deadline.set(Instant::now() + self.limits.reply);
        reply
    }

    async fn gather(&self, request: Request<Incoming>, exchange: &Exchange) -> Result<Reply, Reply> {
        let options = options(request.uri().query().unwrap_or_default());
        let is_post = match *request.method() {
            Method::GET => false,
            Method::POST => true,
            _ => return Err(error(StatusCode::NOT_FOUND, "Method is not supported.")),
        };
        let permit = Arc::clone(&self.requests)
            .try_acquire_owned()
            .map_err(|_| self.failed(&Failure::Busy))?;
        exchange.permit.replace(Some(permit));
        let ids = if is_post {
            exchange
                .deadline
                .set(Instant::now() + self.limits.body + self.limits.reply);
            let ids = self.container_ids(request.into_body()).await?;
            if ids.is_empty() {
                // The existing exporter scans everything here; nothing was asked for, so nothing is answered.
                return Ok(reply(StatusCode::OK, "application/json", "{}"));
            }
            ids
        } else {
            String::new()
        };
        let deadline = Instant::now() + self.limits.answer;
        exchange.deadline.set(deadline + self.limits.reply);
        match Rc::clone(&self.extractor).extract(ids, options, deadline).await {
            Ok(body) => Ok(reply(StatusCode::OK, "application/json", body)),
            Err(failure) => Err(self.failed(&failure)),
        }
    }

    async fn container_ids(&self, body: Incoming) -> Result<String, Reply> {
        let bytes = match timeout(self.limits.body, self.read(body)).await {
            Ok(read) => read?,
            Err(_) => {
                return Err(error(
                    StatusCode::REQUEST_TIMEOUT,
                    "The request body did not arrive in time",
                ));
            }
        };
        container_ids(&bytes).map_err(|problem| {
            let text = match problem {
                BodyProblem::Invalid => r#"{"error": "Invalid JSON in request body"}"#,
                BodyProblem::NoContainerIds => r#"{"error": "containerIds field is required"}"#,
            };
            error(StatusCode::BAD_REQUEST, text)
        })
    }

    async fn read(&self, mut body: Incoming) -> Result<Vec<u8>, Reply> {
        let most = self.limits.body_bytes;
        let too_long = || {
            error(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("The request body is longer than {most} bytes"),
            )
        };
        let announced = body.size_hint().lower();
        if announced > most as u64 {
            return Err(too_long());
        }
        let mut bytes = Vec::with_capacity(announced as usize);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| error(StatusCode::BAD_REQUEST, "The request body was cut off"))?;
            if let Some(data) = frame.data_ref() {
                if bytes.len() + data.len() > most {
                    return Err(too_long());
                }
                bytes.extend_from_slice(data);
            }
        }
        Ok(bytes)
    }

    fn failed(&self, failure: &Failure) -> Reply {
        self.metrics.failure(failure.reason());
        let status = match failure {
            Failure::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Failure::Timeout => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if *failure != Failure::Busy {
            eprintln!("No answer from the extractor: {}", failure.message());
        }
        let mut reply = error(status, failure.message());
        if *failure == Failure::Busy {
            reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("10"));
        }
        reply
    }
}

fn is_read(method: &Method) -> bool {
    *method == Method::GET || *method == Method::HEAD
}

fn reply(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    reply
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

/// An error as Go's standard library words it: plain text with a newline, and no guessing at its type.
fn error(status: StatusCode, text: impl AsRef<str>) -> Reply {
    let mut reply = reply(status, "text/plain; charset=utf-8", format!("{}\n", text.as_ref()));
    reply
        .headers_mut()
        .insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}

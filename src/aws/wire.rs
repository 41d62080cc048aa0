//! Lets AWS's client send through ours: one set of trusted certificates, one classification of network failures,
//! and every try written down.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::ErrorKind;
use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::timeout;

use super::{Place, refusal};
use crate::file::{self, Kind};
use crate::http::{Answer, Ask, Broken, Certificates, Client, Step};
use crate::report::{Call, Notes};

/// Until a connection stands: AWS's own default for its clients.
const CONNECT: Duration = Duration::from_millis(3100);

/// STS answers are 3 KiB.
const LIMIT: usize = 256 * 1024;

/// The way of one call's tries. What they were is in the notes when this is dropped.
#[derive(Debug)]
pub(super) struct Wire<'n> {
    http: Client,
    operation: &'static str,
    tries: Tries,
    notes: &'n mut Notes,
}

type Tries = Arc<Mutex<Record>>;

#[derive(Debug, Default)]
struct Record {
    calls: Vec<Call>,
    last: Option<Last>,
}

/// How the last try ended that did.
#[derive(Clone, Debug)]
pub(super) enum Last {
    /// With an error of AWS's: status, and its word where it had one.
    Refused(u16, Option<String>),
    /// Without an answer.
    Broken(Broken),
}

impl<'n> Wire<'n> {
    /// The way to a place, as it is at this moment: authorities that somebody named are read anew each time.
    pub(super) async fn open(
        http: &Client,
        operation: &'static str,
        place: &Place,
        notes: &'n mut Notes,
    ) -> Self {
        let mut http = http.clone();
        if let Some(path) = &place.manner.authorities {
            let read = path.clone();
            let stamp = tokio::task::spawn_blocking(move || file::stamp(&read));
            if let Ok(Ok(stamp)) = timeout(CONNECT, stamp).await {
                notes.file(Kind::CaBundle, path, stamp);
            }
            let authority = Some(path.clone());
            http = http.with(Certificates { authority, ..Certificates::default() });
        }
        Self { http, operation, tries: Tries::default(), notes }
    }

    /// What AWS's client sends through; no try takes longer than `patience`.
    pub(super) fn client(&self, patience: Duration) -> SharedHttpClient {
        let (http, tries) = (self.http.clone(), Arc::clone(&self.tries));
        let connector = Connector { http, operation: self.operation, tries, patience };
        let connector = SharedHttpConnector::new(connector);
        http_client_fn(move |_, _| connector.clone())
    }

    /// What is known when time is over.
    pub(super) fn last(&self) -> Option<Last> {
        self.tries.lock().unwrap_or_else(PoisonError::into_inner).last.clone()
    }
}

impl Drop for Wire<'_> {
    fn drop(&mut self) {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        self.notes.calls.append(&mut tries.calls);
    }
}

#[derive(Clone, Debug)]
struct Connector {
    http: Client,
    operation: &'static str,
    tries: Tries,
    patience: Duration,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let connector = self.clone();
        HttpConnectorFuture::new(async move {
            let ask = connector.ask(&request)?;
            let mut slip = Slip { notes: Notes::default(), last: None, tries: connector.tries };
            let outcome = connector.http.send(ask, &mut slip.notes).await;
            slip.complete(&outcome);
            outcome.map_err(error).and_then(response)
        })
    }
}

impl Connector {
    fn ask(&self, request: &HttpRequest) -> Result<Ask, ConnectorError> {
        let url = request.uri().parse().map_err(|error| ConnectorError::user(Box::new(error)))?;
        let mut ask = Ask::get(refusal::service(self.operation), self.operation, url, self.patience);
        ask.method = request.method().parse().map_err(|error| ConnectorError::user(Box::new(error)))?;
        ask.headers = headers(request)?;
        ask.body = request.body().bytes().map(Bytes::copy_from_slice).unwrap_or_default();
        ask.connect = CONNECT.min(self.patience);
        ask.limit = LIMIT;
        Ok(ask)
    }
}

fn headers(request: &HttpRequest) -> Result<HeaderMap, ConnectorError> {
    let mut headers = HeaderMap::new();
    for (name, value) in request.headers() {
        let name: HeaderName = name.parse().map_err(|error| ConnectorError::user(Box::new(error)))?;
        let value = HeaderValue::from_str(value).map_err(|error| ConnectorError::user(Box::new(error)))?;
        headers.append(name, value);
    }
    Ok(headers)
}

fn response(answer: Answer) -> Result<HttpResponse, ConnectorError> {
    let status = answer.status.try_into();
    let status = status.map_err(|error| ConnectorError::other(Box::new(error), None))?;
    let mut response = HttpResponse::new(status, SdkBody::from(answer.body));
    for (name, value) in &answer.headers {
        if let Ok(value) = value.to_str() {
            response.headers_mut().append(name.as_str().to_owned(), value.to_owned());
        }
    }
    Ok(response)
}

/// The kind decides whether AWS's client tries again.
fn error(broken: Broken) -> ConnectorError {
    match broken.step {
        Step::ConnectTimeout | Step::AnswerTimeout => ConnectorError::timeout(broken.into()),
        _ if broken.may_pass() => ConnectorError::io(broken.into()),
        Step::Handshake => ConnectorError::other(broken.into(), Some(ErrorKind::TransientError)),
        _ => ConnectorError::other(broken.into(), None),
    }
}

/// One try's line of the notes, kept even when the try is dropped half-way.
struct Slip {
    notes: Notes,
    last: Option<Last>,
    tries: Tries,
}

impl Slip {
    fn complete(&mut self, outcome: &Result<Answer, Broken>) {
        let Some(call) = self.notes.calls.last_mut() else { return };
        let answer = match outcome {
            Ok(answer) => answer,
            Err(broken) => return self.last = Some(Last::Broken(broken.clone())),
        };
        let said = |tag| answer.text().ok().and_then(|body| refusal::word_in(body, tag)).map(str::to_owned);
        if call.request_id.is_none() {
            call.request_id = said("RequestId");
        }
        if answer.status >= 400 {
            call.code = said("Code").or_else(|| refusal::word_of_json(answer));
            self.last = Some(Last::Refused(answer.status, call.code.clone()));
        }
    }
}

impl Drop for Slip {
    fn drop(&mut self) {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        tries.calls.append(&mut self.notes.calls);
        tries.last = self.last.take().or_else(|| tries.last.take());
    }
}

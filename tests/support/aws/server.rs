//! Reads requests, lets the face that owns the path answer, keeps the journal.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_TYPE, DATE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::World;
use super::journal::{Entry, Face, Outcome};
use super::wire::{Answer, Asked, Payload, Said};
use super::{container, imds, sign_in, sts};

/// The largest request that is read.
const MOST: usize = 256 * 1024;
const ENDLESS: usize = 1 << 30;

pub async fn converse(stream: TcpStream, world: Arc<World>) {
    let service = service_fn(move |request| {
        let world = Arc::clone(&world);
        async move { respond(&world, request).await }
    });
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // A client that goes away, or one that is cut off, is no failure of the fake.
    let _ = connection.await;
}

async fn respond(
    world: &Arc<World>,
    request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, std::io::Error> {
    let asked = read(request).await?;
    let (face, op, delay) = route(world, &asked);
    let slot = world.journal.open(Entry {
        face,
        op,
        method: asked.method.clone(),
        path: asked.path.clone(),
        query: asked.query.clone(),
        headers: asked.headers.clone(),
        form: match face {
            Face::Sts => asked.form(),
            Face::SignIn => sign_in::fields(&asked),
            _ => Default::default(),
        },
        outcome: Outcome::Pending,
        at: world.started.elapsed(),
    });
    let said = match face {
        Face::Imds => imds::answer(world, &asked),
        Face::Container => container::answer(world, &asked),
        Face::Sts => sts::answer(world, &asked),
        Face::SignIn => sign_in::answer(world, &asked),
        Face::Unknown => Answer::text(404, "the fake AWS has nothing here").into(),
    };
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    world.journal.close(slot, outcome(&said));
    match said {
        Said::Answer(answer) => Ok(into_response(world, answer)),
        Said::Hang => std::future::pending().await,
        Said::Cut => Err(std::io::ErrorKind::ConnectionReset.into()),
    }
}

async fn read(request: Request<Incoming>) -> Result<Asked, std::io::Error> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, MOST).collect().await.map_err(std::io::Error::other)?;
    let headers = head.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        (name.as_str().to_owned(), value.into_owned())
    });
    // A client that takes us for its proxy: the place it wants to go is all there is to see, and it gets no further.
    let place = head.uri.authority().filter(|_| head.method == Method::CONNECT);
    Ok(Asked {
        method: head.method.to_string(),
        path: place.map_or_else(|| head.uri.path().to_owned(), ToString::to_string),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: headers.collect(),
        body: body.to_bytes().to_vec(),
    })
}

fn route(world: &World, asked: &Asked) -> (Face, String, Duration) {
    if asked.method == "CONNECT" {
        (Face::Unknown, "Connect".to_owned(), Duration::ZERO)
    } else if asked.path.starts_with("/latest/") {
        let op = imds::operation(asked).to_owned();
        (Face::Imds, op, world.imds.now().delay)
    } else if container::owns(&asked.path) {
        let op = container::operation(asked).to_owned();
        (Face::Container, op, world.container.now().delay)
    } else if let Some(op) = sign_in::operation(asked) {
        (Face::SignIn, op.to_owned(), world.sign_in.now().delay)
    } else if let Some(op) = sts::operation(asked) {
        (Face::Sts, op, world.sts.now().delay)
    } else {
        (Face::Unknown, "Unknown".to_owned(), Duration::ZERO)
    }
}

fn outcome(said: &Said) -> Outcome {
    match said {
        Said::Answer(answer) => Outcome::Answered {
            status: answer.status,
            code: answer.code.clone(),
            key_id: answer.key_id.clone(),
        },
        Said::Hang => Outcome::Hung,
        Said::Cut => Outcome::Cut,
    }
}

fn into_response(world: &Arc<World>, answer: Answer) -> Response<BoxBody<Bytes, Infallible>> {
    let body = match answer.body {
        Payload::Text(text) => Full::new(Bytes::from(text)).boxed(),
        Payload::Endless => endless(Arc::clone(world)),
    };
    // SDKs correct their clock by this header: it must be the time by which we judge.
    let date = world.mint.lock().unwrap().now();
    let mut response = Response::builder()
        .status(answer.status)
        .header(CONTENT_TYPE, answer.content_type)
        .header(DATE, date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(body).unwrap()
}

fn endless(world: Arc<World>) -> BoxBody<Bytes, Infallible> {
    let piece = Bytes::from(vec![b' '; 64 * 1024]);
    let pieces = (0..ENDLESS / piece.len()).map(move |_| {
        let taken = piece.len() as u64;
        world.streamed.fetch_add(taken, Ordering::Relaxed);
        Ok(Frame::data(piece.clone()))
    });
    BodyExt::boxed(StreamBody::new(futures_util::stream::iter(pieces)))
}

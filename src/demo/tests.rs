//! The demo's AWS, case by case.

use std::time::SystemTime;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::*;

const LIFE: Duration = Duration::from_mins(5);
const NOW: SystemTime = SystemTime::UNIX_EPOCH;

fn head(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

async fn text(reply: Reply) -> (u16, String) {
    let status = reply.status().as_u16();
    let body = reply.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn sts(
    service: &str,
    id: &str,
    token: &str,
    body: &str,
    ring: &Ring,
    now: SystemTime,
) -> (u16, String) {
    let credential =
        format!("AWS4-HMAC-SHA256 Credential={id}/20200101/us-east-1/{service}/aws4_request, Signature=0");
    let headers = [("authorization", credential.as_str()), ("x-amz-security-token", token)];
    text(sts::answer(&head("POST", "/", &headers), body.as_bytes(), ring, now)).await
}

#[tokio::test]
async fn only_keys_that_were_handed_out_and_live_are_taken() {
    let mut ring = Ring::default();
    let (key, who) = (ring.current(NOW), "Action=GetCallerIdentity&Version=2011-06-15");
    let good = sts("sts", &key.id, &key.token, who, &ring, NOW).await;
    assert!(good.0 == 200 && good.1.contains("assumed-role/keyfob-demo/"), "{good:?}");
    let table = [
        (key.id.as_str(), "", NOW, "InvalidClientTokenId"),
        (key.id.as_str(), "another", NOW, "InvalidClientTokenId"),
        ("AKIAIOSFODNN7EXAMPLE", key.token.as_str(), NOW, "InvalidClientTokenId"),
        (key.id.as_str(), key.token.as_str(), NOW + LIFE, "ExpiredToken"),
    ];
    for (id, token, now, code) in table {
        let (status, xml) = sts("sts", id, token, who, &ring, now).await;
        assert!(status == 403 && xml.contains(&format!("<Code>{code}</Code>")), "{id}: {xml}");
    }
    let unsigned = sts::answer(&head("GET", "/?Action=GetCallerIdentity", &[]), b"", &ring, NOW);
    let (status, xml) = text(unsigned).await;
    assert!(status == 403 && xml.contains("<Code>MissingAuthenticationToken</Code>"), "{xml}");
}

#[tokio::test]
async fn what_is_not_built_in_is_refused_in_words() {
    let mut ring = Ring::default();
    let key = ring.current(NOW);
    for (service, code) in [("sts", "InvalidAction"), ("s3", "NotInTheDemo"), ("ec2", "NotInTheDemo")] {
        let (status, xml) = sts(service, &key.id, &key.token, "Action=AssumeRole", &ring, NOW).await;
        assert!(status == 400 && xml.contains(&format!("<Code>{code}</Code>")), "{service}: {xml}");
    }
}

#[tokio::test]
async fn metadata_wants_its_token_and_lists_one_role() {
    let mut ring = Ring::default();
    let life = [("x-aws-ec2-metadata-token-ttl-seconds", "21600")];
    let put = metadata::answer(&head("PUT", "/latest/api/token", &life), &mut ring, NOW);
    let (_, token) = text(put).await;
    let roles = "/latest/meta-data/iam/security-credentials";
    let known = [("x-aws-ec2-metadata-token", token.as_str())];
    let mut ask = async |method: &str, path: &str, headers: &[(&str, &str)]| {
        text(metadata::answer(&head(method, path, headers), &mut ring, NOW)).await
    };
    assert_eq!(ask("GET", roles, &known).await, (200, "keyfob-demo".to_owned()));
    assert_eq!(ask("GET", &format!("{roles}/"), &known).await, (200, "keyfob-demo".to_owned()));
    assert_eq!(ask("GET", "/latest/meta-data/placement/availability-zone/", &known).await.1, "us-east-1a");
    assert_eq!(ask("GET", "/latest/meta-data/placement/region", &known).await.1, REGION);
    let (_, json) = ask("GET", &format!("{roles}/keyfob-demo"), &known).await;
    assert!(json.contains(r#""Expiration":"1970-01-01T00:05:00Z""#), "{json}");
    assert_eq!(ask("GET", roles, &[]).await.0, 401);
    assert_eq!(ask("GET", roles, &[("x-aws-ec2-metadata-token", "another")]).await.0, 401);
    assert_eq!(ask("GET", &format!("{roles}/other"), &known).await.0, 404);
    assert_eq!(ask("PUT", "/latest/api/token", &[]).await.0, 400);
    assert_eq!(ask("GET", "/latest/api/token", &known).await.0, 405);
}

#[tokio::test]
async fn nothing_gets_out_and_each_place_is_named_once() {
    let aws = DemoAws::bind().await.unwrap();
    let (address, url) = (aws.address, aws.url());
    let (shutdown, _early) = Shutdown::new();
    let (tell, mut told) = mpsc::unbounded_channel();
    aws.serve(Clock::host(), &shutdown, move |place| tell.send(place.to_owned()).unwrap());
    let ask = async |line: &str| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    };
    for _ in 0..2 {
        let tunnel = ask("CONNECT sts.amazonaws.com:443").await;
        assert!(tunnel.starts_with("HTTP/1.1 403 this client predates AWS_ENDPOINT_URL\r\n"), "{tunnel}");
        let forward = ask("GET http://169.254.169.254/latest/meta-data/").await;
        assert!(
            forward.contains("it asks for 169.254.169.254, and nothing leaves this machine"),
            "{forward}"
        );
    }
    let loop_to_itself = ask(&format!("CONNECT {address}")).await;
    assert!(loop_to_itself.starts_with("HTTP/1.1 403 "), "{loop_to_itself}");
    let ours = ask(&format!("GET {url}/latest/api/token")).await;
    assert!(ours.starts_with("HTTP/1.1 405 "), "a client that asks a proxy for us is answered: {ours}");
    let named = [told.recv().await.unwrap(), told.recv().await.unwrap(), told.recv().await.unwrap()];
    assert_eq!(
        named,
        ["sts.amazonaws.com:443".to_owned(), "169.254.169.254".to_owned(), address.to_string()]
    );
    shutdown.run(Duration::from_secs(5), |_| {}).await;
    assert!(TcpStream::connect(address).await.is_err());
    assert!(told.try_recv().is_err());
}

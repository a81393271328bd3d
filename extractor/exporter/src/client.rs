//! Asking the exporter that runs in this pod.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::HOST;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

const MAX_REPLY_BYTES: usize = 64 * 1024 * 1024;
const DEADLINE: Duration = Duration::from_secs(120);

/// The body of the exporter's reply to a GET, or with container IDs to a POST. The error is a sentence for a person.
pub fn ask(exporter: SocketAddr, path: &str, ids: &[String]) -> Result<Vec<u8>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let unreachable = |problem: io::Error| format!("The exporter at {exporter} cannot be asked: {problem}");
    runtime.map_err(unreachable)?.block_on(async {
        let answer = timeout(DEADLINE, exchange(exporter, path, ids)).await;
        let (status, body) = answer
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(unreachable)?;
        if status == 200 {
            return Ok(body);
        }
        let reason = String::from_utf8_lossy(&body).trim().to_owned();
        Err(match status {
            500 | 504 => format!("The extractor cannot be asked: {reason}"),
            _ => format!("The exporter at {exporter} answered {status}: {reason}"),
        })
    })
}

async fn exchange(exporter: SocketAddr, path: &str, ids: &[String]) -> io::Result<(u16, Vec<u8>)> {
    let stream = TcpStream::connect(exporter).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let request = Request::builder().uri(path).header(HOST, exporter.to_string());
    let request = if ids.is_empty() {
        request.body(Full::default())
    } else {
        let body = serde_json::json!({ "containerIds": ids }).to_string();
        request.method("POST").body(Full::new(Bytes::from(body)))
    };
    let reply = async {
        let reply = sender
            .send_request(request.map_err(io::Error::other)?)
            .await
            .map_err(io::Error::other)?;
        let status = reply.status().as_u16();
        let mut incoming = reply.into_body();
        let mut body = Vec::new();
        while let Some(frame) = incoming.frame().await {
            if let Some(data) = frame.map_err(io::Error::other)?.data_ref() {
                body.extend_from_slice(data);
            }
            if body.len() > MAX_REPLY_BYTES {
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the answer is too long"));
            }
        }
        Ok((status, body))
    };
    let local = tokio::task::LocalSet::new();
    // The connection ends by itself when the reply is read; its problem, if any, shows in the reply.
    local.spawn_local(connection);
    local.run_until(reply).await
}

//! One conversation with the extractor: ask, read the directory it names, remove that directory whatever happens.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use crate::directory::Folder;
use crate::metrics::Metrics;
use crate::reader;
use crate::request::Options;

/// The longest line the extractor may answer.
const MAX_REPLY_BYTES: u64 = 4096;
/// How long the extractor may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer that came too late is awaited, only to remove its directory.
const LATE_REPLY: Duration = Duration::from_secs(60);
/// Directories this old at start were left by a predecessor that was killed.
const STALE_SECONDS: i64 = 300;

/// Why there is no answer. The texts are those of the existing exporter where it has the same failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The extractor does not take the connection, or breaks it.
    Unreachable(String),
    /// It closed without a line.
    Empty,
    /// It answered something else than a directory of ours, or one that is not there.
    Malformed(String),
    /// The directory cannot be read.
    Unreadable(String),
    /// Not done within the deadline.
    Timeout,
    /// Others are before this one.
    Busy,
}

impl Failure {
    /// The word of the closed set that metrics use.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Empty => "empty",
            Self::Malformed(_) => "malformed",
            Self::Unreadable(_) => "unreadable",
            Self::Timeout => "timeout",
            Self::Busy => "busy",
        }
    }

    /// The sentence for the caller.
    pub fn message(&self) -> &str {
        match self {
            Self::Unreachable(text) | Self::Malformed(text) | Self::Unreadable(text) => text,
            Self::Empty => "EOF",
            Self::Timeout => "The extractor did not answer in time",
            Self::Busy => "Too many requests are being worked on",
        }
    }
}

/// Asks one extractor, one question at a time.
pub struct Extractor {
    address: SocketAddr,
    root: PathBuf,
    metrics: Rc<Metrics>,
    turn: Arc<Semaphore>,
}

impl Extractor {
    /// The extractor at that address, whose answers are relative to `root`.
    pub fn new(address: SocketAddr, root: PathBuf, metrics: Rc<Metrics>) -> Self {
        Self {
            address,
            root,
            metrics,
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    /// The body of the reply for these container IDs (empty: all), by the deadline. The directory is removed even when
    /// the caller goes away or the extractor answers late.
    pub async fn extract(self: Rc<Self>, ids: String, options: Options, deadline: Instant) -> Result<Vec<u8>, Failure> {
        let Ok(Ok(permit)) = timeout_at(deadline, Arc::clone(&self.turn).acquire_owned()).await else {
            return Err(Failure::Busy);
        };
        let (answer, answered) = oneshot::channel();
        tokio::task::spawn_local(async move {
            let begun = Instant::now();
            let mut question = pin!(self.ask(&ids));
            let in_time = timeout_at(deadline, &mut question).await;
            let result = match in_time {
                Ok(Ok(ref name)) => self.read_and_remove(name, options).await,
                Ok(Err(failure)) => Err(failure),
                Err(_) => Err(Failure::Timeout),
            };
            let is_late = result == Err(Failure::Timeout);
            self.metrics.extraction(begun.elapsed());
            // The caller may be gone.
            let _ = answer.send(result);
            if is_late && let Ok(Ok(name)) = timeout(LATE_REPLY, question).await {
                self.remove(&name);
            }
            drop(permit);
        });
        answered
            .await
            .unwrap_or_else(|_| Err(Failure::Unreadable("The extraction was given up".to_owned())))
    }

    /// The name of the directory, below `data`, that the extractor wrote.
    async fn ask(&self, ids: &str) -> Result<String, Failure> {
        let address = self.address;
        let broken = |what: &str, problem: &io::Error| {
            Failure::Unreachable(format!("{what} tcp {address}: {}", reason(problem)))
        };
        let mut stream = match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(connected) => connected.map_err(|problem| broken("dial", &problem))?,
            Err(_) => return Err(Failure::Unreachable(format!("dial tcp {address}: i/o timeout"))),
        };
        stream
            .write_all(ids.as_bytes())
            .await
            .map_err(|problem| broken("write", &problem))?;
        stream.shutdown().await.map_err(|problem| broken("write", &problem))?;
        let mut line = Vec::new();
        let mut reader = BufReader::with_capacity(256, stream.take(MAX_REPLY_BYTES));
        reader
            .read_until(b'\n', &mut line)
            .await
            .map_err(|problem| broken("read", &problem))?;
        if line.last() != Some(&b'\n') {
            return Err(Failure::Empty);
        }
        let line = String::from_utf8_lossy(&line);
        match line.trim() {
            "" => Err(Failure::Malformed("stat : no such file or directory".to_owned())),
            path => match path.strip_prefix("data/").filter(|name| is_output_name(name)) {
                Some(name) => Ok(name.to_owned()),
                None => Err(Failure::Malformed(
                    "The extractor answered with an unexpected path".to_owned(),
                )),
            },
        }
    }

    async fn read_and_remove(&self, name: &str, options: Options) -> Result<Vec<u8>, Failure> {
        let unreadable = |problem: io::Error| match problem.kind() {
            io::ErrorKind::NotFound => Failure::Malformed(format!("stat data/{name}: no such file or directory")),
            _ => Failure::Unreadable(format!("open data/{name}: {}", reason(&problem))),
        };
        let _cleanup = Cleanup { extractor: self, name };
        let output = self.data().and_then(|data| data.folder(name)).map_err(unreadable)?;
        let (body, counts) = reader::read(&output, options).await.map_err(unreadable)?;
        self.metrics.containers(&counts);
        Ok(body)
    }

    fn data(&self) -> io::Result<Folder> {
        Folder::at(&self.root)?.folder("data")
    }

    fn remove(&self, name: &str) {
        let removed = self.data().and_then(|data| data.remove(name));
        if let Err(problem) = removed.or_else(|problem| {
            if problem.kind() == io::ErrorKind::NotFound {
                Ok(())
            } else {
                Err(problem)
            }
        }) {
            self.metrics.cleanup_failure();
            eprintln!("Output directory not removed: {problem}");
        }
    }

    /// Removes the directories that an earlier exporter, killed at work, left behind.
    pub fn remove_stale(&self) {
        let Ok(data) = self.data() else { return };
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs() as i64);
        for name in data
            .names()
            .unwrap_or_default()
            .iter()
            .filter(|name| is_output_name(name))
        {
            if data
                .modified_seconds(name)
                .is_ok_and(|modified| now - modified > STALE_SECONDS)
            {
                self.remove(name);
            }
        }
    }
}

/// Removes an output directory when it goes, so even when reading it panics.
struct Cleanup<'a> {
    extractor: &'a Extractor,
    name: &'a str,
}

impl Drop for Cleanup<'_> {
    fn drop(&mut self) {
        self.extractor.remove(self.name);
    }
}

fn is_output_name(name: &str) -> bool {
    name.strip_prefix("out-")
        .is_some_and(|n| (1..=20).contains(&n.len()) && n.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The problem in the words that callers of the existing exporter know.
fn reason(problem: &io::Error) -> String {
    match problem.kind() {
        io::ErrorKind::ConnectionRefused => "connect: connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset by peer".to_owned(),
        io::ErrorKind::BrokenPipe => "broken pipe".to_owned(),
        io::ErrorKind::NotADirectory => "not a directory".to_owned(),
        _ => problem.to_string(),
    }
}

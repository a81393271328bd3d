//! The TCP server: a request is text up to the end of the client's side, the reply one line. One request is worked on at
//! a time; a few are read meanwhile, a few more wait in the kernel, the rest are turned away.

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::net::{SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use node::sys;

use crate::log;
use crate::request::{self, Wanted};
use crate::scan::Scanner;

/// Connections that are read at the same time.
const MAX_READING: usize = 4;
/// Connections that wait in the kernel.
const MAX_WAITING: u16 = 16;
/// How long a client may take to send its request, and then to take the reply.
const PATIENCE: Duration = Duration::from_secs(5);

/// Listens with a short queue.
pub fn listen(address: SocketAddrV4) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    sys::set_backlog(listener.as_fd(), MAX_WAITING)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

struct Connection {
    stream: TcpStream,
    text: Vec<u8>,
    until: Instant,
}

/// How far reading a request has come.
enum Progress {
    More,
    Complete,
    Broken,
}

impl Connection {
    fn read(&mut self) -> Progress {
        let mut buffer = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Progress::Complete,
                Ok(length) if self.text.len() + length > request::MAX_BYTES => return Progress::Broken,
                Ok(length) => self.text.extend_from_slice(&buffer[..length]),
                Err(problem) => match problem.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock => return Progress::More,
                    _ => return Progress::Broken,
                },
            }
        }
    }
}

/// Serves for ever; only waiting itself can fail.
pub fn serve(listener: &TcpListener, mut scanner: Scanner) -> io::Result<Infallible> {
    let mut reading: Vec<Connection> = Vec::new();
    loop {
        let mut fds: Vec<_> = reading.iter().map(|connection| connection.stream.as_raw_fd()).collect();
        let is_accepting = reading.len() < MAX_READING;
        if is_accepting {
            fds.push(listener.as_raw_fd());
        }
        let first_end = reading.iter().map(|connection| connection.until).min();
        let timeout = first_end.map(|until| until.saturating_duration_since(Instant::now()));
        let ready = sys::wait_readable(&fds, timeout)?.unwrap_or_else(|| vec![false; fds.len()]);
        let (mut complete, mut more) = (Vec::new(), Vec::new());
        for (mut connection, is_ready) in reading.into_iter().zip(&ready) {
            let progress = if *is_ready { connection.read() } else { Progress::More };
            match progress {
                Progress::Complete => complete.push(connection),
                Progress::More if Instant::now() < connection.until => more.push(connection),
                Progress::More => log::warn("Closed a connection that sent no whole request in time"),
                Progress::Broken => log::warn("Closed a connection that broke off or sent too much"),
            }
        }
        reading = more;
        if is_accepting && ready.last() == Some(&true) {
            reading.extend(accept(listener));
        }
        for connection in complete {
            answer(connection, &mut scanner);
            sys::give_back_memory();
        }
    }
}

fn accept(listener: &TcpListener) -> Option<Connection> {
    let (stream, _) = listener.accept().ok()?;
    stream.set_nonblocking(true).ok()?;
    Some(Connection {
        stream,
        text: Vec::new(),
        until: Instant::now() + PATIENCE,
    })
}

/// Works on a whole request. One that is no text gets no reply, one that fails an empty line.
fn answer(connection: Connection, scanner: &mut Scanner) {
    let Connection { mut stream, text, .. } = connection;
    let Some(wanted) = request::parse(&text) else {
        log::warn("Closed a connection whose request is not UTF-8");
        return;
    };
    let name = scan(scanner, &wanted).unwrap_or_else(|problem| {
        log::error(&format!("Scanning: {problem}"));
        String::new()
    });
    let reply = if name.is_empty() {
        "\n".to_owned()
    } else {
        format!("{name}\n\n")
    };
    let sent = stream
        .set_nonblocking(false)
        .and_then(|()| stream.set_write_timeout(Some(PATIENCE)))
        .and_then(|()| stream.write_all(reply.as_bytes()));
    if let Err(problem) = sent {
        log::warn(&format!("Replying: {problem}"));
    }
}

fn scan(scanner: &mut Scanner, wanted: &Wanted) -> io::Result<String> {
    // A bug costs this request; what the scanner holds is valid between any two of its steps.
    catch_unwind(AssertUnwindSafe(|| scanner.scan(wanted))).unwrap_or_else(|_| Err(io::Error::other("panic")))
}

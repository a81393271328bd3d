//! Connections: how many, how long, and what is given back after each.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::extraction::Extractor;
use crate::limits::Limits;
use crate::memory;
use crate::metrics::Metrics;
use crate::routes::{Exchange, Routes};

/// Where the extractor is found.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Address of the extractor.
    pub extractor: SocketAddr,
    /// The folder that the extractor's answers are relative to.
    pub root: PathBuf,
    /// Bounds.
    pub limits: Limits,
}

/// Serves the listener until `stop` completes, then lets what is being worked on end within ten seconds.
pub fn serve(listener: std::net::TcpListener, settings: Settings, stop: impl Future<Output = ()>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async move {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let Settings {
            extractor,
            root,
            limits,
        } = settings;
        let metrics = Rc::new(Metrics::default());
        let extractor = Extractor::new(extractor, root, Rc::clone(&metrics));
        extractor.remove_stale();
        let slots = Arc::new(Semaphore::new(limits.connections));
        let most = limits.connections as u32;
        let routes = Rc::new(Routes::new(extractor, metrics, limits));
        let mut accepting = Box::pin(accept(listener, routes, Arc::clone(&slots)));
        let mut stop = pin!(stop);
        poll_fn(|context| {
            // The accept loop ends only by being dropped.
            let _ = accepting.as_mut().poll(context);
            stop.as_mut().poll(context)
        })
        .await;
        drop(accepting);
        // Every connection has ended when all slots are free again.
        let _ = timeout(Duration::from_secs(10), slots.acquire_many(most)).await;
        Ok(())
    })
}

async fn accept(listener: TcpListener, routes: Rc<Routes>, slots: Arc<Semaphore>) {
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let routes = Rc::clone(&routes);
                tokio::task::spawn_local(async move {
                    connection(stream, routes).await;
                    memory::give_back();
                    drop(slot);
                });
            }
            Err(problem) => {
                // Out of descriptors, for instance: it passes, and spinning would not help.
                eprintln!("Connection not accepted: {problem}");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// One connection, one request. Problems of the peer are its own and end the connection silently.
async fn connection(stream: TcpStream, routes: Rc<Routes>) {
    let limits = routes.limits().clone();
    let deadline = Rc::new(Cell::new(Instant::now() + limits.header));
    let exchange = Rc::new(Exchange::new(Rc::clone(&deadline)));
    let service = service_fn(|request| {
        let (routes, exchange) = (Rc::clone(&routes), Rc::clone(&exchange));
        Box::pin(async move { Ok::<_, Infallible>(routes.answer(request, &exchange).await) })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header)
        .keep_alive(false)
        .half_close(true)
        .title_case_headers(true)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(stream), service);
    // The deadline moves while the request is worked on, so look at it again now and then.
    while Instant::now() < deadline.get() {
        let slice = deadline.get().min(Instant::now() + Duration::from_secs(1));
        match timeout_at(slice, poll_fn(|context| connection.poll_without_shutdown(context))).await {
            Ok(Ok(())) => {
                exchange.end();
                linger(connection.into_parts().io.into_inner()).await;
                return;
            }
            Ok(Err(_)) => return,
            Err(_) => {}
        }
    }
}

/// Lets the peer read the reply although it may still be sending: closing at once would reset the connection.
async fn linger(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    let drain = async {
        stream.shutdown().await?;
        while stream.read(&mut buffer).await? > 0 {}
        Ok::<_, io::Error>(())
    };
    // However it ends, the connection is closed.
    let _ = timeout(Duration::from_secs(1), drain).await;
}

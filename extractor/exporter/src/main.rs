//! The program `exporter`.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;

use exporter::arguments::{Command, HELP, parse};
use exporter::limits::Limits;
use exporter::server::{Settings, serve};
use exporter::{client, people};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let command = match parse(std::env::args().skip(1)) {
        Ok(command) => command,
        Err(sentence) => {
            eprintln!("{sentence}");
            return ExitCode::from(2);
        }
    };
    match run(command) {
        Ok(text) => {
            use std::io::Write;
            // Whoever stopped reading does not want the rest.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(sentence) => {
            eprintln!("{sentence}");
            ExitCode::FAILURE
        }
    }
}

/// What to print.
fn run(command: Command) -> Result<String, String> {
    match command {
        Command::Help => Ok(HELP.to_owned()),
        Command::Version => Ok(format!("exporter {}\n", env!("CARGO_PKG_VERSION"))),
        Command::Check { exporter } => client::ask(exporter, "/healthz", &[]).map(|_| String::new()),
        Command::Get {
            exporter,
            hash,
            detail,
            ids,
        } => {
            let with_detail = detail || !hash;
            let path = format!("/gather_runtime_info?hash={hash}&detail={with_detail}");
            let body = client::ask(exporter, &path, &ids)?;
            let answer =
                serde_json::from_slice(&body).map_err(|problem| format!("The answer is not JSON: {problem}"))?;
            Ok(people::tree(&answer, detail))
        }
        Command::Serve {
            listen,
            extractor,
            root,
        } => serve_until_told(listen, extractor, root).map(|()| String::new()),
    }
}

fn serve_until_told(listen: SocketAddr, extractor: SocketAddr, root: PathBuf) -> Result<(), String> {
    let listener = TcpListener::bind(listen).map_err(|problem| format!("Cannot listen on {listen}: {problem}"))?;
    let settings = Settings {
        extractor,
        root,
        limits: Limits::default(),
    };
    // As process 1 of a container the program would not be ended by a signal it has no handler for.
    let stop = async {
        let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            return std::future::pending().await;
        };
        std::future::poll_fn(|context| {
            if interrupt.poll_recv(context).is_ready() {
                std::task::Poll::Ready(None)
            } else {
                terminate.poll_recv(context)
            }
        })
        .await;
    };
    serve(listener, settings, stop).map_err(|problem| format!("Serving {listen} failed: {problem}"))
}

//! The program `extractor_server`: answers on a loopback port which runtimes the containers of this node run.
//!
//! This process is privileged and looks at nothing that a container wrote. For each user of each container it forks a child
//! that gives up every privilege first (`sandbox`) and looks second (`look`).
#![forbid(unsafe_code)]

use std::net::{Ipv4Addr, SocketAddrV4};
use std::process::ExitCode;

mod arguments;
mod child;
mod family;
mod log;
mod look;
mod output;
mod rank;
mod report;
mod request;
mod roles;
mod sandbox;
mod scan;
mod server;
mod subject;

use arguments::{Arguments, Command};

#[global_allocator]
static ALLOCATOR: node::sys::Allocator = node::sys::Allocator;

fn main() -> ExitCode {
    match arguments::parse(std::env::args().skip(1)) {
        Ok(Command::Help) => print!("{}", arguments::HELP),
        Ok(Command::Version) => println!("extractor_server {}", env!("CARGO_PKG_VERSION")),
        Ok(Command::Serve(arguments)) => {
            let Err(problem) = serve(arguments);
            log::error(&problem);
            return ExitCode::FAILURE;
        }
        Err(problem) => {
            eprintln!("{problem}\nTry extractor_server --help");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// Serves until something without which there is nothing to serve fails.
fn serve(arguments: Arguments) -> Result<std::convert::Infallible, String> {
    log::set_level(arguments.level);
    child::install_panic_hook();
    sandbox::prepare_parent()?;
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, arguments.port);
    let listener = server::listen(address).map_err(|problem| format!("Listening on {address}: {problem}"))?;
    let scanner = scan::Scanner::new(&arguments)?;
    log::info(&format!(
        "Listening address={address} version={}",
        env!("CARGO_PKG_VERSION")
    ));
    server::serve(&listener, scanner).map_err(|problem| format!("Waiting for connections: {problem}"))
}

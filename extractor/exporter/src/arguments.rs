//! The command line, decoded once.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::patterns::is_container_reference;

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Serve HTTP.
    Serve {
        /// Where to listen.
        listen: SocketAddr,
        /// Where the extractor listens.
        extractor: SocketAddr,
        /// The folder that the extractor's answers are relative to.
        root: PathBuf,
    },
    /// Ask the running exporter and print its answer for a person.
    Get {
        /// Where the exporter listens.
        exporter: SocketAddr,
        /// Values are hashed.
        hash: bool,
        /// Processes and evidence as well.
        detail: bool,
        /// Container IDs, none for all.
        ids: Vec<String>,
    },
    /// Ask whether the running exporter is healthy.
    Check {
        /// Where the exporter listens.
        exporter: SocketAddr,
    },
    /// Print the help.
    Help,
    /// Print the version.
    Version,
}

/// The text of `--help`.
pub const HELP: &str = "\
Answers over HTTP which runtimes the containers of this node run, as the extractor beside it finds them.

Usage: exporter [FLAG...]                  serve /gather_runtime_info, /healthz and /metrics
       exporter get [FLAG...] [ID...]      print what the running exporter answers, for all containers or those IDs
       exporter check [FLAG...]            succeed when the running exporter is healthy

Flags, with one dash or two, as -name VALUE or -name=VALUE:
  -bind ADDRESS          address to listen on, or of the exporter to ask (default 127.0.0.1)
  -port PORT             port to listen on, or of the exporter to ask (default 8000)
  -extractor HOST:PORT   where the extractor listens (default 127.0.0.1:3000); serve only
  -root FOLDER           folder that holds the data folder of the extractor (default /); serve only
  -hash=false            get: print clear text instead of hashes
  -detail                get: print processes, evidence and notes too, always in clear text
  -help, -version
";

/// The command of the arguments after the program's name, or a sentence on what is wrong with them.
pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Command, String> {
    let mut arguments = arguments.into_iter();
    let mut words = Vec::new();
    let mut bind = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut port = 8000;
    let mut extractor = SocketAddr::from((Ipv4Addr::LOCALHOST, 3000));
    let mut root = PathBuf::from("/");
    let (mut hash, mut detail) = (true, false);
    while let Some(argument) = arguments.next() {
        let Some(flag) = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-')) else {
            words.push(argument);
            continue;
        };
        let (name, inline) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (flag, None),
        };
        match name {
            "h" | "help" => return Ok(Command::Help),
            "version" => return Ok(Command::Version),
            "hash" => hash = switch(name, inline)?,
            "detail" => detail = switch(name, inline)?,
            "bind" | "port" | "extractor" | "root" => {
                let value = inline
                    .or_else(|| arguments.next())
                    .ok_or_else(|| format!("-{name} needs a value"))?;
                let wrong = || format!("-{name} cannot be {value:?}");
                match name {
                    "bind" if value == "localhost" => bind = IpAddr::V4(Ipv4Addr::LOCALHOST),
                    "bind" => bind = value.trim_matches(['[', ']']).parse().map_err(|_| wrong())?,
                    "port" => port = value.parse().map_err(|_| wrong())?,
                    "extractor" => extractor = value.parse().map_err(|_| wrong())?,
                    _ => root = PathBuf::from(value),
                }
            }
            _ => return Err(format!("{argument:?} is not a flag; see exporter --help")),
        }
    }
    let exporter = SocketAddr::from((
        if bind.is_unspecified() {
            IpAddr::V4(Ipv4Addr::LOCALHOST)
        } else {
            bind
        },
        port,
    ));
    let mut words = words.into_iter();
    let command = match words.next().as_deref() {
        None => {
            return Ok(Command::Serve {
                listen: SocketAddr::from((bind, port)),
                extractor,
                root,
            });
        }
        Some("get") => {
            let ids: Vec<String> = words.by_ref().collect();
            if let Some(id) = ids.iter().find(|id| !is_container_reference(id)) {
                return Err(format!("{id:?} is not a container ID"));
            }
            Command::Get {
                exporter,
                hash,
                detail,
                ids,
            }
        }
        Some("check") => Command::Check { exporter },
        Some(other) => return Err(format!("{other:?} is not a command; see exporter --help")),
    };
    match words.next() {
        None => Ok(command),
        Some(extra) => Err(format!("{extra:?} is one argument too many")),
    }
}

fn switch(name: &str, value: Option<String>) -> Result<bool, String> {
    match value.as_deref() {
        None | Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(other) => Err(format!("-{name} is true or false, not {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    fn serve(listen: &str, extractor: &str, root: &str) -> Result<Command, String> {
        let address = |text: &str| text.parse().expect("address");
        Ok(Command::Serve {
            listen: address(listen),
            extractor: address(extractor),
            root: root.into(),
        })
    }

    #[test]
    fn command_lines() {
        let exporter = "127.0.0.1:8000".parse().expect("address");
        let get = |hash, detail, ids: &[&str]| {
            let ids = ids.iter().map(|id| id.to_string()).collect();
            Ok(Command::Get {
                exporter,
                hash,
                detail,
                ids,
            })
        };
        for (line, expected) in [
            ("", serve("127.0.0.1:8000", "127.0.0.1:3000", "/")),
            ("-bind 0.0.0.0", serve("0.0.0.0:8000", "127.0.0.1:3000", "/")),
            ("--bind 0.0.0.0", serve("0.0.0.0:8000", "127.0.0.1:3000", "/")),
            ("--bind=[::1]", serve("[::1]:8000", "127.0.0.1:3000", "/")),
            (
                "-bind localhost -port 1 -extractor 127.0.0.1:2 -root /r",
                serve("127.0.0.1:1", "127.0.0.1:2", "/r"),
            ),
            ("get", get(true, false, &[])),
            (
                "get --hash=false --detail a cri-o://b",
                get(false, true, &["a", "cri-o://b"]),
            ),
            ("get -bind 0.0.0.0", get(true, false, &[])),
            ("check", Ok(Command::Check { exporter })),
            ("--help", Ok(Command::Help)),
            ("get -h", Ok(Command::Help)),
            ("-version", Ok(Command::Version)),
            ("-bind", Err("-bind needs a value".into())),
            ("-bind nowhere", Err("-bind cannot be \"nowhere\"".into())),
            ("-port 70000", Err("-port cannot be \"70000\"".into())),
            ("get --hash=no", Err("-hash is true or false, not \"no\"".into())),
            ("get a,b", Err("\"a,b\" is not a container ID".into())),
            ("put", Err("\"put\" is not a command; see exporter --help".into())),
            ("check now", Err("\"now\" is one argument too many".into())),
            ("-x", Err("\"-x\" is not a flag; see exporter --help".into())),
        ] {
            assert_eq!(run(line), expected, "exporter {line}");
        }
    }
}

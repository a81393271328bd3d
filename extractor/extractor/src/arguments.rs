//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use crate::log::{self, Level};

/// What `--help` prints.
pub const HELP: &str = "\
Tells which runtimes the containers of this node run.

Usage: extractor_server [OPTIONS]

A client connects to 127.0.0.1:PORT, writes container IDs separated by commas (none: all), closes its side, and reads one
line: the directory, below ROOT, with the answer. Needs root and the host's process table.

Options:
  -l, --log-level LEVEL        error, warn, info or debug [default: info]
      --container-timeout TIME how long one container may take, such as 5s or 500ms [default: 5s]
      --scan-timeout TIME      how long one request may take; then it is answered with what there is [default: 90s]
      --port PORT              [default: 3000]
      --root ROOT              directory that holds data/ [default: .]
      --links DIR              the kubelet's links to logs [default: /var/log/containers]
  -h, --help
  -V, --version
";

/// How to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments {
    /// How much is logged.
    pub level: Level,
    /// How long one container may take.
    pub container_timeout: Duration,
    /// How long one request may take.
    pub scan_timeout: Duration,
    /// On the loopback address.
    pub port: u16,
    /// Holds `data/`.
    pub root: PathBuf,
    /// The kubelet's links to logs.
    pub links: PathBuf,
}

impl Default for Arguments {
    fn default() -> Self {
        Self {
            level: Level::Info,
            container_timeout: Duration::from_secs(5),
            scan_timeout: Duration::from_secs(90),
            port: 3000,
            root: PathBuf::from("."),
            links: PathBuf::from("/var/log/containers"),
        }
    }
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Serve.
    Serve(Arguments),
    /// Print the help.
    Help,
    /// Print the version.
    Version,
}

/// The command that the arguments ask for. The error is a sentence for a person.
pub fn parse(words: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut arguments = Arguments::default();
    let mut words = words.peekable();
    while let Some(word) = words.next() {
        let (name, attached) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word.as_str(), None),
        };
        let name = name.trim_start_matches('-');
        match name {
            _ if !word.starts_with('-') => return Err(format!("Unexpected argument {word:?}")),
            "h" | "help" => return Ok(Command::Help),
            "V" | "version" => return Ok(Command::Version),
            _ => {}
        }
        let mut value = || {
            attached
                .clone()
                .or_else(|| words.next())
                .ok_or(format!("{word} needs a value"))
        };
        let odd = |value: String| format!("{value:?} is not a value of --{name}");
        match name {
            "l" | "log-level" => arguments.level = value().and_then(|text| log::level(&text).ok_or(odd(text)))?,
            "container-timeout" => {
                arguments.container_timeout = value().and_then(|text| time(&text).ok_or(odd(text)))?
            }
            "scan-timeout" => arguments.scan_timeout = value().and_then(|text| time(&text).ok_or(odd(text)))?,
            "port" => arguments.port = value().and_then(|text| text.parse().map_err(|_| odd(text)))?,
            "root" => arguments.root = value()?.into(),
            "links" => arguments.links = value()?.into(),
            _ => return Err(format!("Unknown option {word:?}")),
        }
    }
    Ok(Command::Serve(arguments))
}

/// A time as people and Kubernetes write it: `500ms`, `5s`, `2m`. At least 10 ms, at most an hour.
fn time(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().ok()?;
    let unit_ms = match &text[digits..] {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        _ => return None,
    };
    let ms = number.checked_mul(unit_ms)?;
    (10..=3_600_000).contains(&ms).then(|| Duration::from_millis(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Command, String> {
        parse(line.split_ascii_whitespace().map(str::to_owned))
    }

    #[test]
    fn no_argument_is_needed() {
        assert_eq!(parse_line(""), Ok(Command::Serve(Arguments::default())));
    }

    #[test]
    fn every_option_is_understood() {
        let expected = Arguments {
            level: Level::Debug,
            container_timeout: Duration::from_millis(500),
            scan_timeout: Duration::from_secs(120),
            port: 4000,
            root: "/r".into(),
            links: "/l".into(),
        };
        let spaced = "--log-level debug --container-timeout 500ms --scan-timeout 2m --port 4000 --root /r --links /l";
        assert_eq!(parse_line(spaced), Ok(Command::Serve(expected.clone())));
        let joined = "-l=debug --container-timeout=500ms --scan-timeout=2m -port 4000 -root /r --links=/l";
        assert_eq!(parse_line(joined), Ok(Command::Serve(expected)));
        assert_eq!(parse_line("-l info --help"), Ok(Command::Help));
        assert_eq!(parse_line("--version"), Ok(Command::Version));
    }

    #[test]
    fn what_is_odd_is_named() {
        for (line, expected) in [
            ("now", "Unexpected argument \"now\""),
            ("--fast", "Unknown option \"--fast\""),
            ("--port", "--port needs a value"),
            ("--port 70000", "\"70000\" is not a value of --port"),
            ("--container-timeout 5", "\"5\" is not a value of --container-timeout"),
            ("--container-timeout 0s", "\"0s\" is not a value of --container-timeout"),
            (
                "--scan-timeout 9999999999999999999m",
                "\"9999999999999999999m\" is not a value of --scan-timeout",
            ),
            ("-l loud", "\"loud\" is not a value of --l"),
        ] {
            assert_eq!(parse_line(line), Err(expected.to_owned()), "{line}");
        }
    }
}

//! Runs a detector on processes that were written down because they cannot be run here: other operating systems, products that
//! need a subscription, control groups of other nodes.

mod case;
mod detect;
mod elf;

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use case::{Answer, Case};

const USAGE: &str = "\
Usage: corpus [--detector COMMAND] [CASE...]   has a detector look at each case, or at those named, and compares its answers
       corpus detect FOLDER                    our own detector: prints its answer for one case as JSON

COMMAND is run by sh with a folder as its last argument: proc/7/ (cmdline, environ, maps, cgroup; exe, cwd and root are links) and root/, the container's root
directory. It prints {containerId, os, osVersion, kind, kindVersion, kindImplementer, runtimes: [\"name version\"]}; what is
unknown may be left out. Without COMMAND it is our own rules. The cases are in extractor/corpus/cases.";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["--help" | "-h"] => {
            println!("{USAGE}");
            Ok(true)
        }
        ["detect", folder] => detect::detect(Path::new(folder)).map(|answer| {
            println!("{}", answer.json());
            true
        }),
        ["--detector", command, names @ ..] => run(Some(command), names),
        [option, ..] if option.starts_with('-') => {
            eprintln!("{USAGE}");
            Ok(false)
        }
        names => run(None, names),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(detector: Option<&str>, names: &[&str]) -> io::Result<bool> {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let cases = case::load(&cases_folder(), &names)?;
    if cases.is_empty() {
        return Err(io::Error::other("There is no such case"));
    }
    let mut failed = 0;
    for (name, case) in &cases {
        let problem = problem(case, detector);
        failed += usize::from(problem.is_some());
        let verdict = if problem.is_some() { "FAIL" } else { "ok" };
        println!("{verdict:4} {name}: {}{}", case.about, problem.unwrap_or_default());
    }
    println!("{} passed, {failed} failed", cases.len() - failed);
    Ok(failed == 0)
}

fn cases_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

/// What is wrong with the detector's answer, none when nothing is.
fn problem(case: &Case, detector: Option<&str>) -> Option<String> {
    match ask(case, detector) {
        Ok(answer) if answer == case.expected => None,
        Ok(answer) => Some(format!(
            "\n     expected {:?}\n     found    {answer:?}\n     facts    {}",
            case.expected, case.source
        )),
        Err(problem) => Some(format!("\n     {problem}")),
    }
}

fn ask(case: &Case, detector: Option<&str>) -> io::Result<Answer> {
    let folder = tempfile::tempdir()?;
    case.write(folder.path())?;
    let Some(command) = detector else {
        return detect::detect(folder.path());
    };
    let mut program = Command::new("sh");
    let output = program
        .args(["-c", &format!("{command} \"$1\""), "sh"])
        .arg(folder.path())
        .output()?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(io::Error::other(format!("the detector failed: {}", text.trim())));
    }
    Answer::read(serde_json::from_slice(&output.stdout)?).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_rules_tell_every_case() {
        let cases = case::load(&cases_folder(), &[]).expect("cases");
        assert!(!cases.is_empty());
        let problems: Vec<_> = cases
            .iter()
            .filter_map(|(name, case)| Some(format!("{name}{}", problem(case, None)?)))
            .collect();
        assert!(problems.is_empty(), "{}", problems.join("\n"));
    }

    #[test]
    fn another_detector_is_asked_and_judged() {
        let cases = case::load(&cases_folder(), &["ubi9-openjdk17".to_owned()]).expect("cases");
        let case = &cases["ubi9-openjdk17"];
        let right = case.expected.json().to_string();
        let says = |text: &str| problem(case, Some(&format!("printf '%s' '{text}' #")));
        assert_eq!(says(&right), None);
        assert!(says("{}").is_some_and(|problem| problem.contains("expected")));
        assert!(problem(case, Some("false")).is_some_and(|problem| problem.contains("the detector failed")));
    }
}

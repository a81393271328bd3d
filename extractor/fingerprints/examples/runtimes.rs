//! Writes docs/runtimes.md from the rules; with `--check` only says whether it is stale.

use std::process::ExitCode;

use fingerprints::rule::Tier;
use fingerprints::rules::{PLATFORMS, RULES};

/// Seen from extractor/, where it is run: builds are shared between clones, so a path of the build may be another clone's.
const FILE: &str = "../docs/runtimes.md";

const HEAD: &str = "\
<!-- Written by extractor/fingerprints/examples/runtimes.rs from the rules; change those and run npm run lint -- --fix. -->
# What is recognised, and by what

Everything is told from what the kernel says is executed and mapped, and from files that lie where those point. Names of processes, command lines
and environments only choose where a version is looked for. Nothing of a container is run. A value without a version has a note in the
detailed answer (`?detail=true`) that says why; every value has its evidence there.

All processes of a container are looked at, of each of its users (at most four) the 64 oldest. The compatible answer is about one of them, the
*main* process: neither an init, nor a shell that waits, nor a starter such as npm or supervisord; of the others a language platform or a known server
comes first, then any other compiled program; among equals the oldest, then the lowest number. So it is the same in every scan. The others are in the
detailed answer with their roles: `init`, `helper`, `sidecar` (another kind than the main process), `other`.

## Language platforms

In the order in which they are tried; the first that finds something counts. A process of which nothing is told is a shell, an init, or a program that
only waits.

| kind | recognised by |
|---|---|
";

const RUNTIMES: &str = "
## Frameworks, libraries, servers

*Upstream* and *product* are always part of the compatible answer. *Library* is, unless one of those was found: an answer that
`insights-runtime-extractor` gives stays what it is, and a product is told without its parts. The detailed answer has all of them.

| name | is | in processes of | recognised by |
|---|---|---|---|
";

fn document() -> String {
    let platforms = PLATFORMS
        .iter()
        .map(|platform| format!("| {} | {} |\n", platform.kind, platform.about));
    let mut rules: Vec<_> = RULES.iter().collect();
    rules.sort_by_key(|rule| (rule.tier, rule.name));
    let rules = rules.iter().map(|rule| {
        let tier = match rule.tier {
            Tier::Upstream => "upstream",
            Tier::Product => "product",
            Tier::Library => "library",
            Tier::Detail => "only in detail",
        };
        format!("| {} | {tier} | {} | {} |\n", rule.name, rule.of.join(", "), rule.about)
    });
    [
        HEAD.to_owned(),
        platforms.collect(),
        RUNTIMES.to_owned(),
        rules.collect(),
    ]
    .concat()
}

fn main() -> ExitCode {
    let is_check = std::env::args().any(|argument| argument == "--check");
    let result = match is_check {
        true => std::fs::read_to_string(FILE).map(|text| text == document()),
        false => std::fs::write(FILE, document()).map(|()| true),
    };
    match result {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => eprintln!("docs/runtimes.md is stale: npm run lint -- --fix"),
        Err(problem) => eprintln!("docs/runtimes.md: {problem}"),
    }
    ExitCode::FAILURE
}

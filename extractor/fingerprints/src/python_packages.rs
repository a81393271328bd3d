//! Frameworks and servers of Python: packages installed where the interpreter looks for them.

use crate::python::{self, Minor};
use crate::rule::{Rule, Runtime, Tier};
use crate::value::{self, three_numbers, version};
use crate::view::View;

/// Frameworks, by the name of their distribution. They are told when they are installed for the interpreter that runs: which
/// modules it has imported cannot be seen from outside.
const FRAMEWORKS: [(&str, &str); 3] = [("django", "Django"), ("flask", "Flask"), ("fastapi", "FastAPI")];
/// Servers: told when they are what was started.
const SERVERS: [(&str, &str); 3] = [("gunicorn", "Gunicorn"), ("uvicorn", "Uvicorn"), (UWSGI, "uWSGI")];
const UWSGI: &str = "uwsgi";

/// The rule for all of them.
pub const RULE: Rule = Rule {
    name: "Django, Flask, FastAPI, Gunicorn, Uvicorn, uWSGI",
    tier: Tier::Library,
    of: &[python::KIND],
    about: "installed (`NAME-VERSION.dist-info` or `.egg-info`) where the running interpreter looks for packages, as its mapped modules, its virtual environment and its own path show; Gunicorn, Uvicorn and uWSGI only when they are what was started",
    find,
};

const MAX_PLACES: usize = 6;

fn find(view: &mut dyn View) -> Vec<Runtime> {
    let started = started(view);
    let mut found: Vec<Runtime> = Vec::new();
    let mut is_server_found = false;
    for place in places(view) {
        for entry in view.names(&place) {
            let Some((package, version)) = distribution(&entry) else {
                continue;
            };
            let framework = FRAMEWORKS.iter().find(|(name, _)| *name == package);
            let server = SERVERS
                .iter()
                .find(|(name, _)| *name == package && started == Some(*name));
            is_server_found |= server.is_some();
            if let Some((_, name)) = framework.or(server)
                && found.iter().all(|other| other.name != *name)
            {
                let evidence = [place.as_slice(), b"/", entry.as_slice()].concat();
                found.push(Runtime {
                    name: (*name).to_owned(),
                    version,
                    evidence: value::text(&evidence),
                });
            }
        }
    }
    let server = SERVERS.iter().find(|(name, _)| started == Some(*name));
    if let (Some((package, name)), false) = (server, is_server_found) {
        let (version, evidence) = match *package {
            UWSGI => (
                uwsgi_version(view),
                format!("symbols of {}", value::text(&view.executable())),
            ),
            _ => (None, "command line".to_owned()),
        };
        if version.is_none() {
            let message = format!("{name} was started, but is not installed where it was looked for");
            view.note("runtimes", "unversioned", message);
        }
        found.push(Runtime {
            name: (*name).to_owned(),
            version: version.unwrap_or_default(),
            evidence,
        });
    }
    found
}

/// The one version of uWSGI's form that stands alone among the constants of the executed file (`2.0.21-debian`).
fn uwsgi_version(view: &mut dyn View) -> Option<String> {
    let path = view.executable();
    let mut found = Vec::new();
    view.constants(&path, UWSGI, &mut |window| {
        let strings = window.split(|byte| *byte == 0).filter(|text| text.starts_with(b"2."));
        found.extend(strings.filter(|text| three_numbers(text).is_some()).filter_map(version));
        found.sort_unstable();
        found.dedup();
        match found.as_slice() {
            [only] if window.is_empty() => Some(only.clone()),
            _ => None,
        }
    })
}

/// The server that was started, by the script, the module, or the title that it gives itself; uWSGI is a program of its own.
fn started(view: &mut dyn View) -> Option<&'static str> {
    if view.program().needs("uwsgi_") {
        return Some(UWSGI);
    }
    let arguments = view.arguments();
    let mut arguments = arguments.iter().map(Vec::as_slice);
    let title = arguments.next().unwrap_or_default();
    let is = |word: &[u8], name: &str| {
        let word = base(word);
        let rest = word.strip_prefix(name.as_bytes());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b":") || rest.starts_with(b" "))
    };
    let mut script = arguments.next().unwrap_or_default();
    // Options of the interpreter; `-m` comes before a module's name.
    while script.starts_with(b"-") {
        script = arguments.next().unwrap_or_default();
    }
    let known = SERVERS.iter().map(|(name, _)| *name);
    known
        .clone()
        .find(|name| is(title, name))
        .or_else(|| known.clone().find(|name| is(script, name)))
}

/// The folders in which the interpreter looks for packages, the surest first.
fn places(view: &mut dyn View) -> Vec<Vec<u8>> {
    let mut places: Vec<Vec<u8>> = Vec::new();
    let mut add = |place: Vec<u8>| {
        if places.len() < MAX_PLACES && !places.contains(&place) {
            places.push(place);
        }
    };
    let mapped = view.mapped();
    for path in mapped.iter() {
        for folder in [&b"/site-packages/"[..], b"/dist-packages/"] {
            if let Some(start) = memchr::memmem::find(path, folder) {
                add(path[..start + folder.len() - 1].to_vec());
            }
        }
    }
    let executable = view.executable();
    let minor = mapped
        .iter()
        .find_map(|path| python::minor(path))
        .or_else(|| python::minor(&executable));
    let Some(minor) = minor else { return places };
    let arguments = view.arguments();
    let started = arguments.iter().take(2).filter(|argument| argument.starts_with(b"/"));
    let virtual_environment = view.variable("VIRTUAL_ENV");
    let prefixes = started.filter_map(|path| prefix(path)).map(<[u8]>::to_vec);
    let own = mapped.iter().find_map(|path| {
        let end = memchr::memmem::find(path, b"/lib-dynload/")?;
        let library = &path[..end];
        library
            .ends_with(folder(minor).as_bytes())
            .then(|| library[..library.len() - folder(minor).len()].to_vec())
    });
    let own = own.or_else(|| prefix(&executable).map(<[u8]>::to_vec));
    for prefix in virtual_environment.into_iter().chain(prefixes).chain(own.clone()) {
        add([prefix.as_slice(), folder(minor).as_bytes(), b"/site-packages"].concat());
    }
    // Debian's own arrangement.
    if own.as_deref() == Some(b"/usr") {
        add([b"/usr/local", folder(minor).as_bytes(), b"/dist-packages"].concat());
        add(b"/usr/lib/python3/dist-packages".to_vec());
    }
    places
}

fn folder((major, minor): Minor) -> String {
    format!("/lib/python{major}.{minor}")
}

/// What stands before `/bin/NAME`.
fn prefix(path: &[u8]) -> Option<&[u8]> {
    let folder = &path[..path.iter().rposition(|byte| *byte == b'/')?];
    folder.strip_suffix(b"/bin")
}

fn base(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

/// The normalised name and the version of an installed distribution, from the name of its folder.
fn distribution(entry: &[u8]) -> Option<(String, String)> {
    let stem = entry
        .strip_suffix(b".dist-info")
        .or_else(|| entry.strip_suffix(b".egg-info"))?;
    let mut parts = stem.splitn(2, |byte| *byte == b'-');
    let name = std::str::from_utf8(parts.next()?).ok()?.to_ascii_lowercase();
    // Behind the version of an egg may stand the Python that it is for.
    let rest = parts.next()?.split(|byte| *byte == b'-').next()?;
    Some((name, version(rest)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;

    #[test]
    fn packages_are_found_where_the_interpreter_looks() {
        let installed = |python: &str, place: &str| {
            Fixture::new(python)
                .file(&format!("{place}/Django-4.2.16.dist-info/METADATA"), "")
                .file(&format!("{place}/gunicorn-23.0.0.dist-info/METADATA"), "")
                .file(&format!("{place}/gunicorn/__init__.py"), "")
        };
        let own = || installed("/usr/local/bin/python3.12", "/usr/local/lib/python3.12/site-packages");
        let debian = || installed("/usr/bin/python3.11", "/usr/lib/python3/dist-packages");
        let venv = || installed("/usr/bin/python3.11", "/srv/venv/lib/python3.11/site-packages");
        let (django, both) = (&["Django 4.2.16"][..], &["Django 4.2.16", "Gunicorn 23.0.0"][..]);
        for (name, mut fixture, expected) in [
            ("own folder", own(), django),
            (
                "a script that is the server",
                own().arguments(&["python", "/usr/local/bin/gunicorn", "app"]),
                both,
            ),
            (
                "a module that is the server",
                own().arguments(&["python", "-u", "-m", "gunicorn", "app"]),
                both,
            ),
            ("a title", own().arguments(&["gunicorn: master [app]"]), both),
            (
                "another script",
                own().arguments(&["python", "/srv/gunicorn.py"]),
                django,
            ),
            ("Debian's folder", debian(), django),
            (
                "a virtual environment by its interpreter's name",
                venv().arguments(&["/srv/venv/bin/python", "-m", "gunicorn"]),
                both,
            ),
            (
                "a virtual environment by its variable",
                venv().variable("VIRTUAL_ENV", "/srv/venv"),
                django,
            ),
            ("not in use", venv(), &[]),
            (
                "by a mapped module, wherever it lies",
                installed("/opt/py/python3", "/app/site-packages").mapped(&["/app/site-packages/orjson/orjson.so"]),
                django,
            ),
            (
                "a server that is not installed",
                Fixture::new("/usr/bin/python3.11").arguments(&["python3", "/x/uvicorn", "app"]),
                &["Uvicorn "],
            ),
            ("nothing", Fixture::new("/usr/bin/python3.11"), &[]),
        ] {
            let found = find(&mut fixture.view());
            let found: Vec<_> = found.iter().map(|it| format!("{} {}", it.name, it.version)).collect();
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn a_folder_tells_name_and_version() {
        for (entry, expected) in [
            ("Django-4.2.16.dist-info", Some(("django", "4.2.16"))),
            ("Flask-3.1.0-py3.11.egg-info", Some(("flask", "3.1.0"))),
            ("fastapi-0.115.5.dist-info", Some(("fastapi", "0.115.5"))),
            ("fastapi-.dist-info", None),
            ("fastapi-$(id).dist-info", None),
            ("fastapi", None),
            (".dist-info", None),
        ] {
            let found = distribution(entry.as_bytes());
            let found = found.as_ref().map(|(name, version)| (name.as_str(), version.as_str()));
            assert_eq!(found, expected, "{entry}");
        }
    }
}

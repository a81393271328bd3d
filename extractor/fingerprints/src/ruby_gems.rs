//! Frameworks and servers of Ruby: gems that the application is locked to, or whose libraries are mapped.

use crate::path;
use crate::ruby;
use crate::rule::{Rule, Runtime, Tier};
use crate::value;
use crate::view::View;

/// The rule for Ruby on Rails.
pub const RAILS_RULE: Rule = Rule {
    name: "Ruby on Rails",
    tier: Tier::Library,
    of: &[ruby::KIND],
    about: "`Gemfile.lock` of the working directory, or the one that `BUNDLE_GEMFILE` stands beside, locks the gem `rails`; without one, the working directory holds an application (`config/environment.rb`) and the gem's specification is installed, in one version, where gems are",
    find: |view| rails(view).into_iter().collect(),
};

/// The rule for Puma.
pub const PUMA_RULE: Rule = Rule {
    name: "Puma",
    tier: Tier::Library,
    of: &[ruby::KIND],
    about: "`puma_http11.so` is mapped; the version is part of its path",
    find: |view| puma(view).into_iter().collect(),
};

const MAX_LOCK_BYTES: usize = 256 * 1024;
/// Where gems are installed when nothing says otherwise: by Debian, by the images of Docker's library.
const HOMES: [&str; 2] = ["/usr/share/rubygems-integration/all", "/usr/local/bundle"];
const MAX_HOMES: usize = 4;

fn rails(view: &mut dyn View) -> Option<Runtime> {
    let runtime = |version, evidence: &[u8]| Runtime {
        name: "Ruby on Rails".to_owned(),
        version,
        evidence: value::text(evidence),
    };
    let lock = match view.variable("BUNDLE_GEMFILE") {
        Some(file) if !file.is_empty() => [file.as_slice(), b".lock"].concat(),
        _ => b"Gemfile.lock".to_vec(),
    };
    if let Some(bytes) = view.read(&lock, MAX_LOCK_BYTES) {
        return locked(&bytes, "rails")
            .map(|version| runtime(version, &[&lock[..], b" of the working directory"].concat()));
    }
    view.size(b"config/environment.rb")?;
    let mut versions = Vec::new();
    for home in homes(view) {
        let folder = [&home, &b"/specifications"[..]].concat();
        let of_rails = |name: &Vec<u8>| value::version(name.strip_prefix(b"rails-")?.strip_suffix(b".gemspec")?);
        let found = view
            .names(&folder)
            .iter()
            .filter_map(of_rails)
            .filter(|version| is_number(version))
            .collect::<Vec<_>>();
        versions.extend(found.into_iter().map(|version| (version, folder.clone())));
    }
    match versions.as_slice() {
        [] => None,
        [(version, folder)] => Some(runtime(version.clone(), folder)),
        [(_, folder), ..] => {
            let message = format!(
                "{} versions of rails are installed and no Gemfile.lock chooses one",
                versions.len()
            );
            view.note("runtimes", "unversioned", message);
            Some(runtime(String::new(), folder))
        }
    }
}

/// Other gems are called `rails-something`.
fn is_number(version: &str) -> bool {
    version.starts_with(|first: char| first.is_ascii_digit())
}

/// Folders in which gems are installed: those from which libraries are mapped first.
fn homes(view: &mut dyn View) -> Vec<Vec<u8>> {
    let mut homes: Vec<Vec<u8>> = Vec::new();
    let mut add = |home: &[u8]| {
        if homes.len() < MAX_HOMES && !home.is_empty() && homes.iter().all(|other| other != home) {
            homes.push(home.to_vec());
        }
    };
    for path in view.mapped().iter() {
        for part in [&b"/extensions/"[..], b"/gems/"] {
            if let Some(end) = memchr::memmem::rfind(path, part) {
                // A home may itself be called `gems`, with the version of Ruby below.
                add(&path[..end]);
                break;
            }
        }
    }
    if let Some(home) = view.variable("GEM_HOME") {
        add(&home);
    }
    HOMES.iter().for_each(|home| add(home.as_bytes()));
    homes
}

/// The version to which a lock file locks a gem: a line of four blanks, `name (version)`.
fn locked(lock: &[u8], gem: &str) -> Option<String> {
    let start = [b"    ", gem.as_bytes(), b" ("].concat();
    lock.split(|byte| *byte == b'\n').find_map(|line| {
        let version = line
            .strip_prefix(start.as_slice())?
            .trim_ascii_end()
            .strip_suffix(b")")?;
        value::version(version).filter(|version| is_number(version))
    })
}

fn puma(view: &mut dyn View) -> Option<Runtime> {
    let mapped = view.mapped();
    let library = mapped.iter().find(|file| path::name(file) == b"puma_http11.so")?;
    let mut parts = library.split(|byte| *byte == b'/');
    let version = parts.find_map(|part| value::version(part.strip_prefix(b"puma-")?));
    let text = value::text(library);
    if version.is_none() {
        view.note(
            "runtimes",
            "unversioned",
            format!("The path {text} names no version of Puma"),
        );
    }
    Some(Runtime {
        name: "Puma".to_owned(),
        version: version.unwrap_or_default(),
        evidence: format!("mapped {text}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;

    const LOCK: &str = "GEM\n  remote: https://rubygems.org/\n  specs:\n    puma (6.4.2)\n      nio4r (~> 2.0)\n    rails (7.1.3)\n      actioncable (= 7.1.3)\n    rails-html-sanitizer (1.6.0)\n\nDEPENDENCIES\n  rails (~> 7.1)\n";
    const DEBIAN: &str = "/usr/share/rubygems-integration/all/specifications/";
    const EXTENSION: &str = "/usr/lib/x86_64-linux-gnu/rubygems-integration/3.1.0/extensions/x86_64-linux/3.1.0/puma-5.6.5/puma/puma_http11.so";

    #[test]
    fn rails_is_what_the_application_is_locked_to() {
        let app = || Fixture::new("/usr/bin/ruby3.1").directory("/srv/app");
        let installed = |fixture: Fixture, name: &str| fixture.file(&format!("{DEBIAN}{name}.gemspec"), "");
        let with_app = || installed(app().file("/srv/app/config/environment.rb", ""), "rails-6.1.7.10");
        for (name, mut fixture, expected) in [
            (
                "by its lock file",
                app().file("/srv/app/Gemfile.lock", LOCK),
                Some("7.1.3"),
            ),
            (
                "by another lock file",
                app()
                    .file("/etc/app/Gemfile.lock", LOCK)
                    .variable("BUNDLE_GEMFILE", "/etc/app/Gemfile"),
                Some("7.1.3"),
            ),
            (
                "locked to others",
                with_app().file("/srv/app/Gemfile.lock", "    rack (3.0.1)\n"),
                None,
            ),
            (
                "installed, and an application of it in the working directory",
                installed(with_app(), "rails-html-sanitizer-1.4.4"),
                Some("6.1.7.10"),
            ),
            ("in two versions", installed(with_app(), "rails-7.0.1"), Some("")),
            ("only installed", installed(app(), "rails-6.1.7.10"), None),
            (
                "installed where a mapped library comes from",
                app()
                    .file("/srv/app/config/environment.rb", "")
                    .file("/opt/gems/3.1.0/specifications/rails-7.0.8.gemspec", "")
                    .mapped(&["/opt/gems/3.1.0/gems/nokogiri-1.15.4/lib/nokogiri/nokogiri.so"]),
                Some("7.0.8"),
            ),
        ] {
            let found = (RAILS_RULE.find)(&mut fixture.view());
            assert_eq!(found.first().map(|found| found.version.as_str()), expected, "{name}");
            assert_eq!(
                fixture.notes.len(),
                usize::from(expected == Some("")),
                "{name}: {:?}",
                fixture.notes
            );
        }
        crate::mutation::each(LOCK.as_bytes(), |bytes| drop(locked(bytes, "rails")));
    }

    #[test]
    fn puma_is_what_is_mapped() {
        for (path, expected) in [
            (EXTENSION, Some("5.6.5")),
            (
                "/usr/local/bundle/gems/puma-6.4.2/lib/puma/puma_http11.so",
                Some("6.4.2"),
            ),
            ("/usr/lib/ruby/vendor_ruby/puma/puma_http11.so", Some("")),
            ("/usr/local/bundle/gems/nio4r-2.7.0/lib/nio4r_ext.so", None),
        ] {
            let found = (PUMA_RULE.find)(&mut Fixture::new("/usr/bin/ruby").mapped(&[path]).view());
            assert_eq!(found.first().map(|found| found.version.as_str()), expected, "{path}");
        }
    }
}

//! The class path of a process: which jars and folders its classes come from.

use std::rc::Rc;

use super::artifact::{self, Artifact, below, stem};
use super::command::{self, Launch, Origin};
use super::jar::{Contents, Jar};
use super::libraries;
use super::manifest::{self, Manifest};
use crate::path;
use crate::value;
use crate::view::View;

/// Where the classes of a process come from.
#[derive(Debug, Default)]
pub struct ClassPath {
    /// What was started.
    pub launch: Launch,
    /// The class that was started, that of a jar from its manifest.
    pub main_class: Vec<u8>,
    /// Jars that were looked into: the one that was started, else the first ones.
    pub read: Vec<(Jar, Contents)>,
    /// All jars in order.
    pub jars: Vec<Jar>,
    /// Folders of classes.
    pub folders: Vec<Vec<u8>>,
}

/// Of a class path, so many jars are looked into. An application of one jar is among the first.
const MAX_READ: usize = 2;
/// Jars of a class path.
const MAX_JARS: usize = 2048;
/// How much of a manifest that lies in a folder is read.
const MAX_MANIFEST_BYTES: usize = 64 * 1024;

/// A starter that finds further jars itself.
struct Finder {
    /// How its main class begins.
    class: &'static [u8],
    /// The folders of jars.
    folders: &'static [&'static [u8]],
    /// Whether they lie beside its jar, or in folders of the class path.
    is_beside_jar: bool,
}

const FINDERS: [Finder; 2] = [
    Finder {
        class: b"org.springframework.boot.loader.",
        folders: &[b"BOOT-INF/lib", b"WEB-INF/lib", b"WEB-INF/lib-provided"],
        is_beside_jar: false,
    },
    Finder {
        class: b"io.quarkus.bootstrap.runner.",
        folders: &[b"lib/main"],
        is_beside_jar: true,
    },
];
/// Where archives hold jars of their own.
const INSIDE: [&[u8]; 3] = [b"BOOT-INF/lib/", b"WEB-INF/lib/", b"WEB-INF/lib-provided/"];

/// The class path of the process, made out at the first call.
pub fn of(view: &mut dyn View) -> Rc<ClassPath> {
    let known = view.kept().clone().and_then(|kept| kept.downcast().ok());
    known.unwrap_or_else(|| {
        let made = Rc::new(make(view));
        *view.kept() = Some(made.clone());
        made
    })
}

struct Seen<'a>(&'a mut dyn View);

impl Origin for Seen<'_> {
    fn arguments(&mut self) -> Vec<Vec<u8>> {
        self.0.arguments().to_vec()
    }

    fn variable(&mut self, name: &str) -> Option<Vec<u8>> {
        self.0.variable(name)
    }

    fn read(&mut self, path: &[u8], max_bytes: usize) -> Option<Vec<u8>> {
        self.0.read(path, max_bytes)
    }
}

fn make(view: &mut dyn View) -> ClassPath {
    let launch = command::launch(&mut Seen(view));
    let mut path = ClassPath {
        main_class: launch.main_class.clone().unwrap_or_default(),
        ..ClassPath::default()
    };
    match &launch.jar {
        Some(jar) => path.jars.push(Jar::file(jar.clone())),
        None => {
            for element in &launch.class_path {
                path.add_element(element, view);
            }
        }
    }
    for element in &launch.module_path {
        match stem(element) {
            Some(_) => path.add_element(element, view),
            None => path.add_folder(element, view),
        }
    }
    path.read_first(view);
    if launch.jar.is_some()
        && let Some((_, contents)) = path.read.first()
    {
        path.main_class = contents.manifest.get("Main-Class").unwrap_or_default().to_vec();
    }
    path.add_found(view);
    if path.jars.len() > MAX_JARS {
        path.jars.truncate(MAX_JARS);
        let message = format!("Only {MAX_JARS} jars of the class path were looked at");
        view.note("runtimes", "budget", message);
    }
    ClassPath { launch, ..path }
}

impl ClassPath {
    fn add_element(&mut self, element: &[u8], view: &mut dyn View) {
        match element {
            b"*" => self.add_folder(b".", view),
            [folder @ .., b'/', b'*'] => self.add_folder(if folder.is_empty() { b"/" } else { folder }, view),
            element if stem(element).is_some() => self.jars.push(Jar::file(element.to_vec())),
            element => self.folders.push(element.to_vec()),
        }
    }

    /// Adds all jars in a folder.
    fn add_folder(&mut self, folder: &[u8], view: &mut dyn View) {
        if self.jars.len() < MAX_JARS {
            let names = view.names(folder);
            let jars = names.iter().filter(|name| stem(name).is_some());
            self.jars.extend(jars.map(|name| Jar::file(below(folder, name))));
        }
    }

    /// Looks into the first jars, and adds those that they name and hold.
    fn read_first(&mut self, view: &mut dyn View) {
        for jar in self.jars.iter().take(MAX_READ).cloned().collect::<Vec<_>>() {
            let Some(contents) = jar.read(&is_wanted, view) else {
                continue;
            };
            if !contents.is_whole {
                let place = value::text(&jar.path);
                view.note(
                    "runtimes",
                    "budget",
                    format!("Not all entries of {place} were looked at"),
                );
            }
            let named = contents.manifest.class_path().filter(|path| stem(path).is_some());
            self.jars
                .extend(named.map(|path| Jar::file(below(path::folder(&jar.path), &path))));
            let held = contents.entries.iter().filter(|entry| is_held(&entry.name));
            self.jars.extend(held.map(|entry| Jar {
                path: jar.path.clone(),
                inside: Some(entry.clone()),
            }));
            self.read.push((jar, contents));
        }
    }

    /// Adds jars that the starter finds itself.
    fn add_found(&mut self, view: &mut dyn View) {
        let Some(finder) = FINDERS.iter().find(|finder| self.main_class.starts_with(finder.class)) else {
            return;
        };
        let roots = match finder.is_beside_jar {
            true => self
                .jar_of_main_class()
                .map(|(jar, _)| path::folder(&jar.path).to_vec())
                .into_iter()
                .collect(),
            false => self.folders.clone(),
        };
        for root in roots {
            for place in finder.folders {
                self.add_folder(&below(&root, place), view);
            }
        }
    }

    /// The jar whose manifest names the class that was started.
    pub fn jar_of_main_class(&self) -> Option<&(Jar, Contents)> {
        let main_class = Some(self.main_class.as_slice());
        self.read
            .iter()
            .find(|(_, contents)| contents.manifest.get("Main-Class") == main_class)
    }

    /// The first jar of the artifact that is there, and the version in its name.
    pub fn find(&self, artifact: &Artifact, view: &mut dyn View) -> Option<(&Jar, &[u8])> {
        self.jars.iter().find_map(|jar| {
            let version = artifact::version(jar.name(), artifact)?;
            jar.is_there(view).then_some((jar, version))
        })
    }

    /// What the manifest in a folder of classes says, and where it lies.
    pub fn manifests(&self, view: &mut dyn View) -> Vec<(Vec<u8>, Manifest)> {
        let paths = self.folders.iter().map(|folder| below(folder, b"META-INF/MANIFEST.MF"));
        paths
            .take(MAX_READ)
            .filter_map(|path| {
                let bytes = view.read(&path, MAX_MANIFEST_BYTES)?;
                Some((path, manifest::parse(&bytes)))
            })
            .collect()
    }
}

/// Entries of a jar that some rule looks at.
fn is_wanted(name: &[u8]) -> bool {
    let is_about_artifact = name.starts_with(b"META-INF/maven/") && name.ends_with(b"/pom.properties");
    is_held(name) || is_about_artifact || libraries::is_marker(name)
}

fn is_held(name: &[u8]) -> bool {
    INSIDE.iter().any(|folder| name.starts_with(folder)) && stem(name).is_some()
}

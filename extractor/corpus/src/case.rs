//! A case: a process that was written down, and what must be told of it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Cursor, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::Value;
use zip::write::SimpleFileOptions;

use crate::elf::Elf;

/// One case, as its file has it.
#[derive(Debug)]
pub struct Case {
    /// What is special about it.
    pub about: String,
    /// Where its facts come from.
    pub source: String,
    process: Process,
    files: BTreeMap<String, Content>,
    /// What a detector must say.
    pub expected: Answer,
}

#[derive(Debug)]
struct Process {
    executable: String,
    arguments: Vec<String>,
    environment: Vec<String>,
    directory: String,
    /// Mapped files besides the executable.
    mapped: Vec<String>,
    /// Lines of its `cgroup`.
    cgroup: Vec<String>,
}

#[derive(Debug)]
enum Content {
    /// The lines of a text file.
    Text(Vec<String>),
    /// A link.
    Link(String),
    /// An ELF file.
    Elf(Elf),
    /// A jar with these entries.
    Jar(BTreeMap<String, Vec<String>>),
}

/// What a detector says of a container: the compatible answer's fields, and its ID. Empty means unknown.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Bare, from the control group.
    pub container_id: String,
    /// Operating system.
    pub os: String,
    /// Its version.
    pub os_version: String,
    /// Language platform.
    pub kind: String,
    /// Its version.
    pub kind_version: String,
    /// Who made it.
    pub kind_implementer: String,
    /// Frameworks, `name version`, sorted.
    pub runtimes: Vec<String>,
}

/// The members of a JSON object; what nobody has asked for in the end is a mistake.
struct Members(serde_json::Map<String, Value>);

impl Members {
    fn of(value: Value) -> Result<Self, String> {
        match value {
            Value::Object(members) => Ok(Self(members)),
            other => Err(format!("{other} is no object")),
        }
    }

    fn value(&mut self, name: &str) -> Value {
        self.0.remove(name).unwrap_or_default()
    }

    fn text(&mut self, name: &str) -> Result<String, String> {
        match self.value(name) {
            Value::Null => Ok(String::new()),
            value => text(value).map_err(|problem| format!("{name}: {problem}")),
        }
    }

    fn texts(&mut self, name: &str) -> Result<Vec<String>, String> {
        texts(self.value(name)).map_err(|problem| format!("{name}: {problem}"))
    }

    fn end(self) -> Result<(), String> {
        self.0
            .keys()
            .next()
            .map_or(Ok(()), |name| Err(format!("{name} is not known")))
    }
}

fn text(value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(format!("{other} is no text")),
    }
}

fn texts(value: Value) -> Result<Vec<String>, String> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => items.into_iter().map(text).collect(),
        other => Err(format!("{other} is no list")),
    }
}

fn each<T>(value: Value, read: impl Fn(Value) -> Result<T, String>) -> Result<BTreeMap<String, T>, String> {
    if value.is_null() {
        return Ok(BTreeMap::new());
    }
    let members = Members::of(value)?.0.into_iter();
    let read = |(name, value)| match read(value) {
        Ok(value) => Ok((name, value)),
        Err(problem) => Err(format!("{name}: {problem}")),
    };
    members.map(read).collect()
}

impl Answer {
    /// From the JSON that a detector prints; runtimes are sorted.
    pub fn read(value: Value) -> Result<Self, String> {
        let mut members = Members::of(value)?;
        let mut answer = Self {
            container_id: members.text("containerId")?,
            os: members.text("os")?,
            os_version: members.text("osVersion")?,
            kind: members.text("kind")?,
            kind_version: members.text("kindVersion")?,
            kind_implementer: members.text("kindImplementer")?,
            runtimes: members.texts("runtimes")?,
        };
        answer.runtimes.sort_unstable();
        members.end().map(|()| answer)
    }

    /// The same JSON.
    pub fn json(&self) -> Value {
        serde_json::json!({
            "containerId": self.container_id,
            "os": self.os,
            "osVersion": self.os_version,
            "kind": self.kind,
            "kindVersion": self.kind_version,
            "kindImplementer": self.kind_implementer,
            "runtimes": self.runtimes,
        })
    }
}

impl Case {
    fn read(value: Value) -> Result<Self, String> {
        let mut members = Members::of(value)?;
        let case = Self {
            about: members.text("about")?,
            source: members.text("source")?,
            process: Process::read(members.value("process"))?,
            files: each(members.value("files"), Content::read)?,
            expected: Answer::read(members.value("expected"))?,
        };
        if case.source.is_empty() {
            return Err("source: must say where the facts come from".to_owned());
        }
        members.end().map(|()| case)
    }
}

impl Process {
    fn read(value: Value) -> Result<Self, String> {
        let mut members = Members::of(value)?;
        let process = Self {
            executable: members.text("executable")?,
            arguments: members.texts("arguments")?,
            environment: members.texts("environment")?,
            directory: members.text("directory")?,
            mapped: members.texts("mapped")?,
            cgroup: members.texts("cgroup")?,
        };
        members.end().map(|()| process)
    }
}

impl Content {
    fn read(value: Value) -> Result<Self, String> {
        if value.is_array() {
            return texts(value).map(Self::Text);
        }
        let mut members = Members::of(value)?;
        let content = match (members.value("link"), members.value("jar"), members.value("elf")) {
            (Value::String(target), Value::Null, Value::Null) => Self::Link(target),
            (Value::Null, jar @ Value::Object(_), Value::Null) => Self::Jar(each(jar, texts)?),
            (Value::Null, Value::Null, elf) => {
                let mut members = Members::of(elf)?;
                let interpreter = members.text("interpreter")?;
                let elf = Elf {
                    sections: each(members.value("sections"), text)?,
                    interpreter: (!interpreter.is_empty()).then_some(interpreter),
                    names: members.texts("names")?,
                };
                members.end()?;
                Self::Elf(elf)
            }
            _ => return Err("must be lines of text, or one of link, jar, elf".to_owned()),
        };
        members.end().map(|()| content)
    }
}

/// The number of the process in every case.
pub const PID: &str = "7";

/// The cases in a folder by name, or those named.
pub fn load(folder: &Path, names: &[String]) -> io::Result<BTreeMap<String, Case>> {
    let mut cases = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if names.is_empty() || names.contains(&name) {
            let text = fs::read_to_string(&path)?;
            let case = serde_json::from_str(&text)
                .map_err(|problem| problem.to_string())
                .and_then(Case::read);
            let case = case.map_err(|problem| io::Error::other(format!("{}: {problem}", path.display())))?;
            cases.insert(name, case);
        }
    }
    Ok(cases)
}

impl Case {
    /// Writes it as a detector meets it: `proc/7/` with `exe`, `cwd` and `root` as links, and the container's root in `root/`.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let root = folder.join("root");
        let inside = |path: &str| root.join(path.trim_start_matches('/'));
        for (path, content) in &self.files {
            let file = inside(path);
            fs::create_dir_all(file.parent().unwrap_or(&root))?;
            match content {
                Content::Text(lines) => {
                    fs::write(file, lines.iter().map(|line| format!("{line}\n")).collect::<String>())?
                }
                Content::Link(target) => symlink(target, file)?,
                Content::Elf(elf) => fs::write(file, elf.bytes())?,
                Content::Jar(entries) => fs::write(file, jar(entries)?)?,
            }
        }
        let Process {
            executable,
            arguments,
            environment,
            directory,
            mapped,
            cgroup,
        } = &self.process;
        let process = folder.join("proc").join(PID);
        fs::create_dir_all(&process)?;
        let ended = |words: &[String], end: char| words.iter().map(|word| format!("{word}{end}")).collect::<String>();
        fs::write(process.join("cmdline"), ended(arguments, '\0'))?;
        fs::write(process.join("environ"), ended(environment, '\0'))?;
        fs::write(process.join("cgroup"), ended(cgroup, '\n'))?;
        let maps = std::iter::once(executable).chain(mapped).enumerate();
        let maps = maps.map(|(index, path)| format!("{index:08x}000-{index:08x}fff r-xp 00000000 fe:01 1 {path}\n"));
        fs::write(process.join("maps"), maps.collect::<String>())?;
        symlink(inside(executable), process.join("exe"))?;
        symlink(inside(directory), process.join("cwd"))?;
        symlink(PathBuf::from("../../root"), process.join("root"))
    }
}

fn jar(entries: &BTreeMap<String, Vec<String>>) -> io::Result<Vec<u8>> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, lines) in entries {
        archive
            .start_file(name, SimpleFileOptions::default())
            .map_err(io::Error::other)?;
        for line in lines {
            archive.write_all(format!("{line}\r\n").as_bytes())?;
        }
    }
    archive.finish().map(Cursor::into_inner).map_err(io::Error::other)
}

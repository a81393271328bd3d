//! What a command line and environment have a Java virtual machine start. All of it chooses where to look: none of it is told.

/// What is started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Launch {
    /// The jar of `-jar`.
    pub jar: Option<Vec<u8>>,
    /// Elements of the class path as they are written; a jar that is started has none.
    pub class_path: Vec<Vec<u8>>,
    /// Elements of the module path as they are written.
    pub module_path: Vec<Vec<u8>>,
    /// The main class, be it of a module.
    pub main_class: Option<Vec<u8>>,
    properties: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Launch {
    /// A system property; the last of equal ones counts.
    pub fn property(&self, name: &str) -> Option<&[u8]> {
        let found = self.properties.iter().rfind(|(other, _)| other == name.as_bytes());
        found.map(|(_, value)| value.as_slice())
    }
}

/// Where a command line and what belongs to it come from.
pub trait Origin {
    /// The command line, the program first.
    fn arguments(&mut self) -> Vec<Vec<u8>>;
    /// A variable of the environment.
    fn variable(&mut self, name: &str) -> Option<Vec<u8>>;
    /// The start of a file.
    fn read(&mut self, path: &[u8], max_bytes: usize) -> Option<Vec<u8>>;
}

/// Options whose value is the next argument. Those of jsvc, which starts services as the launcher would, are among them.
const WITH_VALUE: [&[u8]; 22] = [
    b"--upgrade-module-path",
    b"--add-modules",
    b"--add-reads",
    b"--add-exports",
    b"--add-opens",
    b"--limit-modules",
    b"--patch-module",
    b"--enable-native-access",
    b"--illegal-native-access",
    b"--describe-module",
    b"--source",
    b"-d",
    b"-user",
    b"-java-home",
    b"-jvm",
    b"-cwd",
    b"-pidfile",
    b"-outfile",
    b"-errfile",
    b"-procname",
    b"-wait",
    b"-umask",
];
const CLASS_PATH: [&[u8]; 3] = [b"-cp", b"-classpath", b"--class-path"];
const MODULE_PATH: [&[u8]; 2] = [b"-p", b"--module-path"];
const MODULE: [&[u8]; 2] = [b"-m", b"--module"];

/// Argument files that are read, and how much of each.
const MAX_FILES: usize = 4;
const MAX_FILE_BYTES: usize = 256 * 1024;
/// Elements of a class or module path.
const MAX_ELEMENTS: usize = 4096;
const MAX_PROPERTIES: usize = 1024;

/// What is started.
pub fn launch(origin: &mut dyn Origin) -> Launch {
    let mut launch = Launch::default();
    let mut reader = Reader {
        pending: Vec::new(),
        files_left: MAX_FILES,
        is_expanded: true,
    };
    // Read by the machine itself: options, never what is started.
    let tool_options = origin.variable("JAVA_TOOL_OPTIONS").unwrap_or_default();
    launch.add_properties(&words(&tool_options));
    // Read by the launcher, before its own arguments.
    let own: Vec<_> = origin.arguments().into_iter().skip(1).collect();
    let options = words(&origin.variable("JDK_JAVA_OPTIONS").unwrap_or_default());
    reader.push(own);
    reader.push(options);
    launch.read(&mut reader, origin);
    let overriding = origin.variable("_JAVA_OPTIONS").unwrap_or_default();
    launch.add_properties(&words(&overriding));
    if launch.jar.is_none() && launch.class_path.is_empty() && launch.module_path.is_empty() {
        let variable = origin.variable("CLASSPATH").filter(|path| !path.is_empty());
        launch.class_path = elements(&variable.unwrap_or_else(|| b".".to_vec()));
    }
    launch
}

impl Launch {
    fn read(&mut self, reader: &mut Reader, origin: &mut dyn Origin) {
        while let Some(argument) = reader.next(origin) {
            let equals = argument.iter().position(|byte| *byte == b'=');
            let (name, value) = match equals {
                Some(equals) if argument.starts_with(b"--") => (&argument[..equals], Some(&argument[equals + 1..])),
                _ => (argument.as_slice(), None),
            };
            let mut value_of = |reader: &mut Reader| match value {
                Some(value) => value.to_vec(),
                None => reader.next(origin).unwrap_or_default(),
            };
            if CLASS_PATH.contains(&name) {
                self.class_path = elements(&value_of(reader));
            } else if MODULE_PATH.contains(&name) {
                self.module_path = elements(&value_of(reader));
            } else if MODULE.contains(&name) {
                let module = value_of(reader);
                let class = module.iter().position(|byte| *byte == b'/');
                self.main_class = class.map(|slash| module[slash + 1..].to_vec());
                return;
            } else if name == b"-jar" {
                self.jar = Some(value_of(reader));
                // The class path is not used then.
                self.class_path.clear();
                return;
            } else if WITH_VALUE.contains(&name) {
                value_of(reader);
            } else if name == b"--disable-@files" {
                reader.is_expanded = false;
            } else if let [b'-', ..] = argument.as_slice() {
                self.add_properties(&[argument]);
            } else {
                self.main_class = Some(
                    argument
                        .iter()
                        .map(|byte| if *byte == b'/' { b'.' } else { *byte })
                        .collect(),
                );
                return;
            }
        }
    }

    fn add_properties(&mut self, arguments: &[Vec<u8>]) {
        for argument in arguments.iter().filter_map(|argument| argument.strip_prefix(b"-D")) {
            let equals = argument.iter().position(|byte| *byte == b'=').unwrap_or(argument.len());
            let (name, value) = argument.split_at(equals);
            if self.properties.len() < MAX_PROPERTIES {
                let value = value.strip_prefix(b"=").unwrap_or_default();
                self.properties.push((name.to_vec(), value.to_vec()));
            }
        }
    }
}

/// The parts of a path. An empty one is the working directory.
fn elements(path: &[u8]) -> Vec<Vec<u8>> {
    let parts = path.split(|byte| *byte == b':').take(MAX_ELEMENTS);
    parts
        .map(|part| if part.is_empty() { b".".to_vec() } else { part.to_vec() })
        .collect()
}

/// Arguments in order, argument files in their place.
struct Reader {
    /// The next one is the last.
    pending: Vec<Vec<u8>>,
    files_left: usize,
    is_expanded: bool,
}

impl Reader {
    fn push(&mut self, arguments: Vec<Vec<u8>>) {
        self.pending.extend(arguments.into_iter().rev());
    }

    fn next(&mut self, origin: &mut dyn Origin) -> Option<Vec<u8>> {
        while let Some(argument) = self.pending.pop() {
            match argument.as_slice() {
                [b'@', b'@', ..] if self.is_expanded => return Some(argument[1..].to_vec()),
                [b'@', path @ ..] if self.is_expanded && !path.is_empty() => {
                    self.files_left = self.files_left.checked_sub(1)?;
                    // Files in a file are not expanded.
                    let words = words(&origin.read(path, MAX_FILE_BYTES).unwrap_or_default());
                    let literal = |word: Vec<u8>| match word.first() {
                        Some(b'@') => [b"@", word.as_slice()].concat(),
                        _ => word,
                    };
                    self.push(words.into_iter().map(literal).collect());
                }
                _ => return Some(argument),
            }
        }
        None
    }
}

/// The words of an argument file: quotes keep blanks, a backslash in quotes escapes, `#` begins a comment.
fn words(text: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quote = None;
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match (quote, byte) {
            (Some(_), b'\\') => match bytes.next() {
                // A line break that is escaped joins the lines, without the blanks that follow.
                Some(b'\n' | b'\r') => while bytes.next_if(u8::is_ascii_whitespace).is_some() {},
                Some(escaped) => word.get_or_insert_default().push(match escaped {
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'r' => b'\r',
                    b'f' => 12,
                    other => other,
                }),
                None => {}
            },
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(byte),
            (None, b'"' | b'\'') => {
                quote = Some(byte);
                word.get_or_insert_default();
            }
            (None, b'#') if word.is_none() => while bytes.next_if(|byte| *byte != b'\n').is_some() {},
            (None, _) if byte.is_ascii_whitespace() => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation;

    #[derive(Default)]
    struct Given<'a> {
        arguments: &'a str,
        variables: &'a [(&'a str, &'a str)],
        files: &'a [(&'a str, &'a str)],
    }

    fn lookup(pairs: &[(&str, &str)], name: &[u8]) -> Option<Vec<u8>> {
        let found = pairs.iter().find(|(other, _)| other.as_bytes() == name);
        found.map(|(_, value)| value.as_bytes().to_vec())
    }

    impl Origin for Given<'_> {
        fn arguments(&mut self) -> Vec<Vec<u8>> {
            self.arguments.split(' ').map(|word| word.as_bytes().to_vec()).collect()
        }

        fn variable(&mut self, name: &str) -> Option<Vec<u8>> {
            lookup(self.variables, name.as_bytes())
        }

        fn read(&mut self, path: &[u8], _: usize) -> Option<Vec<u8>> {
            lookup(self.files, path)
        }
    }

    /// Main class or jar, class path, module path.
    fn told(mut given: Given) -> String {
        let launch = launch(&mut given);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let started = match (&launch.jar, &launch.main_class) {
            (Some(jar), _) => format!("jar {}", text(jar)),
            (None, Some(class)) => text(class),
            (None, None) => "nothing".to_owned(),
        };
        let (class_path, module_path) = (launch.class_path.join(&b':'), launch.module_path.join(&b':'));
        [started, text(&class_path), text(&module_path)].join("|")
    }

    #[test]
    fn a_command_line_is_read_as_the_launcher_reads_it() {
        for (name, arguments, expected) in [
            ("a jar", "java -Xmx1g -jar /a.jar -jar /b.jar", "jar /a.jar||"),
            ("a jar after a class path", "java -cp x -jar /a.jar", "jar /a.jar||"),
            (
                "a class",
                "java -cp a.jar:lib/*: x.Main -jar b",
                "x.Main|a.jar:lib/*:.|",
            ),
            ("the last class path", "java -cp a -classpath b x.Main", "x.Main|b|"),
            ("in the new form", "java --class-path a x.Main", "x.Main|a|"),
            ("with an equals sign", "java --class-path=a=b x.Main", "x.Main|a=b|"),
            (
                "options with values",
                "java --add-opens a/b=c --add-modules d x.Main",
                "x.Main|.|",
            ),
            ("a class with slashes", "java x/y/Main", "x.y.Main|.|"),
            ("a module", "java -p /m:/n -m x/x.Main -jar a", "x.Main||/m:/n"),
            (
                "a module without a class",
                "java --module-path=/m --module=x",
                "nothing||/m",
            ),
            (
                "the service launcher",
                "jsvc -user tomcat -pidfile /p -cp a.jar x.Main start",
                "x.Main|a.jar|",
            ),
            ("nothing to start", "java -version", "nothing|.|"),
            ("no value", "java -cp", "nothing|.|"),
            ("no words", "", "nothing|.|"),
        ] {
            let given = Given {
                arguments,
                ..Given::default()
            };
            assert_eq!(told(given), expected, "{name}");
        }
    }

    #[test]
    fn variables_and_files_add_to_it() {
        let files = [
            (
                "/args",
                "-cp # libraries\n \"/a b\\\\c.jar:\\\n   /d.jar\"\n'x.Ma'in @/other\n",
            ),
            ("/other", "-jar /never.jar"),
        ];
        for (name, arguments, variables, expected) in [
            ("a file", "java @/args", &[][..], "x.Main|/a b\\c.jar:/d.jar|"),
            ("files not read", "java --disable-@files @/args", &[], "@.args|.|"),
            ("a name with @", "java @@name", &[], "@name|.|"),
            ("no such file", "java @/nothing x.Main", &[], "x.Main|.|"),
            (
                "the launcher's variable",
                "java x.Main",
                &[("JDK_JAVA_OPTIONS", "-cp '/a b'")],
                "x.Main|/a b|",
            ),
            (
                "a file in the variable",
                "java",
                &[("JDK_JAVA_OPTIONS", "@/args")],
                "x.Main|/a b\\c.jar:/d.jar|",
            ),
            (
                "the class path's variable",
                "java x.Main",
                &[("CLASSPATH", "/c:d")],
                "x.Main|/c:d|",
            ),
            (
                "which -cp replaces",
                "java -cp e x.Main",
                &[("CLASSPATH", "/c")],
                "x.Main|e|",
            ),
            (
                "the machine's variable starts nothing",
                "java x.Main",
                &[("JAVA_TOOL_OPTIONS", "-jar /a.jar")],
                "x.Main|.|",
            ),
        ] {
            let given = Given {
                arguments,
                variables,
                files: &files,
            };
            assert_eq!(told(given), expected, "{name}");
        }
    }

    #[test]
    fn properties_are_read_before_the_program_only() {
        let mut given = Given {
            arguments: "java -Da=1 -Da=2 -Db x.Main -Dc=3",
            variables: &[("JAVA_TOOL_OPTIONS", "-Da=0 -Dd=4"), ("_JAVA_OPTIONS", "-De=5")],
            files: &[],
        };
        let launch = launch(&mut given);
        for (name, expected) in [
            ("a", Some("2")),
            ("b", Some("")),
            ("c", None),
            ("d", Some("4")),
            ("e", Some("5")),
        ] {
            assert_eq!(launch.property(name), expected.map(str::as_bytes), "{name}");
        }
    }

    #[test]
    fn no_bytes_make_it_panic() {
        mutation::each(b"-cp \"a:b\\\n c\" # d\n @@x @/y --class-path=e 'f' -jar g", |bytes| {
            let text = String::from_utf8_lossy(bytes);
            let _ = told(Given {
                arguments: &text,
                variables: &[("JDK_JAVA_OPTIONS", &text)],
                files: &[("/y", &text)],
            });
        });
    }
}

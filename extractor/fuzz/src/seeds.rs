//! Writes the seeds that are made from other things of the repository: the corpus's processes, and small ELF files.
//!
//!     cargo run --features seeds --bin seeds

#[expect(dead_code, reason = "what is expected of a case is not needed here")]
#[path = "../../corpus/src/case.rs"]
mod case;
#[expect(dead_code, reason = "only the files that it adds are wanted")]
#[path = "../../corpus/src/detect.rs"]
mod detect;
#[path = "../../corpus/src/elf.rs"]
mod elf;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fingerprints::fixture_elf::with_sections;

/// A seed is small; libFuzzer works best on those.
const MAX_SEED_BYTES: usize = 64 * 1024;

fn main() -> io::Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let seeds = |target: &str| -> io::Result<PathBuf> {
        let folder = here.join("seeds").join(target);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    };
    for (name, case) in case::load(&here.join("../corpus/cases"), &[])? {
        let folder = tempfile::tempdir()?;
        case.write(folder.path())?;
        let bytes = fuzz::bytes(&detect::fixture(folder.path())?);
        if bytes.len() <= MAX_SEED_BYTES {
            fs::write(seeds("process")?.join(&name), &bytes)?;
        }
    }
    let go = b"\xff Go buildinf:\x08\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x08go1.22.6\x30path\tcommand-line-arguments\n";
    let programs: [(&str, &[(&str, &[u8])]); 4] = [
        (
            "names",
            &[
                (".dynstr", b"\0libc.so.6\0libjvm.so\0JNI_CreateJavaVM\0"),
                (".rodata", b"\x003.11.2\0"),
            ],
        ),
        ("go", &[(".go.buildinfo", go), (".rodata", b"x")]),
        (
            "comment",
            &[(
                ".comment",
                b"GCC: (Debian 12.2.0-14) 12.2.0\0rustc version 1.75.0 (82e1608df 2023-12-21)\0",
            )],
        ),
        ("no-sections", &[]),
    ];
    for (name, sections) in programs {
        let bytes = with_sections(sections, (name != "go").then_some("/lib64/ld-linux-x86-64.so.2"));
        fs::write(seeds("elf")?.join(name), &bytes)?;
        let start = &bytes[..bytes.len().min(120)];
        fs::write(seeds("go_build_info")?.join(name), [start, go].concat())?;
    }
    Ok(())
}

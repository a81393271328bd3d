//! How a child gives up what the parent may do, in the order in which the kernel lets it, and what it may still call.

use std::io;
use std::time::Duration;

use node::credentials::Credentials;
use node::sys::{self, Instruction, Limit};

/// A child writes no longer file.
pub const MAX_FILE_BYTES: u64 = 64 * 1024;
const MAX_MEMORY_BYTES: u64 = 64 * 1024 * 1024;
const MAX_FILES: u64 = 512;

/// The capabilities without which children cannot be made, become another user, be killed, or see every program.
const NEEDED_CAPABILITIES: [(u32, &str); 8] = [
    (2, "DAC_READ_SEARCH"),
    (5, "KILL"),
    (6, "SETGID"),
    (7, "SETUID"),
    (8, "SETPCAP"),
    (18, "SYS_CHROOT"),
    (19, "SYS_PTRACE"),
    (21, "SYS_ADMIN"),
];

/// What the parent gives up for itself and so for every child: it never executes anything, needs no core file, little
/// memory and few descriptors. Not dumpable is inherited, too, so that a child is so from its first moment.
pub fn prepare_parent() -> Result<(), String> {
    let failed = |what: &'static str| move |problem: io::Error| format!("{what}: {problem}");
    let capabilities = sys::effective_capabilities().map_err(failed("Reading own capabilities"))?;
    let is_missing = |number: &u32| capabilities & 1 << number == 0;
    let missing: Vec<_> = NEEDED_CAPABILITIES
        .iter()
        .filter(|(number, _)| is_missing(number))
        .map(|(_, name)| *name)
        .collect();
    if !missing.is_empty() {
        return Err(format!(
            "Run as root of the host: capabilities missing: {}",
            missing.join(", ")
        ));
    }
    // Asking the processor what it can do is slow in a virtual machine. Asked once here, no child asks again.
    #[cfg(target_arch = "x86_64")]
    let _ = std::arch::is_x86_feature_detected!("avx2");
    sys::set_umask(0);
    sys::give_up_gaining_privileges().map_err(failed("Giving up new privileges"))?;
    sys::forbid_dumping().map_err(failed("Forbidding dumps"))?;
    for (limit, value) in [
        (Limit::Core, 0),
        (Limit::Memory, MAX_MEMORY_BYTES),
        (Limit::Files, MAX_FILES),
    ] {
        sys::limit(limit, value).map_err(failed("Limiting resources"))?;
    }
    // Else a user with many processes could not be looked at. Where it may not be raised, what the system allows stays.
    let _ = sys::limit(Limit::Processes, u64::MAX);
    Ok(())
}

/// Becomes the user for good and keeps nothing but open descriptors.
pub fn become_user(user: &Credentials, time: Duration) -> io::Result<()> {
    sys::limit(Limit::FileSize, MAX_FILE_BYTES)?;
    sys::limit(Limit::Cpu, time.as_secs() + 1)?;
    sys::become_user(user.uid, user.gid, &user.groups)?;
    // Changing the user made it dumpable again where the system is set so.
    sys::forbid_dumping()
}

/// After this the process can read, write what it has open, allocate and end; anything else kills it.
pub fn close_in(filter: &[Instruction]) -> io::Result<()> {
    sys::limit(Limit::Processes, 0)?;
    sys::die_with_parent()?;
    sys::filter_calls(filter)
}

/// What a child may call once it is inside.
const ALLOWED: [i64; 21] = [
    libc::SYS_read,
    libc::SYS_pread64,
    libc::SYS_openat2,
    libc::SYS_openat,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_getdents64,
    libc::SYS_lseek,
    libc::SYS_newfstatat,
    libc::SYS_fstatfs,
    libc::SYS_readlinkat,
    libc::SYS_write,
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_clock_gettime,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigreturn,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const JUMP_IF_ANY_BIT: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// Offsets in the kernel's `seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE_OF_CALL: u32 = 4;
const SECOND_ARGUMENT: u32 = if cfg!(target_endian = "little") { 24 } else { 28 };
const THIRD_ARGUMENT: u32 = SECOND_ARGUMENT + 8;

/// The filter of system calls: an allow-list, and memory only without the right to execute it. Everything else, and every
/// other way of calling, kills the process.
pub fn filter() -> Vec<Instruction> {
    let load = |offset| Instruction {
        code: LOAD,
        jt: 0,
        jf: 0,
        k: offset,
    };
    let jump = |code, value, jt, jf| Instruction { code, jt, jf, k: value };
    let kill = Instruction {
        code: RETURN,
        jt: 0,
        jf: 0,
        k: libc::SECCOMP_RET_KILL_PROCESS,
    };
    let allow = Instruction {
        code: RETURN,
        jt: 0,
        jf: 0,
        k: libc::SECCOMP_RET_ALLOW,
    };
    let mut program = vec![
        load(ARCHITECTURE_OF_CALL),
        jump(JUMP_IF_EQUAL, ARCHITECTURE, 1, 0),
        kill,
        load(NUMBER),
    ];
    // A number is compared whole, so the calls of x32, which have a high bit set, match none.
    for call in ALLOWED {
        program.extend([jump(JUMP_IF_EQUAL, number(call), 0, 1), allow]);
    }
    // Unoptimised builds of the standard library ask whether a descriptor is valid before they close it.
    if cfg!(debug_assertions) {
        program.extend([
            jump(JUMP_IF_EQUAL, number(libc::SYS_fcntl), 0, 4),
            load(SECOND_ARGUMENT),
            jump(JUMP_IF_EQUAL, libc::F_GETFD as u32, 1, 0),
            kill,
            allow,
        ]);
    }
    program.extend([
        jump(JUMP_IF_EQUAL, number(libc::SYS_mmap), 1, 0),
        kill,
        load(THIRD_ARGUMENT),
        jump(JUMP_IF_ANY_BIT, libc::PROT_EXEC as u32, 0, 1),
        kill,
        allow,
    ]);
    program
}

fn number(call: i64) -> u32 {
    u32::try_from(call).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the program as the kernel would, over a call's architecture, number and third argument.
    fn verdict(architecture: u32, call: i64, third: u32) -> u32 {
        let program = filter();
        let (mut at, mut loaded) = (0, 0);
        loop {
            let Instruction { code, jt, jf, k } = program[at];
            at += 1;
            match code {
                LOAD => {
                    loaded = match k {
                        NUMBER => number(call),
                        ARCHITECTURE_OF_CALL => architecture,
                        SECOND_ARGUMENT => u32::MAX,
                        THIRD_ARGUMENT => third,
                        _ => panic!("offset {k}"),
                    }
                }
                JUMP_IF_EQUAL => at += usize::from(if loaded == k { jt } else { jf }),
                JUMP_IF_ANY_BIT => at += usize::from(if loaded & k != 0 { jt } else { jf }),
                RETURN => return k,
                _ => panic!("code {code}"),
            }
        }
    }

    #[test]
    fn only_what_looking_needs_may_be_called() {
        for call in ALLOWED {
            assert_eq!(verdict(ARCHITECTURE, call, 0), libc::SECCOMP_RET_ALLOW, "{call}");
        }
        assert_eq!(
            verdict(ARCHITECTURE, libc::SYS_mmap, libc::PROT_READ as u32),
            libc::SECCOMP_RET_ALLOW
        );
        for (name, architecture, call, third) in [
            ("execve", ARCHITECTURE, libc::SYS_execve, 0),
            ("execveat", ARCHITECTURE, libc::SYS_execveat, 0),
            ("socket", ARCHITECTURE, libc::SYS_socket, 0),
            ("ptrace", ARCHITECTURE, libc::SYS_ptrace, 0),
            ("clone", ARCHITECTURE, libc::SYS_clone, 0),
            ("setns", ARCHITECTURE, libc::SYS_setns, 0),
            ("setresuid", ARCHITECTURE, libc::SYS_setresuid, 0),
            ("kill", ARCHITECTURE, libc::SYS_kill, 0),
            ("fcntl", ARCHITECTURE, libc::SYS_fcntl, 0),
            ("mprotect", ARCHITECTURE, libc::SYS_mprotect, 0),
            ("unlinkat", ARCHITECTURE, libc::SYS_unlinkat, 0),
            (
                "memory that may be executed",
                ARCHITECTURE,
                libc::SYS_mmap,
                libc::PROT_EXEC as u32,
            ),
            ("read of another architecture", ARCHITECTURE ^ 1, libc::SYS_read, 0),
            ("read of x32", ARCHITECTURE, libc::SYS_read | 0x4000_0000, 0),
        ] {
            assert_eq!(
                verdict(architecture, call, third),
                libc::SECCOMP_RET_KILL_PROCESS,
                "{name}"
            );
        }
    }
}

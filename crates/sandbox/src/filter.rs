//! The system call filter of a command, as a BPF program (seccomp(2)).
//!
//! It allows what it does not name, but socket families are an allow list. Arguments are compared on
//! their lower 32 bits, as the kernel reads them.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, sock_filter,
};

/// What a command may do beyond the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilterOptions {
    /// Make IPv4 and IPv6 sockets. Harmless only in a network namespace of its own.
    pub internet: bool,
    /// Make sockets that are bound to files, and pairs of datagram sockets.
    pub local_sockets: bool,
    /// Trace other processes. Harmless only where Landlock and a process namespace bound it.
    pub ptrace: bool,
}

/// Why there is no filter: this processor is not supported, or a rule is not valid.
#[derive(Debug, thiserror::Error)]
#[error("no system call filter can be made for this processor: {0}")]
pub struct FilterError(#[from] seccompiler::BackendError);

/// System calls that are always refused (EPERM): other processes, namespaces and mounts, the kernel's
/// own state, keys, and ways around the checks of file names.
const REFUSED: &[libc::c_long] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_adjtimex,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_get_mempolicy,
    libc::SYS_init_module,
    libc::SYS_kcmp,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_lookup_dcookie,
    libc::SYS_mbind,
    libc::SYS_migrate_pages,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_move_pages,
    libc::SYS_name_to_handle_at,
    libc::SYS_nfsservctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pivot_root,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_set_mempolicy,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
    libc::SYS_vmsplice,
    // Newer than the C library's list; the numbers are the same on every processor.
    STATMOUNT,
    LISTMOUNT,
    LSM_SET_SELF_ATTR,
    OPEN_TREE_ATTR,
];
const STATMOUNT: libc::c_long = 457;
const LISTMOUNT: libc::c_long = 458;
const LSM_SET_SELF_ATTR: libc::c_long = 460;
const OPEN_TREE_ATTR: libc::c_long = 467;

/// The same, where the processor has them.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[libc::c_long] = &[
    libc::SYS__sysctl,
    libc::SYS_ioperm,
    libc::SYS_iopl,
    libc::SYS_modify_ldt,
    libc::SYS_sysfs,
    libc::SYS_uselib,
    libc::SYS_ustat,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[libc::c_long] = &[];

/// System calls that seem not to exist (ENOSYS), so that libraries use older ones: their arguments lie
/// in memory, where a filter cannot look.
const ABSENT: &[libc::c_long] = &[
    libc::SYS_clone3,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_openat2,
];

/// Flags of clone(2) that make a namespace.
const NEW_NAMESPACE: [libc::c_int; 7] = [
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWNS,
];

/// Requests of ioctl(2) by which a process types into its terminal, or changes what the terminal is.
const TERMINAL_REQUESTS: [u64; 3] = [libc::TIOCSTI, libc::TIOCLINUX, libc::TIOCSETD];

/// Types of socket pairs that cannot be turned to an address: streams, and packets in order. A pair of
/// datagram sockets can be, and raw ones are datagram sockets for the kernel.
const PAIR_TYPES: [libc::c_int; 2] = [libc::SOCK_STREAM, libc::SOCK_SEQPACKET];
/// Type numbers that there are.
const SOCKET_TYPES: std::ops::RangeInclusive<libc::c_int> = 0..=15;
/// The obsolete type by which a raw socket can be had as well.
const SOCK_PACKET: libc::c_int = 10;
/// The bits of a socket's type that are no flags.
const TYPE_MASK: u64 = 0xf;

const SET_USER_ID: u64 = 0o4000;
const SET_GROUP_ID: u64 = 0o2000;

/// The filter as the kernel takes it.
///
/// # Errors
/// When the processor is not one that the filter's compiler knows.
pub fn filter(options: FilterOptions) -> Result<BpfProgram, FilterError> {
    let mut rules = Rules::default();
    for &call in REFUSED.iter().chain(REFUSED_HERE) {
        rules.refuse(call);
    }
    if !options.ptrace {
        rules.refuse(libc::SYS_ptrace);
    }
    rules.sockets(options)?;
    for flag in NEW_NAMESPACE {
        rules.refuse_when(libc::SYS_clone, &[has(0, bits(flag))?])?;
    }
    for request in TERMINAL_REQUESTS {
        rules.refuse_when(libc::SYS_ioctl, &[is(1, request)?])?;
    }
    rules.identity_bits()?;
    // A core dump may be handed to a program outside; the limit that prevents that stays.
    let core = u64::from(libc::RLIMIT_CORE);
    let given = SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0)?;
    rules.refuse_when(libc::SYS_prlimit64, &[is(1, core)?, given])?;
    rules.refuse_when(libc::SYS_setrlimit, &[is(0, core)?])?;

    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let compiled: BpfProgram =
        SeccompFilter::new(rules.0, SeccompAction::Allow, refuse, architecture()?)?.try_into()?;
    Ok(first_instructions().into_iter().chain(compiled).collect())
}

/// The program as bytes, for programs that load it (`struct sock_filter`, linux/filter.h).
#[must_use]
pub fn to_bytes(program: &BpfProgram) -> Vec<u8> {
    let instruction = |one: &sock_filter| {
        let mut bytes = [0; 8];
        bytes[..2].copy_from_slice(&one.code.to_ne_bytes());
        bytes[2] = one.jt;
        bytes[3] = one.jf;
        bytes[4..].copy_from_slice(&one.k.to_ne_bytes());
        bytes
    };
    program.iter().flat_map(instruction).collect()
}

/// Puts the filter on this thread and everything that it starts. It cannot be taken off, and programs
/// gain no rights by being run any more.
///
/// # Errors
/// When the filter cannot be made, or the kernel refuses it.
pub fn apply(options: FilterOptions) -> Result<(), String> {
    let program = filter(options).map_err(|error| error.to_string())?;
    seccompiler::apply_filter(&program)
        .map_err(|error| format!("the system call filter was refused: {error}"))
}

#[derive(Default)]
struct Rules(BTreeMap<i64, Vec<SeccompRule>>);

impl Rules {
    fn refuse(&mut self, call: libc::c_long) {
        self.0.insert(call, Vec::new());
    }

    fn refuse_when(
        &mut self,
        call: libc::c_long,
        conditions: &[SeccompCondition],
    ) -> Result<(), seccompiler::BackendError> {
        self.0.entry(call).or_default().push(SeccompRule::new(conditions.to_vec())?);
        Ok(())
    }

    fn sockets(&mut self, options: FilterOptions) -> Result<(), seccompiler::BackendError> {
        let netlink = bits(libc::AF_NETLINK);
        let mut families = vec![libc::AF_NETLINK];
        if options.internet {
            families.extend([libc::AF_INET, libc::AF_INET6]);
        }
        if options.local_sockets {
            families.push(libc::AF_UNIX);
        }
        let other: Result<Vec<_>, _> = families.into_iter().map(|family| is_not(0, bits(family))).collect();
        self.refuse_when(libc::SYS_socket, &other?)?;
        // Of the kernel's own protocols, the one that tells of interfaces and addresses.
        let protocol = bits(libc::NETLINK_ROUTE);
        self.refuse_when(libc::SYS_socket, &[is(0, netlink)?, is_not(2, protocol)?])?;
        for raw in [libc::SOCK_RAW, SOCK_PACKET] {
            self.refuse_when(libc::SYS_socket, &[is_not(0, netlink)?, masked(1, TYPE_MASK, bits(raw))?])?;
        }
        self.refuse_when(libc::SYS_socketpair, &[is_not(0, bits(libc::AF_UNIX))?])?;
        if !options.local_sockets {
            for kind in SOCKET_TYPES.filter(|kind| !PAIR_TYPES.contains(kind)) {
                self.refuse_when(libc::SYS_socketpair, &[masked(1, TYPE_MASK, bits(kind))?])?;
            }
        }
        Ok(())
    }

    /// A file with one of these bits, made in the workspace, would run as the person for everyone.
    fn identity_bits(&mut self) -> Result<(), seccompiler::BackendError> {
        const FCHMODAT2: libc::c_long = 452;
        let mut modes =
            vec![(libc::SYS_fchmod, 1), (libc::SYS_fchmodat, 2), (FCHMODAT2, 2), (libc::SYS_mkdirat, 2)];
        modes.push((libc::SYS_mknodat, 2));
        #[cfg(target_arch = "x86_64")]
        modes.extend([
            (libc::SYS_chmod, 1),
            (libc::SYS_creat, 1),
            (libc::SYS_mkdir, 1),
            (libc::SYS_mknod, 1),
        ]);
        let mut opens = vec![(libc::SYS_openat, 2)];
        #[cfg(target_arch = "x86_64")]
        opens.push((libc::SYS_open, 1));
        // What O_TMPFILE is beyond O_DIRECTORY.
        let unnamed = bits(libc::O_TMPFILE & !libc::O_DIRECTORY);
        for bit in [SET_USER_ID, SET_GROUP_ID] {
            for &(call, mode) in &modes {
                self.refuse_when(call, &[has(mode, bit)?])?;
            }
            for &(call, flags) in &opens {
                for makes in [bits(libc::O_CREAT), unnamed] {
                    self.refuse_when(call, &[has(flags, makes)?, has(flags + 1, bit)?])?;
                }
            }
        }
        Ok(())
    }
}

/// Constants of the C library are small and not negative.
fn bits(constant: libc::c_int) -> u64 {
    u64::from(constant.unsigned_abs())
}

fn is(argument: u8, value: u64) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

fn is_not(argument: u8, value: u64) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, value)
}

fn masked(argument: u8, mask: u64, value: u64) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(mask), value)
}

fn has(argument: u8, bit: u64) -> Result<SeccompCondition, seccompiler::BackendError> {
    masked(argument, bit, bit)
}

fn architecture() -> Result<TargetArch, seccompiler::BackendError> {
    TargetArch::try_from(std::env::consts::ARCH)
}

/// What stands before the compiled rules, which know one answer only: calls of the x32 table end the
/// process, as calls of the 32-bit table do, and [`ABSENT`] ones seem not to exist.
fn first_instructions() -> Vec<sock_filter> {
    const LOAD: u16 = 0x20;
    const JUMP_EQUAL: u16 = 0x15;
    const JUMP_AT_LEAST: u16 = 0x35;
    const RETURN: u16 = 0x06;
    const KILL_PROCESS: u32 = 0x8000_0000;
    const ERROR: u32 = 0x0005_0000;
    const X32_TABLE: u32 = 0x4000_0000;
    let instruction = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    // The call's number is the first field of `struct seccomp_data`.
    let mut program = vec![instruction(LOAD, 0, 0, 0)];
    if cfg!(target_arch = "x86_64") {
        program
            .extend([instruction(JUMP_AT_LEAST, 0, 1, X32_TABLE), instruction(RETURN, 0, 0, KILL_PROCESS)]);
    }
    for &call in ABSENT {
        let number = u32::try_from(call).unwrap_or(u32::MAX);
        let absent = ERROR | libc::ENOSYS.unsigned_abs();
        program.extend([instruction(JUMP_EQUAL, 0, 1, number), instruction(RETURN, 0, 0, absent)]);
    }
    program
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OPTIONS: FilterOptions = FilterOptions { internet: true, local_sockets: false, ptrace: true };
    const ALLOWED: u32 = 0x7fff_0000;
    const ERROR: u32 = 0x0005_0000;
    #[cfg(target_arch = "x86_64")]
    const NATIVE: u32 = 0xc000_003e;
    #[cfg(target_arch = "aarch64")]
    const NATIVE: u32 = 0xc000_00b7;

    /// Runs the program as the kernel does, on the few instructions that it has.
    fn answer(program: &BpfProgram, arch: u32, call: u32, arguments: [u64; 6]) -> u32 {
        let mut data = Vec::new();
        data.extend(call.to_ne_bytes());
        data.extend(arch.to_ne_bytes());
        data.extend(0_u64.to_ne_bytes());
        arguments.iter().for_each(|argument| data.extend(argument.to_ne_bytes()));
        let word = |at: usize| u32::from_ne_bytes(data[at..at + 4].try_into().expect("four bytes"));
        let (mut accumulator, mut at) = (0_u32, 0);
        loop {
            let one = &program[at];
            let taken = |holds: bool| usize::from(if holds { one.jt } else { one.jf });
            at += 1;
            match one.code {
                0x20 => accumulator = word(one.k as usize),
                0x05 => at += one.k as usize,
                0x15 => at += taken(accumulator == one.k),
                0x25 => at += taken(accumulator > one.k),
                0x35 => at += taken(accumulator >= one.k),
                0x54 => accumulator &= one.k,
                0x06 => return one.k,
                code => panic!("instruction {code:#x} is not known here"),
            }
        }
    }

    fn native(options: FilterOptions, call: libc::c_long, arguments: [u64; 6]) -> u32 {
        let program = filter(options).expect("a supported processor");
        answer(&program, NATIVE, u32::try_from(call).expect("a number"), arguments)
    }

    fn socket(options: FilterOptions, family: libc::c_int, kind: libc::c_int, protocol: u64) -> bool {
        native(options, libc::SYS_socket, [bits(family), bits(kind), protocol, 0, 0, 0]) == ALLOWED
    }

    #[test]
    fn socket_families_are_an_allow_list() {
        let stream = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
        for family in 0..64 {
            let allowed = [libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK].contains(&family);
            assert_eq!(socket(OPTIONS, family, stream, 0), allowed, "{family}");
            let none = FilterOptions { internet: false, ..OPTIONS };
            assert_eq!(socket(none, family, stream, 0), family == libc::AF_NETLINK, "{family}");
        }
        let local = FilterOptions { local_sockets: true, ..OPTIONS };
        assert!(socket(local, libc::AF_UNIX, libc::SOCK_DGRAM, 0));
    }

    #[test]
    fn raw_sockets_and_other_kernel_protocols_are_refused() {
        assert!(!socket(OPTIONS, libc::AF_INET, libc::SOCK_RAW, 1));
        assert!(!socket(OPTIONS, libc::AF_INET6, libc::SOCK_RAW | libc::SOCK_NONBLOCK, 1));
        assert!(socket(OPTIONS, libc::AF_NETLINK, libc::SOCK_RAW, 0));
        assert!(!socket(OPTIONS, libc::AF_NETLINK, libc::SOCK_RAW, bits(libc::NETLINK_AUDIT)));
    }

    #[test]
    fn only_pairs_that_cannot_be_addressed_are_made() {
        let pair = |kind: libc::c_int| {
            native(OPTIONS, libc::SYS_socketpair, [bits(libc::AF_UNIX), bits(kind), 0, 0, 0, 0]) == ALLOWED
        };
        assert!(pair(libc::SOCK_STREAM | libc::SOCK_CLOEXEC) && pair(libc::SOCK_SEQPACKET));
        assert!(!pair(libc::SOCK_DGRAM) && !pair(libc::SOCK_RAW | libc::SOCK_NONBLOCK) && !pair(0));
    }

    #[test]
    fn calls_of_other_tables_end_the_process() {
        let program = filter(OPTIONS).expect("a supported processor");
        let kill = 0x8000_0000;
        assert_eq!(answer(&program, 0x4000_0003, 20, [0; 6]), kill);
        #[cfg(target_arch = "x86_64")]
        assert_eq!(answer(&program, NATIVE, 0x4000_0000 | 39, [0; 6]), kill);
    }

    #[test]
    fn calls_with_arguments_in_memory_seem_not_to_exist() {
        for &call in ABSENT {
            assert_eq!(native(OPTIONS, call, [0; 6]), ERROR | libc::ENOSYS.unsigned_abs(), "{call}");
        }
    }

    #[test]
    fn a_process_can_be_made_but_no_namespace() {
        assert_eq!(native(OPTIONS, libc::SYS_clone, [bits(libc::SIGCHLD), 0, 0, 0, 0, 0]), ALLOWED);
        for flag in NEW_NAMESPACE {
            let flags = bits(flag | libc::SIGCHLD);
            assert_ne!(native(OPTIONS, libc::SYS_clone, [flags, 0, 0, 0, 0, 0]), ALLOWED, "{flag:#x}");
        }
    }

    #[test]
    fn the_limit_of_core_dumps_is_read_but_not_changed() {
        let core = u64::from(libc::RLIMIT_CORE);
        assert_eq!(native(OPTIONS, libc::SYS_prlimit64, [0, core, 0, 8, 0, 0]), ALLOWED);
        assert_ne!(native(OPTIONS, libc::SYS_prlimit64, [0, core, 8, 0, 0, 0]), ALLOWED);
        assert_ne!(native(OPTIONS, libc::SYS_prlimit64, [0, core, 8 << 32, 0, 0, 0]), ALLOWED);
    }

    #[test]
    fn ptrace_is_an_option() {
        assert_eq!(native(OPTIONS, libc::SYS_ptrace, [0; 6]), ALLOWED);
        assert_ne!(native(FilterOptions { ptrace: false, ..OPTIONS }, libc::SYS_ptrace, [0; 6]), ALLOWED);
    }

    proptest! {
        /// The kernel reads 32 bits of these arguments, so that the upper ones must not matter.
        #[test]
        fn high_bits_change_no_answer(upper in any::<u32>(), family in 0_u64..64, kind in 0_u64..4096) {
            let high = u64::from(upper) << 32;
            let plain = native(OPTIONS, libc::SYS_socket, [family, kind, 0, 0, 0, 0]);
            let tricked = native(OPTIONS, libc::SYS_socket, [high | family, high | kind, high, 0, 0, 0]);
            prop_assert_eq!(plain, tricked);
            let request = native(OPTIONS, libc::SYS_ioctl, [0, high | libc::TIOCSTI, 0, 0, 0, 0]);
            prop_assert_ne!(request, ALLOWED);
        }

        #[test]
        fn no_file_gets_an_identity_bit(mode in 0_u64..0o10000, flags in any::<u32>()) {
            let has_bit = mode & (SET_USER_ID | SET_GROUP_ID) != 0;
            let chmod = native(OPTIONS, libc::SYS_fchmodat, [0, 0, mode, 0, 0, 0]);
            prop_assert_eq!(chmod == ALLOWED, !has_bit);
            let flags = u64::from(flags);
            let makes = flags & bits(libc::O_CREAT) != 0 || flags & bits(libc::O_TMPFILE & !libc::O_DIRECTORY) != 0;
            let open = native(OPTIONS, libc::SYS_openat, [0, 0, flags, mode, 0, 0]);
            prop_assert_eq!(open == ALLOWED, !(has_bit && makes));
        }
    }
}

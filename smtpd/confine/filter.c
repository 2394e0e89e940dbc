/*
 * Runs when mailslot is built: writes the seccomp filters of a worker, or of the back, as C
 * arrays, so that no session pays for libseccomp. A system call that is not listed here kills a
 * worker; the back logs that.
 */
#include "confine_back.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static const int allowed[] = {
    SCMP_SYS(read),          /* the client */
    SCMP_SYS(write),         /* the client */
    SCMP_SYS(shutdown),      /* the client, at the end */
    SCMP_SYS(recvfrom),      /* the back; sendto: allow_sending() */
    SCMP_SYS(poll),          /* both, */
    SCMP_SYS(ppoll),         /* as glibc calls it on newer machines */
    SCMP_SYS(clock_gettime), /* deadlines, where the vDSO has no clock */
    SCMP_SYS(clock_gettime64),
    SCMP_SYS(ppoll_time64), /* the same on 32 bits; elsewhere negative */
    SCMP_SYS(restart_syscall),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
#ifdef __SANITIZE_ADDRESS__ /* what the sanitizers' run-time needs; tests only */
    SCMP_SYS(mmap),
    SCMP_SYS(munmap),
    SCMP_SYS(madvise),
    SCMP_SYS(futex),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(sched_yield),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(mprotect),
#endif
};

/* What GnuTLS needs as well: memory that is not executable, and random numbers. (And for
 * wire_acknowledge(), setsockopt with TCP_QUICKACK only.) */
static const int allowed_for_tls[] = {
    SCMP_SYS(brk),   SCMP_SYS(munmap),       SCMP_SYS(mremap), SCMP_SYS(madvise),
    SCMP_SYS(futex), SCMP_SYS(getrandom),    SCMP_SYS(getpid), /* has it been forked? */
    SCMP_SYS(time),  SCMP_SYS(gettimeofday),
};

/* What the back and the listener may do in addition: files, processes, and the confinement of what
 * they fork. Any other call fails with EPERM, so that a newer libc that tries something else first
 * does not break a delivery. */
static const int allowed_for_back[] = {
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(openat2),
    SCMP_SYS(close),
    SCMP_SYS(close_range),
    SCMP_SYS(dup),
    SCMP_SYS(dup2),
    SCMP_SYS(dup3),
    SCMP_SYS(fcntl),
    SCMP_SYS(fcntl64),
    SCMP_SYS(flock),
    SCMP_SYS(lseek),
    SCMP_SYS(_llseek),
    SCMP_SYS(readv),
    SCMP_SYS(writev),
    SCMP_SYS(pread64),
    SCMP_SYS(pwrite64),
    SCMP_SYS(stat),
    SCMP_SYS(lstat),
    SCMP_SYS(fstat),
    SCMP_SYS(fstat64),
    SCMP_SYS(newfstatat),
    SCMP_SYS(fstatat64),
    SCMP_SYS(statx),
    SCMP_SYS(statfs),
    SCMP_SYS(fstatfs),
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(getdents64),
    SCMP_SYS(getcwd),
    SCMP_SYS(linkat),
    SCMP_SYS(symlinkat),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    SCMP_SYS(rename),
    SCMP_SYS(renameat),
    SCMP_SYS(renameat2),
    SCMP_SYS(mkdir),
    SCMP_SYS(mkdirat),
    SCMP_SYS(ftruncate),
    SCMP_SYS(ftruncate64),
    SCMP_SYS(fsync),
    SCMP_SYS(fdatasync),
    SCMP_SYS(fchmod),
    SCMP_SYS(memfd_create),
    SCMP_SYS(mmap),
    SCMP_SYS(mmap2),
    SCMP_SYS(mprotect),
    SCMP_SYS(recvmsg),
    SCMP_SYS(socketpair),
    SCMP_SYS(getsockopt),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    SCMP_SYS(nanosleep),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(clock_nanosleep_time64),
    SCMP_SYS(setitimer),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(gettid),
    SCMP_SYS(getppid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(umask),
    SCMP_SYS(uname),
    SCMP_SYS(sysinfo),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(kill),
    SCMP_SYS(tgkill),
    SCMP_SYS(fork),
    SCMP_SYS(vfork),
    SCMP_SYS(wait4),
    SCMP_SYS(waitid),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(set_tid_address),
    SCMP_SYS(rseq),
    SCMP_SYS(arch_prctl),
    SCMP_SYS(prlimit64),
    SCMP_SYS(setrlimit),
    SCMP_SYS(getrlimit),
    SCMP_SYS(prctl),
    SCMP_SYS(seccomp),
    SCMP_SYS(landlock_create_ruleset),
    SCMP_SYS(landlock_add_rule),
    SCMP_SYS(landlock_restrict_self),
    SCMP_SYS(accept4), /* for the listener; a session has no listening socket and cannot make one */
#ifdef __SANITIZE_ADDRESS__
    SCMP_SYS(socket),
    SCMP_SYS(clone),
    SCMP_SYS(clone3),
    SCMP_SYS(exit),
    SCMP_SYS(ptrace),
    SCMP_SYS(personality),
    SCMP_SYS(execve),
    SCMP_SYS(pipe2),
    SCMP_SYS(ioctl),
    SCMP_SYS(getdents),
    SCMP_SYS(process_vm_readv),
#endif
};

enum {
    NAME_SPACES = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                  CLONE_NEWPID | CLONE_NEWNET
};

static void fail(const char *what)
{
    fprintf(stderr, "filter: %s\n", what);
    exit(1);
}

static void check(int result)
{
    if (result != 0)
        fail("cannot add a rule");
}

static void allow(scmp_filter_ctx filter, const int *calls, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (calls[i] >= 0) /* this architecture has it */
            check(seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0));
}

/* Only to the peer that the socket is connected to. A client that resets its connection leaves a
 * socket that MSG_FASTOPEN could connect anew to any address, without connect(2). */
static void allow_sending(scmp_filter_ctx filter)
{
    check(seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(sendto), 2,
                           SCMP_A3(SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0), SCMP_A4(SCMP_CMP_EQ, 0)));
}

static scmp_filter_ctx begin(uint32_t otherwise)
{
    scmp_filter_ctx filter = seccomp_init(otherwise);

    if (filter == NULL ||
        seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) != 0 ||
        seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2) != 0) /* a tree, not a list */
        fail("cannot begin");
    allow(filter, allowed, sizeof allowed / sizeof allowed[0]);
    allow_sending(filter);
    return filter;
}

static void allow_option(scmp_filter_ctx filter, int level, int option)
{
    check(seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 2,
                           SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)level),
                           SCMP_A2(SCMP_CMP_EQ, (scmp_datum_t)option)));
}

static void allow_tls(scmp_filter_ctx filter)
{
    allow(filter, allowed_for_tls, sizeof allowed_for_tls / sizeof allowed_for_tls[0]);
    allow_option(filter, IPPROTO_TCP, TCP_QUICKACK);
#ifndef __SANITIZE_ADDRESS__
    /* Only private memory, which RLIMIT_DATA counts, unlike shared memory and stacks. */
    enum {
        KIND = MAP_TYPE | MAP_ANONYMOUS | MAP_GROWSDOWN,
        DUE = MAP_PRIVATE | MAP_ANONYMOUS,
    };
    check(seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2,
                           SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
                           SCMP_A3(SCMP_CMP_MASKED_EQ, KIND, DUE)));
#endif
}

static void allow_back(scmp_filter_ctx filter)
{
    allow(filter, allowed_for_tls, sizeof allowed_for_tls / sizeof allowed_for_tls[0]);
    allow(filter, allowed_for_back, sizeof allowed_for_back / sizeof allowed_for_back[0]);
    /* sendmsg(2) is for the journal, connect(2) for other servers. A filter cannot see the family
     * of an address, but its length is enough (confine_back.h). */
    check(seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(connect), 1,
                           SCMP_A2(SCMP_CMP_LT, CONFINE_BACK_ADDRESS)));
    check(seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(sendmsg), 1,
                           SCMP_A2(SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0)));
    allow_option(filter, IPPROTO_TCP, TCP_NODELAY);
    allow_option(filter, IPPROTO_TCP, TCP_QUICKACK);
    allow_option(filter, SOL_SOCKET, SO_SNDBUF); /* libsystemd */
    allow_option(filter, SOL_SOCKET, SO_SNDBUFFORCE);
#ifndef __SANITIZE_ADDRESS__
    /* Only local sockets, and only processes in our own name spaces. A filter cannot see the
     * arguments of clone3(); without it, libc uses clone(). */
    check(seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                           SCMP_A0(SCMP_CMP_EQ, AF_UNIX)));
    check(seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                           SCMP_A0(SCMP_CMP_MASKED_EQ, NAME_SPACES, 0)));
    check(seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0));
#endif
}

static void write_filter(const char *name, scmp_filter_ctx filter)
{
    struct sock_filter instruction;
    FILE *program = tmpfile();

    if (program == NULL || seccomp_export_bpf(filter, fileno(program)) != 0)
        fail("cannot export");
    seccomp_release(filter);
    rewind(program);
    printf("static struct sock_filter %s[] = {\n", name);
    while (fread(&instruction, sizeof instruction, 1, program) == 1)
        printf("    {%#x, %u, %u, %#x},\n", instruction.code, instruction.jt, instruction.jf,
               instruction.k);
    puts("};");
    fclose(program);
}

static void write_worker(void)
{
    scmp_filter_ctx filter = begin(SCMP_ACT_KILL_PROCESS);

    write_filter("filter", filter);
    filter = begin(SCMP_ACT_KILL_PROCESS);
    allow_tls(filter);
    write_filter("filter_for_tls", filter);
}

static void write_back(void)
{
    scmp_filter_ctx filter = begin(SCMP_ACT_ERRNO(EPERM));

    allow_back(filter);
    write_filter("filter_for_back", filter);
}

int main(int argc, char **argv)
{
    const char *whose = argc == 2 ? argv[1] : "";

    puts("/* Made by filter.c */");
    if (strcmp(whose, "worker") == 0)
        write_worker();
    else if (strcmp(whose, "back") == 0)
        write_back();
    else
        fail("worker or back?");
    return fflush(stdout) == 0 ? 0 : 1;
}

/*
 * Run when mailslot is built: writes the front's seccomp filters as C arrays, so that no session
 * pays for libseccomp. Whatever is not listed here kills the front; the back logs that.
 */
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static const int allowed[] = {
    SCMP_SYS(read),          /* the client */
    SCMP_SYS(write),         /* the client */
    SCMP_SYS(shutdown),      /* the client, at the end */
    SCMP_SYS(recvfrom),      /* the back */
    SCMP_SYS(sendto),        /* the back */
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

/* What GnuTLS needs besides: memory, though none that is executable, and random numbers. (And
 * wire_acknowledge(): setsockopt for TCP_QUICKACK alone.) */
static const int allowed_for_tls[] = {
    SCMP_SYS(brk),   SCMP_SYS(munmap),       SCMP_SYS(mremap), SCMP_SYS(madvise),
    SCMP_SYS(futex), SCMP_SYS(getrandom),    SCMP_SYS(getpid), /* has it been forked? */
    SCMP_SYS(time),  SCMP_SYS(gettimeofday),
};

static void fail(const char *what)
{
    fprintf(stderr, "filter: %s\n", what);
    exit(1);
}

static void allow(scmp_filter_ctx filter, const int *calls, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (calls[i] >= 0 && seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0) != 0)
            fail("cannot add a rule");
}

static void write_filter(const char *name, bool tls)
{
    struct sock_filter instruction;
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    FILE *program = tmpfile();

    if (filter == NULL || program == NULL)
        fail("cannot begin");
    if (seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) != 0)
        fail("cannot refuse foreign architectures");
    allow(filter, allowed, sizeof allowed / sizeof allowed[0]);
    if (tls) {
        allow(filter, allowed_for_tls, sizeof allowed_for_tls / sizeof allowed_for_tls[0]);
        if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 2,
                             SCMP_A1(SCMP_CMP_EQ, IPPROTO_TCP),
                             SCMP_A2(SCMP_CMP_EQ, TCP_QUICKACK)) != 0)
            fail("cannot add a rule");
#ifndef __SANITIZE_ADDRESS__
        if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                             SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) != 0)
            fail("cannot add a rule");
#endif
    }
    if (seccomp_export_bpf(filter, fileno(program)) != 0)
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

int main(void)
{
    puts("/* Made by filter.c */");
    write_filter("filter", false);
    write_filter("filter_for_tls", true);
    return fflush(stdout) == 0 ? 0 : 1;
}

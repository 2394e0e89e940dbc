/*
 * Run when mailslot is built: writes the front's seccomp filter as a C array, so that no session
 * pays for libseccomp. Whatever is not listed here kills the front; the back logs that.
 */
#include <linux/filter.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
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

static void fail(const char *what)
{
    fprintf(stderr, "filter: %s\n", what);
    exit(1);
}

int main(void)
{
    struct sock_filter instruction;
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    FILE *program = tmpfile();

    if (filter == NULL || program == NULL)
        fail("cannot begin");
    if (seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) != 0)
        fail("cannot refuse foreign architectures");
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++)
        if (allowed[i] >= 0 && seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0) != 0)
            fail("cannot add a rule");
    if (seccomp_export_bpf(filter, fileno(program)) != 0)
        fail("cannot export");
    seccomp_release(filter);

    rewind(program);
    puts("/* Made by filter.c */\nstatic struct sock_filter filter[] = {");
    while (fread(&instruction, sizeof instruction, 1, program) == 1)
        printf("    {0x%x, %u, %u, 0x%x},\n", instruction.code, instruction.jt, instruction.jf,
               instruction.k);
    puts("};");
    return fflush(stdout) == 0 && !ferror(program) ? 0 : 1;
}

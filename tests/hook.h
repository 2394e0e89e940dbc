/*
 * hook: attempts of a front or a hand that an attacker controls. Compiled into
 * build/mailslot-smtpd-hook only, and called right after the confinement. The variable
 * $MAILSLOT_TEST_HOOK (front), $MAILSLOT_TEST_HOOK_HAND (hop) or $MAILSLOT_TEST_HOOK_FILTERS (hand
 * of filters) names the attempt. A forbidden attempt ends the process by SIGSYS; if the attempt
 * returns, its result is sent to the client, the hop or the first filter.
 */
#ifndef MAILSLOT_TEST_HOOK_H
#define MAILSLOT_TEST_HOOK_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* The socket of the client, the hop or the first filter. */
static int hook_fd;

/* How many MiB can be mapped and written. */
static long hook_memory(void)
{
    const size_t mib = (size_t)1 << 20;

    for (long got = 0; got < 8192; got++) {
        char *memory = mmap(NULL, mib, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED)
            return got;
        memset(memory, 1, mib);
    }
    return 8192;
}

/* Tries to send elsewhere through that socket, without connect(2). */
static long hook_connect(int flags, bool somewhere)
{
    const struct sockaddr_in there = {
        .sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(INADDR_LOOPBACK)}};

    return sendto(hook_fd, "x", 1, flags, somewhere ? (const struct sockaddr *)&there : NULL,
                  somewhere ? sizeof there : 0);
}

static long hook_attempt(const char *what)
{
    char *const arguments[] = {(char *)"/bin/true", NULL};
    char byte = 0;
    struct iovec vector = {&byte, 1};

    if (strcmp(what, "open") == 0)
        return open("/etc/passwd", O_RDONLY);
    if (strcmp(what, "socket") == 0)
        return socket(AF_INET, SOCK_STREAM, 0);
    if (strcmp(what, "execve") == 0)
        return execv("/bin/true", arguments);
    if (strcmp(what, "ptrace") == 0)
        return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
    if (strcmp(what, "kill") == 0)
        return kill(getppid(), SIGTERM);
    if (strcmp(what, "fork") == 0)
        return fork();
    if (strcmp(what, "readv") == 0)
        return process_vm_readv(1, &vector, 1, &vector, 1, 0);
    if (strcmp(what, "exec-memory") == 0)
        return mprotect((void *)((unsigned long)&hook_attempt & ~4095UL), 4096,
                        PROT_READ | PROT_WRITE | PROT_EXEC);
    if (strcmp(what, "map-exec") == 0)
        return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
               MAP_FAILED;
    if (strcmp(what, "map-shared") == 0)
        return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0) !=
               MAP_FAILED;
    if (strcmp(what, "map-stack") == 0)
        return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN,
                    -1, 0) != MAP_FAILED;
    if (strcmp(what, "memory") == 0)
        return hook_memory();
    if (strcmp(what, "send-fast-open") == 0)
        return hook_connect(MSG_FASTOPEN, false);
    if (strcmp(what, "send-elsewhere") == 0)
        return hook_connect(0, true);
    if (strcmp(what, "connect") == 0)
        return hook_connect(MSG_FASTOPEN, true);
    return -1;
}

static void hook_run(const char *variable, int fd)
{
    const char *what = getenv(variable);
    char text[64];

    if (what == NULL)
        return;
    hook_fd = fd;
    long result = hook_attempt(what);
    int len = snprintf(text, sizeof text, "hook: %s returned %ld\r\n", what, result);
    if (write(fd, text, (size_t)len) < 0)
        _exit(1);
    _exit(0);
}

#endif

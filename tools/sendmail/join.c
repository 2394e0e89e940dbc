#include "join.h"

#include "../../smtpd/base/file.h"
#include "../kit/message.h"
#include "server.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

/* Bytes from one descriptor to another: 1, 0 at the end, -1 with errno. */
static int pass(int from, int to)
{
    char bytes[65536];
    ssize_t got = read(from, bytes, sizeof bytes);

    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return 1;
    if (got <= 0)
        return (int)got;
    return file_write_all(to, bytes, (size_t)got) == 0 ? 1 : -1;
}

/* The client may stop sending before it has read all replies. What a server that has hung up no
 * longer reads is not an error: its last reply is still there. */
static int join(int server)
{
    struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                           {.fd = server, .events = POLLIN}};

    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return message_errno(EX_OSERR, "cannot wait for the server");
        if (fds[0].revents != 0 && pass(STDIN_FILENO, server) <= 0) {
            shutdown(server, SHUT_WR);
            fds[0].fd = -1;
        }
        if (fds[1].revents == 0)
            continue;
        int passed = pass(server, STDOUT_FILENO);
        if (passed < 0 && errno != ECONNRESET)
            return message_errno(EX_IOERR, "cannot pass on what the server says");
        if (passed <= 0)
            return EX_OK;
    }
}

int join_server(void)
{
    int server = server_connect(server_path());

    if (server >= 0)
        return join(server);
    printf("421 4.3.2 The mail server is not available, try again later\r\n");
    fflush(stdout);
    return message_errno(EX_TEMPFAIL, "cannot connect to %s", server_path());
}

#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static void write_ipv6(const struct in6_addr *address, char name[PEER_MAX])
{
    if (IN6_IS_ADDR_V4MAPPED(address))
        inet_ntop(AF_INET, address->s6_addr + 12, name, PEER_MAX);
    else
        inet_ntop(AF_INET6, address, name, PEER_MAX);
}

static void from_environment(char name[PEER_MAX])
{
    const char *protocol = getenv("PROTO");
    char variable[32];
    struct in_addr ipv4;
    struct in6_addr ipv6;

    snprintf(variable, sizeof variable, "%sREMOTEIP", protocol == NULL ? "" : protocol);
    const char *value = protocol == NULL ? NULL : getenv(variable);
    if (value == NULL)
        return;
    if (inet_pton(AF_INET, value, &ipv4) == 1)
        inet_ntop(AF_INET, &ipv4, name, PEER_MAX);
    else if (inet_pton(AF_INET6, value, &ipv6) == 1)
        write_ipv6(&ipv6, name);
}

union socket_address {
    struct sockaddr any;
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
    struct sockaddr_storage storage;
};

void peer_name(int fd, char name[PEER_MAX])
{
    union socket_address address;
    socklen_t len = sizeof address;

    strcpy(name, "unknown");
    if (getpeername(fd, &address.any, &len) != 0) {
        if (errno == ENOTSOCK)
            from_environment(name);
    } else if (address.any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &address.ipv4.sin_addr, name, PEER_MAX);
    } else if (address.any.sa_family == AF_INET6) {
        write_ipv6(&address.ipv6.sin6_addr, name);
    } else if (address.any.sa_family == AF_UNIX) {
        strcpy(name, "local");
    }
}

uint16_t peer_port(int fd)
{
    union socket_address address;
    socklen_t len = sizeof address;

    if (getpeername(fd, &address.any, &len) != 0)
        return 0;
    if (address.any.sa_family == AF_INET)
        return ntohs(address.ipv4.sin_port);
    return address.any.sa_family == AF_INET6 ? ntohs(address.ipv6.sin6_port) : 0;
}

static void write_prefix(const char *name, size_t bytes, char prefix[PEER_MAX])
{
    struct in6_addr address;

    snprintf(prefix, PEER_MAX, "%s", name);
    if (inet_pton(AF_INET6, name, &address) != 1)
        return;
    memset(address.s6_addr + bytes, 0, sizeof address.s6_addr - bytes);
    inet_ntop(AF_INET6, &address, prefix, PEER_MAX);
}

void peer_source(const char *name, char source[PEER_MAX])
{
    write_prefix(name, 8, source);
}

void peer_network(const char *name, char network[PEER_MAX])
{
    write_prefix(name, 6, network);
}

#include "chain.h"

#include <stdint.h>
#include <string.h>

bool chain_add(void *chain, size_t size, size_t *len, struct slice der)
{
    uint32_t der_len = (uint32_t)der.len;
    char *to = (char *)chain + *len;

    if (size - *len < sizeof der_len || size - *len - sizeof der_len < der.len)
        return false;
    memcpy(to, &der_len, sizeof der_len);
    memcpy(to + sizeof der_len, der.at, der.len);
    *len += sizeof der_len + der.len;
    return true;
}

int chain_next(struct slice *chain, struct slice *der)
{
    uint32_t len;

    if (chain->len == 0)
        return 0;
    if (chain->len < sizeof len)
        return -1;
    memcpy(&len, chain->at, sizeof len);
    if (len > chain->len - sizeof len)
        return -1;
    *der = (struct slice){chain->at + sizeof len, len};
    *chain = (struct slice){der->at + len, chain->len - sizeof len - len};
    return 1;
}

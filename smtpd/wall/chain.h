/*
 * chain: a chain of certificates as it crosses the wall: each in DER, after its length as a
 * uint32_t; the owner's own certificate comes first.
 */
#ifndef MAILSLOT_CHAIN_H
#define MAILSLOT_CHAIN_H

#include "../base/slice.h"

/* Appends a certificate to the chain of *len bytes. False: there is no room for it. */
bool chain_add(void *chain, size_t size, size_t *len, struct slice der);

/* Removes the first certificate. Returns 1, 0 at the end, -1 if what is left is not a chain. */
int chain_next(struct slice *chain, struct slice *der);

#endif

/*
 * map: a hash table from text to a number (an index or a line); lengths and numbers are less
 * than 2^32. Keys are not copied. glibc's own hsearch(3) hashes the first eight bytes only, and
 * user000001 to user100000 have these in common.
 */
#ifndef MAILSLOT_MAP_H
#define MAILSLOT_MAP_H

#include "../../smtpd/base/slice.h"

#include <stdbool.h>
#include <stddef.h>

/* All zero is an empty map. */
struct map {
    struct map_slot *slots;
    size_t size; /* a power of two */
    size_t used;
};

/* Makes room for about so many keys at once. */
void map_expect(struct map *map, size_t count);

/* Adds the key with *value. If it is there already: changes nothing, sets *value to the one that is
 * there, and returns false. */
bool map_add(struct map *map, struct slice key, size_t *value);

bool map_find(const struct map *map, struct slice key, size_t *value);
void map_free(struct map *map);

#endif

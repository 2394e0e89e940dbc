#include "map.h"

#include "../../smtpd/database/seal.h"
#include "memory.h"

#include <stdint.h>
#include <stdlib.h>

struct map_slot {
    const char *key; /* NULL: free */
    uint32_t len;
    uint32_t value;
};

/* The slot of the key, or the free one where it would go. */
static struct map_slot *probe(const struct map *map, struct slice key)
{
    for (uint64_t i = seal_hash(key.at, key.len);; i++) {
        struct map_slot *slot = &map->slots[i & (map->size - 1)];
        if (slot->key == NULL || slice_equal((struct slice){slot->key, slot->len}, key))
            return slot;
    }
}

static void grow(struct map *map)
{
    struct map old = *map;

    map->size = old.size == 0 ? 64 : old.size * 2;
    map->slots = calloc(map->size, sizeof *map->slots);
    if (map->slots == NULL)
        memory_fail();
    for (size_t i = 0; old.used > 0 && i < old.size; i++)
        if (old.slots[i].key != NULL)
            *probe(map, (struct slice){old.slots[i].key, old.slots[i].len}) = old.slots[i];
    free(old.slots);
}

void map_expect(struct map *map, size_t count)
{
    while (2 * count >= map->size)
        grow(map);
}

bool map_add(struct map *map, struct slice key, size_t *value)
{
    if (2 * map->used >= map->size)
        grow(map);
    struct map_slot *slot = probe(map, key);
    if (slot->key != NULL) {
        *value = slot->value;
        return false;
    }
    *slot = (struct map_slot){key.at, (uint32_t)key.len, (uint32_t)*value};
    map->used++;
    return true;
}

bool map_find(const struct map *map, struct slice key, size_t *value)
{
    if (map->size == 0)
        return false;
    const struct map_slot *slot = probe(map, key);
    if (slot->key == NULL)
        return false;
    *value = slot->value;
    return true;
}

void map_free(struct map *map)
{
    free(map->slots);
    *map = (struct map){0};
}

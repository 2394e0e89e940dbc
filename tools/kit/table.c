#include "table.h"

#include "../../smtpd/database/seal.h"
#include "memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct table_slot {
    const char *key; /* NULL: free */
    uint32_t len;
    uint32_t value;
};

/* The slot of the key, or the free one where it would go. */
static struct table_slot *probe(const struct table *table, const char *key, size_t len)
{
    for (uint64_t i = seal_hash(key, len);; i++) {
        struct table_slot *slot = &table->slots[i & (table->size - 1)];
        if (slot->key == NULL || (slot->len == len && memcmp(slot->key, key, len) == 0))
            return slot;
    }
}

static void grow(struct table *table)
{
    struct table old = *table;

    table->size = old.size == 0 ? 64 : old.size * 2;
    table->slots = calloc(table->size, sizeof *table->slots);
    if (table->slots == NULL)
        memory_fail();
    for (size_t i = 0; old.used > 0 && i < old.size; i++)
        if (old.slots[i].key != NULL)
            *probe(table, old.slots[i].key, old.slots[i].len) = old.slots[i];
    free(old.slots);
}

void table_expect(struct table *table, size_t count)
{
    while (2 * count >= table->size)
        grow(table);
}

bool table_add(struct table *table, const char *key, size_t len, size_t *value)
{
    if (2 * table->used >= table->size)
        grow(table);
    struct table_slot *slot = probe(table, key, len);
    if (slot->key != NULL) {
        *value = slot->value;
        return false;
    }
    *slot = (struct table_slot){key, (uint32_t)len, (uint32_t)*value};
    table->used++;
    return true;
}

bool table_find(const struct table *table, const char *key, size_t len, size_t *value)
{
    if (table->size == 0)
        return false;
    const struct table_slot *slot = probe(table, key, len);
    if (slot->key == NULL)
        return false;
    *value = slot->value;
    return true;
}

void table_free(struct table *table)
{
    free(table->slots);
    *table = (struct table){0};
}

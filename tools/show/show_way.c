#include "show_way.h"

#include "../../smtpd/database/directory.h"
#include "../kit/folder.h"
#include "../kit/memory.h"
#include "../source/relay_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void show_way_open(struct show_way *way, const struct settings *settings, const char *database)
{
    char *folder = folder_of(database), *path = folder_path(folder, RELAY_FILE_DATABASE);
    enum database_state state;

    *way = (struct show_way){.settings = settings};
    relay_settings_default(&way->relay);
    state = database_open(&way->db, path);
    if (state == DATABASE_MISSING && way->db.error != ENOENT)
        way->problem = memory_format("%s: %s", path, strerror(way->db.error));
    else if (state != DATABASE_OPEN && state != DATABASE_MISSING)
        way->problem = memory_format("%s %s", path, database_problem(state));
    else if (state == DATABASE_OPEN && relay_settings_read(&way->db, &way->relay) != 0)
        way->problem = memory_format("%s is damaged", path);
    if (way->problem != NULL)
        relay_settings_default(&way->relay);
    free(folder);
    free(path);
}

void show_way_close(struct show_way *way)
{
    database_close(&way->db);
    free(way->problem);
}

bool show_way_next(const struct show_way *way, bool forwarded, size_t *at, struct slice *socket,
                   struct slice *domains)
{
    const struct settings *settings = way->settings;
    struct address sender;

    *domains = (struct slice){0};
    if (forwarded && settings->forward_sender.len > 0) {
        if ((*at)++ > 0 || address_from_key(settings->forward_sender, &sender) != ADDRESS_OK)
            return false;
        *socket = directory_relay(settings, &sender);
        return socket->len > 0;
    }
    if (*at == settings->relays_len)
        return false;
    *domains = settings->relays[(*at)++];
    *socket = slice_cut_word(domains);
    return true;
}

bool show_way_has_smarthosts(const struct show_way *way, struct slice socket)
{
    return slice_is(socket, SETTINGS_RELAY_DEFAULT) || way->settings->relays_len == 1;
}

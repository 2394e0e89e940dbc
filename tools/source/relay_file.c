#include "relay_file.h"

#include "../kit/folder.h"
#include "writer.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A new file has the group of its folder, as the database does. But that is the group of sessions,
 * which have nothing to do with the relay's settings. */
static int give_to_relay(const struct replace *replace)
{
    struct stat file, around;
    char *folder = folder_of(replace->path);
    bool found = fstat(replace->fd, &file) == 0 && stat(folder, &around) == 0;

    free(folder);
    if (!found)
        return -1;
    const struct group *group = geteuid() == 0 ? getgrnam(RELAY_FILE_GROUP) : NULL;
    if (group == NULL || file.st_gid != around.st_gid)
        return 0;
    return fchown(replace->fd, (uid_t)-1, group->gr_gid);
}

int relay_file_make(struct relay_file *file, const struct source *source, const char *database)
{
    struct writer out;
    char *folder = folder_of(database);

    *file = (struct relay_file){.path = folder_path(folder, RELAY_FILE_DATABASE),
                                .replace = {.fd = -1},
                                .is_wanted = source->relay.hosts_len > 0};
    free(folder);
    if (!file->is_wanted)
        return 0;
    if (writer_begin(&out, file->path, &file->replace) != 0)
        return -1;
    relay_settings_write(&source->relay, out.value);
    int result = writer_put(&out, "settings", (struct slice){0});
    if (result == 0)
        result = give_to_relay(&file->replace);
    return writer_finish(&out, &file->replace, result);
}

int relay_file_commit(struct relay_file *file)
{
    int result = 0;

    if (file->is_wanted)
        result = replace_commit(&file->replace);
    else if (unlink(file->path) != 0 && errno != ENOENT)
        result = -1;
    return result;
}

void relay_file_close(struct relay_file *file)
{
    int error = errno;

    replace_abandon(&file->replace);
    free(file->path);
    errno = error;
    *file = (struct relay_file){.replace = {.fd = -1}};
}

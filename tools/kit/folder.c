#include "folder.h"

#include "memory.h"
#include "message.h"

#include <libgen.h>
#include <stdlib.h>

char *folder_path(const char *folder, const char *name)
{
    if (*folder == '\0')
        exit(message_print(EXIT_WRONG, "the name of the folder is empty: write -C FOLDER"));
    return memory_format("%s/%s", folder, name);
}

char *folder_of(const char *path)
{
    char *copy = memory_format("%s", path);
    char *folder = memory_format("%s", dirname(copy));

    free(copy);
    return folder;
}

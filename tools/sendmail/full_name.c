#include "full_name.h"

#include "../../smtpd/base/slice.h"
#include "../../smtpd/base/utf8.h"

#include <ctype.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NAME_MAX_LEN = 256 };

/* The first part of the comment field, in which `&` stands for the capitalised login name. */
static const char *from_system(void)
{
    static char name[NAME_MAX_LEN];
    const struct passwd *user = getpwuid(getuid());
    size_t len = 0;

    if (user == NULL || user->pw_gecos == NULL)
        return "";
    for (const char *c = user->pw_gecos; *c != '\0' && *c != ','; c++) {
        if (len + strlen(user->pw_name) + 1 >= sizeof name)
            break;
        if (*c == '&') {
            strcpy(name + len, user->pw_name);
            name[len] = (char)toupper((unsigned char)name[len]);
            len += strlen(user->pw_name);
        } else {
            name[len++] = *c;
        }
    }
    name[len] = '\0';
    return name;
}

static bool is_utf8(struct slice text)
{
    uint32_t ignored;
    size_t len;

    while (text.len > 0 && (len = utf8_decode(text.at, text.len, &ignored)) > 0)
        text = slice_from(text, len);
    return text.len == 0;
}

const char *full_name(const char *given)
{
    const char *name = given != NULL ? given : getenv("NAME");

    if (name == NULL)
        name = from_system();
    return is_utf8(slice_of(name)) ? name : "";
}

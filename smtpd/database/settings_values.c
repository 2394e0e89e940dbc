#include "settings_values.h"

#include <string.h>

/* Copies into a buffer of this size, and adds a NUL. False: it is too long, or contains a NUL. */
static bool copy_text(char *to, size_t size, struct slice value)
{
    if (value.len >= size || memchr(value.at, '\0', value.len) != NULL)
        return false;
    *(char *)mempcpy(to, value.at, value.len) = '\0';
    return true;
}

const char *settings_set_hostname(struct settings *settings, struct slice value)
{
    if (value.len > 0 && address_parse_domain(value) != ADDRESS_OK)
        return "is not a domain name: write one such as mx.example.org";
    if (!slice_is_ascii(value))
        return "write it in its ASCII form, xn--..., which every client understands";
    copy_text(settings->session.hostname, sizeof settings->session.hostname, value);
    return NULL;
}

const char *settings_set_domains(struct settings *settings, struct slice value)
{
    settings->domains = value;
    return NULL;
}

/* Could this be `/` itself? The server may write to everything beneath mail-root. */
static bool is_root(struct slice path)
{
    bool root = true;

    while (path.len > 0) {
        struct slice name = slice_cut(&path, '/');
        if (slice_is(name, ".") || slice_is(name, ".."))
            return true;
        root &= name.len == 0;
    }
    return root;
}

const char *settings_set_mail_root(struct settings *settings, struct slice value)
{
    if (value.len == 0 || *value.at != '/')
        return "write an absolute path";
    if (is_root(value))
        return "write the path of a folder, without `.` and `..`, and not /";
    return copy_text(settings->mail_root, sizeof settings->mail_root, value) ? NULL
                                                                             : "path too long";
}

const char *settings_set_delimiter(struct settings *settings, struct slice value)
{
    if (value.len > 1 ||
        (value.len == 1 && (*value.at == '\0' || strchr("+-=_.#~", *value.at) == NULL)))
        return "write one of + - = _ . # ~, or nothing for no delimiter";
    settings->recipient_delimiter = value.len == 1 ? *value.at : '\0';
    return NULL;
}

const char *const settings_newlines[] = {
    [NEWLINE_AUTO] = "auto",
    [NEWLINE_REJECT] = "reject",
    [NEWLINE_NORMALISE] = "normalise",
};

const char *settings_set_bare_newline(struct settings *settings, struct slice value)
{
    for (enum newline i = NEWLINE_AUTO; i <= NEWLINE_NORMALISE; i++) {
        if (slice_is(value, settings_newlines[i])) {
            settings->session.bare_newline = i;
            return NULL;
        }
    }
    return "write auto, reject or normalise";
}

const char *settings_set_priority(struct settings *settings, struct slice value)
{
    return copy_text(settings->tls_priority, sizeof settings->tls_priority, value) ? NULL
                                                                                   : "too long";
}

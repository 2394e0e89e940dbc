#include "output.h"

#include "../smtpd/back/database.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    KEY_ROOM = ADDRESS_KEY_MAX + sizeof "credential:",
    SEAL_ROOM = 4096,     /* more than the seal has */
    RECORD_COST = 8 + 16, /* two lengths, and two slots of a hash table */
};

/* A line on the terminal, but only if there is time to read it. */
static void show_progress(struct output *out)
{
    if (++out->records % 4096 != 0 || time(NULL) - out->start < 2 || !isatty(STDERR_FILENO))
        return;
    out->shown = true;
    fprintf(stderr, "\r%s: %zu of %zu records", program_invocation_short_name, out->records,
            out->records_total);
}

int output_put(struct output *out, const char *kind, struct slice name)
{
    char key[KEY_ROOM];
    size_t len = strlen(kind);

    memcpy(key, kind, len);
    if (name.at != NULL) {
        key[len++] = ':';
        memcpy(key + len, name.at, name.len);
        len += name.len;
    }
    if (fflush(out->value) != 0)
        return -1;
    size_t value_len = (size_t)ftello(out->value);
    rewind(out->value);
    out->size += RECORD_COST + len + value_len;
    if (out->size > UINT32_MAX) {
        errno = EFBIG;
        return -1;
    }
    show_progress(out);
    return cdb_make_add(&out->cdb, key, (unsigned)len, out->bytes, (unsigned)value_len);
}

int output_put_user(struct output *out, const struct source_user *user)
{
    fprintf(out->value, "address=%.*s\nmailbox=%.*s\n", SLICE(user->key), SLICE(user->mailbox));
    if (user->quota > 0)
        fprintf(out->value, "quota=%" PRIu64 "\n", user->quota);
    if (user->disabled)
        fputs("disabled=yes\n", out->value);
    if (user->hash.locked)
        fputs(OUTPUT_LOCKED "\n", out->value);
    for (struct slice rest = user->send_as; rest.len > 0;) {
        struct slice line = slice_cut(&rest, '\n');
        fprintf(out->value, "send-as=%.*s\n", SLICE(line));
    }
    return output_put(out, "user", user->key);
}

int output_put_credential(struct output *out, const struct source_user *user)
{
    if (!source_has_login(user))
        return 0;
    if (user->hash.text.len > 0)
        fprintf(out->value, "crypt=%.*s\n", SLICE(user->hash.text));
    for (size_t i = 0; i < user->hash.verifiers_len; i++)
        fprintf(out->value, "scram-sha-256=%.*s\n", SLICE(user->hash.verifiers[i]));
    return output_put(out, "credential", user->key);
}

int output_begin(struct output *out, const char *path, struct replace *replace)
{
    *out = (struct output){.size = 2048 + SEAL_ROOM, .start = time(NULL)};
    if (replace_begin(replace, path, false) != 0)
        return -1;
    out->value = open_memstream(&out->bytes, &out->bytes_len);
    if (out->value != NULL && cdb_make_start(&out->cdb, replace->fd) == 0)
        return 0;
    replace_abandon(replace);
    return -1;
}

/* result: of what was put, with errno. */
int output_finish(struct output *out, struct replace *replace, int result)
{
    int error = errno;

    if (cdb_make_finish(&out->cdb) != 0 && result == 0) { /* called in any case: it frees */
        result = -1;
        error = errno;
    }
    fclose(out->value);
    if (out->bytes != NULL)
        explicit_bzero(out->bytes, out->bytes_len);
    free(out->bytes);
    errno = error;
    if (result == 0)
        result = seal_write(replace->fd);
    if (out->shown)
        fputs("\r\033[K", stderr);
    if (result == 0)
        return replace_finish(replace);
    replace_abandon(replace);
    return -1;
}

#include "writer.h"

#include "../../smtpd/database/seal.h"
#include "../kit/memory.h"
#include "../kit/message.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    HEADER_SIZE = 2048,
    RECORD_COST = 8 + 16, /* two lengths, and two slots of a hash table */
};

static bool is_too_large(uint64_t size)
{
    return size + seal_len(size) > UINT32_MAX;
}

bool writer_is_large(uint64_t size)
{
    return size > UINT32_MAX / 4 * (uint64_t)3;
}

/* A line on the terminal, after two seconds. */
static void show_progress(struct writer *out)
{
    if (++out->records % 4096 != 0 || time(NULL) - out->start < 2 || !isatty(STDERR_FILENO))
        return;
    out->shown = true;
    fprintf(stderr, "\r%s: %zu of %zu records", program_invocation_short_name, out->records,
            out->records_total);
}

static int put(struct writer *out, const char *kind, struct slice name, struct slice value)
{
    char key[DATABASE_KEY_MAX];
    size_t len = database_key(kind, name, key); /* no address is too long for it */

    out->size += RECORD_COST + len + value.len;
    if (is_too_large(out->size)) {
        errno = EOVERFLOW;
        return -1;
    }
    show_progress(out);
    return cdb_make_add(&out->cdb, key, (unsigned)len, value.at, (unsigned)value.len);
}

int writer_put(struct writer *out, const char *kind, struct slice name)
{
    if (fflush(out->value) != 0)
        return -1;
    struct slice value = {out->bytes, (size_t)ftello(out->value)};
    rewind(out->value);
    return put(out, kind, name, value);
}

/* A line of a user's record. There are so many that stdio would take half of the time. */
static void add(struct writer *out, const char *name, struct slice value)
{
    size_t name_len = strlen(name), len = name_len + value.len + 1;

    if (out->record_room - out->record_len < len) {
        out->record_room = 2 * (out->record_len + len);
        char *larger = memory_get(out->record_room);
        if (out->record_len > 0) {
            memcpy(larger, out->record, out->record_len);
            explicit_bzero(out->record, out->record_len);
        }
        free(out->record);
        out->record = larger;
    }
    char *to = mempcpy(out->record + out->record_len, name, name_len);
    to = mempcpy(to, value.at, value.len);
    *to = '\n';
    out->record_len += len;
}

static int put_record(struct writer *out, const char *kind, struct slice name)
{
    struct slice value = {out->record, out->record_len};

    out->record_len = 0;
    return put(out, kind, name, value);
}

int writer_put_user(struct writer *out, const struct source_user *user, bool aliased)
{
    static const struct slice yes = {"yes", 3};
    char quota[24];

    add(out, "address=", user->key);
    add(out, "mailbox=", user->mailbox);
    if (user->quota > 0) {
        int len = snprintf(quota, sizeof quota, "%" PRIu64, user->quota);
        add(out, "quota=", (struct slice){quota, (size_t)len});
    }
    if (user->disabled)
        add(out, "disabled=", yes);
    if (user->credentials.locked)
        add(out, WRITER_LOCKED, (struct slice){"", 0});
    if (aliased)
        add(out, "aliased=", yes);
    for (struct slice rest = user->send_as; rest.len > 0;)
        add(out, "send-as=", slice_cut(&rest, '\n'));
    return put_record(out, "user", user->key);
}

int writer_put_credential(struct writer *out, const struct source_user *user)
{
    if (!source_has_login(user))
        return 0;
    if (user->credentials.hash.len > 0)
        add(out, "crypt=", user->credentials.hash);
    for (size_t i = 0; i < user->credentials.verifiers_len; i++)
        add(out, "scram-sha-256=", user->credentials.verifiers[i]);
    return put_record(out, "credential", user->key);
}

/* The least space that the records of these users take, known before anything is written. */
static uint64_t size_of_users(const struct source *source)
{
    uint64_t size = HEADER_SIZE;

    for (size_t i = 0; i < source->users_len; i++) {
        const struct source_user *user = &source->users[i];
        size += RECORD_COST + 2 * user->key.len + user->mailbox.len;
        if (!source_has_login(user))
            continue;
        size += RECORD_COST + user->key.len + user->credentials.hash.len;
        for (size_t j = 0; j < user->credentials.verifiers_len; j++)
            size += user->credentials.verifiers[j].len;
    }
    return size;
}

int writer_check_size(const struct source *source)
{
    if (!is_too_large(size_of_users(source)))
        return 0;
    errno = EOVERFLOW;
    return -1;
}

int writer_fail(const char *path)
{
    if (errno == EOVERFLOW)
        return message_print(
            EXIT_FAILED,
            "%s would exceed 4 GiB, the limit of a database: move some of the domains to a second "
            "folder with its own database (Size in mailslot.cdb(5))",
            path);
    if (errno == ESTALE)
        return message_print(EXIT_FAILED,
                             "a source file of %s was changed while it was read: the database is "
                             "unchanged; run mailslot-build again",
                             path);
    return message_errno(EXIT_FAILED, "cannot write %s.tmp%s", path,
                         errno == EFBIG ? " (ulimit -f limits the size of files)" : "");
}

static void warn_of_size(const struct writer *out, const char *path)
{
    if (writer_is_large(out->size))
        message_print(
            0,
            "%s: warning: %.1f of at most 4 GiB are used: before the limit is reached, move some "
            "of "
            "the domains to a second folder with its own database (Size in mailslot.cdb(5))",
            path, (double)out->size / (1 << 30));
}

int writer_begin(struct writer *out, const char *path, struct replace *replace)
{
    *out = (struct writer){.size = HEADER_SIZE, .start = time(NULL)};
    if (replace_begin(replace, path, false) != 0)
        return -1;
    out->value = open_memstream(&out->bytes, &out->bytes_len);
    if (out->value != NULL && cdb_make_start(&out->cdb, replace->fd) == 0)
        return 0;
    replace_abandon(replace);
    return -1;
}

int writer_finish(struct writer *out, struct replace *replace, int result)
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
    if (out->record != NULL)
        explicit_bzero(out->record, out->record_room);
    free(out->record);
    errno = error;
    if (result == 0)
        result = seal_write(replace->fd);
    if (out->shown)
        fputs("\r\033[K", stderr);
    if (result == 0) {
        warn_of_size(out, replace->path);
        return replace_finish(replace);
    }
    replace_abandon(replace);
    return -1;
}

#include "show_settings.h"

#include "../../smtpd/database/record.h"
#include "../kit/certificate_text.h"
#include "../kit/folder.h"
#include "../kit/memory.h"
#include "../kit/message.h"
#include "../source/walk.h"
#include "show_json.h"

#include <stdio.h>
#include <stdlib.h>

static int count_records(struct database *db, bool quiet)
{
    size_t counts[WALK_KINDS] = {0};
    struct walk records;
    int more;

    walk_begin(&records, db);
    while ((more = walk_next(&records)) > 0)
        counts[records.kind]++;
    if (more == 0 && !quiet)
        printf("# domains: %zu, users: %zu (%zu with a password), aliases: %zu\n",
               counts[WALK_DOMAIN], counts[WALK_USER], counts[WALK_CREDENTIAL], counts[WALK_ALIAS]);
    return more;
}

/* The names in a certificate and its last day; or what is wrong with it. */
static int show_certificate(const struct settings *settings, const char *folder, size_t i)
{
    char problem[CERTIFICATE_PROBLEM_MAX];
    struct certificate certificate;
    struct slice name = settings->certificates[i];
    int code = EXIT_DONE;

    printf("# %.*s: ", SLICE(name));
    if (certificate_load(&certificate, folder, name, settings->keys[i], problem) == 0) {
        certificate_print(&certificate, stdout);
        putchar('\n');
    } else {
        printf("NOT USABLE, clients are refused TLS: %s\n", problem);
        code = EXIT_ABSENT;
    }
    certificate_release(&certificate);
    return code;
}

/* As the user who runs this sees the files; the server may be another user. */
static int show_certificates(const struct settings *settings, const char *path)
{
    char *folder = folder_of(path);
    int code = EXIT_DONE;

    if (settings->certificates_len > 0 && gnutls_load() != 0)
        code = message_print(EXIT_ABSENT, "no TLS: GnuTLS is not installed (package libgnutls30)");
    for (size_t i = 0;
         code != EXIT_FAILED && gnutls.strerror != NULL && i < settings->certificates_len; i++) {
        int one = show_certificate(settings, folder, i);
        code = one > code ? one : code;
    }
    free(folder);
    return code;
}

/* The settings of the server, and those of the relay, which have no name in common but hostname. */
static char *write_settings(const struct show *show, size_t *len)
{
    char *text = NULL;
    FILE *to = memory_stream(&text, len);

    settings_write(show->settings, to);
    if (show->way->relay.hosts_len > 0)
        relay_settings_write_smarthost(&show->way->relay, to);
    if (fclose(to) != 0)
        memory_fail();
    return text;
}

static void print_settings(const struct show *show, const char *path, struct slice text)
{
    struct slice name, value;

    printf("# %s\n", path);
    if (show->way->problem != NULL)
        printf("# smarthost: %s\n", show->way->problem);
    while (record_line(&text, &name, &value) == 1)
        printf("%.*s = %.*s\n", SLICE(name), SLICE(value));
}

int show_settings(const struct show *show, const char *path, bool json)
{
    size_t len;
    char *text = write_settings(show, &len);
    int code = EXIT_DONE;

    if (json)
        show_json_settings((struct slice){text, len});
    else
        print_settings(show, path, (struct slice){text, len});
    free(text);
    if (!json)
        code = show_certificates(show->settings, path);
    if (count_records(show->db, json) == 0)
        return code;
    return message_print(EXIT_FAILED, "%s is damaged: run mailslot-build", path);
}

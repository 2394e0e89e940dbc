/* Messages of SASL, as base64 and decoded, also out of order. Nobody can log in without the
 * password. */
#include "../../smtpd/back/auth.h"
#include "../../smtpd/base/base64.h"
#include "../../smtpd/base/gnutls.h"
#include "../../smtpd/wall/sasl.h"
#include "scratch.h"

#include <cdb.h>
#include <time.h>

int nanosleep(const struct timespec *time, struct timespec *left)
{
    (void)time;
    (void)left;
    return 0;
}

static struct database db;
static struct settings settings;

static void add(struct cdb_make *cdb, const char *key, const char *value)
{
    MUST(cdb_make_add(cdb, key, (unsigned)strlen(key), value, (unsigned)strlen(value)) == 0);
}

/* alice has only a verifier for SCRAM, which matches no password. */
static void begin(void)
{
    struct cdb_make cdb;
    char path[128], written[256];

    snprintf(written, sizeof written,
             "hostname=mx.example.org\ndomains=example.org\nmail-root=%s\n", scratch_path());
    snprintf(path, sizeof path, "%s/mailslot.cdb", scratch_path());
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    MUST(fd >= 0 && cdb_make_start(&cdb, fd) == 0);
    add(&cdb, "settings", written);
    add(&cdb, "domain:example.org", "");
    add(&cdb, "user:alice@example.org", "address=alice@example.org\nmailbox=example.org/alice\n");
    add(&cdb, "credential:alice@example.org",
        "scram-sha-256=4096,W22ZaJ0SNY7soEsUEjb6gQ==,AAAd8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\n");
    add(&cdb, "auth", "decoy=$1$VYSjw66Y$PVUIc5hxl.6knSvRBSBZY1\nscram=yes\n");
    MUST(cdb_make_finish(&cdb) == 0 && seal_write(fd) == 0);
    close(fd);
    MUST(database_open(&db, path) == DATABASE_OPEN && directory_settings(&db, &settings) == 0);
    gnutls_load();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static const uint32_t mechanisms[] = {WALL_PLAIN, WALL_LOGIN, WALL_SCRAM, WALL_SCRAM_PLUS,
                                          WALL_EXTERNAL};
    static struct wall_sasl asked;
    static struct wall_challenge answer;
    struct input input = {bytes, bytes + len};
    struct secured tls = {.on = true};
    struct auth auth = {.stage = AUTH_NONE};
    const struct auth_context context = {
        .db = &db, .settings = &settings, .tls = &tls, .peer = "192.0.2.1"};
    char names[SASL_NAMES_MAX], encoded[BASE64_SIZE(512)];

    if (settings.session.hostname[0] == '\0')
        begin();
    sasl_names(next_byte(&input) % 32, names);
    auth.offered = auth_mechanisms(&context);
    for (bool goes_on = true; goes_on && input.at < input.end;) {
        uint8_t how = next_byte(&input);
        size_t line_len;
        const char *line = next_line(&input, &line_len);
        memset(&asked, 0, sizeof asked);
        sasl_mechanism((struct slice){line, line_len});
        ptrdiff_t got = how & 0x80 ? base64_decode((struct slice){line, line_len}, asked.data,
                                                   sizeof asked.data)
                                   : -1;
        if (got < 0) {
            got = (ptrdiff_t)(line_len < 512 ? line_len : 512);
            memcpy(asked.data, line, (size_t)got);
            base64_encode(asked.data, (size_t)got, encoded);
            MUST(base64_decode(slice_of(encoded), asked.data, sizeof asked.data) == got);
            MUST(memcmp(asked.data, line, (size_t)got) == 0);
        }
        asked.len = (uint32_t)got;
        asked.mechanism = mechanisms[how % 5];
        asked.has_response = how & 8;
        if (how & 16)
            auth_cancel(&auth);
        else
            goes_on = auth.stage == AUTH_NONE ? auth_begin(&auth, &context, &asked, &answer)
                                              : auth_respond(&auth, &context, &asked, &answer);
        MUST(auth.user_len == 0 && auth.failures <= AUTH_FAILURES_MAX);
        MUST(!goes_on || (how & 16) || answer.code != VERDICT_OK);
        MUST(answer.len <= sizeof answer.data);
    }
    auth_reset(&auth);
    return 0;
}

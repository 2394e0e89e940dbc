#include "login_scram.h"

#include "../base/base64.h"
#include "../base/library.h"
#include "offers.h"

#include <gsasl.h>
#include <stdlib.h>
#include <string.h>

#define SONAME "libgsasl.so.18"

LIBRARY_NOTE(SONAME, "scram", "SCRAM to log in at a smarthost", "recommended");

enum {
    CHALLENGE_MAX = 1024,
    ITERATIONS_MAX = 1000000, /* about half a second */
};

struct login_scram {
    Gsasl *gsasl;
    Gsasl_session *session;
    char *response;
};

static __typeof__(&gsasl_init) init;
static __typeof__(&gsasl_done) done;
static __typeof__(&gsasl_client_start) client_start;
static __typeof__(&gsasl_property_set) property_set;
static __typeof__(&gsasl_step64) step64;
static __typeof__(&gsasl_finish) finish;

bool login_scram_is_there(void)
{
    static const struct library_symbol symbols[] = {
        {"gsasl_init", &init},
        {"gsasl_done", &done},
        {"gsasl_client_start", &client_start},
        {"gsasl_property_set", &property_set},
        {"gsasl_step64", &step64},
        {"gsasl_finish", &finish},
    };

    return library_load(SONAME, symbols, sizeof symbols / sizeof symbols[0]) == 0;
}

bool login_scram_can_bind(const struct link *link)
{
    char binding[LINK_BINDING_MAX];
    bool exporter;

    link_binding(link, &exporter, binding);
    return *binding != '\0';
}

static int bind_to(struct login_scram *scram, const struct link *link)
{
    char binding[LINK_BINDING_MAX];
    bool exporter = false;

    link_binding(link, &exporter, binding);
    return property_set(scram->session, exporter ? GSASL_CB_TLS_EXPORTER : GSASL_CB_TLS_UNIQUE,
                        binding);
}

struct login_scram *login_scram_begin(const struct link *link, bool plus, const char *user,
                                      const char *password)
{
    const char *name = mechanism_name(plus ? MECHANISM_SCRAM_PLUS : MECHANISM_SCRAM);
    struct login_scram *scram = calloc(1, sizeof *scram);

    if (scram != NULL && init(&scram->gsasl) == GSASL_OK &&
        client_start(scram->gsasl, name, &scram->session) == GSASL_OK &&
        property_set(scram->session, GSASL_AUTHID, user) == GSASL_OK &&
        property_set(scram->session, GSASL_PASSWORD, password) == GSASL_OK &&
        (!plus || bind_to(scram, link) == GSASL_OK))
        return scram;
    login_scram_end(scram);
    return NULL;
}

/* A server could ask for work without end. */
static bool is_bearable(struct slice challenge)
{
    char text[CHALLENGE_MAX];
    ptrdiff_t len = base64_decode(challenge, text, sizeof text);
    struct slice rest = {text, len < 0 ? 0 : (size_t)len};
    uint64_t count;

    while (rest.len > 0) {
        struct slice value = slice_cut(&rest, ',');
        if (slice_begins(value, "i=") &&
            (!slice_number(slice_from(value, 2), &count) || count > ITERATIONS_MAX))
            return false;
    }
    return len >= 0;
}

enum login_scram_result login_scram_step(struct login_scram *scram, struct slice challenge,
                                         struct slice *response)
{
    char text[BASE64_SIZE(CHALLENGE_MAX)];

    if (challenge.len >= sizeof text || !is_bearable(challenge))
        return LOGIN_SCRAM_WRONG;
    *(char *)mempcpy(text, challenge.at, challenge.len) = '\0';
    free(scram->response);
    scram->response = NULL;
    int result = step64(scram->session, text, &scram->response);
    if (result != GSASL_OK && result != GSASL_NEEDS_MORE)
        return LOGIN_SCRAM_WRONG;
    *response = slice_of(scram->response == NULL ? "" : scram->response);
    return result == GSASL_OK ? LOGIN_SCRAM_DONE : LOGIN_SCRAM_MORE;
}

void login_scram_end(struct login_scram *scram)
{
    if (scram == NULL)
        return;
    free(scram->response);
    if (scram->session != NULL)
        finish(scram->session);
    if (scram->gsasl != NULL)
        done(scram->gsasl);
    free(scram);
}

/* check: the names of this machine and its domains, the users and their passwords. */
#include "../kit/units.h"
#include "../source/credentials.h"
#include "../source/hash.h"
#include "../source/source.h"
#include "../source/walk.h"
#include "subjects.h"

#include "../../smtpd/database/record.h"

#include <string.h>

enum { SHOWN_MAX = 10 }; /* of one kind */

/* Is it a name that other servers cannot look up? */
static bool is_private(struct slice name)
{
    return source_is_number(name) || (memchr(name.at, '.', name.len) == NULL && *name.at != '[') ||
           slice_ends(name, ".localdomain") || slice_ends(name, ".local");
}

static struct slice first_domain(const struct check *check)
{
    return slice_until(check->settings.domains, ' ');
}

static void check_hostname(struct check *check)
{
    const char *name = check->settings.session.hostname;
    struct slice first = first_domain(check);

    if (is_private(slice_of(name)))
        check_say(check, CHECK_WARN, "hostname",
                  "other servers cannot look up the name %s; set `hostname = mx.%.*s`, or this "
                  "machine's own name, in %s, then type: %s",
                  name, SLICE(first), check->conf, check->commands.build);
    else
        check_say(check, CHECK_OK, "hostname", "%s", name);
}

static void check_domains(struct check *check)
{
    struct slice rest = check->settings.domains;
    bool wrong = false;

    while (rest.len > 0) {
        struct slice domain = slice_cut(&rest, ' ');
        if (!is_private(domain))
            continue;
        check_say(
            check, CHECK_WARN, "domains",
            "other servers cannot send mail to %.*s; correct `domains =` in %s, then type: %s",
            SLICE(domain), check->conf, check->commands.build);
        wrong = true;
    }
    if (!wrong)
        check_say(check, CHECK_OK, "domains", "%.*s", SLICE(check->settings.domains));
}

/* A query may take long, and the answer here may differ from the one outside. */
static void skip_dns(struct check *check)
{
    struct slice first = first_domain(check);

    check_say(
        check, CHECK_SKIP, "dns",
        "is not queried; the MX record of each domain should name %s; to see it, type: host -t MX "
        "%s",
        check->settings.session.hostname, check_quote_slice(check, first));
}

void check_names(struct check *check)
{
    check_hostname(check);
    check_domains(check);
    skip_dns(check);
}

/* How many there are, and the first user who is not disabled, for use in commands. */
struct census {
    size_t users, passwords, scram, weak;
    bool leads_out; /* without a user, an alias leads to a mail store, or elsewhere */
    struct slice first;
};

static bool is_weak(struct slice hash)
{
    static const char *const kinds[] = {"descrypt", "bsdicrypt", "md5crypt", "SunMD5", "sha1crypt"};

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(hash_kind(hash), kinds[i]) == 0)
            return true;
    return false;
}

/* A command of mailslot-user for an address. */
static const char *by_user(struct check *check, const char *command, struct slice address)
{
    return check_at_texts(check, pool_format(&check->pool, "%s %s %s", check->commands.user,
                                             command, check_quote_slice(check, address)));
}

static const char *add_postmaster(struct check *check, struct slice domain)
{
    return check_at_texts(check,
                          pool_format(&check->pool, "%s add postmaster@%s", check->commands.user,
                                      check_quote_slice(check, domain)));
}

static void count_credential(struct check *check, struct census *census, struct walk *record)
{
    struct slice text = record->value, name, hash;
    bool scram = false;

    census->passwords++;
    while (record_line(&text, &name, &hash) == 1) {
        scram = scram || slice_is(name, "scram-sha-256");
        if (!slice_is(name, "crypt") || !is_weak(hash) || census->weak++ >= SHOWN_MAX)
            continue;
        check_say(check, CHECK_WARN, "passwords",
                  "the password of %.*s is stored as %s, which is easily cracked; type: %s",
                  SLICE(record->name), hash_kind(hash), by_user(check, "passwd", record->name));
    }
    census->scram += scram;
}

/* Does its mail need no user of ours? */
static bool leads_out(struct check *check, struct slice targets)
{
    struct directory_match match = {.targets = targets};
    struct directory_target target;

    while (directory_next_target(&check->db, &match, &target) == 1)
        if (target.kind == DIRECTORY_ELSEWHERE ||
            (target.kind == DIRECTORY_STORE && target.user.address.len == 0))
            return true;
    return false;
}

static int count(struct check *check, struct census *census)
{
    struct walk record;
    struct directory_user user;
    int more;

    walk_begin(&record, &check->db);
    while ((more = walk_next(&record)) == 1)
        if (record.kind == WALK_CREDENTIAL) {
            count_credential(check, census, &record);
        } else if (record.kind == WALK_ALIAS) {
            if (census->first.len == 0 && !census->leads_out)
                census->leads_out = leads_out(check, record.value);
        } else if (record.kind == WALK_USER) {
            census->users++;
            if (census->first.len == 0 && directory_user(&check->db, record.name, &user) == 1 &&
                !user.disabled)
                census->first =
                    (struct slice){pool_copy(&check->pool, record.name), record.name.len};
        }
    return more;
}

/* someone: a user, empty: there is none. */
static const char *give_postmaster(struct check *check, const char *aliases, struct slice domain,
                                   struct slice someone)
{
    if (someone.len == 0)
        return add_postmaster(check, domain);
    const char *line =
        pool_format(&check->pool, "postmaster@%.*s: %.*s", SLICE(domain), SLICE(someone));

    return check_at_texts(check, pool_format(&check->pool, "printf '\\n%%s\\n' %s >>%s && %s",
                                             check_quote(check, line), check_quote(check, aliases),
                                             check->commands.build_texts));
}

/* RFC 5321 4.5.1: every domain must accept mail for its postmaster. */
static void check_postmasters(struct check *check, struct slice someone)
{
    struct slice rest = check->settings.domains;
    bool wrong = false;

    while (rest.len > 0) {
        struct slice domain = slice_cut(&rest, ' ');
        if (domain.len > ADDRESS_DOMAIN_MAX)
            break;
        struct address address = {.local_len = (uint16_t)strlen("postmaster"),
                                  .domain_len = (uint16_t)domain.len};
        struct directory_match match;
        memcpy(address.local, "postmaster", address.local_len);
        memcpy(address.domain, domain.at, domain.len);
        enum verdict verdict = directory_find(&check->db, &check->settings, &address, &match);
        if (verdict_accepts(verdict))
            continue;
        const char *aliases = pool_format(&check->pool, "%s/aliases", check->folder);
        if (verdict == VERDICT_DISABLED)
            check_say(check, CHECK_WARN, "postmaster",
                      "postmaster@%.*s is disabled; give it another target in %s%s, then type: %s",
                      SLICE(domain), aliases, check->there, check->commands.build);
        else
            check_say(check, CHECK_WARN, "postmaster",
                      "nobody receives mail for postmaster@%.*s; type: %s", SLICE(domain),
                      give_postmaster(check, aliases, domain, someone));
        wrong = true;
    }
    if (!wrong)
        check_say(check, CHECK_OK, "postmaster", "every domain has one");
}

static void check_passwords(struct check *check, const struct census *census)
{
    const struct settings *settings = &check->settings;
    bool submission = units_have_submission();
    bool offered = settings->certificates_len > 0 || settings->auth_without_tls;

    if (settings->auth && settings->auth_without_tls)
        check_say(check, CHECK_WARN, "passwords",
                  "are sent without TLS; unless only this machine can reach the server, remove "
                  "auth-without-tls from %s, then type: %s",
                  check->conf, check->commands.build);
    if (!settings->auth && submission)
        check_say(check, CHECK_FAIL, "passwords",
                  "are not accepted, but an enabled port requires login; remove `auth = no` from "
                  "%s, then type: %s",
                  check->conf, check->commands.build);
    else if (settings->auth && offered && census->passwords == 0)
        check_say(check, submission ? CHECK_FAIL : CHECK_WARN, "passwords",
                  "no user has one, so nobody can log in; if that is intended, set `auth = no` in "
                  "%s, otherwise type: %s",
                  check->conf, by_user(check, "passwd", census->first));
    else if (census->scram > 0 && census->scram < census->passwords)
        check_say(check, CHECK_WARN, "passwords",
                  "users without a SCRAM verifier: %zu; mail programs that choose SCRAM cannot log "
                  "in for them; list them with `%s list`%s, then for each type: %s",
                  census->passwords - census->scram, check->commands.user, check->there,
                  by_user(check, "passwd", slice_of("ADDRESS")));
    else if (census->weak == 0)
        check_say(check, CHECK_OK, "passwords", "set for %zu of %zu users", census->passwords,
                  census->users);
}

void check_users(struct check *check)
{
    struct census census = {0};

    if (count(check, &census) < 0) {
        check_say(check, CHECK_FAIL, "database", "%s is damaged; type: %s", check->path,
                  check->commands.build);
        return;
    }
    if (census.first.len == 0 && !census.leads_out) {
        check_say(check, CHECK_FAIL, "users",
                  census.users == 0 ? "there is none, so all mail is refused; type: %s"
                                    : "all are disabled, so all mail is refused; type: %s",
                  add_postmaster(check, first_domain(check)));
        return;
    }
    if (census.first.len > 0)
        check_say(check, CHECK_OK, "users", "%zu", census.users);
    else
        check_say(check, CHECK_OK, "users", "%zu; aliases lead to a mail store, or elsewhere",
                  census.users);
    check_postmasters(check, census.first);
    if (census.first.len > 0)
        check_passwords(check, &census);
}

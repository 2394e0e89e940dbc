/* A filter built with Sendmail's libmilter: it writes down all that it is told, and does what a
 * script says.
 *
 *   libmilter_filter SOCKET SCRIPT RECORD ACTIONS STEPS
 *
 * RECORD has a line for each callback, after it one for each macro that is known then, and is
 * flushed. SCRIPT is read at each callback; of its lines, `CALLBACK ACTION ARGUMENT`, those of this
 * callback are done, such as
 *
 *   rcpt reply 550 5.7.1 Not her            mail reject | tempfail | discard | accept | skip
 *   end add X-New: value                    end insert 0 X-New: value
 *   end change 2 X-Old: value               (no value: delete)
 *   end from <s@client.example>             end to <a@example.org>       end not-to <a@example.org>
 *   end body a text                         end quarantine a reason      end progress
 *
 * where \n and \t in arguments are what they are in C. ACTIONS and STEPS are the flags of the
 * negotiation, in hexadecimal.
 */

#include <libmilter/mfapi.h>

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static const char *script;
static FILE *record;
static unsigned long wanted_actions, wanted_steps;

static char *const macros[] = {
    "j",
    "_",
    "v",
    "i",
    "{daemon_name}",
    "{daemon_addr}",
    "{daemon_port}",
    "{client_addr}",
    "{client_name}",
    "{client_ptr}",
    "{client_port}",
    "{client_connections}",
    "{tls_version}",
    "{cipher}",
    "{cipher_bits}",
    "{cert_subject}",
    "{cert_issuer}",
    "{auth_type}",
    "{auth_authen}",
    "{auth_author}",
    "{mail_addr}",
    "{mail_host}",
    "{mail_mailer}",
    "{rcpt_addr}",
    "{rcpt_host}",
    "{rcpt_mailer}",
};

static void write_quoted(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '\n')
            fputs("\\n", record);
        else if (c < ' ' || c > '~' || c == '\\')
            fprintf(record, "\\x%02x", c);
        else
            fputc(c, record);
    }
}

/* A line of the record. */
static void note(const char *callback, const char *first, const char *second)
{
    flockfile(record); /* each connection has a thread */
    fprintf(record, "%s", callback);
    for (const char *part = first; part; part = part == first ? second : NULL) {
        fputc(' ', record);
        write_quoted(part, strlen(part));
    }
    fputc('\n', record);
    fflush(record);
    funlockfile(record);
}

static void note_macros(SMFICTX *context)
{
    for (size_t i = 0; i < sizeof macros / sizeof *macros; i++) {
        const char *value = smfi_getsymval(context, macros[i]);
        if (value)
            note(" ", macros[i], value);
    }
}

static void unescape(char *text)
{
    char *out = text;
    for (char *in = text; *in; in++) {
        if (in[0] == '\\' && (in[1] == 'n' || in[1] == 't'))
            *out++ = *++in == 'n' ? '\n' : '\t';
        else
            *out++ = *in;
    }
    *out = '\0';
}

/* The parts of `N NAME: VALUE`; NULL for no value. The blank after the colon is not part of the
 * value. */
static char *split_field(char *argument, int *number, char **name)
{
    *number = (int)strtol(argument, name, 10);
    *name += strspn(*name, " ");
    char *colon = strchr(*name, ':');
    *colon++ = '\0';
    colon += *colon == ' ';
    return *colon ? colon : NULL;
}

static int change(SMFICTX *context, const char *action, char *argument)
{
    int number;
    char *name;
    if (strcmp(action, "add") == 0) {
        char *value = split_field(argument, &number, &name);
        return smfi_addheader(context, name, value);
    }
    if (strcmp(action, "insert") == 0) {
        char *value = split_field(argument, &number, &name);
        return smfi_insheader(context, number, name, value);
    }
    if (strcmp(action, "change") == 0) {
        char *value = split_field(argument, &number, &name);
        return smfi_chgheader(context, name, number, value);
    }
    if (strcmp(action, "from") == 0)
        return smfi_chgfrom(context, argument, NULL);
    if (strcmp(action, "to") == 0)
        return smfi_addrcpt(context, argument);
    if (strcmp(action, "not-to") == 0)
        return smfi_delrcpt(context, argument);
    if (strcmp(action, "body") == 0)
        return smfi_replacebody(context, (unsigned char *)argument, (int)strlen(argument));
    if (strcmp(action, "quarantine") == 0)
        return smfi_quarantine(context, argument);
    return smfi_progress(context);
}

static sfsistat verdict(SMFICTX *context, const char *action, char *argument, sfsistat before)
{
    static const struct {
        const char *name;
        sfsistat status;
    } verdicts[] = {{"accept", SMFIS_ACCEPT},
                    {"reject", SMFIS_REJECT},
                    {"tempfail", SMFIS_TEMPFAIL},
                    {"discard", SMFIS_DISCARD},
                    {"skip", SMFIS_SKIP}};
    for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++) {
        if (strcmp(action, verdicts[i].name) == 0)
            return verdicts[i].status;
    }
    if (strcmp(action, "reply") == 0) {
        char *code = strtok(argument, " "), *status = strtok(NULL, " "), *text = strtok(NULL, "");
        char *second = strchr(text, '\n');
        if (second)
            *second++ = '\0';
        if ((second ? smfi_setmlreply(context, code, status, text, second, NULL)
                    : smfi_setreply(context, code, status, text)) != MI_SUCCESS)
            note("FAILED", "reply", NULL);
        return *code == '5' ? SMFIS_REJECT : SMFIS_TEMPFAIL;
    }
    if (change(context, action, argument) != MI_SUCCESS)
        note("FAILED", action, argument);
    return before;
}

/* Has it been agreed that this callback has no reply? */
static bool is_silent(const char *callback)
{
    static const struct {
        const char *callback;
        unsigned long step;
    } silent[] = {{"connect", SMFIP_NR_CONN}, {"helo", SMFIP_NR_HELO}, {"mail", SMFIP_NR_MAIL},
                  {"rcpt", SMFIP_NR_RCPT},    {"data", SMFIP_NR_DATA}, {"unknown", SMFIP_NR_UNKN},
                  {"header", SMFIP_NR_HDR},   {"eoh", SMFIP_NR_EOH},   {"body", SMFIP_NR_BODY}};
    for (size_t i = 0; i < sizeof silent / sizeof *silent; i++) {
        if (strcmp(callback, silent[i].callback) == 0)
            return wanted_steps & silent[i].step;
    }
    return false;
}

/* Does what the script says for this callback. */
static sfsistat obey(SMFICTX *context, const char *callback)
{
    if (is_silent(callback))
        return SMFIS_NOREPLY;
    sfsistat status = SMFIS_CONTINUE;
    char *line = NULL;
    size_t size = 0, len = strlen(callback);
    FILE *file = fopen(script, "r");
    while (file && getline(&line, &size, file) > 0) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, callback, len) != 0 || line[len] != ' ')
            continue;
        char *action = line + len + 1, *argument = action + strcspn(action, " ");
        if (*argument)
            *argument++ = '\0';
        unescape(argument);
        status = verdict(context, action, argument, status);
    }
    free(line);
    if (file)
        fclose(file);
    return status;
}

static sfsistat told(SMFICTX *context, const char *callback, const char *first, const char *second)
{
    note(callback, first, second);
    note_macros(context);
    return obey(context, callback);
}

static sfsistat on_negotiate(SMFICTX *context, unsigned long actions, unsigned long steps,
                             unsigned long f2, unsigned long f3, unsigned long *want_actions,
                             unsigned long *want_steps, unsigned long *want_f2,
                             unsigned long *want_f3)
{
    (void)context, (void)f2, (void)f3;
    fprintf(record, "negotiate %lx %lx\n", actions, steps);
    fflush(record);
    *want_actions = wanted_actions;
    *want_steps = wanted_steps;
    *want_f2 = *want_f3 = 0;
    return SMFIS_CONTINUE;
}

static sfsistat on_connect(SMFICTX *context, char *name, _SOCK_ADDR *address)
{
    char text[INET6_ADDRSTRLEN + 8] = "unknown";
    if (address && address->sa_family == AF_INET)
        inet_ntop(AF_INET, &((struct sockaddr_in *)address)->sin_addr, text, sizeof text);
    else if (address && address->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((struct sockaddr_in6 *)address)->sin6_addr, text, sizeof text);
    else if (address)
        snprintf(text, sizeof text, "family %d", address->sa_family);
    return told(context, "connect", name, text);
}

static sfsistat on_helo(SMFICTX *context, char *name)
{
    return told(context, "helo", name, NULL);
}

static sfsistat on_mail(SMFICTX *context, char **arguments)
{
    return told(context, "mail", arguments[0], arguments[1]);
}

static sfsistat on_rcpt(SMFICTX *context, char **arguments)
{
    return told(context, "rcpt", arguments[0], arguments[1]);
}

static sfsistat on_data(SMFICTX *context)
{
    return told(context, "data", NULL, NULL);
}
static sfsistat on_unknown(SMFICTX *context, const char *command)
{
    return told(context, "unknown", command, NULL);
}

static sfsistat on_header(SMFICTX *context, char *name, char *value)
{
    note("header", name, value);
    return obey(context, "header");
}

static sfsistat on_eoh(SMFICTX *context)
{
    return told(context, "eoh", NULL, NULL);
}

static sfsistat on_body(SMFICTX *context, unsigned char *text, size_t len)
{
    flockfile(record);
    fputs("body ", record);
    write_quoted((char *)text, len);
    fputc('\n', record);
    funlockfile(record);
    return obey(context, "body");
}

static sfsistat on_end(SMFICTX *context)
{
    return told(context, "end", NULL, NULL);
}
static sfsistat on_abort(SMFICTX *context)
{
    return told(context, "abort", NULL, NULL);
}

static sfsistat on_close(SMFICTX *context)
{
    (void)context;
    note("close", NULL, NULL);
    return SMFIS_CONTINUE;
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return 100;
    script = argv[2];
    record = fopen(argv[3], "a");
    wanted_actions = strtoul(argv[4], NULL, 16);
    wanted_steps = strtoul(argv[5], NULL, 16);
    struct smfiDesc filter = {
        .xxfi_name = "judge",
        .xxfi_version = SMFI_VERSION,
        .xxfi_flags = wanted_actions,
        .xxfi_connect = on_connect,
        .xxfi_helo = on_helo,
        .xxfi_envfrom = on_mail,
        .xxfi_envrcpt = on_rcpt,
        .xxfi_header = on_header,
        .xxfi_eoh = on_eoh,
        .xxfi_body = on_body,
        .xxfi_eom = on_end,
        .xxfi_abort = on_abort,
        .xxfi_close = on_close,
        .xxfi_unknown = on_unknown,
        .xxfi_data = on_data,
        .xxfi_negotiate = on_negotiate,
    };
    if (!record || smfi_setconn(argv[1]) != MI_SUCCESS || smfi_register(filter) != MI_SUCCESS)
        return 111;
    return smfi_main() == MI_SUCCESS ? 0 : 111;
}

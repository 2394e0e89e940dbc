#include "milter_macros.h"

#include <string.h>

bool milter_macros_read(struct milter_macros *macros, struct slice data)
{
    static const enum milter_step steps[] = {
        MILTER_CONNECT, MILTER_HELO, MILTER_MAIL, MILTER_RCPT, MILTER_DATA, MILTER_END, MILTER_EOH,
    };
    uint32_t number;
    struct slice names;

    while (data.len > 0) {
        if (!milter_take_number(&data, &number) || !milter_take_string(&data, &names))
            return false;
        if (number >= sizeof steps / sizeof steps[0])
            continue;
        if (names.len > sizeof macros->names - macros->len)
            return false;
        memcpy(macros->names + macros->len, names.at, names.len);
        macros->lists[steps[number]].given = true;
        macros->lists[steps[number]].at = macros->len;
        macros->lists[steps[number]].len = (uint16_t)names.len;
        macros->len = (uint16_t)(macros->len + names.len);
    }
    return true;
}

/* As in Postfix 3.11. */
static struct slice default_list(enum milter_step step)
{
    static const char *const lists[MILTER_STEPS] = {
        [MILTER_CONNECT] = "j {daemon_name} {daemon_addr} v _",
        [MILTER_HELO] = "{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer}",
        [MILTER_MAIL] =
            "i {auth_type} {auth_authen} {auth_author} {mail_addr} {mail_host} {mail_mailer}",
        [MILTER_RCPT] = "i {rcpt_addr} {rcpt_host} {rcpt_mailer}",
        [MILTER_DATA] = "i",
        [MILTER_EOH] = "i",
        [MILTER_END] = "i",
    };

    return lists[step] == NULL ? (struct slice){"", 0} : slice_of(lists[step]);
}

static struct slice list_of(const struct milter_macros *macros, enum milter_step step)
{
    if (!macros->lists[step].given)
        return default_list(step);
    return (struct slice){macros->names + macros->lists[step].at, macros->lists[step].len};
}

/* Removes the next name from the front of the list, and what separates names. */
static struct slice next_name(struct slice *list)
{
    static const struct slice separators = {", \t\r\n", 5};
    struct slice name = *list;

    name.len = 0;
    while (name.len < list->len && !slice_has(separators, name.at[name.len]))
        name.len++;
    *list = slice_from(*list, name.len + 1);
    return name;
}

static struct slice without_braces(struct slice name)
{
    if (name.len > 2 && name.at[0] == '{' && name.at[name.len - 1] == '}')
        return (struct slice){name.at + 1, name.len - 2};
    return name;
}

/* False: it has none. */
static bool value_of(struct slice name, struct slice values, struct slice *value)
{
    struct slice known;

    while (milter_take_string(&values, &known) && milter_take_string(&values, value))
        if (slice_equal(known, name))
            return true;
    return false;
}

/* A list may have a name many times; the event has to follow. */
static void write_macro(struct slice name, struct slice value, struct milter_output *output)
{
    if (output->len + name.len + value.len + 2 > MILTER_DATA_MAX - MILTER_EVENT_MAX)
        return;
    milter_output_string(output, name);
    milter_output_string(output, value);
}

void milter_macros_write(const struct milter_macros *macros, enum milter_step step, char letter,
                         struct slice values, struct milter_output *output)
{
    struct slice list = list_of(macros, step), value;
    size_t before = output->len;

    milter_output_begin(output, 'D');
    milter_output_bytes(output, &letter, 1);
    size_t empty = output->len;
    while (list.len > 0) {
        struct slice name = next_name(&list);
        if (value_of(without_braces(name), values, &value))
            write_macro(name, value, output);
    }
    if (output->len == empty)
        output->len = before;
    else
        milter_output_end(output);
}

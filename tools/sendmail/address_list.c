#include "address_list.h"

#include <string.h>

enum { DEPTH_MAX = 100 }; /* of comments within comments */

/* The words of an address so far, without blanks and comments. */
struct words {
    char text[ADDRESS_TEXT_MAX];
    size_t len;
    size_t end;   /* where in the list the last one ends */
    bool is_word; /* the last one is neither `.` nor `@` */
    bool several; /* words without one of these in between: a name, not an address */
    bool too_long;
};

static int peek(const struct address_list *list)
{
    return list->at < list->text.len ? (unsigned char)list->text.at[list->at] : -1;
}

static bool is_blank(int c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_special(int c)
{
    return c < 0 || is_blank(c) || strchr("()<>[]:;@\\,.\"", c) != NULL; /* a NUL, too */
}

/* Reads past a comment with those in it. False: it has no end. */
static bool skip_comment(struct address_list *list)
{
    int depth = 0;

    do {
        int c = peek(list);
        if (c < 0 || depth > DEPTH_MAX)
            return false;
        depth += (c == '(') - (c == ')');
        list->at += c == '\\' ? 2 : 1;
    } while (depth > 0);
    return list->at <= list->text.len;
}

static bool skip_blanks(struct address_list *list)
{
    for (;;) {
        int c = peek(list);
        if (c == '(' && !skip_comment(list))
            return false;
        if (c != '(' && !is_blank(c))
            return true;
        list->at += c != '(';
    }
}

/* Line ends in a quoted string are folding, and not part of it. */
static void add(struct words *words, struct slice word)
{
    for (size_t i = 0; i < word.len; i++) {
        if (word.at[i] == '\r' || word.at[i] == '\n')
            continue;
        if (words->len < sizeof words->text)
            words->text[words->len++] = word.at[i];
        else
            words->too_long = true;
    }
}

/* Reads up to the closing quote or bracket. False: there is none. */
static bool read_enclosed(struct address_list *list, char close)
{
    for (list->at++; peek(list) >= 0; list->at++) {
        if (peek(list) == close) {
            list->at++;
            return true;
        }
        if (peek(list) == '\\')
            list->at++;
    }
    return false;
}

/* Reads an atom, a quoted string, a domain literal, `.` or `@`. False: what stands here is none. */
static bool read_word(struct address_list *list, struct words *words)
{
    size_t begin = list->at;
    int c = peek(list);
    bool joins = c == '.' || c == '@';

    if (joins)
        list->at++;
    else if (c == '"' || c == '[') {
        if (!read_enclosed(list, c == '"' ? '"' : ']'))
            return false;
    } else {
        while (!is_special(peek(list)))
            list->at++;
    }
    if (list->at == begin)
        return false;
    words->several = words->several || (words->is_word && !joins);
    words->is_word = !joins;
    words->end = list->at;
    add(words, (struct slice){list->text.at + begin, list->at - begin});
    return true;
}

static bool read_words(struct address_list *list, struct words *words)
{
    *words = (struct words){.end = list->at};
    while (skip_blanks(list)) {
        int c = peek(list);
        if (c < 0 || strchr("<>:;,", c) != NULL)
            return c != '\0';
        if (!read_word(list, words))
            return false;
    }
    return false;
}

static int take(struct address_list *list, const struct words *words)
{
    list->address = (struct address){0};
    list->address_end = words->end;
    if (words->len == 0)
        return 1;
    if (words->several || words->too_long)
        return -1;
    return address_parse((struct slice){words->text, words->len}, &list->address) == ADDRESS_OK
               ? 1
               : -1;
}

/* `@a,@b:` before the address in brackets: obsolete, and ignored. */
static bool skip_route(struct address_list *list)
{
    struct words words;

    if (!skip_blanks(list))
        return false;
    while (peek(list) == '@' || peek(list) == ',') {
        list->at += peek(list) == ',';
        if (!read_words(list, &words))
            return false;
    }
    if (peek(list) == ':')
        list->at++;
    return true;
}

/* The address in brackets. */
static int take_bracketed(struct address_list *list)
{
    struct words words;

    list->at++;
    if (!skip_route(list) || !read_words(list, &words) || peek(list) != '>')
        return -1;
    list->at++;
    if (!skip_blanks(list) || (peek(list) >= 0 && peek(list) != ',' && peek(list) != ';'))
        return -1;
    return take(list, &words);
}

int address_list_next(struct address_list *list)
{
    struct words words;

    for (;;) {
        if (!read_words(list, &words))
            return -1;
        switch (peek(list)) {
        case '<':
            return take_bracketed(list);
        case ':': /* the words are a group's name */
            list->at++;
            continue;
        case '>':
            return -1;
        default:
            if (words.len > 0)
                return take(list, &words);
            if (peek(list) < 0)
                return 0;
            list->at++; /* nothing between two separators */
        }
    }
}

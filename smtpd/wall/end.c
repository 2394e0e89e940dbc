#include "end.h"

static const struct {
    enum reply reply;
    const char *word;
} ends[END_COUNT] = {
    [END_QUIT] = {REPLY_QUIT, "quit"},
    [END_CLOSED] = {REPLY_OK, "closed by client"},
    [END_IDLE] = {REPLY_CLOSING_IDLE, "idle"},
    [END_TOO_LONG] = {REPLY_CLOSING_SESSION, "session too long"},
    [END_TOO_SLOW] = {REPLY_CLOSING_SLOW, "message too slow"},
    [END_ERRORS] = {REPLY_CLOSING_ERRORS, "too many errors"},
    [END_NO_MESSAGE] = {REPLY_CLOSING_NO_MESSAGE, "too many commands"},
    [END_MESSAGES] = {REPLY_CLOSING_MESSAGES, "too many messages"},
    [END_AUTH] = {REPLY_AUTH_FAILED, "authentication failed"},
    [END_CHUNK] = {REPLY_CLOSING_CHUNK, "invalid chunk size"},
    [END_HTTP] = {REPLY_CLOSING_HTTP, "HTTP"},
    [END_TLS] = {REPLY_CLOSING_TLS, "TLS without STARTTLS"},
    [END_FILTER] = {REPLY_MILTER_CLOSING, "closed by filter"},
    [END_UNSAFE] = {REPLY_CLOSING_UNSAFE, "unsafe configuration"},
    [END_FAULT] = {REPLY_CLOSING_FAULT, "internal error"},
    [END_HANDED_OVER] = {REPLY_TLS_READY, "STARTTLS"},
    [END_STOPPED] = {REPLY_CLOSING_STOPPED, "stopped"},
    [END_NO_TLS] = {REPLY_OK, "TLS handshake failed"},
    [END_FRONT_GONE] = {REPLY_OK, "front gone"},
    [END_BREACH] = {REPLY_OK, "breach"},
};

enum reply end_reply(enum end end)
{
    return ends[end].reply;
}

const char *end_word(enum end end)
{
    return ends[end].word;
}

bool end_is_of_front(uint32_t end)
{
    return end <= END_FAULT;
}
